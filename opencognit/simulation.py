"""A runtime whose time passes as fast as it can: a month of a company in seconds, offline.

    async def story(runtime: Runtime, clock: ManualClock) -> int:
        ...
        await clock.advance(30 * 24 * 3600)     # each due time comes when all that was due before it is over
        return (await runtime.status()).open_tasks

    simulate(story, providers=lambda _clock: {"scripted": ScriptedProvider()})

The clock moves only while nothing is left to do at the present moment: no callback, no question to the store, no
commit. So the same story with the same answers ends the same, however fast the machine is.
"""

import asyncio
import random
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextvars import Context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from typing_extensions import override

from opencognit.clock import IdSource
from opencognit.providers.port import Provider
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.store.store import Store
from opencognit.testing import ManualClock

T = TypeVar("T")

SHORT: Final = 1.0
"""Seconds. What sleeps for less by the machine's own clock (an actor that restarts) is waited for; what waits for
longer (the deadline of a question) is only there for the case that nothing comes."""


def simulate(
    story: Callable[[Runtime, ManualClock], Coroutine[Any, Any, T]],
    *,
    data: str | Path | None = None,
    settings: Settings | None = None,
    ids: IdSource | None = None,
    providers: Callable[[ManualClock], Mapping[str, Provider]] = lambda _clock: {},
    start: datetime = datetime(2026, 4, 5, 10, tzinfo=UTC),
) -> T:
    """Run a story in a runtime with a loop and a clock of its own. Called where no loop runs.

    Args:
        story: what happens; the runtime ends with it.
        data: as for `Runtime`.
        settings: as for `Runtime`.
        ids: as for `Runtime`.
        providers: makes the adapters, which may sleep by the clock.
        start: when the story begins.

    Returns:
        What the story returns.
    """
    loop = SimulationLoop()

    async def run() -> T:
        clock = ManualClock(start, settle=loop.idle)
        runtime = Runtime(
            data, settings=settings, clock=clock, ids=ids, jitter=SameChance(), providers=providers(clock)
        )
        loop.runtime = runtime
        async with runtime:
            return await story(runtime, clock)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


class SameChance:
    """Chance that is the same in each simulation."""

    def __init__(self) -> None:
        self._source = random.Random(0)  # noqa: S311 - no secret comes of it

    def fraction(self) -> float:
        """From 0 to just below 1."""
        return self._source.random()


class SimulationLoop(asyncio.SelectorEventLoop):
    """An event loop that tells when nothing is left to do at the present moment.

    It waits for whatever runs on another thread, and hears what those threads report when it has nothing else to do,
    so that everything happens in the same order each time.

    Attributes:
        runtime: whose commits count as something to do.
    """

    runtime: Runtime | None = None

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self._own_thread = threading.get_ident()
        self._aside = ThreadPoolExecutor(max_workers=1)
        self._heard: deque[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = deque()
        self._waiting: list[asyncio.Future[None]] = []

    @override
    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """On a thread as usual; but everyone else waits for it."""
        work = (executor or self._aside).submit(func, *args)
        wait([work])
        return asyncio.wrap_future(work, loop=self)

    @override
    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """What another thread reports is heard when nothing else is ready; here the loop is only woken for it."""
        if threading.get_ident() == self._own_thread:
            return super().call_soon_threadsafe(callback, *args, context=context)
        self._heard.append((callback, args, context))
        return super().call_soon_threadsafe(bool)

    @override
    def close(self) -> None:
        """End the thread, too."""
        super().close()
        self._aside.shutdown()

    async def idle(self) -> None:
        """Wait until nothing is left to do but to let time pass."""
        waiter = self.create_future()
        self._waiting.append(waiter)
        await waiter

    def listened(self) -> bool:
        """Asked by the selector when nothing is ready: have all written, and hear what other threads report."""
        if (store := self._store()) is not None and not store.is_quiet():
            store.finish()
        has_heard = bool(self._heard)
        while self._heard:
            callback, args, context = self._heard.popleft()
            self.call_soon(callback, *args, context=context)
        return has_heard

    def went_on(self) -> bool:
        """Asked by the selector when there is only time to wait for: whether someone waited for that, and goes on."""
        if not self._waiting:
            return False
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        return True

    def _store(self) -> Store | None:
        # A runtime has its store only when it has begun to start.
        return getattr(self.runtime, "store", None)


class _Selector(selectors.DefaultSelector):
    """Tells its loop when it would have to wait."""

    def __init__(self, loop: SimulationLoop) -> None:
        super().__init__()
        self._told = loop

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As usual, but for the cases that there is only a thread or only time to wait for."""
        if timeout == 0:
            return super().select(0)
        if self._told.listened():
            return []
        if timeout is not None and timeout <= SHORT:
            return super().select(timeout)
        ready = super().select(0)
        return ready or ([] if self._told.went_on() else super().select(timeout))
