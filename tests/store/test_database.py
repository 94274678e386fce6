"""Opening: made from nothing, brought up to date with a backup first, or refused with a reason."""

import shutil
import stat
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from opencognit.domain.errors import StorageUnavailable
from opencognit.store import database as module
from opencognit.store.database import FIRST_SAFE_SQLITE, READERS, Readers, open_database, sqlite3
from opencognit.store.store import Store
from tests.store.conftest import Groups
from tests.store.units import founded, write

MIGRATIONS = Path(module.__file__).parent / "migrations"
SECOND = """
def up(migrator, db):
    db.execute_sql("CREATE TABLE notes (id TEXT PRIMARY KEY)")
"""
LONG = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n"
"""A question that takes a while."""
FAILING = SECOND + '    db.execute_sql("CREATE TABLE notes (id TEXT PRIMARY KEY)")\n'


def rows(path: Path, question: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        found: list[tuple[object, ...]] = connection.execute(question).fetchall()
        return found
    finally:
        connection.close()


def insert(path: Path) -> Any:
    """Write a company; the connection is still open, so the row is in the write-ahead log alone."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO companies (id, version, body) VALUES ('c', 1, '{}')")
    connection.commit()
    return connection


def files_of(path: Path) -> list[str]:
    """The files that are a part of this database: with a log, it is more than one."""
    return sorted(file.name for file in path.parent.glob(f"{path.name}*"))


def tables(path: Path) -> set[object]:
    return {name for (name,) in rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")}


def opened(path: Path) -> None:
    """Open and close."""
    open_database(path).close()


@pytest.fixture
def existing(path: Path) -> Path:
    opened(path)
    return path


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a program that is one version newer."""
    package = tmp_path / "newer"
    shutil.copytree(MIGRATIONS, package / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "migrations" / "0099_notes.py").write_text(SECOND, "utf-8")
    monkeypatch.setattr(module, "files", lambda _name: package)
    return package / "migrations" / "0099_notes.py"


# The schema


def test_a_database_is_made_from_nothing(path: Path) -> None:
    opened(path)
    assert {"users", "companies", "agents", "tasks", "events", "migrations"} <= tables(path)


def test_the_folder_above_is_made_too(tmp_path: Path) -> None:
    opened(tmp_path / "deep" / "deeper" / "opencognit.db")
    assert (tmp_path / "deep" / "deeper" / "opencognit.db").exists()


def test_a_new_database_is_for_its_owners_eyes(existing: Path) -> None:
    assert stat.S_IMODE(existing.stat().st_mode) == 0o600


def test_the_second_start_applies_nothing_and_makes_no_backup(existing: Path) -> None:
    applied = rows(existing, "SELECT * FROM migrations")
    opened(existing)
    assert rows(existing, "SELECT * FROM migrations") == applied
    assert list(existing.parent.glob("*.before-*")) == []


def test_what_was_written_is_there_at_the_second_start(existing: Path) -> None:
    insert(existing).close()
    opened(existing)
    assert rows(existing, "SELECT id FROM companies") == [("c",)]


def test_a_newer_version_brings_the_schema_up_to_date(existing: Path, next_version: Path) -> None:
    opened(existing)
    assert "notes" in tables(existing)


def test_before_a_migration_the_database_is_copied(existing: Path, next_version: Path) -> None:
    opened(existing)
    (copy,) = existing.parent.glob("*.before-*")
    assert copy.name == "opencognit.before-0099_notes.db"
    assert "notes" not in tables(copy)
    assert "companies" in tables(copy)


def test_the_copy_holds_also_what_was_in_the_write_ahead_log(existing: Path, next_version: Path) -> None:
    connection = insert(existing)
    opened(existing)
    connection.close()
    (copy,) = existing.parent.glob("*.before-*")
    assert rows(copy, "SELECT id FROM companies") == [("c",)]


def test_the_copy_is_for_its_owners_eyes_too(existing: Path, next_version: Path) -> None:
    opened(existing)
    (copy,) = existing.parent.glob("*.before-*")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_migration_that_fails_changes_nothing(existing: Path, next_version: Path) -> None:
    next_version.write_text(FAILING, "utf-8")
    applied = rows(existing, "SELECT name FROM migrations")
    with pytest.raises(StorageUnavailable, match="already exists"):
        opened(existing)
    assert "notes" not in tables(existing)
    assert rows(existing, "SELECT name FROM migrations") == applied


# Refusals


def test_a_database_of_a_newer_version_is_refused(existing: Path) -> None:
    connection = sqlite3.connect(existing)
    connection.execute("INSERT INTO migrations (name, applied) SELECT '0099_future', max(applied) FROM migrations")
    connection.commit()
    connection.close()
    with pytest.raises(StorageUnavailable, match=r"newer version .*0099_future"):
        opened(existing)


def test_a_refused_newer_database_is_left_as_it_is(
    existing: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(existing)
    before = rows(existing, "SELECT name FROM migrations")
    monkeypatch.undo()
    with pytest.raises(StorageUnavailable):
        opened(existing)
    assert rows(existing, "SELECT name FROM migrations") == before


@pytest.mark.parametrize("version", [(3, 51, 2), (3, 45, 1), (3, 9, 9)])
def test_an_sqlite_that_can_lose_data_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(module.sqlite3, "sqlite_version_info", version)
    with pytest.raises(StorageUnavailable, match=r"install pysqlite3 with 3\.51\.3"):
        opened(path)
    assert not path.exists()


def test_an_old_sqlite_can_be_allowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sqlite3, "sqlite_version_info", (3, 45, 1))
    open_database(path, allow_old_sqlite=True).close()
    assert path.exists()


def test_the_sqlite_in_use_is_a_safe_one() -> None:
    assert sqlite3.sqlite_version_info >= FIRST_SAFE_SQLITE


@pytest.mark.parametrize("damage", ["garbage", "cut", "zeroed"])
def test_a_damaged_file_is_refused_by_name(existing: Path, damage: str) -> None:
    whole = existing.read_bytes()
    existing.write_bytes(
        {
            "garbage": b"This is no database at all. " * 500,
            "cut": whole[: len(whole) // 3],
            "zeroed": whole[:4096] + bytes(len(whole) - 4096),
        }[damage]
    )
    with pytest.raises(StorageUnavailable, match=f"The database {existing} cannot be used: "):
        opened(existing)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        opened(path)


def test_a_refused_database_is_left_as_it_is(path: Path) -> None:
    garbage = b"This is no database at all. " * 500
    path.write_bytes(garbage)
    with pytest.raises(StorageUnavailable):
        opened(path)
    assert path.read_bytes() == garbage


# The connections


def test_a_commit_survives_a_power_loss_and_readers_do_not_wait(existing: Path) -> None:
    database: Any = open_database(existing)
    assert database.execute_sql("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute_sql("PRAGMA synchronous").fetchone() == (2,)
    database.close()


def test_readers_cannot_write(existing: Path) -> None:
    readers = Readers(existing)
    with pytest.raises(Exception, match="readonly"):
        readers.rows("INSERT INTO companies (id, version, body) VALUES ('c', 1, '{}')")
    readers.database.close()
    readers.close()


@pytest.fixture
def held_on_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is closed merely because nobody refers to it any more."""
    connect, connections = sqlite3.connect, []

    def connected(*arguments: Any, **options: Any) -> Any:
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)


@pytest.mark.usefixtures("held_on_to")
def test_readers_close_the_connection_of_each_of_their_threads(existing: Path) -> None:
    writing: Any = open_database(existing)
    writing.execute_sql("INSERT INTO companies (id, version, body) VALUES ('c', 1, '{}')")
    readers, all_threads = Readers(existing), Barrier(READERS)

    def read(question: str) -> None:
        all_threads.wait()
        readers.rows(question)

    # One thread is still at it when the other has nothing more to do.
    for question in ("SELECT 1", LONG):
        readers.executor.submit(read, question)
    readers.close()
    writing.close()
    assert files_of(existing) == [existing.name]


@pytest.mark.usefixtures("held_on_to")
async def test_a_store_that_was_closed_is_one_file_that_nobody_has_open(path: Path, groups: Groups) -> None:
    """SQLite keeps its log for as long as anyone has the database open."""
    store = await Store.open(path, publish=groups.add)
    await store.commit(write(founded()))
    await store.queries.answers_at_all()
    assert len(files_of(path)) > 1
    await store.close()
    assert files_of(path) == [path.name]
