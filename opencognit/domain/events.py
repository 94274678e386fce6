"""Every event, one documented struct each: what `/ws` sends and `since` replays.

An event is written in the same commit as the change that it tells of; the store numbers it there (`seq`). `type` is its
name on the wire, the fields are its `data`. An `Activity` is an event and, kept longer, a row of the activity feed.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from opencognit.domain.agent import AgentStatus
from opencognit.domain.approval import Approval, ApprovalKind, ApprovalStatus
from opencognit.domain.caller import CallerKind
from opencognit.domain.chat import ChatMessage
from opencognit.domain.execution import ExecutionStatus
from opencognit.domain.instants import Instant
from opencognit.domain.meeting import Meeting, MeetingStatus
from opencognit.domain.run import Run, RunStatus
from opencognit.domain.task import Priority, Task, TaskStatus
from opencognit.domain.wire_names import (
    AGENT_LIST_FIELDS,
    BOARD_EVENT_FIELDS,
    BUDGET_EVENT_FIELDS,
    EVENTS,
    FIELDS,
    RUN_OUTPUT_FIELDS,
    TASK_EVENT_FIELDS,
)


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


class AgentsImported(Event, frozen=True, kw_only=True, rename=AGENT_LIST_FIELDS):
    """A list of agents was to be hired together: all were, or, with errors, none."""

    type = "agents_imported"
    count: int
    agent_ids: tuple[str, ...]
    errors: tuple[dict[str, Any], ...]
    """Each field and its problem, as the request was answered."""


class RunStarted(Event, frozen=True, kw_only=True):
    """A run began."""

    type = "run_started"
    run_id: str
    agent_id: str
    task_id: str | None
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
    task_id: str | None
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
    estimated: bool
    """Whether nobody named the cost: the price of the model is not known, or how the call ended."""
    spent_cents: Decimal


class BudgetWarned(Event, frozen=True, kw_only=True, rename=BUDGET_EVENT_FIELDS):
    """80 or 100 percent of a month's budget are spent; once each in a month."""

    type = "budget_warning"
    agent_id: str | None
    """None: it is the company's budget."""
    percent: int
    spent_cents: Decimal
    budget_cents: int
    paused: bool
    """Whether work has stopped for it."""


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
    """An approval was decided, sent back, asked again, withdrawn or carried out, or it expired."""

    type = "approval_updated"
    approval_id: str
    status: ApprovalStatus
    note: str | None


class ChatMessageSent(Event, frozen=True, kw_only=True):
    """Someone said something; the data is the message."""

    type = "chat_message"
    id: str
    agent_id: str
    recipient_id: str | None
    sender_agent_id: str | None
    sender_type: CallerKind
    sender_name: str
    words: str
    is_read: bool
    thread_id: str | None
    meeting_id: str | None
    created_at: Instant

    @classmethod
    def of(cls, message: ChatMessage) -> "ChatMessageSent":
        """The event for this message."""
        return cls(**msgspec.structs.asdict(message))


class MeetingCreated(Event, frozen=True, kw_only=True):
    """A meeting was called."""

    type = "meeting_created"
    meeting_id: str
    title: str
    status: MeetingStatus
    result: str | None
    organiser_id: str
    participant_ids: tuple[str, ...]

    @classmethod
    def of(cls, meeting: Meeting) -> "MeetingCreated":
        """The event for this meeting."""
        return cls(
            company_id=meeting.company_id,
            meeting_id=meeting.id,
            title=meeting.title,
            status=meeting.status,
            result=meeting.result,
            organiser_id=meeting.organiser_id,
            participant_ids=meeting.participant_ids,
        )


class MeetingUpdated(MeetingCreated, frozen=True, kw_only=True):
    """A meeting was answered, or has ended."""

    type = "meeting_updated"


class GoalAchieved(Event, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """A goal became achieved."""

    type = "goal_achieved"
    goal_id: str
    goal_title: str


class RoutineExecuted(Event, frozen=True, kw_only=True):
    """An execution of a routine ended: its task is finished or gone, or there could be none."""

    type = "routine_executed"
    routine_id: str
    execution_id: str
    title: str
    status: ExecutionStatus
    task_id: str | None


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


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


KINDS: Final[Mapping[str, type[Event]]] = {kind.type: kind for kind in _below(Event) if "type" in vars(kind)}
"""Every event by its name on the wire."""


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


class RunOutput(msgspec.Struct, frozen=True, kw_only=True, rename=RUN_OUTPUT_FIELDS):
    """What a run says while it runs. Not an event: it is sent once, to those who follow then, and has no number."""

    type: ClassVar[str] = "run_output"
    company_id: str
    agent_id: str
    task_id: str | None
    run_id: str
    text: str

    def message(self, now: Instant) -> bytes:
        """The output as `/ws` sends it."""
        return msgspec.json.encode(
            {"type": self.type, "data": self, "timestamp": now, FIELDS["company_id"]: self.company_id}
        )


class _TakingPart(msgspec.Struct, frozen=True, rename=FIELDS):
    """Those agents whom the data of a private event names."""

    agent_id: str | None = None
    sender_agent_id: str | None = None
    organiser_id: str | None = None
    participant_ids: tuple[str, ...] = ()


_PRIVATE = frozenset({ChatMessageSent.type, MeetingCreated.type, MeetingUpdated.type})


def is_between_others(event: Published | RunOutput, agent_id: str) -> bool:
    """Whether an event, or what a run says in a conversation, tells of what was said among others than this agent."""
    if isinstance(event, RunOutput):
        return event.task_id is None and event.agent_id != agent_id
    if event.type not in _PRIVATE:
        return False
    named = msgspec.json.decode(event.data, type=_TakingPart)
    return agent_id not in (named.agent_id, named.sender_agent_id, named.organiser_id, *named.participant_ids)
