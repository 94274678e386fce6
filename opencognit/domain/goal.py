"""A goal: what a company, a team or an agent wants to reach, and how far it is.

Its progress is given by hand until tasks name the goal; then it is the share of them that are done. At 100 % the
orchestrator is asked whether it is achieved; where there is none, it is achieved by itself.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.errors import InvalidStatus
from opencognit.domain.message import Entity, Id, Message, Name, Success, Text
from opencognit.domain.query import Paging

Progress = Annotated[int, msgspec.Meta(ge=0, le=100)]
"""Percent."""

WHOLE = 100


class GoalLevel(StrEnum):
    """Whose goal it is."""

    COMPANY = "company"
    TEAM = "team"
    AGENT = "agent"
    TASK = "task"


class GoalStatus(StrEnum):
    """Where a goal stands."""

    PLANNED = "planned"
    ACTIVE = "active"
    ACHIEVED = "achieved"
    CANCELLED = "cancelled"


OPEN = frozenset({GoalStatus.PLANNED, GoalStatus.ACTIVE})

TRANSITIONS = {
    GoalStatus.PLANNED: frozenset({GoalStatus.ACTIVE, GoalStatus.ACHIEVED, GoalStatus.CANCELLED}),
    GoalStatus.ACTIVE: frozenset({GoalStatus.PLANNED, GoalStatus.ACHIEVED, GoalStatus.CANCELLED}),
    GoalStatus.ACHIEVED: OPEN,
    GoalStatus.CANCELLED: OPEN,
}
"""Which status may follow which; staying is always legal. What is over can only be opened again."""


def step(before: GoalStatus, after: GoalStatus) -> GoalStatus:
    """The next status, if it may follow.

    Raises:
        InvalidStatus: it may not.
    """
    if after is not before and after not in TRANSITIONS[before]:
        raise InvalidStatus(f"A goal that is {before} cannot become {after}")
    return after


class Goal(Entity, frozen=True, kw_only=True):
    """A goal as clients see it."""

    company_id: str
    title: str
    description: str | None = None
    level: GoalLevel = GoalLevel.COMPANY
    parent_id: str | None = None
    owner_id: str | None = None
    status: GoalStatus = GoalStatus.PLANNED
    progress: int = 0
    planning_task_id: str | None = None
    """The task by which the orchestrator was asked to plan it, once."""
    review_task_ids: tuple[str, ...] = ()
    """The tasks by which it was asked whether the goal is achieved, one for each time that it came to 100 %."""
    owed_task_id: str | None = None
    """One of these that is still to be created."""

    def own_tasks(self) -> tuple[str, ...]:
        """The tasks that are about the goal itself, and no part of the way to it."""
        planning = (self.planning_task_id,) if self.planning_task_id else ()
        return planning + self.review_task_ids


class CreateGoal(Message[Goal], frozen=True, kw_only=True):
    """Set the company a goal. One whose owner is the orchestrator is given to it to plan."""

    title: Name
    description: Text | None = None
    level: GoalLevel = GoalLevel.COMPANY
    parent_id: Id | None = None
    owner_id: Id | None = None
    status: GoalStatus = GoalStatus.PLANNED
    progress: Progress = 0


class UpdateGoal(Message[Goal], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    title: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    level: GoalLevel | UnsetType = UNSET
    parent_id: Id | None | UnsetType = UNSET
    owner_id: Id | None | UnsetType = UNSET
    status: GoalStatus | UnsetType = UNSET
    progress: Progress | UnsetType = UNSET


class DeleteGoal(Message[Success], frozen=True, kw_only=True):
    """Erase the goal; its tasks and the goals below it stay, and name it no longer."""


class PlanGoal(Message[Goal], frozen=True, kw_only=True):
    """Give the goal to the orchestrator: it gets a planning task and wakes, once for each goal."""


class FollowTasks(Message[None], frozen=True, kw_only=True):
    """Internal: a task of the goal has changed, or may have while the server was down."""


class ForgetGoal(Message[None], frozen=True, kw_only=True):
    """Internal, to tasks and to goals: this goal is gone."""

    goal_id: str


class GoalQuery(Paging, frozen=True, kw_only=True):
    """Which goals."""

    status: tuple[GoalStatus, ...] = ()
