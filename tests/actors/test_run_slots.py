"""Places for runs: so many at once, by turns between companies."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from opencognit.actors.run_slots import RunSlots


class Queue:
    """Those who want a place, each with a name; `inside` is the order in which they got one."""

    def __init__(self, places: int) -> None:
        self.slots = RunSlots(places)
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Event] = {}

    async def comes(self, *names: str) -> None:
        """Someone of the company that the name's first letter says."""
        for name in names:
            self._leaving[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._stay(name))
            await turns()

    async def leaves(self, name: str) -> None:
        self._leaving[name].set()
        await turns()

    async def _stay(self, name: str) -> None:
        async with self.slots.place(name[0]):
            self.inside.append(name)
            await self._leaving[name].wait()


async def turns() -> None:
    """Let all who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def one() -> AsyncIterator[Queue]:
    """One place, taken."""
    queue = Queue(1)
    await queue.comes("x")
    yield queue
    for task in queue.tasks.values():
        task.cancel()
    await asyncio.gather(*queue.tasks.values(), return_exceptions=True)


async def test_no_more_get_in_than_there_are_places() -> None:
    queue = Queue(2)
    await queue.comes("a1", "a2", "a3")
    assert queue.inside == ["a1", "a2"]
    assert queue.slots.waiting() == 1
    await queue.leaves("a1")
    assert queue.inside == ["a1", "a2", "a3"]
    await queue.leaves("a2")
    await queue.leaves("a3")


async def test_companies_take_turns(one: Queue) -> None:
    await one.comes("a1", "a2", "a3", "b1", "c1")
    for name in ("x", "a1", "b1", "c1", "a2"):
        await one.leaves(name)
    assert one.inside == ["x", "a1", "b1", "c1", "a2", "a3"]


async def test_within_a_company_who_came_first_is_first(one: Queue) -> None:
    await one.comes("a1", "a2", "a3")
    for name in ("x", "a1", "a2"):
        await one.leaves(name)
    assert one.inside == ["x", "a1", "a2", "a3"]


async def test_who_gives_up_waiting_is_passed_over(one: Queue) -> None:
    await one.comes("a1", "a2")
    one.tasks["a1"].cancel()
    await one.leaves("x")
    assert one.inside == ["x", "a2"]


async def test_who_gives_up_in_the_moment_of_its_turn_passes_the_place_on(one: Queue) -> None:
    await one.comes("a1", "a2")
    one._leaving["x"].set()
    await asyncio.sleep(0)
    # The place is a1's now, but a1 has not run yet.
    one.tasks["a1"].cancel()
    await turns()
    assert one.inside == ["x", "a2"]


async def test_a_failure_gives_the_place_back() -> None:
    slots = RunSlots(1)
    with pytest.raises(ValueError, match="on purpose"):
        async with slots.place("a"):
            raise ValueError("on purpose")
    async with asyncio.timeout(5), slots.place("b"):
        assert slots.waiting() == 0


async def test_when_nobody_is_left_all_places_are_free(one: Queue) -> None:
    await one.comes("a1", "b1")
    one.tasks["b1"].cancel()
    await one.leaves("x")
    await one.leaves("a1")
    assert one.slots.waiting() == 0
    await one.comes("c1", "c2")
    assert one.inside == ["x", "a1", "c1"]
