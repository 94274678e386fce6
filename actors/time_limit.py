"""How long a run may take, by the injected clock; it stands still while the run waits for something outside."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from opencognit.clock import Clock, Timer
from opencognit.domain.instants import Instant, Seconds, after, between


class TimeLimit:
    """Like `asyncio.timeout`: the block ends with `TimeoutError` when it has taken longer.

    Args:
        clock: what it goes by.
        seconds: how long the block may take, without the time in which it stood still.
    """

    def __init__(self, clock: Clock, seconds: Seconds) -> None:
        self._clock = clock
        self._left = seconds
        self._going: tuple[Instant, Timer] | None = None
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._go()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._halt()
        await self._timeout.__aexit__(kind, error, traceback)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Inside this, no time passes."""
        if self._going is None:
            yield
            return
        self._halt()
        try:
            yield
        finally:
            self._go()

    def _go(self) -> None:
        now = self._clock.now()
        self._going = now, self._clock.call_at(after(now, max(self._left, 0)), self._expire)

    def _halt(self) -> None:
        if self._going is not None:
            began, timer = self._going
            timer.cancel()
            self._left -= between(began, self._clock.now())
            self._going = None

    def _expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())
