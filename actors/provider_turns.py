"""How one run makes a call that may fail for a while: in its turn, again after a pause, and for as long as it can wait.

While it waits, its time limit stands still, its place among the runs is someone else's, and people see what it waits
for. When its patience is over, `ProviderFailed` says when to try again; the task is put off until then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, TypeVar

from opencognit.actors.provider_gate import AWAY, Enter, Leave, ProviderGate
from opencognit.actors.time_limit import TimeLimit
from opencognit.domain.agent import NoteWaiting
from opencognit.domain.instants import Instant, Seconds, after, between
from opencognit.domain.kinds import AGENT
from opencognit.domain.run import Run
from opencognit.providers.port import MeteredCall, ProviderFailed

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

T = TypeVar("T")

NOTICED: Final = 3.0
"""Seconds of waiting after which people are told."""

SHORTEST: Final = 1.0
"""Seconds that even a run without any patience left gives the gate to answer."""

LONGEST_BACKOFF: Final = 60.0
"""Seconds between two tries, where the provider names no time."""


class ProviderTurns:
    """The calls of one run.

    Attributes:
        limit: the run's time limit, which stands still while it waits.
    """

    def __init__(self, system: "ActorSystem", run: Run) -> None:
        self.limit: TimeLimit | None = None
        self._system = system
        self._run = run
        self._patience: Seconds = system.limits.provider_patience

    async def make(self, call: MeteredCall[T], attempt: Callable[[MeteredCall[T]], Awaitable[T]]) -> T:
        """Let `attempt` make the call in its turn, again and again while it fails for a passing reason.

        Raises:
            ProviderFailed: it failed for good, too often, or the run has waited for as long as it may.
        """
        gate = self._system.gates.of(call.provider_key)
        tries = 0
        while True:
            tries += 1
            failure = await self._in_turn(gate, call, attempt)
            if not isinstance(failure, ProviderFailed):
                return failure
            if not failure.transient:
                raise failure
            if tries >= self._system.limits.provider_tries:
                raise self._away(gate, str(failure)) from failure
            if failure.retry_after is None:
                pause = min(self._system.limits.provider_backoff * 2 ** (tries - 1), LONGEST_BACKOFF)
                # Between half and the whole of it: those who failed together do not come back together.
                pause *= (1 + self._system.jitter.fraction()) / 2
                await self._wait(self._system.keep(self._system.sleep(pause)), gate)

    def next_chance(self, failure: ProviderFailed) -> Instant:
        """When to try again after such a failure: at the provider's own time, where it named one."""
        pause = self._system.limits.provider_pause if failure.retry_after is None else failure.retry_after
        return after(self._system.clock.now(), pause)

    async def _in_turn(
        self, gate: ProviderGate, call: MeteredCall[T], attempt: Callable[[MeteredCall[T]], Awaitable[T]]
    ) -> T | ProviderFailed:
        turn = self._system.ids.new_id()
        left = Leave(turn=turn)
        try:
            await self._enter(gate, turn)
            try:
                reply = await attempt(call)
            except ProviderFailed as failure:
                left = Leave(turn=turn, answered=not failure.transient, retry_after=failure.retry_after)
                return failure
            left = Leave(turn=turn, answered=True)
            return reply
        finally:
            gate.tell(left)

    async def _enter(self, gate: ProviderGate, turn: str) -> None:
        patient_until = after(self._system.clock.now(), self._patience)
        enter = Enter(turn=turn, company_id=self._run.company_id, patient_until=patient_until)
        await self._wait(gate.ask_turn(enter), gate)

    async def _wait(self, coming: "asyncio.Future[None]", gate: ProviderGate) -> None:
        """Wait for what is coming; raises `ProviderFailed` when the run's patience is over."""
        began = self._system.clock.now()
        try:
            with self.limit.standing_still() if self.limit is not None else nullcontext():
                if not await self._comes(coming, max(min(NOTICED, self._patience), SHORTEST)):
                    await self._wait_visibly(coming, gate, began)
            await coming
        finally:
            coming.cancel()
            self._patience -= between(began, self._system.clock.now())

    async def _wait_visibly(self, coming: "asyncio.Future[None]", gate: ProviderGate, began: Instant) -> None:
        end = after(began, self._patience)
        self._note(min(gate.gate_state.held_until or end, end))
        with self._system.slots.given_up():
            came = await self._comes(coming, between(self._system.clock.now(), end))
        if not came:
            raise self._away(gate, AWAY)
        self._note(None)

    async def _comes(self, coming: "asyncio.Future[None]", seconds: Seconds) -> bool:
        if coming.done():
            return True
        timer = self._system.keep(self._system.sleep(max(seconds, 0.0)))
        try:
            await asyncio.wait([coming, timer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return coming.done()

    def _note(self, until: Instant | None) -> None:
        note = NoteWaiting(run_id=self._run.id, until=until)
        self._system.tell(AGENT, self._run.agent_id, note, internal=True)

    def _away(self, gate: ProviderGate, why: str) -> ProviderFailed:
        held_until = gate.gate_state.held_until
        seconds = between(self._system.clock.now(), held_until) if held_until is not None else None
        return ProviderFailed(why, transient=True, retry_after=seconds)
