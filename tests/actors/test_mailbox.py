import asyncio
import threading

import pykka
import pytest

from opencognit.actors.asyncio_future import AsyncioFuture
from opencognit.actors.mailbox import Envelope, Mailbox
from opencognit.domain.errors import MailboxFull


class Owner:
    """Notes what its mailbox tells it."""

    def __init__(self) -> None:
        self.wakes = 0
        self.lost = 0

    def mail_came(self) -> None:
        self.wakes += 1

    def loop_closed(self) -> None:
        self.lost += 1


def an_open_mailbox(limit: int = 0, owner: Owner | None = None) -> Mailbox:
    mailbox = Mailbox(limit)
    mailbox.open(asyncio.get_running_loop(), owner or Owner())
    return mailbox


def a_mailbox_on_a_closed_loop(owner: Owner) -> Mailbox:
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(0)
    mailbox.open(loop, owner)
    loop.close()
    return mailbox


def all_of(mailbox: Mailbox) -> list[object]:
    messages = []
    while mailbox.has_mail():
        messages.append(mailbox.get().message)
    return messages


async def test_messages_are_taken_in_order_of_arrival():
    mailbox = an_open_mailbox()
    for number in range(5):
        mailbox.put(Envelope(number))

    assert all_of(mailbox) == [0, 1, 2, 3, 4]


async def test_messages_of_each_thread_keep_their_order():
    mailbox = an_open_mailbox()

    def send(name: str) -> None:
        for number in range(500):
            mailbox.put(Envelope((name, number)))

    await asyncio.gather(*(asyncio.to_thread(send, name) for name in "abc"))
    # What was handed over before these threads ended is delivered before the loop hears of their end.
    messages = all_of(mailbox)

    assert len(messages) == 1500
    for name in "abc":
        assert [number for sender, number in messages if sender == name] == list(range(500))


async def test_what_a_thread_sent_first_comes_before_what_the_loop_sends_later():
    mailbox = an_open_mailbox()
    await asyncio.to_thread(mailbox.put, Envelope("settled in"))
    thread = threading.Thread(target=mailbox.put, args=(Envelope("from a thread"),))
    thread.start()
    thread.join(30)
    mailbox.put(Envelope("from the loop"))
    mailbox.put(Envelope("from the loop again"))
    await asyncio.sleep(0)

    assert all_of(mailbox) == ["settled in", "from a thread", "from the loop", "from the loop again"]


async def test_an_asyncio_future_is_refused_outside_the_loop_that_would_set_it():
    mailbox, reply = an_open_mailbox(), asyncio.get_running_loop().create_future()

    with pytest.raises(TypeError, match="AsyncioFuture"):
        await asyncio.to_thread(mailbox.put, Envelope("ask", reply))
    assert mailbox.empty()


async def test_the_owner_is_woken_for_mail():
    owner = Owner()
    an_open_mailbox(owner=owner).put(Envelope("hello"))

    assert owner.wakes == 1


def test_what_is_put_before_the_start_waits_for_it():
    mailbox = Mailbox(0)
    mailbox.put(Envelope("early"))

    assert all_of(mailbox) == ["early"]


async def test_what_is_put_before_the_start_inside_a_loop_waits_too():
    mailbox = Mailbox(0)
    mailbox.put(Envelope("early"))

    assert mailbox.dead is None
    assert all_of(mailbox) == ["early"]


async def test_a_full_mailbox_refuses_a_tell():
    mailbox = an_open_mailbox(limit=2)
    mailbox.put(Envelope(1))
    mailbox.put(Envelope(2))

    with pytest.raises(MailboxFull):
        mailbox.put(Envelope(3))
    assert len(mailbox) == 2


async def test_a_full_mailbox_answers_an_ask_with_the_refusal():
    mailbox = an_open_mailbox(limit=1)
    mailbox.put(Envelope(1))
    reply: AsyncioFuture[None] = AsyncioFuture()
    mailbox.put(Envelope(2, reply))

    with pytest.raises(MailboxFull):
        reply.get()


async def test_a_full_mailbox_takes_what_is_internal():
    mailbox = an_open_mailbox(limit=1)
    mailbox.put(Envelope(1))
    mailbox.put(Envelope(2, internal=True))

    assert all_of(mailbox) == [1, 2]


async def test_the_limit_holds_while_many_threads_send_at_once():
    mailbox = an_open_mailbox(limit=100)
    refused = []

    def send() -> None:
        for number in range(100):
            try:
                mailbox.put(Envelope(number))
            except MailboxFull:
                refused.append(number)

    await asyncio.gather(*(asyncio.to_thread(send) for _ in range(4)))

    assert len(mailbox) == 100
    assert len(refused) == 300


async def test_closing_refuses_all_that_waits_and_all_that_comes():
    mailbox = an_open_mailbox()
    waiting: AsyncioFuture[None] = AsyncioFuture()
    late: AsyncioFuture[None] = AsyncioFuture()
    mailbox.put(Envelope("ask", waiting))
    mailbox.close("it is gone")
    mailbox.put(Envelope("ask", late))

    for reply in (waiting, late):
        with pytest.raises(pykka.ActorDeadError, match="it is gone"):
            reply.get()
    assert mailbox.empty()


def test_a_closed_loop_refuses_and_says_so_to_the_owner():
    owner = Owner()
    mailbox = a_mailbox_on_a_closed_loop(owner)
    reply: AsyncioFuture[None] = AsyncioFuture()
    mailbox.put(Envelope("ask", reply))

    with pytest.raises(pykka.ActorDeadError, match="loop is closed"):
        reply.get(timeout=30)
    assert owner.lost == 1
    assert mailbox.empty()


def test_an_envelope_on_its_way_when_the_loop_closes_is_refused_by_the_next():
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(0)
    mailbox.open(loop, Owner())
    first: AsyncioFuture[None] = AsyncioFuture()
    mailbox.put(Envelope("on its way", first))
    loop.close()
    mailbox.put(Envelope("the next"))

    assert first.failed()


def test_getting_from_an_empty_mailbox_is_an_error():
    with pytest.raises(LookupError):
        Mailbox(0).get()


async def test_an_error_that_ends_programs_does_not_reach_the_asker():
    for ending in (SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()):
        plain: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        reply: AsyncioFuture[None] = AsyncioFuture()
        for future in (plain, reply):
            Envelope("ask", future).refuse(ending)
            with pytest.raises(pykka.ActorDeadError) as caught:
                await future
            assert caught.value.__cause__ is ending


async def test_a_stop_iteration_reaches_an_asyncio_future_as_a_runtime_error():
    reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    Envelope("ask", reply).refuse(StopIteration())

    with pytest.raises(RuntimeError, match="StopIteration"):
        await reply


async def test_an_answer_after_the_deadline_is_dropped():
    reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    envelope = Envelope("ask", reply)
    reply.set_result("given up")

    assert envelope.is_abandoned()
    envelope.answer("too late")
    envelope.refuse(ValueError("too late"))
    assert await reply == "given up"


def test_a_future_that_the_asker_made_derived_takes_no_answer():
    reply: AsyncioFuture[str] = AsyncioFuture()
    reply.set_get_hook(lambda _timeout: "my own")
    Envelope("ask", reply).answer("yours")

    assert reply.get() == "my own"


def test_sending_while_a_message_is_being_sent_does_not_deadlock():
    """A finalizer or a signal handler may run, and send, in the middle of another send of its thread."""
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(0)
    mailbox.open(loop, Owner())
    call = loop.call_soon_threadsafe

    def interrupted(*args: object) -> object:
        loop.call_soon_threadsafe = call  # type: ignore[method-assign]
        mailbox.put(Envelope("from the finalizer"))
        return call(*args)

    loop.call_soon_threadsafe = interrupted  # type: ignore[method-assign,assignment]
    sender = threading.Thread(target=mailbox.put, args=(Envelope("sent"),), daemon=True)
    sender.start()
    sender.join(30)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    assert sorted(all_of(mailbox)) == ["from the finalizer", "sent"]
