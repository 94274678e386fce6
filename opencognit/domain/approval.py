"""An approval: a question to the board, answered once, and what is carried out when the answer is yes."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.budget import Cents
from opencognit.domain.instants import DATE, TIME, ZONE, Instant
from opencognit.domain.message import Entity, Id, Message, Name, Text
from opencognit.domain.query import Paging
from opencognit.domain.wire_names import FIELDS

Moment = Annotated[str, msgspec.Meta(pattern=rf"^{DATE}T{TIME}{ZONE}\Z")]
"""An ISO 8601 time with its zone."""


class ApprovalKind(StrEnum):
    """What is asked for."""

    HIRE = "hire_expert"
    """The payload is a `CreateAgent`; it is hired on approval."""
    STRATEGY = "approve_strategy"
    BUDGET = "budget_change"
    """The payload is a `BudgetChange`; it is made on approval."""
    ACTION = "agent_action"


CARRIED_OUT = frozenset({ApprovalKind.HIRE, ApprovalKind.BUDGET})
"""Kinds that the server carries out itself; the others only let the asker go on."""


class ApprovalStatus(StrEnum):
    """Whether it was decided, and how."""

    PENDING = "pending"
    REVISION_REQUESTED = "revision_requested"
    """Sent back: the asker changes it and asks again."""
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    """Withdrawn by the asker, or the asking agent was deleted."""
    EXPIRED = "expired"
    """Nobody decided in time."""


OPEN = frozenset({ApprovalStatus.PENDING, ApprovalStatus.REVISION_REQUESTED})

TRANSITIONS = {
    ApprovalStatus.PENDING: frozenset(ApprovalStatus) - {ApprovalStatus.PENDING},
    ApprovalStatus.REVISION_REQUESTED: frozenset(
        {ApprovalStatus.PENDING, ApprovalStatus.CANCELLED, ApprovalStatus.EXPIRED}
    ),
    ApprovalStatus.APPROVED: frozenset[ApprovalStatus](),
    ApprovalStatus.REJECTED: frozenset[ApprovalStatus](),
    ApprovalStatus.CANCELLED: frozenset[ApprovalStatus](),
    ApprovalStatus.EXPIRED: frozenset[ApprovalStatus](),
}
"""Which status may follow which."""


class Round(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What was asked before it was sent back, and why."""

    title: str
    description: str | None
    payload: dict[str, Any]
    note: str | None
    decided_by: str | None
    decided_at: Instant | None


class BudgetChange(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """The payload of a budget change: an agent's budget for a month, or without an agent the company's."""

    agent_id: Id | None = None
    budget_cents: Cents


class Approval(Entity, frozen=True, kw_only=True):
    """An approval as clients see it."""

    company_id: str
    kind: ApprovalKind = ApprovalKind.ACTION
    title: str
    description: str | None = None
    requested_by: str | None = None
    payload: dict[str, Any] = {}
    status: ApprovalStatus = ApprovalStatus.PENDING
    decision_note: str | None = None
    decided_by: str | None = None
    decided_at: Instant | None = None
    expires_at: Instant | None = None
    rounds: tuple[Round, ...] = ()
    """Earlier wordings, oldest first."""
    follow_up: bool = False
    """Whether something that follows from the last change is still to be done; durable, so it outlives a crash."""
    result: dict[str, Any] | None = None
    """What carrying out makes: the id of the agent that is hired, chosen with the decision."""
    executed_at: Instant | None = None
    execution_error: str | None = None


class RequestApproval(Message[Approval], frozen=True, kw_only=True):
    """Ask the board. With `task_id` in the payload, that task goes on when it was decided."""

    title: Name
    description: Text | None = None
    kind: ApprovalKind = ApprovalKind.ACTION
    payload: dict[str, Any] = {}
    expires_at: Moment | None = None


class Decide(Message[Approval], frozen=True, kw_only=True):
    """Approve, reject, or send back for revision; each round once."""

    status: ApprovalStatus
    note: Text | None = None


class AskAgain(Message[Approval], frozen=True, kw_only=True):
    """Put a request that was sent back to the board anew; what is not named stays."""

    title: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType = UNSET


class Withdraw(Message[Approval], frozen=True, kw_only=True):
    """The asker no longer wants it."""


class AskerGone(Message[None], frozen=True, kw_only=True):
    """Internal: the asking agent was deleted."""


class ExpiryDue(Message[None], frozen=True, kw_only=True):
    """Internal: the time to decide may be over."""


class FollowUp(Message[None], frozen=True, kw_only=True):
    """Internal: carry out what was approved, and let the asker go on."""


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What goes with a decision."""

    note: Text | None = None


class ApprovalQuery(Paging, frozen=True, kw_only=True):
    """Which approvals."""

    status: tuple[ApprovalStatus, ...] = (ApprovalStatus.PENDING,)
