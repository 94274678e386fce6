"""A plan: several tasks that depend on each other, created together or not at all."""

from typing import Annotated

import msgspec

from opencognit.domain.message import Id, Message, Name, Text
from opencognit.domain.task import Priority, Task

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class PlannedTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a plan."""

    key: Key
    """By which other tasks of the plan name it."""
    title: Name
    description: Text | None = None
    assignee_id: Id | None = None
    skill: Name | None = None
    """Without an assignee: what whoever does it should know."""
    priority: Priority = Priority.MEDIUM
    after: tuple[str, ...] = ()
    """What it waits for: keys of the plan, or ids of tasks."""


class CreatePlan(Message[tuple[Task, ...]], frozen=True, kw_only=True):
    """Create all these tasks in one commit."""

    parent_id: Id | None = None
    goal_id: Id | None = None
    tasks: Annotated[tuple[PlannedTask, ...], msgspec.Meta(min_length=1, max_length=50)]


class Report(Message[None], frozen=True, kw_only=True):
    """Internal, to the company: what its orchestrator reports to the board."""

    text: Text
    task_id: str | None
