"""How what is stored of a company becomes its file: only what has a meaning elsewhere, and nothing that is secret."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from opencognit.domain.agent import AddSkill, Agent, AgentStatus, CreateAgent
from opencognit.domain.budget import PauseReason
from opencognit.domain.company import Company
from opencognit.domain.company_file import (
    FORMAT,
    VERSION,
    AgentInFile,
    CommentInFile,
    CompanyInFile,
    GoalInFile,
    MissingSecret,
    RoutineInFile,
    TaskInFile,
)
from opencognit.domain.goal import CreateGoal, Goal
from opencognit.domain.instants import Instant
from opencognit.domain.memory import Memory, Remember
from opencognit.domain.message import decode, encode
from opencognit.domain.routine import CreateRoutine, CreateTrigger, Routine
from opencognit.domain.task import Comment, CreateTask, Task, TaskStatus
from opencognit.domain.wire_names import FILE_FIELDS


class Blanks(Protocol):
    """Takes the secrets out of an agent's configuration."""

    def blank(self, masked: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with an empty text for each secret."""

    def missing(self, config: Mapping[str, Any]) -> list[str]:
        """The paths (JSON Pointers) of these texts."""


class CompanyRows(msgspec.Struct, frozen=True, kw_only=True):
    """All stored bodies that a file is made of, as they were at one moment."""

    company: bytes
    agents: list[bytes]
    goals: list[bytes]
    tasks: list[bytes]
    routines: list[bytes]
    comments: list[bytes]
    memories: list[bytes]


class CompanyExport:
    """Makes the file of a company.

    Args:
        rows: what is stored.
        secrets: takes them out.
    """

    def __init__(self, rows: CompanyRows, secrets: Blanks) -> None:
        self._rows = rows
        self._secrets = secrets
        agents = (decode(body, Agent) for body in rows.agents)
        self._agents = {agent.id: agent for agent in agents if agent.status is not AgentStatus.TERMINATED}
        self._goals = {goal.id: goal for goal in (decode(body, Goal) for body in rows.goals)}
        self._tasks = {task.id: task for task in (decode(body, Task) for body in rows.tasks)}
        self._routines = {routine.id: routine for routine in (decode(body, Routine) for body in rows.routines)}
        self._missing: list[MissingSecret] = []

    def json(self, now: Instant) -> bytes:
        """The file. Part by part, so that a large one does not hold up other threads for long."""
        company = decode(self._rows.company, Company)
        head = {
            "format": FORMAT,
            FILE_FIELDS["format_version"]: VERSION,
            FILE_FIELDS["exported_at"]: now,
            FILE_FIELDS["company"]: CompanyInFile(**_same(company, CompanyInFile)),
        }
        lists = {
            "agents": self._staff(),
            "goals": self._aims(),
            "tasks": self._work(),
            "routines": self._habits(),
            "missing_secrets": self._missing,
        }
        parts = [encode(head)[:-1]]
        for name, rows in lists.items():
            parts += [b',"', FILE_FIELDS[name].encode(), b'":[', b",".join(encode(row) for row in rows), b"]"]
        return b"".join((*parts, b"}"))

    def _staff(self) -> Iterator[AgentInFile]:
        notes: dict[str, list[Remember]] = {}
        for body in self._rows.memories:
            memory = decode(body, Memory)
            notes.setdefault(memory.agent_id, []).append(Remember(content=memory.content, keywords=memory.keywords))
        for agent in self._agents.values():
            config = self._secrets.blank(agent.adapter_config)
            self._missing += [MissingSecret(agent_id=agent.id, path=path) for path in self._secrets.missing(config)]
            by_board = agent.status is AgentStatus.PAUSED and agent.paused_by is not PauseReason.BUDGET
            wish = _same(agent, CreateAgent) | {"adapter_config": config}
            yield AgentInFile(
                id=agent.id,
                **wish | {"reports_to": _known(agent.reports_to, self._agents)},
                status="paused" if by_board else "idle",
                skills=tuple(AddSkill(**_same(skill, AddSkill)) for skill in agent.skills),
                permissions=agent.permissions,
                memories=tuple(notes.get(agent.id, ())),
            )

    def _aims(self) -> Iterator[GoalInFile]:
        for goal in self._goals.values():
            references = {
                "parent_id": _known(goal.parent_id, self._goals),
                "owner_id": _known(goal.owner_id, self._agents),
                "planning_task_id": _known(goal.planning_task_id, self._tasks),
                "review_task_ids": tuple(id_ for id_ in goal.review_task_ids if id_ in self._tasks),
            }
            yield GoalInFile(id=goal.id, **_same(goal, CreateGoal) | references)

    def _work(self) -> Iterator[TaskInFile]:
        said: dict[str, list[CommentInFile]] = {}
        for body in self._rows.comments:
            comment = decode(body, Comment)
            author = _known(comment.author_agent_id, self._agents)
            kept = CommentInFile(**_same(comment, CommentInFile) | {"author_agent_id": author})
            said.setdefault(comment.task_id, []).append(kept)
        more = ("project_id", "result", "created_at", "started_at", "completed_at", "cancelled_at")
        for task in self._tasks.values():
            changed = {
                "status": TaskStatus.TODO if task.status is TaskStatus.IN_PROGRESS else task.status,
                "assignee_id": _known(task.assignee_id, self._agents),
                "parent_id": _known(task.parent_id, self._tasks),
                "goal_id": _known(task.goal_id, self._goals),
                "routine_id": _known(task.routine_id, self._routines),
                "created_by": _known(task.created_by, self._agents),
                "blocked_by": tuple(id_ for id_ in task.blocked_by if id_ in self._tasks),
                "comments": tuple(said.get(task.id, ())),
            }
            own = _same(task, CreateTask) | {name: getattr(task, name) for name in more}
            yield TaskInFile(id=task.id, **own | changed)

    def _habits(self) -> Iterator[RoutineInFile]:
        for routine in self._routines.values():
            yield RoutineInFile(
                id=routine.id,
                **_same(routine, CreateRoutine) | {"assignee_id": _known(routine.assignee_id, self._agents)},
                triggers=tuple(CreateTrigger(**_same(trigger, CreateTrigger)) for trigger in routine.triggers),
            )


def _same(entity: msgspec.Struct, wanted: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields that both have."""
    return {name: getattr(entity, name) for name in wanted.__struct_fields__ if hasattr(entity, name)}


def _known(reference: str | None, those: Mapping[str, object]) -> str | None:
    """What is named, unless it is gone."""
    return reference if reference in those else None
