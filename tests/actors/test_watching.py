"""Watching: every committed state from now on, of all actors, of a kind, or of one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from opencognit.actors.system import ActorSystem, Change
from opencognit.domain.company import Company
from opencognit.domain.errors import MailboxFull
from opencognit.domain.kinds import COMPANY
from tests.actors.notebook import Do, Notebook, Open, Rename


@pytest.fixture
async def watched(system: ActorSystem) -> AsyncIterator[Callable[..., Any]]:
    """Begin to watch, and return the iterator; closed afterwards."""
    watches: list[Any] = []

    async def begin(**which: str) -> tuple[Any, "asyncio.Future[Change]"]:
        changes = system.watch(**which)
        watches.append(changes)
        coming = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        return changes, coming

    yield begin
    for changes in watches:
        await changes.aclose()


async def test_a_watcher_sees_each_committed_state(system: ActorSystem, book: Company, watched: Any) -> None:
    changes, coming = await watched()
    deeds = await system.ask(COMPANY, book.id, Rename(name="Deeds"))
    more = await system.ask(COMPANY, book.id, Rename(name="More"))
    assert [await coming, await anext(changes)] == [
        Change("company", book.id, deeds),
        Change("company", book.id, more),
    ]


async def test_a_watcher_of_one_sees_no_other(system: ActorSystem, book: Company, watched: Any) -> None:
    _, coming = await watched(kind="company", entity_id=book.id)
    await system.create(COMPANY, Open(name="Another"))
    deeds = await system.ask(COMPANY, book.id, Rename(name="Deeds"))
    assert (await coming).state == deeds


async def test_a_watcher_learns_that_what_it_watches_was_erased(
    system: ActorSystem, book: Company, watched: Any
) -> None:
    _, coming = await watched(entity_id=book.id)
    await system.ask(COMPANY, book.id, Do(Notebook.erase))
    assert await coming == Change("company", book.id, None)
    assert await system.state(COMPANY, book.id) is None


async def test_a_watcher_that_falls_too_far_behind_is_told_so(
    system: ActorSystem, book: Company, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.actors.system.WATCHER_LIMIT", 2)
    changes, coming = await watched()
    for number in range(5):
        await system.ask(COMPANY, book.id, Rename(name=f"Title {number}"))
    await coming
    with pytest.raises(MailboxFull):
        await anext(changes)


async def test_watching_ends_with_the_system(system: ActorSystem, watched: Any) -> None:
    _, coming = await watched()
    await system.close()
    with pytest.raises(StopAsyncIteration):
        await coming
