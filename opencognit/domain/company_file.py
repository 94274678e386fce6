"""A whole company as one file: who works there, and on what. See docs/import-export.md.

Everything in it has an id of the file, by which the other parts name it; an import gives all of it new ones. The parts
are those that one creates a company of piece by piece, with what they have become since.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from opencognit.domain.agent import AddSkill
from opencognit.domain.agent_list import NewAgent
from opencognit.domain.budget import Cents
from opencognit.domain.caller import CallerKind
from opencognit.domain.company import Company, Currency
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.goal import CreateGoal
from opencognit.domain.memory import Remember
from opencognit.domain.message import Message, Name, Text
from opencognit.domain.permission import Grant, Permission
from opencognit.domain.problems import Problems, decode_json
from opencognit.domain.routine import MOST_TRIGGERS, CreateRoutine, CreateTrigger, NewTrigger
from opencognit.domain.task import CreateTask, Moment
from opencognit.domain.wire_names import FILE_FIELDS

FORMAT: Final = "opencognit-company"
VERSION: Final = 1

MOST: Final = 150_000
"""Agents, goals, tasks and routines of one file: an import holds up whoever else writes for a few seconds."""

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
"""An id inside of the file: any text."""


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, rename=FILE_FIELDS, forbid_unknown_fields=True, omit_defaults=True
):
    pass


class CompanyInFile(_Part, frozen=True, kw_only=True):
    """The company itself."""

    name: Name
    description: Text | None = None
    goal: Text | None = None
    budget_cents: Cents = 0
    currency: Currency = "USD"
    time_zone: Name = "UTC"


class AgentInFile(NewAgent, frozen=True, kw_only=True, rename=FILE_FIELDS):
    """An agent; in its `adapter_config` secrets are empty texts."""

    id: Key
    reports_to: Key | None = None
    """The id of another agent of the file."""
    status: Literal["idle", "paused"] = "idle"
    skills: tuple[AddSkill, ...] = ()
    permissions: dict[Permission, Grant] = {}
    memories: tuple[Remember, ...] = ()


class GoalInFile(CreateGoal, frozen=True, kw_only=True, rename=FILE_FIELDS, omit_defaults=True):
    """A goal."""

    id: Key
    parent_id: Key | None = None
    owner_id: Key | None = None
    planning_task_id: Key | None = None
    review_task_ids: tuple[Key, ...] = ()


class CommentInFile(_Part, frozen=True, kw_only=True):
    """What someone has said on a task."""

    author_type: CallerKind = CallerKind.BOARD
    author_agent_id: Key | None = None
    author_name: str
    content: str
    created_at: Moment | None = None


class TaskInFile(CreateTask, frozen=True, kw_only=True, rename=FILE_FIELDS, omit_defaults=True):
    """A task, without a lock. One that was in progress is to do again."""

    id: Key
    assignee_id: Key | None = None
    parent_id: Key | None = None
    project_id: Key | None = None
    goal_id: Key | None = None
    routine_id: Key | None = None
    created_by: Key | None = None
    """The agent that has created it."""
    blocked_by: tuple[Key, ...] = ()
    result: str | None = None
    created_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    cancelled_at: Moment | None = None
    comments: tuple[CommentInFile, ...] = ()


class RoutineInFile(CreateRoutine, frozen=True, kw_only=True, rename=FILE_FIELDS, omit_defaults=True):
    """A routine with its triggers; webhooks get new addresses and secrets."""

    id: Key
    assignee_id: Key | None = None
    triggers: Annotated[tuple[CreateTrigger, ...], msgspec.Meta(max_length=MOST_TRIGGERS)] = ()


class MissingSecret(_Part, frozen=True, kw_only=True):
    """A secret that is not in the file, and has to be given to the agent anew."""

    agent_id: Key
    path: str
    """Where it belongs in the agent's `adapter_config`, as a JSON Pointer."""


class CompanyFile(_Part, frozen=True, kw_only=True, omit_defaults=False):
    """The file."""

    format: Literal["opencognit-company"]
    format_version: Literal[1]
    exported_at: Moment | None = None
    company: CompanyInFile
    agents: tuple[AgentInFile, ...] = ()
    goals: tuple[GoalInFile, ...] = ()
    tasks: tuple[TaskInFile, ...] = ()
    routines: tuple[RoutineInFile, ...] = ()
    missing_secrets: tuple[MissingSecret, ...] = ()


class Imported(msgspec.Struct, frozen=True, kw_only=True, rename=FILE_FIELDS):
    """What was made of a file."""

    agents: int
    goals: int
    tasks: int
    routines: int
    missing_secrets: tuple[MissingSecret, ...]
    """What has to be filled in before these agents can work."""
    triggers: tuple[NewTrigger, ...]
    """The webhooks, each with its secret, which is never shown again."""


class ImportedCompany(Company, frozen=True, kw_only=True, rename=FILE_FIELDS):
    """A company that was made of a file. It is paused until someone makes it active."""

    imported: Imported


class ImportCompany(Message[ImportedCompany], frozen=True, kw_only=True):
    """Found a company as a file says; the caller owns it."""

    file: CompanyFile


class _Head(msgspec.Struct, frozen=True, rename=FILE_FIELDS):
    format: Any = None
    format_version: Any = None


class _Rows(msgspec.Struct, frozen=True, rename=FILE_FIELDS, forbid_unknown_fields=True):
    format: str
    format_version: int
    company: msgspec.Raw
    exported_at: Moment | None = None
    agents: list[msgspec.Raw] = []
    goals: list[msgspec.Raw] = []
    tasks: list[msgspec.Raw] = []
    routines: list[msgspec.Raw] = []
    missing_secrets: list[msgspec.Raw] = []


def read_company(body: bytes) -> CompanyFile:
    """The file that JSON stands for.

    Raises:
        ValidationFailed: it is none, or of another version; `details` has each problem with its place.
    """
    head = decode_json(body, _Head)
    if head.format != FORMAT:
        raise ValidationFailed.of("format", f"must be {FORMAT}")
    if head.format_version != VERSION:
        raise ValidationFailed.of(FILE_FIELDS["format_version"], f"must be {VERSION}, which is what this server reads")
    rows, problems = decode_json(body, _Rows), Problems()
    if sum(map(len, (rows.agents, rows.goals, rows.tasks, rows.routines))) > MOST:
        raise ValidationFailed(f"A file has at most {MOST} agents, goals, tasks and routines")
    parts: dict[str, Any] = {
        "company": problems.decoded_one(rows.company, CompanyInFile, FILE_FIELDS["company"]),
        "agents": tuple(problems.decoded(rows.agents, AgentInFile, FILE_FIELDS["agents"])),
        "goals": tuple(problems.decoded(rows.goals, GoalInFile, FILE_FIELDS["goals"])),
        "tasks": tuple(problems.decoded(rows.tasks, TaskInFile, FILE_FIELDS["tasks"])),
        "routines": tuple(problems.decoded(rows.routines, RoutineInFile, FILE_FIELDS["routines"])),
        "missing_secrets": tuple(problems.decoded(rows.missing_secrets, MissingSecret, FILE_FIELDS["missing_secrets"])),
    }
    problems.refuse()
    return CompanyFile(format=FORMAT, format_version=VERSION, exported_at=rows.exported_at, **parts)
