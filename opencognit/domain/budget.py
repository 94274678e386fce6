"""What may be spent: the ledger of an agent or a company, what is reserved in it, and limits of other kinds.

Before a call is made, the most that it can cost is reserved in the company's ledger and in the agent's; after it, the
reservation is settled with what it did cost. The arithmetic is in `actors/budget.py`.
"""

from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import Entity, Message
from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import BOARD_EVENT_FIELDS, FIELDS, LIMIT_FIELDS

Cents = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""Whole cents of the company's currency."""

MOST_CENTS: Final = Decimal(10**12)
"""More than any call can cost: what is reported above it is a mistake."""

MICRO_CENT: Final = Decimal("0.000001")


def checked_cents(cents: Decimal) -> Decimal:
    """An amount as the ledger takes it: whole micro-cents, rounded up so that nothing is booked too low.

    Raises:
        ValidationFailed: it is negative, not a number, or absurdly large.
    """
    if not cents.is_finite() or not 0 <= cents <= MOST_CENTS:
        raise ValidationFailed.of(FIELDS["cost_cents"], f"must be from 0 to {MOST_CENTS}")
    return cents.quantize(MICRO_CENT, ROUND_CEILING)


class PauseReason(StrEnum):
    """Who or what has paused an agent or a company."""

    BOARD = "board"
    """A person; only a person ends it."""
    BUDGET = "budget"
    """What may be spent is used up; it ends with a higher budget, or when the time of the limit is over."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True, rename=BOARD_EVENT_FIELDS):
    """The most that one call under way can cost, held back until it is known what it did cost."""

    id: str
    agent_id: str
    run_id: str
    task_id: str | None
    cost_cents: Decimal
    usage: TokenUsage
    model: str | None


class Ledger(Entity, frozen=True, kw_only=True):
    """What an agent and a company have in common: a month's budget, and what was spent of it."""

    budget_cents: int = 0
    """For a calendar month of the company's time zone; 0 is no limit."""
    spent_cents: Decimal = Decimal(0)
    reserved_cents: Decimal = Decimal(0)
    reservations: tuple[Reservation, ...] = ()
    budget_month: str = ""
    """The month that `spent_cents` is of: `2026-04`."""
    warned_percent: int = 0
    """The last of the percentages that were warned of this month."""
    paused_by: PauseReason | None = None


class LimitKind(StrEnum):
    """What a limit counts."""

    CENTS = "cent"
    TOKENS = "tokens"
    RUNS = "runs"


class Period(StrEnum):
    """The time that a limit is for. All but the last are those of the calendar, in the company's time zone."""

    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    FIVE_HOURS = "5h"
    """The last five hours, at any time."""


class SpendingLimit(msgspec.Struct, frozen=True, kw_only=True, rename=LIMIT_FIELDS, forbid_unknown_fields=True):
    """At most so much in such a time."""

    kind: LimitKind
    period: Period
    most: Annotated[int, msgspec.Meta(ge=1, le=10**12)]


SpendingLimits = Annotated[tuple[SpendingLimit, ...], msgspec.Meta(max_length=12)]


class ReserveBudget(Message[None], frozen=True, kw_only=True):
    """Internal: hold back the most that a call can cost."""

    reservation: Reservation
    known: bool = False
    """Whether the cost has arisen already, so that it cannot be refused any more."""


class SettleCost(Message[None], frozen=True, kw_only=True):
    """Internal: a call is over; book what it did cost in place of its reservation. Nothing, if that is settled."""

    reservation_id: str
    model: str | None = None
    usage: TokenUsage = TokenUsage()
    cost_cents: Decimal = Decimal(0)
    estimated: bool = False


class SettleOrphans(Message[None], frozen=True, kw_only=True):
    """Internal: settle reservations whose run is not alive any more."""


class RollMonth(Message[None], frozen=True, kw_only=True):
    """Internal: a month is over, or may be."""


class ReviewBudget(Message[None], frozen=True, kw_only=True):
    """Internal: a limit was changed, or its time is over: work again, or stop."""


class ReportCostlyRun(Message[None], frozen=True, kw_only=True):
    """Internal: a run costs many times what the agent's runs usually cost."""

    run_id: str
    task_id: str | None
    cost_cents: Decimal
    usual_cents: Decimal
