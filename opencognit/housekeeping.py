"""What goes by itself: what has expired, and what the settings do not keep any longer (`[retention]`).

Nothing is remembered of how far it came. What is old is found anew in the database, and goes a few at a time, so that
others' writes never wait for more than these, and a kill in between leaves the rest to the next round.
"""

from typing import Final

import structlog

from opencognit.actors.system import ActorSystem
from opencognit.domain.coding_session import KEPT as CODING_SESSIONS_KEPT
from opencognit.domain.errors import StorageUnavailable
from opencognit.domain.instants import Instant, after
from opencognit.domain.records import ANSWERS_KEPT, EventsDropped, Expired, OutputsDropped, Unit
from opencognit.domain.retention import Kept
from opencognit.settings import Settings
from opencognit.store.store import Store

ROUND: Final = 600.0
"""Seconds between two rounds."""

FOUND: Final = 5000
"""Events that are looked up at once."""

EVENTS: Final = 250
"""Of these, so many go in one commit: a few milliseconds for whoever waits behind it."""

OUTPUTS: Final = 25
"""Runs in one commit; each is written anew."""

MEGABYTE: Final = 1_000_000

_log = structlog.get_logger("opencognit")


async def keep_house(system: ActorSystem, store: Store, settings: Settings) -> None:
    """Go one round after the other, for ever."""
    while True:
        try:
            await _expire(system, store, settings)
            await _retire(store, settings, system.clock.now())
        except StorageUnavailable as error:
            _log.warning("housekeeping_failed", error=error.message)
        await system.sleep(ROUND)


async def _expire(system: ActorSystem, store: Store, settings: Settings) -> None:
    now = system.clock.now()
    expired = Expired(
        sessions_before=now,
        answers_before=after(now, -ANSWERS_KEPT),
        coding_sessions_before=after(now, -CODING_SESSIONS_KEPT),
        executions_before=after(now, -settings.routines.executions_kept_seconds),
    )
    system.directory.close_expired(now)
    await store.commit(Unit(records=(expired,), now=now))


async def _retire(store: Store, settings: Settings, now: Instant) -> None:
    chosen, queries = settings.retention, store.queries
    activity = _kept(now, chosen.activity_kept_seconds, chosen.activity_kept)
    events = _kept(now, chosen.events_kept_seconds, chosen.events_kept)
    outputs = _kept(now, chosen.run_output_kept_seconds, chosen.run_output_kept_mb * MEGABYTE)
    for company_id in await queries.all_company_ids():
        while old := await queries.outlived_activity(company_id, activity, FOUND):
            await _drop_events(store, old, now)
        while old := await queries.outlived_events(company_id, events, FOUND):
            await _drop_events(store, old, now)
        while runs := await queries.outlived_outputs(company_id, outputs, OUTPUTS):
            await store.commit(Unit(records=(OutputsDropped(tuple(runs)),), now=now))


def _kept(now: Instant, seconds: float, most: int) -> Kept:
    return Kept(since=after(now, -seconds) if seconds else None, most=most or None)


async def _drop_events(store: Store, numbers: list[int], now: Instant) -> None:
    for at in range(0, len(numbers), EVENTS):
        await store.commit(Unit(records=(EventsDropped(tuple(numbers[at : at + EVENTS])),), now=now))
