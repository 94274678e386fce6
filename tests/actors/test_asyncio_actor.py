import asyncio
import contextlib
import gc
import itertools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pykka
import pytest

from opencognit.actors.asyncio_actor import AsyncioActor, Later
from opencognit.actors.asyncio_future import AsyncioFuture, WouldDeadlockError
from opencognit.actors.background_loop import background_loop
from opencognit.actors.mailbox import Envelope
from opencognit.domain.errors import MailboxFull

WAIT = 30
"""Seconds after which something that should happen is taken for not happening."""


class Echo(AsyncioActor):
    def on_receive(self, message):
        return message


class Doing(AsyncioActor):
    """Does what the message says: a function of the actor, plain or async."""

    def __init__(self, *, on_start=None, on_stop=None, on_failure=None):
        super().__init__()
        self._on_start, self._on_stop, self._on_failure = on_start, on_stop, on_failure
        self.log: list[object] = []

    def on_start(self):
        return self._on_start(self) if self._on_start else None

    def on_stop(self):
        return self._on_stop(self) if self._on_stop else None

    def on_failure(self, *exc_info):
        return self._on_failure(self) if self._on_failure else None

    def on_receive(self, message):
        return message(self)


class Small(Echo):
    mailbox_limit = 3


@pytest.fixture(autouse=True)
def _no_actor_is_left():
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT)


def crash(error):
    """A message that raises."""

    def raise_it(_actor):
        raise error

    return raise_it


def note(what):
    """A message that leaves a note in the actor's log and answers with the whole log."""

    def write(actor):
        actor.log.append(what)
        return list(actor.log)

    return write


async def ask(ref, message):
    async with asyncio.timeout(WAIT):
        return await ref.ask(message, block=False)


async def ending(future):
    """How an answer ended: its value, or its error."""
    async with asyncio.timeout(WAIT):
        try:
            return await future
        except Exception as error:
            return error


# Messages and answers


async def test_an_ask_is_answered_inside_a_loop():
    assert await ask(Echo.start(), "hello") == "hello"


def test_an_ask_is_answered_from_a_plain_thread():
    assert Echo.start().ask("hello", timeout=WAIT) == "hello"


async def test_an_actor_of_another_loop_answers_a_coroutine():
    elsewhere = await asyncio.to_thread(Echo.start)

    assert await ask(elsewhere, "hello") == "hello"


async def test_actors_started_inside_a_loop_run_on_its_thread():
    assert await ask(Doing.start(), lambda _: threading.get_ident()) == threading.get_ident()


def test_actors_started_elsewhere_share_one_background_thread():
    threads = {Doing.start().ask(lambda _: threading.current_thread().name, timeout=WAIT) for _ in range(3)}

    assert threads == {"actors"}


async def test_messages_are_handled_in_order_of_arrival():
    ref = Doing.start()
    for number in range(500):
        ref.tell(note(number))

    assert await ask(ref, note("last")) == [*range(500), "last"]


async def test_the_next_message_waits_for_an_async_handler():
    ref, gate = Doing.start(), asyncio.Event()

    async def slow(actor):
        await gate.wait()
        actor.log.append("slow")
        return "done"

    first = ref.ask(slow, block=False)
    second = ref.ask(note("quick"), block=False)
    asyncio.get_running_loop().call_soon(gate.set)

    assert await ending(first) == "done"
    assert await ending(second) == ["slow", "quick"]


async def test_other_actors_go_on_while_a_handler_awaits():
    gate = asyncio.Event()
    waiting = Doing.start().ask(lambda _: gate.wait(), block=False)

    assert await ask(Echo.start(), "meanwhile") == "meanwhile"
    gate.set()
    assert await ending(waiting) is True


async def test_an_error_of_an_async_handler_reaches_the_asker_and_the_actor_goes_on():
    ref = Doing.start()

    async def fail(_actor):
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await ask(ref, fail)
    assert await ask(ref, note("alive")) == ["alive"]


async def test_a_later_reply_lets_the_next_message_pass():
    ref, answer = Doing.start(), asyncio.get_running_loop().create_future()
    later = ref.ask(lambda _: Later(answer), block=False)

    assert await ask(ref, note("meanwhile")) == ["meanwhile"]
    assert not later.done()
    answer.set_result("at last")
    assert await ending(later) == "at last"


async def test_a_later_reply_may_fail():
    ref, answer = Doing.start(), asyncio.get_running_loop().create_future()
    later = ref.ask(lambda _: Later(answer), block=False)
    asyncio.get_running_loop().call_soon(answer.set_exception, ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        await later


async def test_a_later_reply_that_is_cancelled_ends_the_ask():
    ref, answer = Doing.start(), asyncio.get_running_loop().create_future()
    later = ref.ask(lambda _: Later(answer), block=False)
    asyncio.get_running_loop().call_later(0, answer.cancel)

    assert isinstance(await ending(later), pykka.ActorDeadError)


async def test_a_later_failure_after_a_tell_is_logged(caplog):
    ref, answer = Doing.start(), asyncio.get_running_loop().create_future()
    ref.tell(lambda _: Later(answer))
    await ask(ref, note("handled"))
    answer.set_exception(ValueError("nobody asked"))
    await ask(ref, note("turn of the loop"))

    assert "nobody asked" in caplog.text


async def test_a_later_without_a_future_is_the_handlers_error():
    with pytest.raises(TypeError, match="asyncio future"):
        await ask(Doing.start(), lambda _: Later("soon"))


async def test_proxies_await_async_methods():
    class Adder(AsyncioActor):
        async def add(self, one, two):
            await asyncio.sleep(0)
            return one + two

    assert await Adder.start().proxy().add(1, 2) == 3


async def test_an_actor_may_tell_itself_something_before_it_starts():
    class Eager(Echo):
        def __init__(self):
            super().__init__()
            self.log = []
            self.actor_ref.tell("from init")

        def on_receive(self, message):
            self.log.append(message)
            return self.log

    assert await ask(Eager.start(), "asked") == ["from init", "asked"]


async def test_the_origin_is_known_in_the_handler_only():
    actor, reply = Doing.spawn(), asyncio.get_running_loop().create_future()

    async def who_asks(actor):
        await asyncio.sleep(0)
        return actor.origin

    actor.actor_inbox.put(Envelope(who_asks, reply, origin="the board"))

    assert await ending(reply) == "the board"
    assert actor.origin is None


# Blocking


async def test_a_blocking_ask_inside_a_loop_raises_and_sends_nothing():
    ref = Doing.start()
    with pytest.raises(WouldDeadlockError):
        ref.ask(note("blocking"))

    assert await ask(ref, note("first")) == ["first"]


async def test_a_blocking_stop_inside_a_loop_raises_and_stops_nothing():
    ref = Doing.start()
    with pytest.raises(WouldDeadlockError):
        ref.stop()

    assert await ask(ref, note("alive")) == ["alive"]


async def test_an_answer_that_is_there_needs_no_waiting():
    answer = Echo.start().ask("hello", block=False)
    await ending(answer)

    assert answer.get() == "hello"


def test_an_ask_from_a_thread_times_out():
    ref, gate = Doing.start(), threading.Event()
    ref.tell(lambda _: asyncio.to_thread(gate.wait, WAIT))

    with pytest.raises(pykka.Timeout):
        ref.ask(note("waits"), timeout=0.01)
    gate.set()


# Bounds and fairness


async def test_a_full_mailbox_refuses_and_the_actor_recovers():
    ref = Small.start()
    answers = [ref.ask(number, block=False) for number in range(4)]

    with pytest.raises(MailboxFull):
        ref.tell("one too many")
    assert [await ending(answer) for answer in answers[:3]] == [0, 1, 2]
    assert isinstance(await ending(answers[3]), MailboxFull)
    assert await ask(ref, "again") == "again"


async def test_a_full_mailbox_still_takes_a_stop():
    ref = Small.start()
    answers = [ref.ask(number, block=False) for number in range(3)]

    assert await ending(ref.stop(block=False)) is True
    assert [await ending(answer) for answer in answers] == [0, 1, 2]


async def test_a_busy_actor_does_not_starve_the_others():
    handled = itertools.count()

    def tell_myself_again(actor):
        next(handled)
        actor.actor_inbox.put(Envelope(tell_myself_again, internal=True))

    busy = Doing.start()
    busy.tell(tell_myself_again)
    for number in range(10):
        assert await ask(Echo.start(), number) == number

    # Ten asks take a few turns of the loop each; the busy one has at most a burst in each of them.
    assert 10 <= next(handled) < 10_000
    busy.tell(crash(SystemExit()))
    assert await ending(busy.stop(block=False)) is True


async def test_a_request_given_up_before_its_turn_is_not_handled():
    actor, reply = Doing.spawn(), asyncio.get_running_loop().create_future()
    actor.actor_inbox.put(Envelope(note("given up"), reply))
    reply.cancel()

    assert await ask(actor.actor_ref, note("next")) == ["next"]


async def test_100_000_live_actors_each_answer():
    actors = [Echo.spawn() for _ in range(100_000)]
    answers = [actor.actor_ref.ask(number, block=False) for number, actor in enumerate(actors)]

    async with asyncio.timeout(120):
        for number, answer in enumerate(answers):
            assert await answer == number
    for actor in actors:
        actor.retire()
    assert not any(actor.actor_ref.is_alive() for actor in actors)


# Holding and leaving


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
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()

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


# Under fire


def test_of_3_000_races_of_ask_and_stop_none_is_left_unresolved():
    """Pykka's own actors leave about one ask in 500 unanswered here (jodal/pykka, teardown against put)."""

    def race(_round):
        ref, start = Echo.start(), threading.Barrier(3)
        with ThreadPoolExecutor(3) as threads:
            askers = [threads.submit(_asks, ref, start) for _ in range(2)]
            threads.submit(_stop, ref, start)
            return [answer for asker in askers for answer in asker.result(WAIT)]

    ended = []
    for number in range(3000 // 2):
        ended += [_how_it_ended(answer) for answer in race(number)]

    assert len(ended) == 3000
    assert set(ended) <= {"answered", "dead"}


def _asks(ref, start):
    start.wait(WAIT)
    return [ref.ask("hello", block=False)]


def _stop(ref, start):
    start.wait(WAIT)
    ref.stop(block=False)


def _how_it_ended(answer):
    try:
        answer.get(timeout=WAIT)
    except pykka.ActorDeadError:
        return "dead"
    except pykka.Timeout:
        return "unresolved"
    return "answered"


async def test_of_1_000_crashes_none_leaves_an_ask_unanswered_or_harms_another_actor():
    async def async_crash(_actor):
        await asyncio.sleep(0)
        raise ValueError("async")

    async def cancelled(_actor):
        raise asyncio.CancelledError

    blows = [
        {"message": crash(ValueError("handler"))},
        {"message": async_crash},
        {"message": crash(SystemExit(1))},
        {"message": crash(GeneratorExit())},
        {"message": cancelled},
        {"on_start": crash(ValueError("start"))},
        {"on_start": async_crash},
        {"on_start": crash(SystemExit(1))},
        {"on_stop": crash(ValueError("stop"))},
        {"on_failure": crash(SystemExit(1))},
    ]
    bystander, answers = Echo.start(), []
    for blow in itertools.islice(itertools.cycle(blows), 1000):
        message = blow.get("message", crash(ValueError("no")))
        ref = Doing.start(**{hook: what for hook, what in blow.items() if hook != "message"})
        answers.append(ref.ask(message, block=False))
        with contextlib.suppress(pykka.ActorDeadError):
            ref.tell(message)
        answers.append(ref.ask(note("after the crash"), block=False))
        answers.append(ref.stop(block=False))
        answers.append(bystander.ask("unharmed", block=False))
        await asyncio.sleep(0)

    ended = [await ending(answer) for answer in answers]

    assert len(ended) == 4000
    assert not [how for how in ended if isinstance(how, (TimeoutError, MailboxFull))]
    assert ended[3::4] == ["unharmed"] * 1000
    assert all(isinstance(answer, AsyncioFuture) and answer.done() for answer in answers)
