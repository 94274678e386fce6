"""Virtual actors: an address always works, and whoever is not needed sleeps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opencognit.actors.system import ActorSystem
from opencognit.domain.company import Company
from opencognit.domain.errors import (
    DeadlineExceeded,
    Draining,
    Duplicate,
    MailboxFull,
    NotFound,
    VersionConflict,
)
from opencognit.domain.instants import after
from opencognit.domain.kinds import COMPANY
from opencognit.domain.origin import Origin
from opencognit.testing import ManualClock
from tests.actors.notebook import Do, Notebook, Open, Rename, live, pencil
from tests.actors.specimens import WAIT

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def asleep(system: ActorSystem, book: Company) -> Company:
    """One that is there, and sleeps."""
    put_to_sleep(system, book.id)
    return book


class Busy:
    """Keeps an actor at work until it is let go."""

    def __init__(self, system: ActorSystem, entity_id: str) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.asked = asyncio.ensure_future(system.ask(COMPANY, entity_id, Do(self._wait)))

    async def _wait(self, _actor: Notebook) -> str:
        self.begun.set()
        await self.let_go.wait()
        return "done"


@pytest.fixture
async def busy(system: ActorSystem, book: Company) -> AsyncIterator[Busy]:
    """The notebook is at work."""
    work = Busy(system, book.id)
    await work.begun.wait()
    yield work
    work.let_go.set()
    await work.asked


def put_to_sleep(system: ActorSystem, entity_id: str) -> None:
    actor = live(system, entity_id)
    assert actor is not None
    system.drop(actor)


def rounds(system: ActorSystem, number: int) -> None:
    """So many passivation rounds go by."""
    for _ in range(number):
        system._sweeper.cancel()
        system._sweep()


# Waking


async def test_the_first_message_wakes_a_sleeping_actor_from_its_snapshot(system: ActorSystem, asleep: Company) -> None:
    assert live(system, asleep.id) is None
    renamed = await system.ask(COMPANY, asleep.id, Rename(name="Deeds"))
    assert (renamed.name, renamed.version) == ("Deeds", asleep.version + 1)


async def test_messages_at_once_wake_one_actor_only(
    system: ActorSystem, asleep: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[Notebook] = []

    async def activated(actor: Notebook) -> None:
        woken.append(actor)

    monkeypatch.setattr(Notebook, "activated", activated)
    answers = await asyncio.gather(*(system.ask(COMPANY, asleep.id, pencil(str(number))) for number in range(5)))
    assert answers[-1] == ["0", "1", "2", "3", "4"]
    assert len(woken) == 1


async def test_the_state_of_a_sleeping_actor_can_be_read(system: ActorSystem, asleep: Company) -> None:
    assert await system.state(COMPANY, asleep.id) == asleep


async def test_peeking_wakes_nobody(system: ActorSystem, asleep: Company) -> None:
    assert system.peek(COMPANY, asleep.id) is None
    assert system.live() == []


async def test_asking_for_what_does_not_exist_does_not_fill_the_memory(system: ActorSystem) -> None:
    assert await system.state(COMPANY, NOBODY) is None
    assert system.live() == []


async def test_a_message_to_what_does_not_exist_is_refused(system: ActorSystem) -> None:
    with pytest.raises(NotFound):
        await system.ask(COMPANY, NOBODY, Rename(name="Nothing"))


async def test_what_was_refused_when_created_leaves_nothing_behind(system: ActorSystem) -> None:
    with pytest.raises(Duplicate):
        await system.create(COMPANY, Open(name="refused"))
    assert system.live() == []


async def test_a_sleeping_actor_can_be_woken_for_what_is_due(system: ActorSystem, asleep: Company) -> None:
    system.wake(COMPANY, asleep.id)
    assert live(system, asleep.id) is not None


# Falling asleep


async def test_an_actor_that_nobody_needs_falls_asleep(system: ActorSystem, book: Company) -> None:
    rounds(system, 3)
    assert live(system, book.id) is None
    assert await system.state(COMPANY, book.id) == book


async def test_two_rounds_are_not_enough_to_fall_asleep(system: ActorSystem, book: Company) -> None:
    rounds(system, 2)
    assert live(system, book.id) is not None


async def test_an_actor_that_is_over_falls_asleep_sooner(
    system: ActorSystem, book: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Notebook, "is_over", lambda _self: True)
    rounds(system, 1)
    assert live(system, book.id) is not None
    rounds(system, 1)
    assert live(system, book.id) is None


@pytest.mark.parametrize("touch", ["asked", "read"])
async def test_whoever_is_needed_in_between_stays_awake(system: ActorSystem, book: Company, touch: str) -> None:
    rounds(system, 2)
    await (system.ask(COMPANY, book.id, pencil("x")) if touch == "asked" else system.state(COMPANY, book.id))
    rounds(system, 2)
    assert live(system, book.id) is not None


async def test_of_too_many_actors_those_fall_asleep_that_nobody_has_needed_for_longest(
    system: ActorSystem, book: Company
) -> None:
    books = [book, *[await system.create(COMPANY, Open(name=f"Book {number}")) for number in range(4)]]
    system.limits = replace(system.limits, awake_at_most=3)
    system.generation += 1
    for needed in (books[0], books[2]):
        await system.ask(COMPANY, needed.id, pencil("x"))
    rounds(system, 1)
    awake = {one.id for one in books if live(system, one.id) is not None}
    assert len(awake) == 3
    assert awake > {books[0].id, books[2].id}


async def test_an_actor_at_work_does_not_fall_asleep(system: ActorSystem, book: Company, busy: Busy) -> None:
    rounds(system, 5)
    assert live(system, book.id) is not None
    busy.let_go.set()
    assert await busy.asked == "done"


async def test_an_actor_with_a_reminder_stays_awake_until_it_came(
    system: ActorSystem, book: Company, notebook_clock: ManualClock
) -> None:
    async def set_reminder(actor: Notebook) -> None:
        actor.remind("ring", after(actor.now(), 60), pencil("rang"))

    await system.ask(COMPANY, book.id, Do(set_reminder))
    rounds(system, 5)
    assert live(system, book.id) is not None
    await notebook_clock.advance(60)
    assert await system.ask(COMPANY, book.id, pencil("later")) == ["rang", "later"]
    rounds(system, 5)
    assert live(system, book.id) is None


async def test_a_reminder_can_be_taken_back(system: ActorSystem, book: Company, notebook_clock: ManualClock) -> None:
    async def set_and_cancel(actor: Notebook) -> None:
        actor.remind("ring", after(actor.now(), 60), pencil("rang"))
        actor.remind("ring", None, pencil("rang"))

    await system.ask(COMPANY, book.id, Do(set_and_cancel))
    await notebook_clock.advance(60)
    assert await system.ask(COMPANY, book.id, pencil("later")) == ["later"]


# Asking and telling


async def test_who_waits_too_long_is_answered_with_the_deadline(system: ActorSystem, book: Company, busy: Busy) -> None:
    with pytest.raises(DeadlineExceeded):
        await system.ask(COMPANY, book.id, pencil("late"), deadline=0.01)


async def test_a_message_that_nobody_waits_for_any_more_is_not_handled(
    system: ActorSystem, book: Company, busy: Busy
) -> None:
    with pytest.raises(DeadlineExceeded):
        await system.ask(COMPANY, book.id, pencil("late"), deadline=0.01)
    busy.let_go.set()
    assert await system.ask(COMPANY, book.id, pencil("next")) == ["next"]


async def test_a_full_mailbox_refuses_who_asks_and_who_tells(system: ActorSystem, book: Company, busy: Busy) -> None:
    for _ in range(Notebook.mailbox_limit):
        system.tell(COMPANY, book.id, pencil("waits"))
    with pytest.raises(MailboxFull):
        system.tell(COMPANY, book.id, pencil("too many"))
    with pytest.raises(MailboxFull):
        await system.ask(COMPANY, book.id, pencil("too many"))


async def test_a_full_mailbox_takes_the_runtimes_own_reports(system: ActorSystem, book: Company, busy: Busy) -> None:
    for _ in range(Notebook.mailbox_limit):
        system.tell(COMPANY, book.id, pencil("waits"))
    reported = asyncio.Event()

    async def report(_actor: Notebook) -> None:
        reported.set()

    system.tell(COMPANY, book.id, Do(report), internal=True)
    busy.let_go.set()
    async with asyncio.timeout(WAIT):
        await reported.wait()


async def test_a_version_that_is_not_the_newest_is_refused_before_the_handler(
    system: ActorSystem, book: Company
) -> None:
    await system.ask(COMPANY, book.id, Rename(name="Deeds"), origin=Origin(expected_version=book.version))
    with pytest.raises(VersionConflict) as refused:
        await system.ask(COMPANY, book.id, Rename(name="Again"), origin=Origin(expected_version=book.version))
    assert refused.value.details == {"version": book.version + 1}


async def test_persisting_counts_the_version_and_keeps_the_time_of_creation(
    system: ActorSystem, book: Company, notebook_clock: ManualClock
) -> None:
    await notebook_clock.advance(5)
    renamed = await system.ask(COMPANY, book.id, Rename(name="Deeds"))
    assert (book.version, renamed.version) == (1, 2)
    assert renamed.created_at == book.created_at
    assert renamed.updated_at == after(book.updated_at, 5)


# Ending


async def test_closing_lets_end_what_is_in_hand(system: ActorSystem, busy: Busy) -> None:
    closing = asyncio.ensure_future(system.close())
    await asyncio.sleep(0)
    busy.let_go.set()
    await closing
    assert await busy.asked == "done"


async def test_a_closed_system_wakes_nobody(system: ActorSystem, asleep: Company) -> None:
    await system.close()
    with pytest.raises(Draining):
        await system.ask(COMPANY, asleep.id, pencil("x"))


async def test_closing_ends_what_was_kept_running(system: ActorSystem) -> None:
    task = system.keep(asyncio.Event().wait())
    await system.close()
    assert task.cancelled()


async def test_sleeping_goes_by_the_injected_clock(system: ActorSystem, notebook_clock: ManualClock) -> None:
    sleeping = asyncio.ensure_future(system.sleep(60))
    await asyncio.sleep(0)
    await notebook_clock.advance(59)
    assert not sleeping.done()
    await notebook_clock.advance(1)
    assert sleeping.done()
