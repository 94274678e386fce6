"""The store as the runtime sees it: commit a unit, and ask."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pykka

from opencognit.domain.errors import StorageUnavailable
from opencognit.domain.events import Published
from opencognit.domain.records import Unit
from opencognit.store.database import Readers, open_database
from opencognit.store.queries import Queries
from opencognit.store.writer import Flush, Line, SnapshotWriter


class Store:
    """An open database with its writer and its readers.

    Attributes:
        queries: every question that can be asked.
    """

    def __init__(self, readers: Readers, writer: "pykka.ActorRef[SnapshotWriter]", waiting: Line) -> None:
        self.queries = Queries(readers)
        self._readers = readers
        self._writer = writer
        self._waiting = waiting

    @classmethod
    async def open(
        cls, path: Path, *, publish: Callable[[Sequence[Published]], None], allow_old_sqlite: bool = False
    ) -> Self:
        """Open the database at `path`, creating or migrating it.

        Args:
            path: the SQLite file.
            publish: called on the loop with the events of each commit.
            allow_old_sqlite: start on a SQLite library that is known to lose data.

        Raises:
            StorageUnavailable: it cannot be used; the message says why.
        """
        loop = asyncio.get_running_loop()
        database = await asyncio.to_thread(open_database, path, allow_old_sqlite=allow_old_sqlite)
        waiting = Line()
        writer = SnapshotWriter.start(database, loop, waiting, publish)
        return cls(Readers(path), writer, waiting)

    def commit(self, unit: Unit) -> "asyncio.Future[None]":
        """Make a unit durable with the next group; the future ends when it is.

        Raises:
            VersionConflict, DependencyCycle, EmailTaken: refused, nothing was changed.
            NotFound: likewise, because its company was erased meanwhile.
            InternalError: it cannot be written, nothing was changed.
            StorageUnavailable: not known to be durable.
        """
        future = asyncio.get_running_loop().create_future()
        if not self._writer.is_alive():
            future.set_exception(StorageUnavailable("The store is closed"))
            return future
        self._waiting.append((unit, future))
        # Appended first: a longer queue means that the writer has yet to come by and will take this one too.
        if len(self._waiting) == 1:
            self._writer.tell(Flush())
        return future

    def is_quiet(self) -> bool:
        """Whether nothing that was handed in is still to be written."""
        return self._waiting.is_quiet()

    def finish(self) -> None:
        """Write all that was handed in before this returns. It holds the loop up, so it is for simulations alone."""
        if self._writer.is_alive():
            self._writer.ask(Flush())

    async def close(self) -> None:
        """Commit what waits, then close all connections.

        The writer's is the last: only one that may write empties SQLite's log into the database and removes it.
        """
        await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(self._writer.stop)
