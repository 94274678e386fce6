"""For tests of programs that embed the runtime: a clock to move by hand, and an adapter that follows a script.

clock = ManualClock()
worker = ScriptedProvider()
async with Runtime(clock=clock, providers={"scripted": worker}) as runtime:
    ...
    await clock.advance(300)     # the heartbeat comes
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from opencognit.clock import Timer
from opencognit.domain.adapter import Abilities
from opencognit.domain.instants import Instant, Seconds, after, instant
from opencognit.providers.port import Outcome, Toolbox, Verdict, WorkOrder

Script = Callable[[WorkOrder, Toolbox], Awaitable[Outcome]]
Judge = Callable[[WorkOrder, str, Toolbox], Awaitable[Verdict]]


class ManualClock:
    """A clock that stands still until it is moved.

    Args:
        start: where it stands first.
        settle: awaited after each timer, before the next; by default the loop runs a little. See `simulation.py`.
    """

    def __init__(
        self,
        start: datetime = datetime(2026, 4, 5, 10, tzinfo=UTC),
        *,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._now = instant(start)
        self._settle = settle or _a_little
        self._order = itertools.count()
        self._due: list[tuple[Instant, int, _ManualTimer]] = []

    def now(self) -> Instant:
        """Where the clock stands."""
        return self._now

    def call_at(self, when: Instant, callback: Callable[[], None]) -> Timer:
        """Call back when the clock is moved to or past `when`; at once, on the loop, if it has come already."""
        timer = _ManualTimer(callback)
        if when <= self._now:
            asyncio.get_running_loop().call_soon(timer.fire)
        else:
            heapq.heappush(self._due, (when, next(self._order), timer))
        return timer

    async def sleep(self, seconds: Seconds) -> None:
        """Sleep by this clock: until it has been moved so far."""
        woken = asyncio.Event()
        timer = self.call_at(after(self._now, seconds), woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def advance(self, seconds: Seconds) -> None:
        """Move the clock on, timer by timer, each at its own time; the loop runs a little after each."""
        await self._settle()
        end = after(self._now, seconds)
        while self._due and self._due[0][0] <= end:
            when, _, timer = heapq.heappop(self._due)
            if timer.cancelled:
                continue
            self._now = max(when, self._now)
            timer.fire()
            await self._settle()
        self._now = end
        await self._settle()

    async def jump(self, seconds: Seconds) -> None:
        """Set the clock, forward or back, as when a machine has slept: what has become due comes late, all at once."""
        self._now = after(self._now, seconds)
        while self._due and self._due[0][0] <= self._now:
            heapq.heappop(self._due)[2].fire()
        await self._settle()


async def _a_little() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class _ManualTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.cancelled = False

    def fire(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._callback()

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedProvider:
    """An adapter that does as it is told.

    Args:
        script: called for each piece of work; by default all work succeeds at once.
        name: its `verbindungsTyp`.

    Attributes:
        script: may be changed at any time.
        orders: what it was given, in order.
    """

    abilities = Abilities(tools=True, streaming=True, cost_known=True, repeatable=True)

    def __init__(self, script: Script | None = None, *, name: str = "scripted") -> None:
        self.name = name
        self.script = script or _succeed
        self.orders: list[WorkOrder] = []

    def validate(self, config: Mapping[str, Any]) -> None:
        """Anything goes."""

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Follow the script."""
        self.orders.append(order)
        return await self.script(order, toolbox)

    async def close(self) -> None:
        """There is nothing to close."""


class ScriptedReviewer(ScriptedProvider):
    """An adapter that also looks at results, as it is told.

    Attributes:
        judge: called for each result; by default all are accepted. May be changed at any time.
        judged: the results that it was given, each with the model that was named, in order.
    """

    def __init__(self, script: Script | None = None, *, name: str = "scripted") -> None:
        super().__init__(script, name=name)
        self.judge: Judge = _accept
        self.judged: list[tuple[str, str | None]] = []

    async def review(self, order: WorkOrder, result: str, toolbox: Toolbox, model: str | None) -> Verdict:
        """Follow the script."""
        self.judged.append((result, model))
        return await self.judge(order, result, toolbox)


async def _accept(_order: WorkOrder, _result: str, _toolbox: Toolbox) -> Verdict:
    return Verdict(accepted=True, reasons="")


async def _succeed(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
    return Outcome(result=f"{order.title}: done")
