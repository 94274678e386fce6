"""The arithmetic of a budget: pure functions on a `Ledger`.

At every step `spent + reserved <= budget`, unless the budget was lowered beneath it, a cost was only known after it
had arisen, or a call has cost more than its provider said that it could.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from opencognit.domain.budget import Ledger, Period, Reservation
from opencognit.domain.errors import BudgetExhausted, BudgetHeld, ValidationFailed
from opencognit.domain.instants import Instant, after, instant, moment
from opencognit.domain.wire_names import FIELDS

L = TypeVar("L", bound=Ledger)

WARNINGS: Final = (80, 100)
"""Percent of a month's budget at which the board is warned, once each."""

FIVE_HOURS: Final = 5 * 3600.0


def zone(name: str, *, field: str = FIELDS["time_zone"]) -> ZoneInfo:
    """The time zone of an IANA name, which stands in this field.

    Raises:
        ValidationFailed: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValidationFailed.of(field, "is not a time zone such as Europe/Berlin") from error


def month_of(now: Instant, where: ZoneInfo) -> str:
    """The calendar month there, as `2026-04`."""
    return moment(now).astimezone(where).strftime("%Y-%m")


def window(period: Period, now: Instant, where: ZoneInfo) -> tuple[Instant, Instant]:
    """When the period that holds `now` began, and when the next one begins; the five hours end now."""
    local = moment(now).astimezone(where)
    day = datetime(local.year, local.month, local.day)  # noqa: DTZ001 - the zone comes with `_at`
    if period is Period.FIVE_HOURS:
        return after(now, -FIVE_HOURS), now
    if period is Period.DAY:
        start, end = day, day + timedelta(days=1)
    elif period is Period.WEEK:
        start = day - timedelta(days=day.weekday())
        end = start + timedelta(days=7)
    else:
        start = day.replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
    return _at(start, where), _at(end, where)


def _at(local: datetime, where: ZoneInfo) -> Instant:
    """Where a midnight does not exist, as clocks are put forward, this is the moment of the jump."""
    return instant(local.replace(tzinfo=where))


def rolled(ledger: L, month: str) -> L:
    """The ledger in this month: what was spent in an earlier one is left behind, what is reserved comes along.

    A month that is earlier than the ledger's changes nothing, so that no clock gives a budget twice.
    """
    if month <= ledger.budget_month:
        return ledger
    return replace(ledger, budget_month=month, spent_cents=Decimal(0), warned_percent=0)


def reserve(ledger: L, reservation: Reservation, *, known: bool = False) -> L:
    """Hold back what a call can cost; the same reservation again changes nothing.

    Raises:
        BudgetExhausted: it does not fit into what is left, whatever the calls under way will cost.
        BudgetHeld: it may fit when calls under way have cost less than is reserved for them.
    """
    if any(held.id == reservation.id for held in ledger.reservations):
        return ledger
    if ledger.budget_cents and not known:
        wanted = ledger.spent_cents + reservation.cost_cents
        if wanted > ledger.budget_cents:
            raise BudgetExhausted(f"This month's budget of {ledger.budget_cents} cents does not cover the next call")
        if wanted + ledger.reserved_cents > ledger.budget_cents:
            raise BudgetHeld
    return replace(
        ledger,
        reserved_cents=ledger.reserved_cents + reservation.cost_cents,
        reservations=(*ledger.reservations, reservation),
    )


def settle(ledger: L, reservation_id: str, cost_cents: Decimal) -> L:
    """Book what a call did cost in place of its reservation; nothing, if that is settled already."""
    held = held_by(ledger, reservation_id)
    if held is None:
        return ledger
    return replace(
        ledger,
        spent_cents=ledger.spent_cents + cost_cents,
        reserved_cents=ledger.reserved_cents - held.cost_cents,
        reservations=tuple(one for one in ledger.reservations if one.id != reservation_id),
    )


def held_by(ledger: Ledger, reservation_id: str) -> Reservation | None:
    """The reservation of this id, if it is not settled."""
    return next((held for held in ledger.reservations if held.id == reservation_id), None)


def is_used_up(ledger: Ledger) -> bool:
    """Whether nothing is left of the month's budget."""
    return bool(ledger.budget_cents) and ledger.spent_cents >= ledger.budget_cents


def warned(ledger: L, *, used_up: bool = False) -> tuple[L, tuple[int, ...]]:
    """The ledger with what must be warned of noted in it, and which percentages those are.

    Args:
        ledger: what to look at.
        used_up: what is left covers no further call, which is as good as nothing left.
    """
    if not ledger.budget_cents:
        return replace(ledger, warned_percent=0), ()
    spent = ledger.spent_cents * 100
    reached = [level for level in WARNINGS if used_up or spent >= level * ledger.budget_cents]
    new = tuple(level for level in reached if level > ledger.warned_percent)
    # With a higher budget a percentage may come to lie ahead again.
    return replace(ledger, warned_percent=max(reached, default=0)), new
