"""The gate before a provider: who enters when, who is held, and what opens and closes the circuit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opencognit.actors.provider_gate import LINE, Enter, GateState, Leave, ProviderGate
from opencognit.domain.instants import Instant, after
from opencognit.providers.port import ProviderFailed
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock
from tests.conftest import quick_settings

WORK = {"provider_calls_at_once": 2, "provider_calls_per_minute": 6, "provider_failures_to_open": 3}
PAUSE = 30


class Door:
    """A gate as a caller meets it."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.clock = clock
        self.gates = runtime.system.gates
        self.gate: ProviderGate = self.gates.of("acme/1")
        self.entered: dict[str, asyncio.Future[None]] = {}

    async def enter(self, *turns: str, patience: float = 10_000) -> None:
        for turn in turns:
            until = after(self.clock.now(), patience)
            message = Enter(turn=turn, company_id="company", patient_until=until)
            self.entered[turn] = self.gate.ask_turn(message)
        await self.clock.advance(0)

    async def leave(self, *turns: str, answered: bool | None = True, retry_after: float | None = None) -> None:
        for turn in turns:
            self.gate.tell(Leave(turn=turn, answered=answered, retry_after=retry_after))
        await self.clock.advance(0)

    def inside(self) -> list[str]:
        """Those who were let in, in the order in which they came."""
        return [turn for turn, future in self.entered.items() if future.done() and future.exception() is None]

    @property
    def state(self) -> GateState:
        return self.gate.gate_state


class TickingClock(ManualClock):
    """A clock that goes on by a millisecond whenever it is read, as a machine's may."""

    def now(self) -> Instant:
        self._now = after(self._now, 0.001)
        return self._now


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def door(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Door]:
    async with Runtime(tmp_path / "data", settings=quick_settings(work=WORK), clock=clock) as runtime:
        yield Door(runtime, clock)


async def opened(door: Door) -> None:
    """Three failures in a row."""
    for turn in ("f1", "f2", "f3"):
        await door.enter(turn)
        await door.leave(turn, answered=False)


async def test_no_more_are_inside_at_once_than_may_be_and_the_first_to_come_is_next(door: Door) -> None:
    await door.enter("a", "b", "c", "d")
    assert door.inside() == ["a", "b"]
    await door.leave("b")
    assert door.inside() == ["a", "b", "c"]


async def test_no_more_enter_in_a_minute_than_may(door: Door, clock: ManualClock) -> None:
    turns = [str(number) for number in range(8)]
    for turn in turns:
        await door.enter(turn)
        await door.leave(*door.inside())
    assert door.inside() == turns[:6]
    await clock.advance(59.999)
    assert door.inside() == turns[:6]
    await clock.advance(0.001)
    assert door.inside() == turns


async def test_the_providers_own_time_holds_all_who_use_the_key_and_nobody_else(door: Door, clock: ManualClock) -> None:
    await door.enter("a")
    await door.leave("a", answered=False, retry_after=120)
    await door.enter("b")
    other = door.gates.of("acme/2").ask_turn(Enter(turn="x", company_id="company", patient_until=after(clock.now(), 1)))
    await clock.advance(119.999)
    assert (door.inside(), other.done()) == (["a"], True)
    await clock.advance(0.001)
    assert door.inside() == ["a", "b"]


@pytest.mark.parametrize("milliseconds", range(1, 20))
async def test_nobody_is_forgotten_when_the_time_comes_while_the_gate_looks(tmp_path: Path, milliseconds: int) -> None:
    clock = TickingClock()
    async with Runtime(tmp_path / "data", settings=quick_settings(work=WORK), clock=clock) as runtime:
        door = Door(runtime, clock)
        await door.enter("a")
        door.gate.tell(Leave(turn="a", answered=False, retry_after=milliseconds / 1000))
        await door.enter("b")
        await clock.advance(1)
        assert door.inside() == ["a", "b"]


async def test_an_earlier_time_does_not_shorten_a_later_one(door: Door, clock: ManualClock) -> None:
    await door.enter("a", "b")
    await door.leave("a", answered=False, retry_after=120)
    await door.leave("b", answered=False, retry_after=1)
    assert door.state.held_until == after(clock.now(), 120)


async def test_who_cannot_wait_so_long_is_told_at_once_when_to_come_again(door: Door) -> None:
    await door.enter("a")
    await door.leave("a", answered=False, retry_after=120)
    await door.enter("hasty", patience=60)
    with pytest.raises(ProviderFailed) as refused:
        await door.entered["hasty"]
    assert (refused.value.transient, refused.value.retry_after) == (True, 120)
    assert door.state.waiting == 0


async def test_who_waits_already_is_told_too_when_it_becomes_too_long(door: Door) -> None:
    await door.enter("a", "b")
    await door.enter("hasty", patience=60)
    await door.leave("a", answered=False, retry_after=120)
    with pytest.raises(ProviderFailed):
        await door.entered["hasty"]


async def test_one_who_leaves_before_its_turn_is_skipped(door: Door) -> None:
    await door.enter("a", "b", "c", "d")
    await door.leave("c", answered=None)
    await door.leave("a")
    assert "d" in door.inside()
    assert door.state == GateState(is_open=False, failures=0, held_until=None, inside=2, waiting=0)


async def test_so_many_failures_in_a_row_open_the_circuit(door: Door, clock: ManualClock) -> None:
    await opened(door)
    assert (door.state.is_open, door.state.held_until) == (True, after(clock.now(), PAUSE))
    await door.enter("a")
    assert "a" not in door.inside()


async def test_an_answer_in_between_begins_the_count_anew(door: Door) -> None:
    for turn, answered in (("a", False), ("b", False), ("c", True), ("d", False), ("e", False)):
        await door.enter(turn)
        await door.leave(turn, answered=answered)
    assert (door.state.is_open, door.state.failures) == (False, 2)


async def test_an_open_circuit_lets_one_through_after_its_pause(door: Door, clock: ManualClock) -> None:
    await opened(door)
    await door.enter("a", "b")
    await clock.advance(PAUSE)
    assert door.inside()[-1] == "a"
    assert (door.state.inside, door.state.waiting) == (1, 1)


async def test_a_success_closes_the_circuit_for_all(door: Door, clock: ManualClock) -> None:
    await opened(door)
    await door.enter("a", "b", "c")
    await clock.advance(PAUSE)
    await door.leave("a", answered=True)
    assert not door.state.is_open
    assert {"b", "c"} <= set(door.inside())


async def test_a_call_from_before_that_succeeds_closes_it_at_once(door: Door) -> None:
    await door.enter("early")
    await opened(door)
    await door.enter("a")
    await door.leave("early", answered=True)
    assert door.state.held_until is None
    assert "a" in door.inside()


async def test_an_answer_does_not_shorten_the_time_that_the_provider_asked_for(door: Door, clock: ManualClock) -> None:
    await door.enter("early")
    await door.enter("a")
    await door.leave("a", answered=False, retry_after=120)
    await door.leave("early", answered=True)
    assert door.state.held_until == after(clock.now(), 120)


async def test_another_failure_lets_all_wait_once_more(door: Door, clock: ManualClock) -> None:
    await opened(door)
    await door.enter("a", "b")
    await clock.advance(PAUSE)
    await door.leave("a", answered=False)
    assert (door.state.is_open, door.state.held_until) == (True, after(clock.now(), PAUSE))
    assert "b" not in door.inside()


async def test_one_that_is_cut_off_while_it_looks_lets_the_next_one_look(door: Door, clock: ManualClock) -> None:
    await opened(door)
    await door.enter("a", "b")
    await clock.advance(PAUSE)
    await door.leave("a", answered=None)
    assert (door.state.is_open, door.inside()[-1]) == (True, "b")


async def test_the_line_is_bounded(door: Door) -> None:
    await door.enter(*(str(number) for number in range(LINE + 2)))
    await door.enter("too many")
    with pytest.raises(ProviderFailed, match="Too many calls") as refused:
        await door.entered["too many"]
    assert refused.value.transient
    assert door.state.waiting == LINE
