import asyncio
import contextvars
import itertools
import threading

import pykka
import pytest

from opencognit.actors.asyncio_actor import AsyncioActor, Later
from opencognit.actors.asyncio_future import WouldDeadlockError
from opencognit.actors.mailbox import Envelope
from opencognit.domain.errors import MailboxFull
from tests.actors.specimens import WAIT, Doing, Echo, Small, ask, ending, note

# Messages and answers

pytestmark = pytest.mark.usefixtures("_stop_what_is_left")


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


async def test_no_context_of_an_asker_leaks_into_a_handler_or_from_one_actor_to_another():
    who_asks = contextvars.ContextVar("who_asks", default="nobody")

    async def slow(_actor):
        await asyncio.sleep(0)
        return who_asks.get()

    async def ask_as(name, message):
        who_asks.set(name)
        return await ask(ref, message)

    ref, other = Doing.start(), Doing.start()
    seen = await asyncio.gather(ask_as("a", lambda _: who_asks.get()), ask_as("b", slow))
    await ask(ref, lambda _: who_asks.set("the actor") and None)

    assert seen == ["nobody", "nobody"]
    assert await ask(ref, slow) == "the actor"
    assert await ask(other, slow) == "nobody"


async def test_what_a_thread_asked_first_is_handled_before_what_the_loop_asks_later():
    ref = Doing.start()
    await ask(ref, note("awake"))
    thread = threading.Thread(target=ref.tell, args=(note("thread"),))
    thread.start()
    thread.join(WAIT)

    assert await ask(ref, note("loop")) == ["awake", "thread", "loop"]


# Blocking


async def test_a_blocking_ask_inside_a_loop_raises_and_sends_nothing():
    ref = Doing.start()
    with pytest.raises(WouldDeadlockError):
        ref.ask(note("blocking"))

    assert await ask(ref, note("first")) == ["first"]


async def test_setting_an_attribute_through_a_proxy_inside_a_loop_raises():
    proxy = Doing.start().proxy()

    with pytest.raises(WouldDeadlockError):
        proxy.log = []


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
        if next(handled) < 100_000:
            actor.actor_inbox.put(Envelope(tell_myself_again, internal=True))

    busy = Doing.start()
    busy.tell(tell_myself_again)
    for number in range(10):
        assert await ask(Echo.start(), number) == number

    # Ten asks take a few turns of the loop each; the busy one has at most a burst in each of them.
    assert 10 <= next(handled) < 10_000
    busy.stop(block=False)


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
