"""What does not arrive is sent again and again, then given up; a receiver that fails holds up nobody but itself."""

import asyncio
import socket
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from opencognit.actors.outbox import MOST_ASIDE
from opencognit.actors.persistent_actor import Look
from opencognit.domain.delivery import Delivery
from opencognit.domain.errors import StorageUnavailable
from opencognit.domain.instants import between
from opencognit.domain.kinds import SUBSCRIPTION
from opencognit.domain.origin import Origin
from opencognit.domain.records import Unit
from opencognit.domain.subscription import CreateSubscription
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.store.database import sqlite3
from opencognit.store.subscription_queries import Ahead
from opencognit.testing import ManualClock
from tests.builders import Api, assert_error
from tests.http.event_receiver import (
    LONGEST,
    Json,
    Received,
    Receiver,
    allowing,
    answer,
    current,
    log_of,
    log_when,
    log_with,
    receiving,
    serving,
    subscribed,
)

PLAN = (5, 300, 1800, 7200, 18000, 36000)
DAY = 24 * 3600.0


@pytest.fixture
def settings() -> Settings:
    return allowing()


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


async def test_what_does_not_arrive_is_sent_again_after_growing_pauses_and_then_given_up(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(503)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    for number, pause in enumerate(PLAN, start=1):
        [logged] = await log_with(owner, subscription, ("pending", number))
        assert (logged["antwortStatus"], logged["fehler"]) == (503, "It answered with the status 503")
        waits = between(clock.now(), logged["naechsterVersuchAm"])
        assert pause <= waits <= 1.2 * pause
        await clock.advance(waits - 0.001)
        assert len(receiver.received) == number
        await clock.advance(0.001)
        await receiver.count(number + 1)
    [logged] = await log_with(owner, subscription, ("failed", 7))
    assert (logged["naechsterVersuchAm"], logged["abgeschlossenAm"]) == (None, clock.now())
    assert len({(one.id, one.body) for one in receiver.received}) == 1
    assert len({one.headers["webhook-signature"] for one in receiver.received}) == 7
    await clock.advance(DAY)
    assert len(receiver.received) == 7


async def test_what_fails_for_a_while_arrives_in_the_end(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await log_with(owner, subscription, ("pending", 1))
    since = clock.now()
    await current(owner, subscription, fehlschlaegtSeit=since)
    await clock.advance(10)
    await log_with(owner, subscription, ("pending", 2))
    assert (await current(owner, subscription))["fehlschlaegtSeit"] == since
    receiver.answers = answer(200)
    await clock.advance(400)
    [logged] = await log_with(owner, subscription, ("delivered", 3))
    assert (logged["fehler"], logged["antwortStatus"]) == (None, 200)
    await current(owner, subscription, fehlschlaegtSeit=None)


async def test_an_event_that_is_refused_holds_up_no_other(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    async def refusing(received: Received) -> web.Response:
        return web.Response(status=422 if received.event["data"]["taskTitel"] == "Bad" else 200)

    receiver.answers = refusing
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company, titel="Bad")
    for _ in range(3):
        await owner.task(company)
    await receiver.count(4)
    await log_with(owner, subscription, ("pending", 1), *[("delivered", 1)] * 3)
    assert (await current(owner, subscription))["status"] == "active"


async def test_a_receiver_that_is_away_is_tried_with_a_few_events_and_gets_all_when_it_is_back(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(502)
    subscription = await subscribed(owner, company, receiver.url)
    tasks = [(await owner.task(company))["id"] for _ in range(MOST_ASIDE + 5)]
    log = await log_with(owner, subscription, *[("pending", 1)] * MOST_ASIDE)
    receiver.answers = answer(200)
    soonest = min(one["naechsterVersuchAm"] for one in log)
    await clock.advance(between(clock.now(), soonest))
    received = await receiver.count(2 * MOST_ASIDE + 5)
    assert [one.event["data"]["taskId"] for one in received[:MOST_ASIDE]] == tasks[:MOST_ASIDE]
    assert {one.event["data"]["taskId"] for one in received[MOST_ASIDE:]} == set(tasks)
    assert [one.event["data"]["taskId"] for one in received[-5:]] == tasks[-5:]
    await log_with(owner, subscription, *[("delivered", 2)] * MOST_ASIDE, *[("delivered", 1)] * 5)


async def test_by_hand_all_that_waits_is_sent_at_once(owner: Api, company: Json, receiver: Receiver) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await log_with(owner, subscription, ("pending", 1))
    async with receiving() as other:
        await owner.patch(f"/api/abonnements/{subscription['id']}", {"url": other.url})
        await other.count(1)
    await log_with(owner, subscription, ("delivered", 2))
    await current(owner, subscription, fehlschlaegtSeit=None)


async def test_one_that_was_given_up_can_be_sent_once_more(owner: Api, company: Json, receiver: Receiver) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    path = f"/api/abonnements/{subscription['id']}/zustellungen"
    await owner.task(company)
    [logged] = await log_with(owner, subscription, ("pending", 1))
    for number in range(2, 9):
        await owner.post(f"{path}/{logged['id']}/wiederholen")
        await log_with(owner, subscription, ("pending" if number < 7 else "failed", number))
    receiver.answers = answer(200)
    await owner.post(f"{path}/{logged['id']}/wiederholen")
    await log_with(owner, subscription, ("delivered", 9))


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_receiver_that_asks_for_a_pause_gets_it_for_all_events(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock, as_date: bool
) -> None:
    now = datetime.fromisoformat(clock.now())
    wish = format_datetime(now + timedelta(seconds=600), usegmt=True) if as_date else "600"
    receiver.answers = answer(503 if as_date else 429, Retry_After=wish, Date=format_datetime(now, usegmt=True))
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    [logged] = await log_with(owner, subscription, ("pending", 1))
    assert between(clock.now(), logged["naechsterVersuchAm"]) == 600
    await current(owner, subscription, pausiertBis=logged["naechsterVersuchAm"])
    receiver.answers = answer(200)
    await owner.task(company)
    await clock.advance(599)
    assert len(receiver.received) == 1
    await clock.advance(1)
    await receiver.count(3)
    await log_with(owner, subscription, ("delivered", 2), ("delivered", 1))
    await current(owner, subscription, pausiertBis=None)


async def test_no_receiver_gets_a_pause_of_more_than_a_day(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(503, Retry_After="999999999")
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    [logged] = await log_with(owner, subscription, ("pending", 1))
    assert between(clock.now(), logged["naechsterVersuchAm"]) == DAY


# Disabling


async def test_a_receiver_that_says_that_it_is_gone_gets_nothing_more(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(410)
    subscription = await subscribed(owner, company, receiver.url)
    first = await owner.task(company)
    await log_with(owner, subscription, ("failed", 1))
    await current(owner, subscription, status="disabled", letzterFehler="The receiver says that it is gone")
    later = await owner.task(company)
    await clock.advance(2 * DAY)
    assert len(receiver.received) == 1
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    [told] = [entry for entry in feed if entry["aktion"] == "subscription.disabled"]
    assert (told["entitaetId"], told["akteurTyp"]) == (subscription["id"], "system")

    receiver.answers = answer(200)
    enabled = (await owner.patch(f"/api/abonnements/{subscription['id']}", {"status": "active"})).json
    assert (enabled["status"], enabled["letzterFehler"], enabled["fehlschlaegtSeit"]) == ("active", None, None)
    received = await receiver.count(2)
    assert [one.event["data"]["taskId"] for one in received] == [first["id"], later["id"]]


async def test_a_receiver_that_fails_for_days_gets_nothing_more_and_people_are_told(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    for day in range(5):
        assert (await current(owner, subscription))["status"] == "active"
        await owner.task(company)
        await log_when(owner, subscription, lambda log, day=day: len(log) == day + 1)
        await clock.advance(DAY)
    await current(owner, subscription, status="disabled", letzterFehler="It answered with the status 500")
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    assert [entry["aktion"] for entry in feed].count("subscription.disabled") == 1
    count = len(receiver.received)
    await owner.task(company)
    await clock.advance(2 * DAY)
    assert len(receiver.received) == count

    receiver.answers = answer(200)
    await owner.patch(f"/api/abonnements/{subscription['id']}", {"status": "active"})
    log = await log_when(owner, subscription, lambda log: len(log) == 6 and log[5]["status"] == "delivered")
    assert {one["status"] for one in log[1:]} == {"delivered"}


# Addresses


async def test_a_redirect_is_not_followed(owner: Api, company: Json, receiver: Receiver) -> None:
    async with receiving() as other:
        receiver.answers = answer(307, Location=other.url)
        subscription = await subscribed(owner, company, receiver.url)
        await owner.task(company)
        [logged] = await log_with(owner, subscription, ("pending", 1))
        assert logged["antwortStatus"] == 307
        assert logged["fehler"] == "It answered with a redirect, which is not followed"
        assert other.received == []


async def test_a_name_that_leads_to_a_private_address_is_not_called(
    owner: Api, company: Json, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    """It may lead elsewhere at each try, so each is looked at."""
    port, real = int(receiver.url.rpartition(":")[2].partition("/")[0]), socket.getaddrinfo

    def leading_inside(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.2" if host == "hooks.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", leading_inside)
    subscription = await subscribed(owner, company, f"http://hooks.example:{port}/hook")
    await owner.task(company)
    for number in (1, 2):
        [logged] = await log_with(owner, subscription, ("pending", number))
        assert logged["antwortStatus"] is None
        assert "must not be called" in logged["fehler"]
        assert "127" not in logged["fehler"]
        await clock.advance(10)
    assert receiver.received == []


async def test_an_address_that_is_no_longer_allowed_is_not_called(tmp_path: Path, receiver: Receiver) -> None:
    async with serving(tmp_path, allowing()) as nobody:
        owner = await nobody.somebody()
        company = await owner.company()
        subscription = await subscribed(owner, company, receiver.url)
    async with serving(tmp_path, allowing(allowed_addresses=[])) as nobody:
        owner = nobody.with_token(owner.token)
        await owner.task(company)
        [logged] = await log_with(owner, subscription, ("pending", 1))
        assert "must not be called" in logged["fehler"]
    assert receiver.received == []


async def test_a_receiver_that_does_not_listen_is_a_failed_try(owner: Api, company: Json) -> None:
    async with receiving() as receiver:
        gone = receiver.url
    subscription = await subscribed(owner, company, gone)
    await owner.task(company)
    [logged] = await log_with(owner, subscription, ("pending", 1))
    assert (logged["antwortStatus"], logged["fehler"]) == (None, "It cannot be reached (ClientConnectorError)")


# Slow ones


async def test_a_slow_receiver_holds_up_nobody_else(owner: Api, company: Json, receiver: Receiver) -> None:
    answers = receiver.hold()
    for _ in range(20):
        await subscribed(owner, company, receiver.url)
    async with receiving() as quick:
        await subscribed(owner, company, quick.url)
        for _ in range(30):
            await owner.task(company)
        await quick.count(30)
        assert len(receiver.received) == 20
        answers.set()
        await receiver.count(20 * 30)


async def test_a_receiver_that_does_not_answer_in_time_has_failed(tmp_path: Path, receiver: Receiver) -> None:
    answers = receiver.hold()
    async with serving(tmp_path, allowing(time_limit_seconds=0.2)) as nobody:
        owner = await nobody.somebody()
        company = await owner.company()
        subscription = await subscribed(owner, company, receiver.url)
        await owner.task(company)
        [logged] = await log_with(owner, subscription, ("pending", 1))
        assert logged["fehler"] == "It did not answer within 0.2 s"
        answers.set()


# A store that fails


@pytest.mark.parametrize("what", ["reading", "writing"])
async def test_while_the_store_fails_it_waits_a_little_and_then_goes_on(  # noqa: PLR0917
    owner: Api,
    company: Json,
    receiver: Receiver,
    runtime: Runtime,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    commit, has_failed = runtime.store.commit, asyncio.Event()

    def committed(unit: Unit) -> asyncio.Future[None]:
        if not any(isinstance(record, Delivery) for record in unit.records):
            return commit(unit)
        has_failed.set()
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(StorageUnavailable())
        return refused

    async def read(*_arguments: object) -> Ahead:
        has_failed.set()
        raise StorageUnavailable

    if what == "writing":
        monkeypatch.setattr(runtime.store, "commit", committed)
    else:
        monkeypatch.setattr(runtime.queries, "event_ahead", read)
    await owner.task(company)
    await has_failed.wait()
    # What it was told meanwhile must meet the fault, too.
    await runtime.ask(SUBSCRIPTION, subscription["id"], Look())
    failed_at = clock.now()
    monkeypatch.undo()
    async with asyncio.timeout(LONGEST):
        while not [one for one in await log_of(owner, subscription) if one["status"] == "delivered"]:
            await clock.advance(1)
    assert between(failed_at, clock.now()) >= 30
    assert len({one.id for one in receiver.received}) == 1
    assert len(receiver.received) == (2 if what == "writing" else 1)


# What is gone


def erase_events(runtime: Runtime, which: str = "true") -> None:
    """As what is old is erased one day."""
    connection = sqlite3.connect(runtime.data / "opencognit.db")
    connection.execute(f"DELETE FROM events WHERE {which}")  # noqa: S608
    connection.commit()
    connection.close()


async def actions(api: Api, company: Json) -> list[str]:
    """The feed, by its verbs."""
    return [entry["aktion"] for entry in (await api.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json]


async def test_events_that_are_gone_before_they_could_be_sent_are_passed_over_and_that_is_told_once(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime
) -> None:
    subscription = await subscribed(owner, company, receiver.url, "task_created", "aktivitaet", status="paused")
    await owner.task(company)
    # Entries of the feed are kept for longer.
    erase_events(runtime, "type <> 'aktivitaet'")
    await owner.patch(f"/api/abonnements/{subscription['id']}", {"status": "active"})
    kept = await owner.task(company)
    received = await receiver.until(lambda received: kept["id"] in [task_of(one) for one in received])
    await owner.task(company)
    assert [one.event["data"]["aktion"] for one in received if one.event["type"] == "aktivitaet"][:2] == [
        "subscription.created",
        "task.created",
    ]
    assert [one.event["data"]["taskId"] for one in received if one.event["type"] == "task_created"] == [kept["id"]]
    await receiver.until(lambda received: len([one for one in received if one.event["type"] == "task_created"]) == 2)
    assert (await actions(owner, company)).count("subscription.events_missed") == 1


async def test_one_whose_event_is_gone_is_given_up_and_cannot_be_sent_again(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime, clock: ManualClock
) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await log_with(owner, subscription, ("pending", 1))
    erase_events(runtime)
    await clock.advance(10)
    [logged] = await log_with(owner, subscription, ("failed", 1))
    assert logged["fehler"] == "The event is no longer kept"
    path = f"/api/abonnements/{subscription['id']}/zustellungen/{logged['id']}/wiederholen"
    assert_error(await owner.post(path), 409, "INVALID_STATUS")


async def test_what_is_of_no_interest_is_not_missed_when_it_is_gone(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime
) -> None:
    subscription = await subscribed(owner, company, receiver.url, "task_deleted")
    for number in range(3):
        await log_with(owner, subscription, *[("delivered", 1)] * number)
        for _ in range(2):
            # The first is answered when what was tried is recorded, the second when the log was read on.
            await runtime.ask(SUBSCRIPTION, subscription["id"], Look())
        task = await owner.task(company)
        erase_events(runtime)
        await owner.delete(f"/api/aufgaben/{task['id']}")
    await receiver.count(3)
    assert "subscription.events_missed" not in await actions(owner, company)


async def test_what_was_of_no_interest_is_not_missed_after_a_restart(
    tmp_path: Path, settings: Settings, receiver: Receiver, clock: ManualClock
) -> None:
    """Now and then it is noted how far the log was read."""
    async with Runtime(tmp_path, settings=settings, clock=clock) as runtime:
        company = await runtime.create_company(name="Acme")
        message = CreateSubscription(url=receiver.url, event_types=("task_deleted",))
        subscription = await runtime.system.create(SUBSCRIPTION, message, origin=Origin(company_id=company.id))
        for _ in range(3):
            await runtime.create_task(company.id, title="Of no interest")
        await clock.advance(DAY)
        async with asyncio.timeout(LONGEST):
            while (await runtime.queries.subscription_progress(subscription.id))[0] < runtime.hub.last_seq:
                pass
        erase_events(runtime)
    async with Runtime(tmp_path, settings=settings, clock=clock) as runtime:
        # Asked behind what it tells itself when it wakes.
        await runtime.ask(SUBSCRIPTION, subscription.id, Look())
        assert (await runtime.queries.activity(company.id, 10, 0, None)).bodies == []


def task_of(received: Received) -> str | None:
    return received.event["data"].get("taskId")
