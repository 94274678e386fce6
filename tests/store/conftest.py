"""A store on a real file, and what it has published."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from opencognit.domain.events import Published
from opencognit.store.database import sqlite3
from opencognit.store.store import Store


class Groups(list[list[Published]]):
    """The events of each commit, in order of the commits."""

    def add(self, events: Sequence[Published]) -> None:
        self.append(list(events))

    def numbers(self) -> list[int]:
        return [event.seq for group in self for event in group]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database lies."""
    return tmp_path / "opencognit.db"


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
async def store(path: Path, groups: Groups) -> AsyncIterator[Store]:
    opened = await Store.open(path, publish=groups.add)
    yield opened
    await opened.close()


class Lock:
    """Keeps the writer from committing while it is held, so that more units gather than one.

    With the writer's own SQLite: two copies of the library in one process undo each other's file locks
    (sqlite.org/howtocorrupt.html, 2.2.1).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()


@pytest.fixture
def lock(path: Path) -> Lock:
    return Lock(path)


async def all_of(futures: Sequence["asyncio.Future[None]"]) -> list[BaseException | None]:
    """How each commit ended: None, or its refusal."""
    async with asyncio.timeout(30):
        return await asyncio.gather(*futures, return_exceptions=True)
