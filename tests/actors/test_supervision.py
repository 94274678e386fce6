"""A failed actor is back from its last durable state; one that fails on and on is held back, and alone."""

import asyncio
import sqlite3

import pytest

from opencognit.actors.supervision import FIRST_PAUSE, RESTARTS, WINDOW, ActorCrashed, FailureLog
from opencognit.actors.system import ActorSystem
from opencognit.domain.company import Company
from opencognit.domain.errors import ActorQuarantined, Duplicate, NotFound, StorageUnavailable
from opencognit.domain.instants import after
from opencognit.domain.kinds import COMPANY
from opencognit.domain.records import Unit
from opencognit.testing import ManualClock
from tests.actors.notebook import Do, Notebook, Open, Rename, crash, live, pencil
from tests.actors.specimens import WAIT


async def crashed(system: ActorSystem, entity_id: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ActorCrashed):
            await system.ask(COMPANY, entity_id, crash(ValueError("on purpose")))


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError, MemoryError])
async def test_whoever_asked_a_crashing_actor_is_answered(
    system: ActorSystem, book: Company, error: type[BaseException]
) -> None:
    with pytest.raises(ActorCrashed) as answered:
        await system.ask(COMPANY, book.id, crash(error()))
    assert answered.value.status == 500
    assert answered.value.code == "INTERNAL_ERROR"


async def test_a_crashed_actor_is_back_with_its_last_durable_state(system: ActorSystem, book: Company) -> None:
    await crashed(system, book.id)
    renamed = await system.ask(COMPANY, book.id, Rename(name="Deeds"))
    assert (renamed.name, renamed.version) == ("Deeds", 2)
    assert system.restarts == 1


async def test_a_crash_forgets_what_was_in_memory_alone(system: ActorSystem, book: Company) -> None:
    await system.ask(COMPANY, book.id, pencil("before"))
    await crashed(system, book.id)
    assert await system.ask(COMPANY, book.id, pencil("after")) == ["after"]


async def test_a_crash_forgets_reminders(system: ActorSystem, book: Company, notebook_clock: ManualClock) -> None:
    async def set_reminder(actor: Notebook) -> None:
        actor.remind("ring", after(actor.now(), 60), pencil("rang"))

    await system.ask(COMPANY, book.id, Do(set_reminder))
    await crashed(system, book.id)
    await notebook_clock.advance(60)
    assert await system.ask(COMPANY, book.id, pencil("later")) == ["later"]


async def test_what_waited_behind_the_crash_is_handled_after_it_in_order(system: ActorSystem, book: Company) -> None:
    system.tell(COMPANY, book.id, crash(ValueError("on purpose")))
    system.tell(COMPANY, book.id, pencil("first"))
    assert await system.ask(COMPANY, book.id, pencil("second")) == ["first", "second"]


async def test_a_crash_after_the_commit_keeps_what_was_committed(system: ActorSystem, book: Company) -> None:
    async def commit_and_crash(actor: Notebook) -> None:
        await actor.rename(Rename(name="Deeds"))
        raise ValueError("on purpose")

    with pytest.raises(ActorCrashed):
        await system.ask(COMPANY, book.id, Do(commit_and_crash))
    state = await system.ask(COMPANY, book.id, Rename(name="More"))
    assert state.version == 3


async def test_a_refusal_is_a_reply_and_no_failure(system: ActorSystem, book: Company) -> None:
    for _ in range(RESTARTS + 2):
        with pytest.raises(Duplicate):
            await system.ask(COMPANY, book.id, crash(Duplicate()))
    assert system.restarts == 0


async def test_a_message_that_is_not_understood_is_a_crash(system: ActorSystem, book: Company) -> None:
    class Unknown(Rename, frozen=True):
        pass

    with pytest.raises(ActorCrashed):
        await system.ask(COMPANY, book.id, Unknown(name="x"))


async def test_an_actor_that_cannot_load_tries_again_until_it_can(
    system: ActorSystem, book: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([sqlite3.OperationalError("busy"), SystemExit()])

    async def activated(_actor: Notebook) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure

    monkeypatch.setattr(Notebook, "activated", activated)
    actor = live(system, book.id)
    assert actor is not None
    system.drop(actor)
    assert await system.ask(COMPANY, book.id, pencil("at last")) == ["at last"]
    assert system.restarts == 2


async def test_after_a_write_that_failed_the_snapshot_decides(
    system: ActorSystem, book: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = system.store.commit

    def committed_but_told_otherwise(unit: Unit) -> "asyncio.Future[None]":
        written = commit(unit)

        async def fail() -> None:
            await written
            raise StorageUnavailable

        return asyncio.ensure_future(fail())

    monkeypatch.setattr(system.store, "commit", committed_but_told_otherwise)
    with pytest.raises(StorageUnavailable):
        await system.ask(COMPANY, book.id, Rename(name="Deeds"))
    monkeypatch.setattr(system.store, "commit", commit)
    again = await system.ask(COMPANY, book.id, Rename(name="More"))
    assert (again.name, again.version) == ("More", 3)


# Quarantine


@pytest.fixture
async def quarantined(system: ActorSystem, book: Company) -> Company:
    """A notebook that has failed once too often."""
    await crashed(system, book.id, RESTARTS + 1)
    actor = live(system, book.id)
    assert actor is not None
    async with asyncio.timeout(WAIT):
        await actor.rests.wait()
    return book


async def test_as_many_crashes_as_are_allowed_do_not_lead_to_quarantine(system: ActorSystem, book: Company) -> None:
    await crashed(system, book.id, RESTARTS)
    assert await system.ask(COMPANY, book.id, pencil("still here")) == ["still here"]


async def test_a_quarantined_actor_refuses_and_says_when_to_come_back(
    system: ActorSystem, quarantined: Company
) -> None:
    with pytest.raises(ActorQuarantined) as refused:
        await system.ask(COMPANY, quarantined.id, pencil("x"))
    assert refused.value.retry_after == 60


async def test_a_quarantined_actor_can_be_looked_at(system: ActorSystem, quarantined: Company) -> None:
    assert await system.state(COMPANY, quarantined.id) == quarantined


async def test_a_quarantined_actor_is_told_why(system: ActorSystem, quarantined: Company) -> None:
    actor = live(system, quarantined.id)
    assert actor is not None
    assert str(actor.quarantined_for) == "on purpose"


async def test_while_one_is_quarantined_others_work(system: ActorSystem, quarantined: Company) -> None:
    other = await system.create(COMPANY, Open(name="Another"))
    assert await system.ask(COMPANY, other.id, pencil("fine")) == ["fine"]


async def test_after_its_quarantine_an_actor_starts_anew(
    system: ActorSystem, book: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.actors.persistent_actor.QUARANTINE", 0.01)
    actor = live(system, book.id)
    assert actor is not None
    await crashed(system, book.id, RESTARTS + 1)
    async with asyncio.timeout(WAIT):
        await actor.has_left.wait()
    assert await system.ask(COMPANY, book.id, pencil("anew")) == ["anew"]


async def test_a_hook_that_fails_does_not_free_the_quarantined(
    system: ActorSystem, book: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_actor: Notebook, _error: BaseException) -> None:
        raise NotFound

    monkeypatch.setattr(Notebook, "quarantined", fail)
    await crashed(system, book.id, RESTARTS + 1)
    with pytest.raises(ActorQuarantined):
        await system.ask(COMPANY, book.id, pencil("x"))


async def test_closing_does_not_wait_for_one_that_is_restarting(system: ActorSystem, book: Company) -> None:
    await crashed(system, book.id, RESTARTS)
    async with asyncio.timeout(WAIT):
        await system.close()
    assert system.live() == []


# The rule


def test_each_pause_is_twice_the_one_before() -> None:
    log = FailureLog()
    pauses = [log.add(now=100.0) for _ in range(RESTARTS)]
    assert pauses == [FIRST_PAUSE * factor for factor in (1, 2, 4, 8, 16)]


def test_one_failure_more_than_allowed_means_quarantine() -> None:
    log = FailureLog()
    assert None not in [log.add(now=100.0) for _ in range(RESTARTS)]
    assert log.add(now=100.0) is None


def test_failures_that_are_long_past_do_not_count() -> None:
    log = FailureLog()
    for number in range(20):
        assert log.add(now=number * WINDOW) == FIRST_PAUSE
