"""Points in time, written as the wire writes them: `2026-04-05T10:00:00.000Z`.

An `Instant` is that string. Its form is fixed, so instants sort, compare, are stored and are sent as they are.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NewType

Instant = NewType("Instant", str)
"""UTC, milliseconds, always 24 characters."""

DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
ZONE: Final = "(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
"""Patterns of the parts of an ISO 8601 time as clients may write one."""

Seconds = float
"""A length of time."""


def instant(moment: datetime) -> Instant:
    """The instant of an aware `datetime`; finer parts than milliseconds are cut off."""
    return Instant(moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z")


def moment(when: Instant) -> datetime:
    """The aware `datetime` of an instant."""
    return datetime.fromisoformat(when)


def after(when: Instant, seconds: Seconds) -> Instant:
    """The instant that comes `seconds` later (or earlier, if negative)."""
    return instant(moment(when) + timedelta(seconds=seconds))


def between(start: Instant, end: Instant) -> Seconds:
    """How long it is from `start` to `end`; negative if `end` comes first."""
    return (moment(end) - moment(start)).total_seconds()
