"""What one commit carries: a `Unit` of an actor's next snapshot with all that goes with it, or nothing of it.

Records are what is appended or looked up beside snapshots. The store writes each kind to its table; actors only name
them.
"""

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from opencognit.domain.caller import CompanyRole, Session, User
from opencognit.domain.chat import ChatMessage
from opencognit.domain.coding_session import CodingSession
from opencognit.domain.delivery import Delivery
from opencognit.domain.events import Event
from opencognit.domain.execution import Execution, ExecutionStatus
from opencognit.domain.instants import Instant
from opencognit.domain.memory import Memory
from opencognit.domain.message import Entity
from opencognit.domain.run import Run, TokenUsage
from opencognit.domain.task import Comment, Task


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One booking in the ledger. `micro_cents` is an integer: a millionth of a cent."""

    id: str
    company_id: str
    agent_id: str
    task_id: str | None
    run_id: str | None
    model: str | None
    usage: TokenUsage
    micro_cents: int
    estimated: bool
    day: str
    """The company's calendar day on which it was booked, such as `2026-04-05`; its month is the ledger's."""
    created_at: Instant


MICRO = Decimal(1_000_000)
"""Micro-cents in a cent."""


class NewUser(msgspec.Struct, frozen=True):
    """An account; its e-mail must be new."""

    user: User
    password_hash: str


class NewPassword(msgspec.Struct, frozen=True):
    """A user's next password hash."""

    user_id: str
    password_hash: str


class SessionsClosed(msgspec.Struct, frozen=True, kw_only=True):
    """One session, or all of a subject's, are over."""

    session_id: str | None = None
    subject_id: str | None = None


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A user's role in a company; None takes it away."""

    company_id: str
    user_id: str
    role: CompanyRole | None


class Blockers(msgspec.Struct, frozen=True, kw_only=True):
    """All that a task waits for now; refused if it would close a circle."""

    task_id: str
    company_id: str
    blocker_ids: tuple[str, ...]
    open_ids: frozenset[str]
    """Those of them that are not out of the way."""


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """A task has a (new) parent; refused if that would close a circle."""

    task_id: str


class ReportingLine(msgspec.Struct, frozen=True, kw_only=True):
    """An agent has a (new) superior; refused if that would close a circle."""

    agent_id: str


class GoalParent(msgspec.Struct, frozen=True, kw_only=True):
    """A goal has a (new) parent; refused if that is not a goal of the company, or would close a circle."""

    goal_id: str
    parent_id: str
    company_id: str


class GoalOfTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task names this goal; refused if that is not a goal of the company."""

    goal_id: str
    company_id: str


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is created together with others, with all that it waits for."""

    task: Task
    blockers: Blockers


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that comes into being together with others; `kind` is its actor's."""

    kind: str
    entity: Entity


class FirstBlockers(msgspec.Struct, frozen=True, kw_only=True):
    """What tasks wait for that come into being together; whoever makes them has seen that it is no circle."""

    company_id: str
    edges: tuple[tuple[str, str, bool], ...]
    """A task, one that it waits for, and whether that is open."""


class ApprovalUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The call that an approval has allowed is made; refused if it was already."""

    approval_id: str
    company_id: str


class AgentSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed secrets of an agent's configuration; None erases them."""

    agent_id: str
    company_id: str
    sealed: str | None


class SettingSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed value of a secret setting; None erases it."""

    settings_id: str
    company_id: str | None
    key: str
    sealed: str | None


class CodingSessionKept(msgspec.Struct, frozen=True, kw_only=True):
    """The session in which an agent works on a task; None forgets it."""

    agent_id: str
    task_id: str
    company_id: str
    session: CodingSession | None
    used_at: Instant


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's notes that go: these, or all."""

    agent_id: str
    memory_ids: tuple[str, ...] | None = None


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """When notes of an agent were last of use."""

    agent_id: str
    memory_ids: tuple[str, ...]
    at: Instant


ANSWERS_KEPT: Final = 24 * 3600.0
"""Seconds for which the first answer to an idempotency key is kept (wire contract, "Everywhere")."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to an idempotency key; refused, with all of its unit, while there is one."""

    caller: str
    key: str
    fingerprint: str
    status: int
    body: bytes
    sealed: bool
    created_at: Instant


class ChatRead(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one conversation are read: those named, or all that are for the agent or for the board."""

    agent_id: str
    ids: tuple[str, ...] | None = None
    by_agent: bool = True


class ChatTried(msgspec.Struct, frozen=True, kw_only=True):
    """These could not be answered; not before this time again."""

    ids: tuple[str, ...]
    again_at: Instant | None


class TalkTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One agent has written to another."""

    company_id: str
    agent_ids: tuple[str, str]


class TalkTold(msgspec.Struct, frozen=True, kw_only=True):
    """The board was told that these two are held back."""

    agent_ids: tuple[str, str]


class TalksForgotten(msgspec.Struct, frozen=True, kw_only=True):
    """A person wrote to this agent, or a task of its moved: the turns of its talks count from the beginning."""

    agent_id: str


class TriggerKept(msgspec.Struct, frozen=True, kw_only=True):
    """A new trigger, to be found by its id or, if it is a webhook, by its public one; the secret is sealed."""

    trigger_id: str
    routine_id: str
    company_id: str
    public_id: str | None
    sealed: str | None


class TriggersGone(msgspec.Struct, frozen=True, kw_only=True):
    """These triggers are erased."""

    trigger_ids: tuple[str, ...]


class ExecutionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """How all executions of a routine ended that have this task and no end yet."""

    routine_id: str
    task_id: str
    status: ExecutionStatus
    error: str | None
    completed_at: Instant


class ExecutionsErased(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a routine goes."""

    routine_id: str


class SubscriptionSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed secret of a subscription."""

    subscription_id: str
    company_id: str
    sealed: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription is through with all events up to this one: they were tried, or are none of its."""

    subscription_id: str
    seq: int


class DeliveriesTrimmed(msgspec.Struct, frozen=True, kw_only=True):
    """Of the log of a subscription, what is older than the newest `kept` goes, unless it is still to be sent."""

    subscription_id: str
    kept: int


class SubscriptionErased(msgspec.Struct, frozen=True, kw_only=True):
    """The secret and the log of a subscription go."""

    subscription_id: str


class CompanyErased(msgspec.Struct, frozen=True):
    """All that belongs to the company goes."""

    company_id: str


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """What is older than this may go."""

    sessions_before: Instant
    answers_before: Instant
    coding_sessions_before: Instant
    executions_before: Instant
    """Those that have ended; when they began does not matter."""


class EventsDropped(msgspec.Struct, frozen=True):
    """These events are no longer kept."""

    numbers: tuple[int, ...]


class OutputsDropped(msgspec.Struct, frozen=True):
    """What these ended runs have said is no longer kept."""

    runs: tuple[Run, ...]


Record: TypeAlias = (
    Comment
    | Run
    | Cost
    | NewUser
    | NewPassword
    | Session
    | SessionsClosed
    | Membership
    | Blockers
    | Parent
    | ReportingLine
    | GoalParent
    | GoalOfTask
    | NewTask
    | Created
    | FirstBlockers
    | ApprovalUsed
    | AgentSecrets
    | SettingSecret
    | CodingSessionKept
    | Memory
    | Forgotten
    | Recalled
    | Answer
    | ChatMessage
    | ChatRead
    | ChatTried
    | TalkTurn
    | TalkTold
    | TalksForgotten
    | TriggerKept
    | TriggersGone
    | Execution
    | ExecutionsEnded
    | ExecutionsErased
    | SubscriptionSecret
    | Delivery
    | Delivered
    | DeliveriesTrimmed
    | SubscriptionErased
    | CompanyErased
    | Expired
    | EventsDropped
    | OutputsDropped
)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An actor's next state.

    Attributes:
        kind, id: the actor's address.
        before: the committed state that it follows, which must still be the stored one; None for a new entity.
        entity: the next state; None erases the entity.
    """

    kind: str
    id: str
    before: Entity | None
    entity: Entity | None


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What is committed together."""

    snapshot: Snapshot | None = None
    records: tuple[Record, ...] = ()
    events: tuple[Event, ...] = ()
    now: Instant
