"""A task, its execution lock, and what may follow what.

The lock is a lease with a fencing token: `lock_token` rises by one with every grant, for ever, so that a late worker's
write can be told from its successor's (M. Kleppmann, "How to do distributed locking", 2016).
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from opencognit.domain.caller import CallerKind
from opencognit.domain.critic import Critic
from opencognit.domain.errors import InvalidStatus
from opencognit.domain.instants import DATE, TIME, ZONE, Instant, Seconds, after
from opencognit.domain.message import VISIBLE, Entity, Id, Message, Name, Success, Text
from opencognit.domain.query import Paging
from opencognit.domain.run import Effect, Run
from opencognit.domain.wire_names import FIELDS

Lease = Annotated[float, msgspec.Meta(ge=1, le=7 * 24 * 3600)]
"""Seconds for which a lock is given."""

Wait = Annotated[float, msgspec.Meta(ge=0, le=60)]
"""Seconds for which a lock is waited for."""

RunId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A client may name its runs as it likes."""

Moment = Annotated[str, msgspec.Meta(pattern=rf"^{DATE}([T ]{TIME}{ZONE}?)?\Z")]
"""A day or an ISO 8601 time."""


class TaskStatus(StrEnum):
    """Where a task stands."""

    BACKLOG = "backlog"
    TODO = "todo"
    IN_PROGRESS = "in_progress"
    IN_REVIEW = "in_review"
    DONE = "done"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


_OPEN = frozenset({TaskStatus.BACKLOG, TaskStatus.TODO, TaskStatus.IN_PROGRESS, TaskStatus.IN_REVIEW})
_ENDS = frozenset({TaskStatus.BLOCKED, TaskStatus.DONE, TaskStatus.CANCELLED})

TRANSITIONS = {
    TaskStatus.BACKLOG: _OPEN | _ENDS,
    TaskStatus.TODO: _OPEN | _ENDS,
    TaskStatus.IN_PROGRESS: _OPEN | _ENDS,
    TaskStatus.IN_REVIEW: _OPEN | _ENDS,
    TaskStatus.BLOCKED: _OPEN | _ENDS,
    TaskStatus.DONE: frozenset({TaskStatus.BACKLOG, TaskStatus.TODO}),
    TaskStatus.CANCELLED: frozenset({TaskStatus.BACKLOG, TaskStatus.TODO}),
}
"""Which status may follow which; staying is always legal. What is over can only be opened again."""


def initial_status(assignee_id: str | None) -> TaskStatus:
    """Where a new task stands: `todo` if someone shall do it, else `backlog`."""
    return TaskStatus.BACKLOG if assignee_id is None else TaskStatus.TODO


FINISHED = frozenset({TaskStatus.DONE, TaskStatus.CANCELLED})
NOT_TAKEN = frozenset({TaskStatus.IN_REVIEW, TaskStatus.DONE, TaskStatus.CANCELLED})
"""Statuses in which nobody may take the task's lock."""

RELEASED_TO = frozenset(
    {TaskStatus.TODO, TaskStatus.IN_REVIEW, TaskStatus.DONE, TaskStatus.BLOCKED, TaskStatus.CANCELLED}
)
"""What a task may become when its lock is given back."""


class Priority(StrEnum):
    """How much it matters; an agent takes the first of these first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


RANK = {priority: rank for rank, priority in enumerate(Priority)}
"""0 is taken first."""


class EscalationReason(StrEnum):
    """Why a task was brought to someone."""

    ATTEMPTS = "attempts"
    REJECTED = "rejected"
    CRITIC_FAILED = "critic_failed"
    INTERRUPTED = "interrupted"


class Escalation(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """Whom a task was brought to, because it does not go on by itself."""

    id: str
    """Of the escalation task or, with the board, of the approval; it is known before either is made."""
    agent_id: str | None
    """None for the board."""
    reason: EscalationReason
    error: str
    made: bool = False
    """Whether the escalation task or the approval is there."""


class Task(Entity, frozen=True, kw_only=True):
    """A task as clients see it, its lock included."""

    company_id: str
    title: str
    description: str | None = None
    status: TaskStatus = TaskStatus.BACKLOG
    priority: Priority = Priority.MEDIUM
    assignee_id: str | None = None
    created_by: str | None = None
    parent_id: str | None = None
    project_id: str | None = None
    goal_id: str | None = None
    routine_id: str | None = None
    """The routine that has made it."""
    blocked_by: tuple[str, ...] = ()
    due_at: Instant | None = None
    not_before: Instant | None = None
    """Nobody takes it until then; None once that has come."""
    result: str | None = None
    attempts: int = 0
    next_attempt_at: Instant | None = None
    lock_run_id: str | None = None
    locked_by: str | None = None
    locked_at: Instant | None = None
    lock_expires_at: Instant | None = None
    lock_token: int = 0
    started_at: Instant | None = None
    completed_at: Instant | None = None
    cancelled_at: Instant | None = None
    critic: Critic | None = None
    """None: as its agent says."""
    escalation: Escalation | None = None
    """Gone as soon as the task has another status."""
    escalates: str | None = None
    """The task that this one is to help on."""

    @property
    def waits_until(self) -> Instant | None:
        """When it is time for it, as far as it waits for a time."""
        return max(filter(None, (self.next_attempt_at, self.not_before)), default=None)

    def moved_to(self, status: TaskStatus, *, now: Instant) -> "Task":
        """The same task in another status, with the times that go with it.

        Raises:
            InvalidStatus: `TRANSITIONS` does not allow it.
        """
        if status is self.status:
            return self
        if status not in TRANSITIONS[self.status]:
            raise InvalidStatus(f"A task that is {self.status} cannot become {status}")
        starts_anew = self.status in FINISHED or self.status is TaskStatus.BLOCKED
        return replace(
            self,
            status=status,
            attempts=0 if starts_anew or status in FINISHED else self.attempts,
            next_attempt_at=None,
            escalation=None,
            started_at=self.started_at or (now if status is TaskStatus.IN_PROGRESS else None),
            completed_at=now if status is TaskStatus.DONE else None,
            cancelled_at=now if status is TaskStatus.CANCELLED else None,
        )

    def granted_to(self, agent_id: str, *, run_id: str, lease: Seconds, now: Instant) -> "Task":
        """The task with its lock given to a run; a renewal keeps its token."""
        renewal = self.locked_by == agent_id and self.lock_run_id == run_id
        return replace(
            self.moved_to(TaskStatus.IN_PROGRESS, now=now),
            assignee_id=agent_id,
            lock_run_id=run_id,
            locked_by=agent_id,
            locked_at=self.locked_at if renewal else now,
            lock_expires_at=after(now, lease),
            lock_token=self.lock_token + (0 if renewal else 1),
        )

    def answered(self, approval_id: str, *, approved: bool) -> TaskStatus | None:
        """What the task becomes with the board's answer; None where it stays as it is.

        A result that no critic could look at is done with a yes; what was interrupted is tried again with a yes alone;
        all else goes on, whatever the answer was.
        """
        if self.escalation is not None and self.escalation.reason is EscalationReason.INTERRUPTED:
            return TaskStatus.TODO if approved and self.escalation.id == approval_id else None
        if self.status is TaskStatus.IN_REVIEW and self.escalation is not None and self.escalation.id == approval_id:
            return TaskStatus.DONE if approved else TaskStatus.TODO
        return TaskStatus.TODO if self.status is TaskStatus.BLOCKED else None

    def unlocked(self) -> "Task":
        """The task without its lock; the token stays, so that the next grant's is higher."""
        return replace(self, lock_run_id=None, locked_by=None, locked_at=None, lock_expires_at=None)


class Comment(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What someone said on a task. Who it was comes from the token."""

    id: str
    company_id: str
    task_id: str
    author_type: CallerKind
    author_agent_id: str | None
    author_name: str
    content: str
    created_at: Instant


class CreateTask(Message[Task], frozen=True, kw_only=True):
    """Give the company a task: `todo` when it has an assignee, else `backlog`."""

    title: Name
    description: Text | None = None
    status: TaskStatus | None = None
    priority: Priority = Priority.MEDIUM
    assignee_id: Id | None = None
    parent_id: Id | None = None
    project_id: Id | None = None
    goal_id: Id | None = None
    blocked_by: tuple[Id, ...] = ()
    due_at: Moment | None = None
    not_before: Moment | None = None
    critic: Critic | None = None


class CreateEscalation(CreateTask, frozen=True, kw_only=True):
    """Internal: a task about another one that does not go on by itself."""

    escalates: Id


class FollowEscalation(Message[None], frozen=True, kw_only=True):
    """Internal: make what is to be made for an escalated task, or see whether it can go on."""


class UpdateTask(Message[Task], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    title: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    status: TaskStatus | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    assignee_id: Id | None | UnsetType = UNSET
    parent_id: Id | None | UnsetType = UNSET
    project_id: Id | None | UnsetType = UNSET
    goal_id: Id | None | UnsetType = UNSET
    blocked_by: tuple[Id, ...] | UnsetType = UNSET
    due_at: Moment | None | UnsetType = UNSET
    not_before: Moment | None | UnsetType = UNSET
    result: Text | None | UnsetType = UNSET
    critic: Critic | None | UnsetType = UNSET
    lock_token: int | UnsetType = UNSET


class DeleteTask(Message[Success], frozen=True, kw_only=True):
    """Erase the task; a run on it is cancelled, and those that waited for it no longer do."""


class Checkout(Message[Task], frozen=True, kw_only=True):
    """Take the task's lock for the length of a lease (the server's default where none is given)."""

    agent_id: Id
    run_id: RunId | None = None
    lease: Lease | None = None
    wait: Wait = 0


class Release(Message[Task], frozen=True, kw_only=True):
    """Give the lock back. Without `agent_id` it is the board that takes it away."""

    agent_id: Id | None = None
    run_id: RunId | None = None
    lock_token: int | None = None
    status: TaskStatus | None = None
    result: Text | None = None


class HandIn(Message[Task], frozen=True, kw_only=True):
    """Internal: a run of ours ends; task, lock, comment and the run's record change in one commit."""

    run: Run
    lock_token: int
    status: TaskStatus
    result: str | None = None
    comment: str | None = None
    failed: bool = False
    """Whether this was a failed attempt, to be tried again later."""
    asked: tuple[str, ...] = ()
    """The approvals that the run has asked for; a task that waits for them goes on if all were decided meanwhile."""
    not_before: Instant | None = None
    """When to try again, where that is no failed attempt: the provider was away."""
    board: EscalationReason | None = None
    """Why the board is to be asked about the task; the run's error says more."""


class NoteReview(Message[str], frozen=True, kw_only=True):
    """Internal: a critic's verdict on a run's result; answered with what is told of it on the task."""

    run_id: str
    accepted: bool
    reasons: str


class GiveBack(Message[None], frozen=True, kw_only=True):
    """Internal: this run is dead; free the task if the run still holds it."""

    run_id: str
    uncertain: Effect | None = None
    """What it was about to do, if that may not simply be done again."""


class Unblock(Message["Task | None"], frozen=True, kw_only=True):
    """Internal: a blocker is out of the way; answered with the task if that has freed it."""

    blocker_id: str
    deleted: bool = False


class Unassign(Message[None], frozen=True, kw_only=True):
    """Internal: this agent is gone; take its lock and its assignment away."""

    agent_id: str


class AddComment(Message[Comment], frozen=True, kw_only=True):
    """Say something on a task; `@Name` wakes that agent."""

    content: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000, pattern=VISIBLE)]


class TimerDue(Message[None], frozen=True, kw_only=True):
    """Internal: the lease or the wait for the next attempt has run out."""


class ServeQueue(Message[None], frozen=True, kw_only=True):
    """Internal: the lock is free, and someone waits for it."""


class TaskQuery(Paging, frozen=True, kw_only=True):
    """Which tasks."""

    status: tuple[TaskStatus, ...] = ()
    priority: tuple[Priority, ...] = ()
    assignee_id: str | None = None
    goal_id: str | None = None
    parent_id: str | None = None
    q: str = ""
    """Words in title or description, at most 20 different ones."""


class Inbox(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What an agent has to do."""

    agent_id: str
    company_id: str
    inbox: tuple[Task, ...]
    """In the order in which it takes them."""
    count: int
