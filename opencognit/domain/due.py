"""What a schedule does when its due time has come: which due time fires, and which comes next."""

from typing import Final, NamedTuple

from opencognit.domain.cron import Cron
from opencognit.domain.instants import Instant, Seconds, after, between
from opencognit.domain.routine import CatchUpPolicy

MINUTE: Final[Seconds] = 60


class Due(NamedTuple):
    """What happens now."""

    fires: Instant | None
    """The due time that fires; None where none does."""
    next: Instant | None
    """When to look again; with `catch_up` that may be a due time that has passed."""
    is_missed: bool
    """Whether due times are passed over for ever."""


def due(cron: Cron, waiting: Instant, policy: CatchUpPolicy, *, now: Instant, missed_after: Seconds, limit: int) -> Due:
    """What a schedule does now.

    Args:
        cron: the schedule.
        waiting: the due time that has come, and was not fired.
        policy: what becomes of missed ones.
        now: the present moment, not before `waiting`.
        missed_after: how late one may be fired that is not caught up on.
        limit: how many are caught up on at most, the latest ones.
    """
    if policy is CatchUpPolicy.CATCH_UP and between(waiting, now) < limit * MINUTE:
        # A schedule comes due once a minute at most, so no more than `limit` are waiting: they need not be looked for.
        return Due(waiting, cron.next(waiting), is_missed=False)
    last = cron.newest(after(waiting, -0.001), now, limit if policy is CatchUpPolicy.CATCH_UP else 1)
    if policy is CatchUpPolicy.CATCH_UP and last:
        return Due(last[0], cron.next(last[0]), last[0] != waiting)
    if last and between(last[0], now) <= missed_after:
        return Due(last[0], cron.next(now), last[0] != waiting)
    # Without any, the rules of the time zone have changed since the due time was noted.
    return Due(None, cron.next(now), bool(last))
