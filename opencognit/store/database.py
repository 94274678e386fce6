"""Opening SQLite: pragmas, the version that is safe, the schema, and the connections.

One connection writes (the `SnapshotWriter`'s); a small pool of read-only ones reads. WAL lets them not wait for each
other; `synchronous=FULL` makes a commit survive a power loss.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import peewee
from playhouse.migrations import Runner  # type: ignore[import-untyped]

from opencognit.domain.errors import StorageUnavailable

sqlite3: Final[Any] = peewee.sqlite3  # type: ignore[attr-defined]
"""The SQLite module that Peewee has chosen: pysqlite3 where it is installed."""

FIRST_SAFE_SQLITE: Final = (3, 51, 3)
"""Older ones can corrupt a database when a WAL is reset while another connection writes (sqlite.org/wal.html)."""

READERS: Final = 2
"""Reading connections. The interpreter lock leaves little for more."""

_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "busy_timeout": 5000,
    "foreign_keys": 0,
    "temp_store": "memory",
    "cache_size": -32_000,
    "wal_autocheckpoint": 8000,
    # Else the log's file stays as long as the largest commit has made it.
    "journal_size_limit": 64 * 1024 * 1024,
}


def open_database(path: Path, *, allow_old_sqlite: bool = False) -> peewee.SqliteDatabase:
    """Open (or create) the database file and bring its schema up to date, with a backup first.

    Returns:
        The database, without a connection: each thread that uses it opens its own, and closes it.

    Raises:
        StorageUnavailable: the file cannot be opened, the SQLite library is too old, or the schema is newer than
            this program.
    """
    _refuse_old_sqlite(allow_old_sqlite)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    database = peewee.SqliteDatabase(str(path), pragmas=_PRAGMAS, autoconnect=True)
    try:
        if is_new:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        _migrate(database, path, is_new=is_new)
    except peewee.PeeweeException as error:
        raise StorageUnavailable(f"The database {path} cannot be used: {error}") from error
    finally:
        database.close()
    return database


def _refuse_old_sqlite(allow: bool) -> None:
    version = sqlite3.sqlite_version_info
    if version < FIRST_SAFE_SQLITE and not allow:
        raise StorageUnavailable(
            f"SQLite {'.'.join(map(str, version))} can corrupt its write-ahead log; install pysqlite3 with "
            f"{'.'.join(map(str, FIRST_SAFE_SQLITE))} or newer, or set store.allow_old_sqlite"
        )


def _migrate(database: peewee.SqliteDatabase, path: Path, *, is_new: bool) -> None:
    runner = Runner(database, directory=str(files("opencognit.store") / "migrations"), table_name="migrations")
    known = {migration.name for migration in runner.migrations()}
    with database.atomic("EXCLUSIVE"):
        applied = set(runner.applied())
    if unknown := applied - known:
        raise StorageUnavailable(
            f"The database {path} was written by a newer version (it knows {', '.join(sorted(unknown))})"
        )
    if known == applied:
        return
    if not is_new:
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy2(path, path.with_suffix(f".before-{max(known)}.db"))
    runner.up()


class Readers:
    """A small pool of threads, each with a read-only connection of its own."""

    def __init__(self, path: Path) -> None:
        self._database = peewee.SqliteDatabase(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            pragmas={"query_only": 1, "busy_timeout": 5000, "cache_size": -16_000, "temp_store": "memory"},
        )
        self.executor = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")

    @property
    def database(self) -> peewee.SqliteDatabase:
        """The database to run queries on; every thread gets its own connection."""
        return self._database

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query, on the calling thread's connection."""
        rows: list[tuple[Any, ...]] = self._database.execute_sql(sql, parameters).fetchall()
        return rows

    def close(self) -> None:
        """Close the connections and end the threads."""
        all_threads = Barrier(READERS)

        def close_mine() -> None:
            # Each thread has to close its own; one that is quick must not take the turn of another.
            all_threads.wait()
            self._database.close()

        for _ in range(READERS):
            self.executor.submit(close_mine)
        self.executor.shutdown(wait=True)
