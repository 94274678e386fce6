"""Every event, one documented struct each: what `/ws` sends and `since` replays.

An event is written in the same commit as the change that it tells of; the store numbers it there (`seq`). `type` is its
name on the wire, the fields are its `data`. An `Activity` is an event and, kept longer, a row of the activity feed.
"""

from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from opencognit.domain.agent import AgentStatus
from opencognit.domain.approval import Approval, ApprovalKind, ApprovalStatus
from opencognit.domain.caller import CallerKind
from opencognit.domain.instants import Instant
from opencognit.domain.run import Run, RunStatus
from opencognit.domain.task import Priority, Task, TaskStatus
from opencognit.domain.wire_names import BOARD_EVENT_FIELDS, EVENTS, FIELDS, TASK_EVENT_FIELDS


class Event(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """The root of all events."""

    type: ClassVar[str]
    company_id: str


class AgentStatusChanged(Event, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """An agent's status changed."""

    type = "agent_status"
    agent_id: str
    name: str
    status: AgentStatus
    before: AgentStatus
    task_id: str | None


class TaskEvent(Event, frozen=True, kw_only=True, rename=TASK_EVENT_FIELDS):
    """What the events of one task have in common."""

    task_id: str
    task_title: str


class TaskStarted(TaskEvent, frozen=True, kw_only=True):
    """A lock was granted."""

    type = "task_started"
    agent_id: str
    agent_name: str
    run_id: str


class TaskCompleted(TaskEvent, frozen=True, kw_only=True):
    """A task became done."""

    type = "task_completed"
    agent_id: str | None
    agent_name: str | None
    result: str | None


class TaskCreated(
    TaskEvent,
    frozen=True,
    kw_only=True,
    rename=TASK_EVENT_FIELDS | {"assignee_id": TASK_EVENT_FIELDS["agent_id"]},
):
    """A task was created."""

    type = "task_created"
    status: TaskStatus
    priority: Priority
    assignee_id: str | None

    @classmethod
    def of(cls, task: Task) -> "TaskCreated":
        """The event for this task."""
        return cls(
            company_id=task.company_id,
            task_id=task.id,
            task_title=task.title,
            status=task.status,
            priority=task.priority,
            assignee_id=task.assignee_id,
        )


class TaskUpdated(TaskCreated, frozen=True, kw_only=True):
    """A task changed."""

    type = "task_updated"


class TaskDeleted(TaskEvent, frozen=True, kw_only=True):
    """A task was deleted."""

    type = "task_deleted"


class TaskEscalated(TaskEvent, frozen=True, kw_only=True):
    """The last failure in a row: the task went to the orchestrator, or (without an escalation task) to the board."""

    type = "task_escalated"
    agent_id: str | None
    attempts: int
    error: str
    escalation_task_id: str | None


class TasksUnblocked(Event, frozen=True, kw_only=True, rename=TASK_EVENT_FIELDS):
    """Blockers were resolved; all tasks that this freed."""

    type = "tasks_unblocked"
    task_ids: tuple[str, ...]


class AgentDeleted(Event, frozen=True, kw_only=True):
    """An agent was deleted."""

    type = EVENTS["agent_deleted"]
    id: str
    name: str


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began."""

    type = "run_started"
    run_id: str
    agent_id: str
    task_id: str
    source: str

    @classmethod
    def of(cls, run: Run) -> "RunStarted":
        """The event for this run."""
        return cls(
            company_id=run.company_id,
            run_id=run.id,
            agent_id=run.agent_id,
            task_id=run.task_id,
            source=run.source,
        )


class RunFinished(Event, frozen=True, kw_only=True):
    """A run ended."""

    type = "run_finished"
    run_id: str
    agent_id: str
    task_id: str
    status: RunStatus
    cost_cents: Decimal
    error: str | None

    @classmethod
    def of(cls, run: Run) -> "RunFinished":
        """The event for this run."""
        return cls(
            company_id=run.company_id,
            run_id=run.id,
            agent_id=run.agent_id,
            task_id=run.task_id,
            status=run.status,
            cost_cents=run.cost_cents,
            error=run.error,
        )


class CostBooked(Event, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """A cost was booked."""

    type = EVENTS["cost_booked"]
    agent_id: str
    task_id: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    cost_cents: Decimal
    spent_cents: Decimal


class ApprovalNeeded(Event, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """An approval was asked for."""

    type = "approval_needed"
    approval_id: str
    kind: ApprovalKind
    title: str
    requested_by: str | None

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalNeeded":
        """The event for this approval."""
        return cls(
            company_id=approval.company_id,
            approval_id=approval.id,
            kind=approval.kind,
            title=approval.title,
            requested_by=approval.requested_by,
        )


class ApprovalUpdated(Event, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """An approval was decided."""

    type = "approval_updated"
    approval_id: str
    status: ApprovalStatus
    note: str | None


class Activity(Event, frozen=True, kw_only=True):
    """An entry of the activity feed. `action` is a stable verb, `text` says the same to a person."""

    type = EVENTS["activity"]
    id: str
    actor_type: CallerKind
    actor_id: str | None
    actor_name: str
    action: str
    entity_type: str
    entity_id: str
    text: str
    details: dict[str, Any] | None
    created_at: Instant


class Published(msgspec.Struct, frozen=True):
    """A committed event with its number, its data encoded already."""

    seq: int
    company_id: str
    type: str
    data: bytes
    timestamp: str

    def message(self) -> bytes:
        """The event as `/ws` sends it."""
        return b'{"type":"%s","data":%s,"timestamp":"%s","seq":%d,"%s":"%s"}' % (
            self.type.encode(),
            self.data,
            self.timestamp.encode(),
            self.seq,
            FIELDS["company_id"].encode(),
            self.company_id.encode(),
        )
