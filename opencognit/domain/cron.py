"""When a cron expression comes due in a time zone, also while its clocks are changed.

`cronsim` says which times on the wall match; which moments these are is said here, as the library alone loses due
times where clocks move by half an hour (Lord Howe). The rules are those of Debian's cron. A fixed time that is skipped
in spring comes due at the moment of the change, and one that comes twice in autumn the first time. Where minute or hour
begins with `*`, each time that the wall shows counts.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant, instant, moment
from opencognit.domain.wire_names import TRIGGER_FIELDS

NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

FIELDS_OF_CRON: Final = 5

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class Cron:
    """A schedule: five fields (minute, hour, day of month, month, day of week) or a nickname, in a time zone.

    Raises:
        ValidationFailed: the expression cannot be read. One that never comes due is refused, too, or has no `next`.
    """

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        fields = NICKNAMES.get(expression.strip().lower(), expression).split()
        if len(fields) != FIELDS_OF_CRON:
            raise _refused("has five fields, such as 0 9 * * 1-5, or is one of " + ", ".join(NICKNAMES))
        self._expression = " ".join(fields)
        self._zone = zone
        self._is_fixed = not (fields[0].startswith("*") or fields[1].startswith("*"))
        try:
            CronSim(self._expression, datetime(2000, 1, 1))  # noqa: DTZ001 - a time on the wall
        except CronSimError as error:
            raise _refused(f"cannot be read: {error}") from error

    def next(self, after: Instant) -> Instant | None:
        """The first due time after this moment; None if there is none within 50 years."""
        now = moment(after)
        # What the wall shows a second time is before what it shows now.
        start = self._wall(now) - self._put_back(now, now + _DAY)
        return next((instant(time) for time in self._times(start) if time > now), None)

    def newest(self, since: Instant, until: Instant, limit: int) -> list[Instant]:
        """The last due times, at most `limit`, from after `since` up to and with `until`; oldest first."""
        low, high = moment(since), moment(until)
        start = self._wall(high) + self._put_back(high - _DAY, high) + _SECOND
        times = (time for time in self._times(start, reverse=True) if time <= high)
        return [instant(time) for time in islice(takewhile(lambda time: time > low, times), limit)][::-1]

    def _times(self, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        """The due times of what the wall shows from `start` on (or back), each once and in order."""
        passes = (0,) if self._is_fixed else (0, 1)
        merged = heapq.merge(*(self._pass(start, fold, reverse=reverse) for fold in passes), reverse=reverse)
        return (time for time, _ in groupby(merged))

    def _pass(self, start: datetime, fold: int, *, reverse: bool) -> Iterator[datetime]:
        """The same for one of the two times that the wall shows an hour when clocks are put back."""
        for wall in CronSim(self._expression, start, reverse=reverse):
            first, second = (wall.replace(tzinfo=self._zone, fold=each).astimezone(UTC) for each in (0, 1))
            if first <= second:
                yield (first, second)[fold]
            elif self._is_fixed:
                yield self._change(second, first)

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The moment between these two at which the clocks are changed."""
        offset = before.astimezone(self._zone).utcoffset()
        while after - before > _SECOND:
            middle = before + (after - before) // _SECOND // 2 * _SECOND
            if middle.astimezone(self._zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after

    def _wall(self, when: datetime) -> datetime:
        return when.astimezone(self._zone).replace(tzinfo=None, microsecond=0)

    def _put_back(self, start: datetime, end: datetime) -> timedelta:
        """How far clocks are put back between two moments; nothing, if they are put forward."""
        return max(self._wall(start) - self._wall(end) + (end - start), timedelta())


def _refused(problem: str) -> ValidationFailed:
    return ValidationFailed.of(TRIGGER_FIELDS["cron"], problem)
