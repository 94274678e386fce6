"""The arithmetic of budgets: whatever happens in whatever order, the ledger holds."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from opencognit.actors.budget import month_of, reserve, rolled, settle, warned, window, zone
from opencognit.domain.budget import Ledger, Period, Reservation, checked_cents
from opencognit.domain.errors import BudgetExhausted, BudgetHeld, ValidationFailed
from opencognit.domain.instants import Instant, instant, moment
from opencognit.domain.run import TokenUsage

ZONES = [ZoneInfo(name) for name in sorted(available_timezones()) if name not in ("localtime", "Factory")]
MOMENTS = st.integers(0, 47 * 366 * 24 * 3600).map(
    lambda seconds: instant(datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
)
AMOUNTS = st.integers(0, 120_000_000).map(lambda micro: Decimal(micro) / 1_000_000)
STEPS = st.lists(st.tuples(st.sampled_from(["reserve", "settle", "month"]), st.integers(0, 9), AMOUNTS), max_size=40)


def reservation(name: object, cents: Decimal) -> Reservation:
    return Reservation(
        id=str(name), agent_id="a", run_id="r", task_id=None, cost_cents=cents, usage=TokenUsage(), model=None
    )


@given(budget=st.integers(1, 300), steps=STEPS)
def test_booked_and_reserved_never_exceed_the_budget(budget: int, steps: list[tuple[str, int, Decimal]]) -> None:
    ledger, settled, month = Ledger(id="x", budget_cents=budget, budget_month="2026-001"), Decimal(0), 1
    for number, (step, chosen, amount) in enumerate(steps):
        if step == "reserve":
            try:
                ledger = reserve(ledger, reservation(number, amount))
            except (BudgetExhausted, BudgetHeld):
                assert ledger.spent_cents + ledger.reserved_cents + amount > budget
        elif step == "settle" and ledger.reservations:
            held = ledger.reservations[chosen % len(ledger.reservations)]
            cost = min(amount, held.cost_cents)
            settled += cost
            ledger = settle(ledger, held.id, cost)
        elif step == "month":
            month, settled = month + 1, Decimal(0)
            ledger = rolled(ledger, f"2026-{month:03}")
        assert ledger.spent_cents + ledger.reserved_cents <= budget
        assert ledger.spent_cents == settled
        assert ledger.reserved_cents == sum(held.cost_cents for held in ledger.reservations)


@given(amount=AMOUNTS, cost=AMOUNTS)
def test_reserving_and_settling_twice_is_the_same_as_once(amount: Decimal, cost: Decimal) -> None:
    once = reserve(Ledger(id="x"), reservation(1, amount))
    assert reserve(once, reservation(1, amount)) == once
    over = settle(once, "1", cost)
    assert settle(over, "1", cost) == over
    assert (over.spent_cents, over.reserved_cents) == (cost, 0)


def test_what_calls_under_way_hold_is_told_from_what_is_gone() -> None:
    ledger = reserve(Ledger(id="x", budget_cents=10), reservation(1, Decimal(6)))
    with pytest.raises(BudgetHeld):
        reserve(ledger, reservation(2, Decimal(5)))
    with pytest.raises(BudgetExhausted):
        reserve(settle(ledger, "1", Decimal(6)), reservation(2, Decimal(5)))


def test_what_has_arisen_already_is_never_refused() -> None:
    ledger = reserve(Ledger(id="x", budget_cents=10), reservation(1, Decimal(25)), known=True)
    assert settle(ledger, "1", Decimal(25)).spent_cents == 25


@pytest.mark.parametrize("amount", ["-0.000001", "NaN", "sNaN", "Infinity", "-Infinity", "1000000000001", "1e30"])
def test_an_amount_that_cannot_be_never_enters(amount: str) -> None:
    with pytest.raises(ValidationFailed):
        checked_cents(Decimal(amount))


def test_parts_of_a_micro_cent_are_rounded_up() -> None:
    assert checked_cents(Decimal("0.1234561")) == Decimal("0.123457")


@given(now=MOMENTS, where=st.sampled_from(ZONES), period=st.sampled_from([Period.MONTH, Period.WEEK, Period.DAY]))
def test_a_period_holds_its_moment_and_ends_where_the_next_begins(
    now: Instant, where: ZoneInfo, period: Period
) -> None:
    start, end = window(period, now, where)
    assert start <= now < end
    following, _ = window(period, end, where)
    assert following == end


@given(now=MOMENTS, where=st.sampled_from(ZONES))
def test_a_month_is_the_same_from_its_start_to_its_end_and_no_longer(now: Instant, where: ZoneInfo) -> None:
    start, end = window(Period.MONTH, now, where)
    last = instant(moment(end) - timedelta(milliseconds=1))
    assert month_of(start, where) == month_of(now, where) == month_of(last, where) < month_of(end, where)


@pytest.mark.parametrize(
    ("now", "name", "period", "start", "end"),
    [
        # Clocks go forward on 29 March: the day has 23 hours, and the month begins by winter time.
        ("2026-03-29T12:00:00.000Z", "Europe/Berlin", Period.DAY, "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-03-31T22:30:00.000Z", "Europe/Berlin", Period.MONTH, "2026-03-31T22:00", "2026-04-30T22:00"),
        # Clocks go back on 25 October.
        ("2026-10-25T12:00:00.000Z", "Europe/Berlin", Period.DAY, "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-12-31T23:30:00.000Z", "UTC", Period.MONTH, "2026-12-01T00:00", "2027-01-01T00:00"),
        # A Sunday belongs to the week that began on Monday (ISO 8601).
        ("2026-04-05T10:00:00.000Z", "UTC", Period.WEEK, "2026-03-30T00:00", "2026-04-06T00:00"),
        # Midnight of this day did not exist there.
        ("2018-11-04T12:00:00.000Z", "America/Sao_Paulo", Period.DAY, "2018-11-04T03:00", "2018-11-05T02:00"),
    ],
)
def test_periods_are_those_of_the_calendar_there(now: str, name: str, period: Period, start: str, end: str) -> None:
    found = window(period, Instant(now), ZoneInfo(name))
    assert [edge[:16] for edge in found] == [start, end]


def test_a_clock_that_is_put_back_gives_no_budget_twice() -> None:
    ledger = Ledger(id="x", spent_cents=Decimal(5), budget_month="2026-05")
    assert rolled(ledger, "2026-04") == ledger
    assert rolled(ledger, "2026-06").spent_cents == 0


def test_what_is_reserved_comes_along_into_the_next_month() -> None:
    ledger = rolled(reserve(Ledger(id="x", budget_month="2026-05"), reservation(1, Decimal(6))), "2026-06")
    assert (ledger.spent_cents, ledger.reserved_cents) == (0, 6)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "/etc/passwd", "Europe", "Europe/Berlin\0", "UTC "])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailed):
        zone(name)


def test_each_percentage_is_warned_of_once() -> None:
    ledger = Ledger(id="x", budget_cents=100, spent_cents=Decimal(79))
    told = []
    for spent in (79, 80, 85, 99, 100, 120):
        ledger, levels = warned(replace(ledger, spent_cents=Decimal(spent)))
        told.append(levels)
    assert told == [(), (80,), (), (), (100,), ()]


def test_with_a_higher_budget_a_percentage_is_ahead_again() -> None:
    ledger, _ = warned(Ledger(id="x", budget_cents=100, spent_cents=Decimal(90)))
    higher, none = warned(replace(ledger, budget_cents=1000))
    assert (none, warned(replace(higher, spent_cents=Decimal(800)))[1]) == ((), (80,))
