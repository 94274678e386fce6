"""Due times over both changes of the clocks, against a plain reading of the rules: minute by minute, on the wall."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from cronsim import CronSim
from hypothesis import strategies as st

from opencognit.domain.cron import Cron
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant, after, instant, moment

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
ZONES = [
    *(BERLIN, NEW_YORK, LORD_HOWE, "Antarctica/Troll", "America/Santiago", "Africa/Casablanca", "America/Havana"),
    *("Asia/Beirut", "Atlantic/Azores", "Asia/Kolkata", "UTC"),
]
EXPRESSIONS = [
    *("* * * * *", "*/7 */5 * * *", "0 */3 * * *", "30 */2 * * *", "15 * * * *", "*/20 1,2,3 * * *", "0 0 * * *"),
    *("30 2 * * *", "0,30 2,3 * * *", "15 0-3 * * *", "59 23 * * 0", "0 3 25-31 * *", "0 2 * 3,10 0L"),
]  # fmt: skip


def on_the_wall(expression: str, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Instant]:
    """Every due time from `start` to `end`, found by looking at the wall each minute."""
    cron = CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - a time on the wall
    minute, hour = expression.split()[:2]
    is_fixed = not (minute.startswith("*") or hour.startswith("*"))

    def matches(wall: datetime) -> bool:
        days = cron.match_dom(wall.date()) and cron.match_dow(wall.date())
        return wall.minute in cron.minutes and wall.hour in cron.hours and wall.month in cron.months and days

    shown: set[datetime] = set()
    now = start - 4 * HOUR
    while now <= end:
        wall = now.astimezone(zone).replace(tzinfo=None)
        before = (now - MINUTE).astimezone(zone).replace(tzinfo=None)
        skipped = int((wall - before) / MINUTE) if wall > before else 1
        walls = [wall - number * MINUTE for number in range(skipped if is_fixed else 1)]
        if now >= start and any(matches(one) for one in walls if not (is_fixed and one in shown)):
            yield instant(now)
        shown.add(wall)
        now += MINUTE


def changes_of(zone: ZoneInfo) -> list[datetime]:
    """The days of 2026 on which the clocks are changed; some day where they are not."""
    days = [datetime(2026, 1, 1, tzinfo=UTC) + number * DAY for number in range(365)]
    return [
        day for day in days if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset()
    ] or days[:1]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_due_time_around_a_change_is_found_and_no_other(name: str, expression: str) -> None:
    zone, chance = ZoneInfo(name), random.Random(name + expression)
    cron = Cron(expression, zone)
    for change in changes_of(zone):
        start, end = change - 4 * HOUR, change + DAY + 4 * HOUR
        expected = list(on_the_wall(expression, zone, start, end))
        found, now = [], instant(start - MINUTE / 60)
        while (due := cron.next(now)) is not None and due <= instant(end):
            found.append(due)
            now = due
        assert found == expected
        for _ in range(20):
            low, high = sorted(instant(start + chance.random() * (end - start)) for _ in range(2))
            limit = chance.randint(1, 40)
            between = [due for due in expected if low < due <= high]
            assert cron.newest(low, high, limit) == between[-limit:]
            following = [due for due in expected if due > low]
            assert not following or cron.next(low) == following[0]


@pytest.mark.parametrize(
    ("zone", "expression", "start", "expected"),
    [
        # Berlin, 2026-03-29: two o'clock becomes three. What was skipped comes due at the change, once.
        (BERLIN, "30 2 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        (BERLIN, "0,30 2,3 * * *", "2026-03-29T00:30", ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"]),
        (BERLIN, "30 * * * *", "2026-03-28T23:45", ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"]),
        (BERLIN, "0 */2 * * *", "2026-03-28T23:30", ["2026-03-29T02:00", "2026-03-29T04:00"]),
        # Berlin, 2026-10-25: three o'clock becomes two. What comes twice is due the first time; each hour is an hour.
        (BERLIN, "30 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        (BERLIN, "30 * * * *", "2026-10-24T23:45", ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"]),
        (BERLIN, "0 3 * * *", "2026-10-24T12:00", ["2026-10-25T02:00", "2026-10-26T02:00"]),
        # New York: 2026-03-08 and 2026-11-01.
        (NEW_YORK, "30 2 * * *", "2026-03-07T12:00", ["2026-03-08T07:00", "2026-03-09T06:30"]),
        (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["2026-11-01T05:30", "2026-11-02T06:30"]),
        (NEW_YORK, "0 * * * *", "2026-11-01T04:30", ["2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00"]),
        # Lord Howe moves by half an hour: 2026-10-04 from two to half past, 2026-04-05 back to half past one.
        (LORD_HOWE, "15 2 * * *", "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:15"]),
        (LORD_HOWE, "0 */3 * * *", "2026-10-03T14:00", ["2026-10-03T16:00", "2026-10-03T19:00"]),
        (LORD_HOWE, "45 1 * * *", "2026-04-04T00:00", ["2026-04-04T14:45", "2026-04-05T15:15"]),
        (LORD_HOWE, "*/30 1 * * *", "2026-04-04T14:20", ["2026-04-04T14:30", "2026-04-04T15:00", "2026-04-05T14:30"]),
    ],
)  # fmt: skip
def test_a_change_of_the_clocks_is_met_as_debians_cron_meets_it(
    zone: str, expression: str, start: str, expected: list[str]
) -> None:
    cron, now, found = Cron(expression, ZoneInfo(zone)), Instant(f"{start}:00.000Z"), []
    for _ in expected:
        now = cron.next(now) or now
        found.append(now[:16])
    assert found == expected


@pytest.mark.parametrize(
    ("nickname", "fields"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        (" @Midnight ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_a_nickname_stands_for_five_fields(nickname: str, fields: str) -> None:
    zone, now = ZoneInfo(BERLIN), instant(datetime(2026, 4, 5, 10, 30, tzinfo=UTC))
    assert Cron(nickname, zone).next(now) == Cron(fields, zone).next(now) is not None


FIELD = st.text("0123456789*/-,L#WSUNMON", max_size=8) | st.sampled_from(["*", "0", "30", "1-5", "*/2", "L", "MON"])


@hypothesis.given(st.lists(FIELD, min_size=4, max_size=6).map(" ".join) | st.text(max_size=30))
@hypothesis.settings(max_examples=500)
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    now = instant(datetime(2026, 3, 28, 12, tzinfo=UTC))
    try:
        cron = Cron(text, ZoneInfo(BERLIN))
    except ValidationFailed:
        return
    due = cron.next(now)
    if due is not None:
        assert due > now
        assert moment(due).second == 0
        assert cron.newest(now, due, 2) == [due]
        assert cron.newest(now, after(due, -0.001), 2) == []
