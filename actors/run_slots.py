"""The limit on runs at once in the whole process, fair between companies."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class RunSlots:
    """So many places; those who wait are let in by turns, one company after the other.

    A company with a hundred waiting agents and one with a single one each get every second place.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, company_id: str) -> AsyncIterator[None]:
        """Hold a place while the block runs; waits for one first."""
        await self._enter(company_id)
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Let someone else have the place while the block runs, because its holder only waits.

        It goes on at once afterwards, without standing in line with its work half done: then there may be more than
        there are places for a while, and nobody new is let in until there are not.
        """
        self._leave()
        try:
            yield
        finally:
            self._free -= 1

    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(len(queue) for queue in self._queues.values())

    async def _enter(self, company_id: str) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(company_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        if self._free < 0:
            self._free += 1
            return
        while self._queues:
            company_id = next(iter(self._queues))
            queue = self._queues.pop(company_id)
            turn = queue.popleft()
            if queue:
                # Taken out and put in again: a company that was served goes behind the others.
                self._queues[company_id] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
