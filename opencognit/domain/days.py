"""Days and months as they are counted in a company's time zone."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opencognit.domain.instants import Instant, instant, moment


def day_of(now: Instant, where: ZoneInfo) -> str:
    """The calendar day there, as `2026-04-05`."""
    return moment(now).astimezone(where).date().isoformat()


def days_of(month: str) -> list[str]:
    """All days of a month such as `2026-04`."""
    year, number = map(int, month.split("-"))
    return [f"{month}-{day:02}" for day in range(1, monthrange(year, number)[1] + 1)]


def midnights(now: Instant, where: ZoneInfo, days: int) -> list[Instant]:
    """When each of the last `days` days there began, the oldest first, and when the present one ends.

    Where a midnight does not exist, as clocks are put forward, it is the moment of the jump.
    """
    tomorrow = date.fromisoformat(day_of(now, where)) + timedelta(days=1)
    dates = [tomorrow - timedelta(days=back) for back in range(days, -1, -1)]
    return [instant(datetime(one.year, one.month, one.day, tzinfo=where)) for one in dates]
