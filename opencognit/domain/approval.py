"""An approval: a question to the board, answered once."""

from enum import StrEnum
from typing import Any

from opencognit.domain.instants import Instant
from opencognit.domain.message import Entity, Message, Name, Text


class ApprovalKind(StrEnum):
    """What is asked for."""

    HIRE = "hire_expert"
    STRATEGY = "approve_strategy"
    BUDGET = "budget_change"
    ACTION = "agent_action"


class ApprovalStatus(StrEnum):
    """Whether it was decided, and how."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


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


class RequestApproval(Message[Approval], frozen=True, kw_only=True):
    """Ask the board. With `task_id` in the payload, that task goes on when it was decided."""

    title: Name
    description: Text | None = None
    kind: ApprovalKind = ApprovalKind.ACTION
    payload: dict[str, Any] = {}


class Decide(Message[Approval], frozen=True, kw_only=True):
    """Approve or reject, once."""

    status: ApprovalStatus
    note: Text | None = None
