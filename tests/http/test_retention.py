"""What is old goes by itself; what is new, the figures, and what others have stay."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import EventsGone
from opencognit.domain.events import Published
from opencognit.domain.kinds import TASK_LOCK
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.sockets import Follow, bearer, newest, numbers
from tests.http.working import run_ended, runs_of

Json = dict[str, Any]

DAY = 86400.0
ROUND = 600.0
ACTIVITY, EVENTS, OUTPUT = 20 * DAY, 10 * DAY, 30 * DAY
BY_AGE = {"activity_kept_seconds": ACTIVITY, "events_kept_seconds": EVENTS, "run_output_kept_seconds": OUTPUT}
NO_LIMIT = dict.fromkeys((*BY_AGE, "activity_kept", "events_kept", "run_output_kept_mb"), 0)


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def retention() -> Json:
    """Override by `parametrize`."""
    return BY_AGE


@pytest.fixture
def settings(retention: Json) -> Settings:
    return quick_settings(accounts={"session_seconds": 9 * 365 * DAY}, retention=retention)


@pytest.fixture
def worker() -> ScriptedProvider:
    """Its work may not be done twice, so each run records what it does outside."""

    async def script(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        output = (order.title[:1] * 100_000) if order.title.startswith("Long") else "said"
        return Outcome(result="done", output=output, cost_cents=Decimal("0.123457"), model="m")

    worker = ScriptedProvider(script)
    worker.abilities = Abilities(tools=True, streaming=True, cost_known=True, repeatable=False)
    return worker


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, verbindungsTyp="scripted")


async def worked(api: Api, company: Json, agent: Json, follower: Follower, title: str = "Build it") -> Json:
    """A task that the agent has done."""
    task = await api.task(company, titel=title, zugewiesenAn=agent["id"])
    await run_ended(follower, aufgabeId=task["id"], status="succeeded")
    return task


async def comes(clock: ManualClock, check: Callable[[], Awaitable[bool]]) -> None:
    """Let rounds of the housekeeping go by until it is so; the one under way may have begun before the time came."""
    async with asyncio.timeout(20):
        while not await check():
            await clock.jump(ROUND)


async def feed(api: Api, company: Json) -> list[str]:
    """What the entries are about, newest first; the header tells of as many."""
    answer = await api.get(f"/api/unternehmen/{company['id']}/aktivitaet?limit=500")
    assert len(answer.json) == min(500, int(answer.headers["X-Total-Count"]))
    return [entry["entitaetId"] for entry in answer.json]


async def board(api: Api, company: Json) -> Json:
    found: Json = (await api.get(f"/api/unternehmen/{company['id']}/dashboard")).json
    return found


# By age


async def test_old_entries_of_the_feed_go_and_new_ones_stay(owner: Api, company: Json, clock: ManualClock) -> None:
    await owner.task(company)
    await clock.jump(ACTIVITY - DAY)
    task = await owner.task(company)
    await clock.jump(2 * DAY)

    async def is_alone() -> bool:
        return await feed(owner, company) == [task["id"]]

    await comes(clock, is_alone)
    shown = await board(owner, company)
    assert [entry["entitaetId"] for entry in shown["letzteAktivitaet"]] == [task["id"]]
    assert shown["aufgaben"]["gesamt"] == 2
    assert len((await owner.get(f"/api/unternehmen/{company['id']}/aufgaben")).json) == 2


async def test_the_costs_of_an_old_month_and_the_run_stay_without_what_it_said(
    owner: Api, company: Json, agent: Json, clock: ManualClock, follower: Follower
) -> None:
    await worked(owner, company, agent, follower)
    summary = f"/api/unternehmen/{company['id']}/kosten/zusammenfassung?monat={clock.now()[:7]}"
    costs, figures = (await owner.get(summary)).json, (await board(owner, company))["zyklen"]
    assert costs["gesamtVerbraucht"] == 0.123457
    (run,) = await runs_of(owner, agent)
    (effect,) = run["wirkungen"]
    assert (run["ausgabe"], effect["ergebnis"] is not None) == ("said", True)
    await clock.jump(OUTPUT - DAY)
    await worked(owner, company, agent, follower)
    await clock.jump(2 * DAY)

    async def is_relieved() -> bool:
        return (await runs_of(owner, agent))[0]["ausgabe"] == ""

    await comes(clock, is_relieved)
    old, new = await runs_of(owner, agent)
    assert old == run | {"ausgabe": "", "wirkungen": [effect | {"ergebnis": ""}]}
    assert new["ausgabe"] == "said"
    assert (await owner.get(f"/api/laeufe/{run['id']}")).json == old
    assert (await owner.get(summary)).json == costs
    assert (await board(owner, company))["zyklen"] == {name: 2 * number for name, number in figures.items()}


@pytest.mark.parametrize("retention", [NO_LIMIT])
async def test_with_zero_everything_is_kept(
    owner: Api, company: Json, agent: Json, clock: ManualClock, follow: Follow
) -> None:
    await worked(owner, company, agent, await follow(owner))
    entries, runs = await feed(owner, company), await runs_of(owner, agent)
    await clock.jump(8 * 365 * DAY)
    # The sign that a round has been made: a first answer is kept for a day only.
    again = {"Idempotency-Key": "once"}
    await owner.make(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "Marker"}, headers=again)
    marker = await feed(owner, company)
    await clock.jump(2 * DAY)

    async def is_another() -> bool:
        path = f"/api/unternehmen/{company['id']}/aufgaben"
        answer = await owner.post(path, {"titel": "Marker"}, headers=again)
        return "Idempotency-Replayed" not in answer.headers

    await comes(clock, is_another)
    assert (await feed(owner, company))[1:] == marker
    assert marker[1:] == entries
    assert await runs_of(owner, agent) == runs
    assert (await follow(owner, since=0)).seen[-1]["type"] == "subscribed"


# By size


@pytest.mark.parametrize("retention", [NO_LIMIT | {"activity_kept": 5}])
async def test_each_company_keeps_the_newest_entries_of_its_feed(owner: Api, company: Json, clock: ManualClock) -> None:
    quiet = await owner.company()
    kept = [(await owner.task(quiet))["id"] for _ in range(3)]
    tasks = [(await owner.task(company))["id"] for _ in range(8)]

    async def is_short() -> bool:
        return await feed(owner, company) == tasks[:-6:-1]

    await comes(clock, is_short)
    assert await feed(owner, quiet) == [*reversed(kept), quiet["id"]]


@pytest.mark.parametrize("retention", [NO_LIMIT | {"run_output_kept_mb": 1}])
async def test_each_company_keeps_the_newest_of_what_its_runs_said(
    owner: Api, company: Json, agent: Json, clock: ManualClock, follower: Follower
) -> None:
    quiet = await owner.company()
    other = await owner.agent(quiet, verbindungsTyp="scripted")
    await worked(owner, quiet, other, follower, "Long")
    for _ in range(12):
        await worked(owner, company, agent, follower, "Long")

    async def lengths(whose: Json) -> list[int]:
        return [len(run["ausgabe"]) for run in await runs_of(owner, whose)]

    async def is_short() -> bool:
        return (await lengths(agent))[:3] == [0, 0, 0]

    await comes(clock, is_short)
    assert await lengths(agent) == [0] * 3 + [100_000] * 9
    assert await lengths(other) == [100_000]


# In memory


async def test_a_finished_task_leaves_the_memory_before_an_open_one(
    owner: Api, company: Json, agent: Json, runtime: Runtime, follower: Follower
) -> None:
    done = await worked(owner, company, agent, follower)
    waiting = await owner.task(company)
    for _ in range(2):
        runtime.system._sweeper.cancel()
        runtime.system._sweep()
    assert runtime.system.peek(TASK_LOCK, done["id"]) is None
    assert runtime.system.peek(TASK_LOCK, waiting["id"]) is not None
    assert (await owner.get(f"/api/aufgaben/{done['id']}")).json["status"] == "done"


# Those who come back


@pytest.mark.parametrize("retention", [BY_AGE, NO_LIMIT | {"activity_kept": 1}, NO_LIMIT | {"events_kept": 1}])
async def test_who_has_missed_what_is_gone_is_told_to_begin_anew(
    owner: Api, company: Json, clock: ManualClock, follow: Follow
) -> None:
    for _ in range(3):
        await owner.task(company)
    since = await newest(follow, owner) - 5
    await clock.jump(ACTIVITY + DAY)

    async def is_gone() -> bool:
        return (await follow(owner, since=since)).seen[-1]["type"] == "resync"

    await comes(clock, is_gone)
    follower = await follow(owner, since=since)
    task = await owner.task(company)
    assert (await follower.until("task_created"))["data"]["taskId"] == task["id"]
    assert (await follow(owner, since=numbers(follower.seen[-1:])[0] - 1)).seen[-1]["type"] == "subscribed"


@pytest.mark.parametrize("retention", [NO_LIMIT | {"activity_kept": 1}])
async def test_who_follows_another_company_does_not_notice(
    owner: Api, company: Json, clock: ManualClock, follow: Follow
) -> None:
    stranger = await owner.somebody()
    await stranger.company()
    quiet = await owner.company()
    for _ in range(3):
        await owner.task(company)

    async def is_gone() -> bool:
        return len(await feed(owner, company)) == 1

    await comes(clock, is_gone)
    assert (await follow(owner, since=0)).seen[-1]["type"] == "resync"
    assert (await follow(owner, since=0, unternehmenIds=[quiet["id"]])).seen[0]["type"] == "subscribed"
    assert (await follow(stranger, since=0)).seen[0]["type"] == "subscribed"


async def test_a_program_that_reads_events_is_told_when_those_ahead_of_it_go(
    runtime: Runtime, clock: ManualClock
) -> None:
    company = await runtime.create_company(name="Acme")
    for number in range(300):
        await runtime.create_task(company.id, title=f"Task {number}")
    last = runtime.hub.last_seq
    async with aclosing(runtime.events(since=0)) as events:
        read = [(await anext(events)).seq]
        await clock.jump(ACTIVITY + DAY)

        async def is_gone() -> bool:
            return await runtime.queries.companies_missing_events(last - 2) != []

        await comes(clock, is_gone)
        with pytest.raises(EventsGone):
            await read_on(events, read)
    assert read == list(range(1, len(read) + 1)), "no gap before the end"


async def read_on(events: AsyncIterable[Published], read: list[int]) -> None:
    async for event in events:
        read.append(event.seq)  # noqa: PERF401 - what was read before the error counts


async def test_a_socket_that_lags_behind_what_goes_is_told_to_begin_anew(
    owner: Api, company: Json, agent: Json, clock: ManualClock
) -> None:
    """The server has sent what fits into the buffers between, and goes on when the client reads again."""
    for number in range(250):
        task = await owner.task(company, titel=f"Task {number}")
        await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
        done = {"expertId": agent["id"], "status": "done", "ergebnis": "x" * 90_000}
        await owner.make(f"/api/aufgaben/{task['id']}/release", done)
    async with owner.session.ws_connect(owner.url + "/ws", headers=bearer(owner), max_msg_size=0) as socket:
        await socket.send_json({"type": "subscribe", "since": 0})
        await clock.jump(ACTIVITY + DAY)

        async def is_gone() -> bool:
            return await feed(owner, company) == []

        await comes(clock, is_gone)
        seen = []
        while (message := await socket.receive_json(timeout=20))["type"] != "resync":
            seen.append(message)
        assert seen[0]["type"] == "subscribed"
        sent = numbers(seen[1:])
        assert sent == list(range(1, len(sent) + 1)), "no gap before it is told"
        created = await owner.task(company)
        while (message := await socket.receive_json(timeout=20))["type"] != "task_created":
            pass
        assert message["data"]["taskId"] == created["id"]
