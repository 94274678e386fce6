"""What a task may refer to, and what its status may become: the checks that its actor makes before it persists.

They read other actors' committed states and never ask them for anything, so no two actors wait for each other.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from opencognit.domain.agent import Agent, AgentStatus
from opencognit.domain.errors import (
    AgentPaused,
    AssignedElsewhere,
    DependencyCycle,
    InvalidStatus,
    NotFound,
    TaskBlocked,
    ValidationFailed,
)
from opencognit.domain.instants import Instant, instant
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.task import FINISHED, NOT_TAKEN, CreateTask, Task, TaskStatus, UpdateTask, initial_status
from opencognit.domain.wire_names import FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

DEEPEST = 100
"""How many tasks may lie above each other."""


class Rules:
    """The rules for one task of one company."""

    def __init__(self, system: "ActorSystem", company_id: str, task_id: str) -> None:
        self._system = system
        self._company_id = company_id
        self._task_id = task_id

    # What it refers to

    async def check_assignee(self, agent_id: str | None) -> None:
        """The assignee must be an agent of this company."""
        if agent_id is not None and await self._agent(agent_id) is None:
            raise ValidationFailed.of(FIELDS["assignee_id"], "is not an agent of this company")

    async def check_parent(self, parent_id: str | None) -> None:
        """The parent must be a task of this company, and not below this one."""
        above = parent_id
        for _ in range(DEEPEST):
            if above is None:
                return
            if above == self._task_id:
                raise DependencyCycle("A task cannot lie below itself")
            parent = await self._task(above)
            if parent is None and above == parent_id:
                raise ValidationFailed.of(FIELDS["parent_id"], "is not a task of this company")
            # Further up, one may have been deleted: the line ends there.
            above = parent.parent_id if parent is not None else None
        raise ValidationFailed.of(FIELDS["parent_id"], f"lies more than {DEEPEST} tasks deep")

    async def open_among(self, blocker_ids: tuple[str, ...]) -> frozenset[str]:
        """Those blockers that are not done.

        Raises:
            ValidationFailed: one is not a task of this company.
            DependencyCycle: the task would wait for itself.
        """
        open_ids = set()
        for blocker_id in blocker_ids:
            if blocker_id == self._task_id:
                raise DependencyCycle("A task cannot wait for itself")
            blocker = await self._task(blocker_id)
            if blocker is None:
                raise ValidationFailed.of(FIELDS["blocked_by"], f"{blocker_id} is not a task of this company")
            if blocker.status is not TaskStatus.DONE:
                open_ids.add(blocker_id)
        return frozenset(open_ids)

    async def mentioned(self, text: str) -> list[str]:
        """The agents whose name stands behind an `@` in the text; the longest name that fits counts."""
        if "@" not in text:
            return []
        names = await self._system.store.queries.agent_names(self._company_id)
        # Folding can make a name longer ("ß" becomes "ss"), so lengths are those of the folded name.
        folded = sorted(((name.casefold(), id_) for name, id_ in names), key=lambda name_and_id: -len(name_and_id[0]))
        found = []
        for part in text.casefold().split("@")[1:]:
            for name, agent_id in folded:
                if part.startswith(name) and not part[len(name) : len(name) + 1].isalnum():
                    found.append(agent_id)
                    break
        return list(dict.fromkeys(found))

    # Who may take it

    async def working_agent(self, agent_id: str, *, is_holder: bool) -> Agent:
        """The agent, if it belongs to this company and takes work; a lock's holder may be paused meanwhile.

        Raises:
            NotFound: it is not of this company.
            AgentPaused: it is paused or in error.
        """
        agent = await self._agent(agent_id)
        if agent is None:
            raise NotFound("Agent not found")
        if not is_holder and agent.status in (AgentStatus.PAUSED, AgentStatus.ERROR):
            raise AgentPaused(f"{agent.name} is {agent.status}")
        return agent

    def refuse_untakable(self, task: Task, agent_id: str, open_ids: frozenset[str]) -> None:
        """Refuse a task that this agent cannot take now.

        Raises:
            InvalidStatus, TaskBlocked, AssignedElsewhere
        """
        if task.status in NOT_TAKEN:
            raise InvalidStatus(f"The task is {task.status}", details={"status": task.status})
        if open_ids or task.status is TaskStatus.BLOCKED:
            raise TaskBlocked(details={FIELDS["blocked_by"]: sorted(open_ids)})
        if task.not_before is not None and task.not_before > self._system.clock.now():
            raise TaskBlocked(
                f"The task waits until {task.not_before}", details={FIELDS["not_before"]: task.not_before}
            )
        if task.assignee_id is not None and task.assignee_id != agent_id:
            raise AssignedElsewhere(details={FIELDS["assignee_id"]: task.assignee_id})

    # What it becomes

    @staticmethod
    def first_status(message: CreateTask) -> TaskStatus:
        """`todo` with an assignee, else `backlog`, unless the client says which of the two."""
        if message.status is None:
            return initial_status(message.assignee_id)
        if message.status not in (TaskStatus.TODO, TaskStatus.BACKLOG):
            raise ValidationFailed.of("status", "a new task is todo or backlog")
        return message.status

    @staticmethod
    def moment(moment: object, field: str) -> Instant | None:
        """A client's date or time, in this field, as an instant; one without a zone is UTC."""
        if not isinstance(moment, str):
            return None
        try:
            parsed = datetime.fromisoformat(moment)
            return instant(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
        except (ValueError, OverflowError) as error:
            raise ValidationFailed.of(FIELDS[field], "is not a date or an ISO 8601 time") from error

    async def changed(self, task: Task, message: UpdateTask) -> Task:
        """The task with the fields that the message names, all but its status."""
        if message.assignee_id is not UNSET:
            await self.check_assignee(message.assignee_id)
        if message.parent_id is not UNSET:
            await self.check_parent(message.parent_id)
        names = (
            "title",
            "description",
            "priority",
            "assignee_id",
            "parent_id",
            "project_id",
            "goal_id",
            "result",
            "critic",
        )
        changes = {name: value for name in names if (value := getattr(message, name)) is not UNSET}
        is_opened = task.status in FINISHED and message.status not in (UNSET, *FINISHED)
        if is_opened and task.assignee_id and await self._agent(task.assignee_id) is None:
            # Its agent has left; what was over stayed its own.
            changes.setdefault("assignee_id", None)
        for field in ("due_at", "not_before"):
            if (moment := getattr(message, field)) is not UNSET:
                changes[field] = self.moment(moment, field)
        if message.blocked_by is not UNSET:
            changes["blocked_by"] = tuple(dict.fromkeys(message.blocked_by))
        return replace(task, **changes)

    @staticmethod
    def with_status(
        task: Task,
        message: UpdateTask,
        *,
        open_before: frozenset[str],
        open_now: frozenset[str],
        now: Instant,
    ) -> Task:
        """The task in the status that was asked for, or that its assignee and blockers call for."""
        if message.status is not UNSET:
            if open_now and message.status not in (TaskStatus.BLOCKED, TaskStatus.CANCELLED, task.status):
                raise TaskBlocked(details={FIELDS["blocked_by"]: sorted(open_now)})
            return task.moved_to(message.status, now=now)
        if open_now and task.status not in FINISHED:
            return task.moved_to(TaskStatus.BLOCKED, now=now)
        if open_before and not open_now and task.status is TaskStatus.BLOCKED:
            return task.moved_to(TaskStatus.TODO, now=now)
        if isinstance(message.assignee_id, str) and task.status is TaskStatus.BACKLOG:
            return task.moved_to(TaskStatus.TODO, now=now)
        return task

    async def _agent(self, agent_id: str) -> Agent | None:
        agent = await self._system.state(AGENT, agent_id)
        if agent is None or agent.company_id != self._company_id or agent.status is AgentStatus.TERMINATED:
            return None
        return agent

    async def _task(self, task_id: str) -> Task | None:
        task = await self._system.state(TASK_LOCK, task_id)
        return task if task is not None and task.company_id == self._company_id else None
