import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pykka
import pytest

from opencognit.actors.background_loop import background_loop
from tests.actors.specimens import WAIT, Doing, Echo, ask, crash, ending, note

# Holding and leaving

pytestmark = pytest.mark.usefixtures("_stop_what_is_left")


async def test_a_suspended_actor_keeps_its_mail_until_it_is_resumed():
    actor = Doing.spawn()
    await ask(actor.actor_ref, note("before"))
    actor.suspend()
    waiting = actor.actor_ref.ask(note("held"), block=False)
    await ask(Echo.start(), "turns of the loop")

    assert not waiting.done()
    assert not actor.is_idle()
    actor.resume()
    assert await ending(waiting) == ["before", "held"]


async def test_an_actor_may_suspend_itself_in_a_burst():
    actor = Doing.spawn()
    actor.actor_ref.tell(lambda self: self.suspend())
    waiting = actor.actor_ref.ask(note("held"), block=False)
    await ask(Echo.start(), "turns of the loop")

    assert not waiting.done()
    actor.resume()
    assert await ending(waiting) == ["held"]


async def test_a_retired_actor_is_dead_and_on_stop_was_not_called():
    actor = Doing.spawn(on_stop=note("on_stop"))
    await ask(actor.actor_ref, note("handled"))
    actor.retire()

    assert isinstance(await ending(actor.actor_ref.ask(note("late"), block=False)), pykka.ActorDeadError)
    assert actor.log == ["handled"]


async def test_an_actor_at_work_does_not_retire():
    actor, gate = Doing.spawn(), asyncio.Event()
    working = actor.actor_ref.ask(lambda _: gate.wait(), block=False)
    await ask(Echo.start(), "turns of the loop")

    with pytest.raises(RuntimeError, match="at work"):
        actor.retire()
    gate.set()
    await ending(working)
    actor.retire()


async def test_a_stopped_actor_cannot_be_resumed():
    actor = Doing.spawn()
    await ask(actor.actor_ref, note("handled"))
    actor.retire()
    actor.resume()

    assert not actor.is_idle()


async def test_the_reference_to_a_retired_actor_does_not_hold_its_state():
    actor = Echo.spawn()
    await ask(actor.actor_ref, "hello")
    ref, gone = actor.actor_ref, weakref.ref(actor)
    actor.retire()
    gc.disable()
    try:
        del actor
        assert gone() is None
    finally:
        gc.enable()
    assert not ref.is_alive()


# Starting, failing and stopping


async def test_messages_wait_for_an_async_on_start():
    async def prepare(actor):
        await asyncio.sleep(0)
        actor.log.append("on_start")

    assert await ask(Doing.start(on_start=prepare), note("message")) == ["on_start", "message"]


async def test_a_stop_lets_an_async_on_stop_end_first():
    log = []

    async def tidy_up(_actor):
        await asyncio.sleep(0)
        log.append("on_stop")

    assert await ending(Doing.start(on_stop=tidy_up).stop(block=False)) is True
    assert log == ["on_stop"]


async def test_stopping_what_is_dead_says_so():
    ref = Echo.start()
    await ending(ref.stop(block=False))

    assert await ending(ref.stop(block=False)) is False


def test_a_thread_may_wait_for_the_end_of_an_actor():
    ref = Echo.start()
    ref.tell("last words")
    ref.stop()

    assert ref.actor_stopped.wait(WAIT)
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None


async def test_a_crash_after_a_tell_stops_the_actor_and_calls_on_failure():
    called = asyncio.Event()

    async def on_failure(_actor):
        called.set()

    ref = Doing.start(on_failure=on_failure)
    ref.tell(crash(ValueError("no")))
    late = ref.ask(note("late"), block=False)

    async with asyncio.timeout(WAIT):
        await called.wait()
    assert isinstance(await ending(late), pykka.ActorDeadError)


@pytest.mark.parametrize("second", [ValueError("supervisor"), SystemExit(1)])
async def test_an_error_in_the_decision_about_an_error_ends_the_ask_and_the_actor(second):
    class BadlySupervised(Doing):
        def failed(self, *_what):
            raise second

    async def fail(_actor):
        raise KeyError("handler")

    for failing in (crash(KeyError("handler")), fail):
        ref = BadlySupervised.start()
        answer, late = ref.ask(failing, block=False), ref.ask(note("late"), block=False)

        assert isinstance(await ending(answer), KeyError)
        assert isinstance(await ending(late), pykka.ActorDeadError)
        assert not ref.is_alive()


async def test_a_system_exit_in_any_hook_or_handler_stops_that_actor_alone():
    async def leave(_actor):
        raise SystemExit

    bystander = Echo.start()
    for leaving in (crash(SystemExit()), leave):
        asked = Doing.start().ask(leaving, block=False)
        starting = Doing.start(on_start=leaving).ask(note("never"), block=False)
        failing = Doing.start(on_failure=leaving)
        failing.tell(crash(ValueError("no")))
        failed = failing.ask(note("never"), block=False)
        for answer in (asked, starting, failed):
            assert isinstance(await ending(answer), pykka.ActorDeadError)
        await ending(Doing.start(on_stop=leaving).stop(block=False))

    assert await ask(bystander, "unharmed") == "unharmed"


async def test_a_handler_that_is_cancelled_stops_its_actor_and_not_the_asker():
    actor = Doing.spawn()
    answer = actor.actor_ref.ask(lambda _: asyncio.sleep(WAIT), block=False)
    await ask(Echo.start(), "turns of the loop")
    actor._work.cancel()

    assert isinstance(await ending(answer), pykka.ActorDeadError)
    assert not actor.actor_ref.is_alive()


async def test_an_asker_that_is_cancelled_does_not_cancel_the_handler():
    ref, gate = Doing.start(), asyncio.Event()

    async def work(actor):
        await gate.wait()
        actor.log.append("worked")

    asker = asyncio.ensure_future(ask(ref, work))
    await ask(Echo.start(), "turns of the loop")
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    gate.set()

    assert await ask(ref, note("next")) == ["worked", "next"]


def test_ctrl_c_in_a_handler_reaches_the_program_and_the_rest_goes_on_with_the_loop():
    loop = asyncio.new_event_loop()

    async def begin():
        return Doing.start(), Echo.start()

    interrupted, other = loop.run_until_complete(begin())
    interrupted.tell(crash(KeyboardInterrupt()))
    give_up = loop.call_later(WAIT, loop.stop)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    give_up.cancel()

    assert loop.run_until_complete(ask(other, "goes on")) == "goes on"
    assert not interrupted.is_alive()
    loop.run_until_complete(ending(other.stop(block=False)))
    loop.close()


def test_a_keyboard_interrupt_raised_on_the_background_loop_stops_that_actor_alone():
    with pytest.raises(pykka.ActorDeadError):
        Doing.start().ask(crash(KeyboardInterrupt()), timeout=WAIT)

    assert Echo.start().ask("unharmed", timeout=WAIT) == "unharmed"


def test_the_background_loop_survives_whoever_stops_it():
    ref = Doing.start()
    ref.tell(lambda _: background_loop().stop())

    assert ref.ask(note("goes on"), timeout=WAIT) == ["goes on"]


def test_a_forked_child_gets_a_background_loop_of_its_own():
    script = """
import os
from tests.actors.specimens import WAIT, Echo

Echo.start().ask("in the parent", timeout=WAIT)
child = os.fork()
if not child:
    os._exit(Echo.start().ask(7, timeout=WAIT))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert run.stdout == "7\n", run.stderr


def test_an_answer_that_was_taken_over_does_not_stall_the_actor():
    ref, gate = Doing.start(), threading.Event()
    answer = ref.ask(lambda _: asyncio.to_thread(gate.wait, WAIT), block=False)
    waiting = ref.ask(note("next"), block=False)
    answer.set_get_hook(lambda _timeout: "mine")
    gate.set()

    assert waiting.get(timeout=WAIT) == ["next"]


# Closed loops


def test_asks_of_an_actor_whose_loop_is_closed_end():
    ref = asyncio.run(_started())

    for _ in range(2):
        with pytest.raises(pykka.ActorDeadError):
            ref.ask("anybody there?", timeout=WAIT)
    assert not ref.is_alive()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None


def test_an_ask_in_hand_when_its_loop_ends_ends_too():
    async def main():
        ref = Doing.start()
        answer = ref.ask(lambda _: asyncio.sleep(WAIT), block=False)
        await ask(Echo.start(), "turns of the loop")
        return answer

    answer = asyncio.run(main())

    with pytest.raises(pykka.ActorDeadError):
        answer.get(timeout=WAIT)


def test_an_ask_on_its_way_when_its_loop_closes_ends():
    loop = asyncio.new_event_loop()
    ref = loop.run_until_complete(_started())
    answer = ref.ask("too late", block=False)
    loop.close()

    with pytest.raises(pykka.ActorDeadError):
        answer.get(timeout=WAIT)


def test_a_handler_thrown_away_with_its_loop_ends_its_ask():
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    actor = loop.run_until_complete(_spawned())
    answer = actor.actor_ref.ask(lambda _: _for_ever(), block=False)
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    actor._work.get_coro().close()

    with pytest.raises(pykka.ActorDeadError, match="GeneratorExit"):
        answer.get(timeout=WAIT)
    actor._work._log_destroy_pending = False


async def _started():
    return Echo.start()


async def _spawned():
    return Doing.spawn()


async def _for_ever():
    await asyncio.get_running_loop().create_future()
