"""The `SnapshotWriter`: the one actor that writes, on a thread of its own, many changes in one commit.

While a commit is under way, what is handed in waits; then all of it goes into the next one (group commit: DeWitt et
al., "Implementation techniques for main memory database systems", SIGMOD 1984). A unit that is refused (an old
version, a circle, a taken e-mail) takes nobody with it: the batch is rolled back and its units are tried one by one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import peewee
import pykka
import structlog
from typing_extensions import override

from opencognit.domain.errors import (
    DomainError,
    EmailTaken,
    InternalError,
    NotFound,
    StorageUnavailable,
    VersionConflict,
)
from opencognit.domain.events import Published
from opencognit.domain.message import encode
from opencognit.domain.records import CompanyErased, Snapshot, Unit
from opencognit.store.cursor import Cursor
from opencognit.store.database import sqlite3
from opencognit.store.records import WRITERS
from opencognit.store.snapshots import SHELVES

BATCH: Final = 500
"""Units in one commit at most, so that the first does not wait for thousands of others."""

_log = structlog.get_logger("opencognit.store")

Waiting = tuple[Unit, "asyncio.Future[None]"]
Outcome = DomainError | None


class Line(deque[Waiting]):
    """The units that wait for the writer, each with the future that waits for it.

    Attributes:
        taken: how many the writer has ever taken.
        settled: of how many the outcome was told.
    """

    taken = 0
    settled = 0

    def is_quiet(self) -> bool:
        """Whether nothing waits and nothing is being written. Asked on the loop's thread."""
        return not self and self.taken == self.settled


class Flush:
    """Told to the writer when something waits."""


class SnapshotWriter(pykka.ThreadingActor):
    """Commits units; owns the only connection that writes.

    Args:
        database: the open database; this actor's thread gets its own connection to it.
        loop: where those who wait are answered.
        waiting: the units handed in, each with the future that waits for it. A future ends with None (durable), with
            `VersionConflict`, `DependencyCycle`, `EmailTaken` or `NotFound` (its company was erased; each refused,
            nothing was changed), with `InternalError` (it cannot be written, nothing was changed), or with
            `StorageUnavailable` (not known to be durable).
        publish: called on the loop with the events of each commit, after those who waited were answered.
    """

    use_daemon_thread = True

    def __init__(
        self,
        database: peewee.SqliteDatabase,
        loop: asyncio.AbstractEventLoop,
        waiting: Line,
        publish: Callable[[Sequence[Published]], None],
    ) -> None:
        super().__init__()
        self._database = database
        self._loop = loop
        self._publish = publish
        self._waiting = waiting
        self._seq = 0
        self._erased: set[str] = set()

    @override
    def on_start(self) -> None:
        """Read where the event log stands."""
        row = self._database.execute_sql("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        self._seq = row[0] if row else 0

    @override
    def on_stop(self) -> None:
        """Commit what still waits and close the connection."""
        self.on_receive(Flush())
        self._database.close()

    @override
    def on_receive(self, message: object) -> None:
        """Commit all that waits."""
        if not isinstance(message, Flush):
            raise TypeError(f"The writer is told Flush, not {message!r}")
        while self._waiting:
            size = min(BATCH, len(self._waiting))
            self._waiting.taken += size
            batch = [self._waiting.popleft() for _ in range(size)]
            outcomes, published = self._commit_together([unit for unit, _ in batch])
            self._loop.call_soon_threadsafe(self._settle, batch, outcomes, published)

    def _settle(self, batch: list[Waiting], outcomes: list[Outcome], published: list[Published]) -> None:
        self._waiting.settled += len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if outcome is None:
                future.set_result(None)
            else:
                future.set_exception(outcome)
        if published:
            self._publish(published)

    def _commit_together(self, units: list[Unit]) -> tuple[list[Outcome], list[Published]]:
        published, error = self._commit(units)
        if error is None:
            return [None] * len(units), published
        if len(units) == 1:
            return [error], []
        outcomes: list[Outcome] = []
        for unit in units:
            some, error = self._commit([unit])
            published += some
            outcomes.append(error)
        return outcomes, published

    def _commit(self, units: list[Unit]) -> tuple[list[Published], Outcome]:
        seq = self._seq
        try:
            with self._database.atomic("IMMEDIATE"):
                cursor = self._database.connection().cursor()
                self._refuse_the_erased(units)
                _write_snapshots(cursor, [unit.snapshot for unit in units if unit.snapshot is not None])
                _write_records(cursor, units)
                published = self._write_events(cursor, units)
        except DomainError as error:
            self._seq = seq
            return [], error
        except (peewee.PeeweeException, sqlite3.Error) as error:
            self._seq = seq
            return [], _translated(error)
        except Exception as error:  # noqa: BLE001 - whatever cannot be written, everyone else's writes go on
            self._seq = seq
            _log.error("unit_not_writable", exc_info=error)
            return [], InternalError()
        self._erased |= _erased_by(units)
        return published, None

    def _refuse_the_erased(self, units: list[Unit]) -> None:
        """A company may have been erased while a change of something in it was on its way here."""
        erased = self._erased | _erased_by(units)
        if not erased:
            return
        entities = (unit.snapshot.entity for unit in units if unit.snapshot is not None)
        events = (event for unit in units for event in unit.events)
        # Also in a group that erases the company itself: one by one, each is before that or after it.
        if any(getattr(one, "company_id", None) in erased for one in (*entities, *events)):
            raise NotFound("Company not found")

    def _write_events(self, cursor: Cursor, units: Iterable[Unit]) -> list[Published]:
        published = []
        for unit in units:
            for event in unit.events:
                self._seq += 1
                published.append(Published(self._seq, event.company_id, event.type, encode(event), unit.now))
        cursor.executemany(
            "INSERT INTO events (seq, company_id, type, data, created_at) VALUES (?, ?, ?, ?, ?)",
            [(event.seq, event.company_id, event.type, event.data, event.timestamp) for event in published],
        )
        return published


def _write_snapshots(cursor: Cursor, snapshots: Iterable[Snapshot]) -> None:
    statements: dict[str, list[tuple[Any, ...]]] = {}
    for snapshot in snapshots:
        statement, parameters = SHELVES[snapshot.kind].statement(snapshot)
        statements.setdefault(statement, []).append(parameters)
    for statement, rows in statements.items():
        changed = cursor.executemany(statement, rows).rowcount
        if changed != len(rows):
            raise VersionConflict("The stored version is not the expected one")


def _erased_by(units: Iterable[Unit]) -> set[str]:
    return {record.company_id for unit in units for record in unit.records if isinstance(record, CompanyErased)}


def _write_records(cursor: Cursor, units: Iterable[Unit]) -> None:
    for unit in units:
        for record in unit.records:
            WRITERS[type(record)](cursor, record)


def _translated(error: Exception) -> DomainError:
    """A fault of the database as a refusal that a client may see."""
    if "users.email" in str(error):
        return EmailTaken()
    if isinstance(error, (peewee.IntegrityError, sqlite3.IntegrityError)):
        return VersionConflict("It exists already")
    _log.error("commit_failed", error=str(error))
    return StorageUnavailable()
