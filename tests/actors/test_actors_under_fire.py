import asyncio
import contextlib
import itertools
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pykka
import pytest

from opencognit.actors.asyncio_future import AsyncioFuture
from opencognit.domain.errors import MailboxFull
from tests.actors.specimens import WAIT, Doing, Echo, crash, ending, note

pytestmark = pytest.mark.usefixtures("_stop_what_is_left")


@pytest.fixture
def _threads_alternate_quickly():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_threads_alternate_quickly")
def test_of_3_000_races_of_ask_and_stop_none_is_left_unresolved():
    ended = Counter()
    with ThreadPoolExecutor(3) as threads:
        for number in range(3000):
            ref, start = Echo.start(), threading.Barrier(3)
            # Whoever comes to the barrier last is the first to run on: the stop in every second race.
            contenders = [_ask_five_times, _ask_five_times]
            contenders.insert(number % 2 * 2, _stop)
            running = [threads.submit(contend, ref, start) for contend in contenders]
            ended.update(_how_it_ended(answer) for one in running for answer in one.result(WAIT))

    # That both happen, and often, shows that it was a race.
    assert set(ended) == {"answered", "dead"}, ended
    assert min(ended.values()) > 100, ended
    assert ended.total() == 30_000


def _ask_five_times(ref, start):
    start.wait(WAIT)
    return [ref.ask("hello", block=False) for _ in range(5)]


def _stop(ref, start):
    start.wait(WAIT)
    ref.stop(block=False)
    return []


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
