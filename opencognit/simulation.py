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
import selectors
from collections.abc import Callable, Coroutine, Mapping
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
        async with Runtime(data, settings=settings, clock=clock, ids=ids, providers=providers(clock)) as runtime:
            loop.store = runtime.store
            return await story(runtime, clock)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


class SimulationLoop(asyncio.SelectorEventLoop):
    """An event loop that tells when nothing is left to do at the present moment.

    Attributes:
        store: whose commits count as something to do.
    """

    store: Store | None = None

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self._on_threads = 0
        self._waiting: list[asyncio.Future[None]] = []

    @override
    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """As usual; counted, since its result is still to come."""
        self._on_threads += 1
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back_from_thread)
        return future

    async def idle(self) -> None:
        """Wait until nothing is left to do but to let time pass."""
        waiter = self.create_future()
        self._waiting.append(waiter)
        await waiter

    def went_on(self) -> bool:
        """Asked by the selector when nothing is ready: whether someone waited for just that, and goes on now."""
        if not self._waiting or self._on_threads or not (self.store is None or self.store.is_quiet()):
            return False
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        return True

    def _back_from_thread(self, _future: "asyncio.Future[Any]") -> None:
        self._on_threads -= 1


class _Selector(selectors.DefaultSelector):
    """Tells its loop when it would have to wait."""

    def __init__(self, loop: SimulationLoop) -> None:
        super().__init__()
        self._told = loop

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As usual, but for the case that there is only time to wait for."""
        if timeout is not None and timeout <= SHORT:
            return super().select(timeout)
        ready = super().select(0)
        return ready or ([] if self._told.went_on() else super().select(timeout))
