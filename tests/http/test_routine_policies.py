"""What a routine does while its last task is not finished, and about due times that passed while nothing could fire."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.actors.routine import Routine
from opencognit.domain.routine import FollowExecution
from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.routine_calls import (
    DAY,
    HOUR,
    MINUTE,
    Json,
    current,
    ended,
    fired,
    history_of,
    history_with,
    moved_on,
    routine_of,
    scheduled,
    task_ended,
)
from tests.http.working import tasks_of, verbs_of

LIMIT = 5
TWELVE = "2026-04-05T12:00:00.000Z"


@pytest.fixture
async def clock() -> ManualClock:
    """It is Sunday, 2026-04-05, ten o'clock UTC."""
    return ManualClock()


@pytest.fixture
def settings() -> Settings:
    return quick_settings(routines={"catch_up_limit": LIMIT}, accounts={"session_seconds": 1000 * DAY})


def due_times(history: list[Json]) -> list[str]:
    """Day, hour and minute of each due time that has fired."""
    return [execution["payload"]["faelligAm"][8:16] for execution in history]


# While an earlier task is not finished


async def test_firings_are_merged_into_the_task_that_is_not_finished_and_end_with_it(
    owner: Api, company: Json, follower: Follower
) -> None:
    routine = await routine_of(owner, company)
    first = await fired(owner, routine)
    merged = [await fired(owner, routine, payload={"number": number}) for number in range(2)]
    assert [one["status"] for one in (first, *merged)] == ["enqueued", "received", "received"]
    assert {one["aufgabeId"] for one in merged} == {first["aufgabeId"]}
    await task_ended(owner, first, "done")
    assert (await ended(follower, first))["status"] == "completed"
    history = await history_of(owner, routine)
    assert [one["status"] for one in history] == ["completed"] * 3
    assert [one["payload"] for one in history] == [{}, {"number": 0}, {"number": 1}]
    assert all(one["abgeschlossenAm"] for one in history)
    assert [event["type"] for event in follower.seen].count("routine_executed") == 1
    assert (await fired(owner, routine))["status"] == "enqueued"
    assert len(await tasks_of(owner, company)) == 2


async def test_firings_are_skipped_while_the_task_is_not_finished(
    owner: Api, company: Json, follower: Follower
) -> None:
    routine = await routine_of(owner, company, concurrencyPolicy="skip_if_active")
    first, skipped = await fired(owner, routine), await fired(owner, routine)
    assert (skipped["status"], skipped["aufgabeId"]) == ("skipped", None)
    assert skipped["fehler"] == "The task of an earlier execution is not finished"
    assert skipped["abgeschlossenAm"]
    await task_ended(owner, first, "cancelled")
    assert (await ended(follower, first))["status"] == "failed"
    assert (await fired(owner, routine))["status"] == "enqueued"
    assert [one["status"] for one in await history_of(owner, routine)] == ["failed", "skipped", "enqueued"]
    assert [event["type"] for event in follower.seen].count("routine_executed") == 1


async def test_firings_make_tasks_of_their_own_where_the_routine_says_so(
    owner: Api, company: Json, follower: Follower
) -> None:
    routine = await routine_of(owner, company, concurrencyPolicy="always_enqueue")
    executions = [await fired(owner, routine) for _ in range(3)]
    assert len({one["aufgabeId"] for one in executions}) == len(await tasks_of(owner, company)) == 3
    for execution in reversed(executions):
        await task_ended(owner, execution, "done")
        await ended(follower, execution)
    assert [one["status"] for one in await history_of(owner, routine)] == ["completed"] * 3


@pytest.mark.parametrize("policy", ["coalesce_if_active", "skip_if_active"])
async def test_no_firing_is_lost_to_a_task_that_has_just_been_finished(
    owner: Api, company: Json, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routine does not know of it yet: the word of it comes later than the next firing, or never."""
    monkeypatch.setitem(Routine._handlers, FollowExecution, lambda _routine, _message: None)
    routine = await routine_of(owner, company, concurrencyPolicy=policy)
    for number in range(3):
        execution = await fired(owner, routine)
        assert execution["status"] == "enqueued"
        assert [one["status"] for one in await history_of(owner, routine)] == [*["completed"] * number, "enqueued"]
        await task_ended(owner, execution, "done")


async def test_a_routine_whose_policy_changes_goes_by_the_new_one(owner: Api, company: Json) -> None:
    routine = await routine_of(owner, company, concurrencyPolicy="always_enqueue")
    first, second = await fired(owner, routine), await fired(owner, routine)
    await owner.patch(f"/api/routinen/{routine['id']}", {"concurrencyPolicy": "coalesce_if_active"})
    assert (await fired(owner, routine))["aufgabeId"] == second["aufgabeId"]
    await task_ended(owner, second, "done")
    assert (await fired(owner, routine))["aufgabeId"] == first["aufgabeId"]


async def test_a_schedule_is_merged_and_skipped_as_a_person_is(
    owner: Api, company: Json, clock: ManualClock, follower: Follower
) -> None:
    coalescing, skipping = [
        await routine_of(owner, company, concurrencyPolicy=policy)
        for policy in ("coalesce_if_active", "skip_if_active")
    ]
    for routine in (coalescing, skipping):
        await scheduled(owner, routine)
    for hour in (11, 12, 13):
        await clock.advance(HOUR)
        for routine in (coalescing, skipping):
            await moved_on(owner, routine, f"2026-04-05T{hour + 1}:00:00.000Z")
    merged = await history_with(owner, coalescing, "enqueued", "received", "received")
    assert due_times(merged) == ["05T11:00", "05T12:00", "05T13:00"]
    await history_with(owner, skipping, "enqueued", "skipped", "skipped")
    assert len(await tasks_of(owner, company)) == 2


# Due times that were missed


Down = Callable[[float], AbstractAsyncContextManager[Api]]


@pytest.fixture
def reopened(tmp_path: Path, settings: Settings, clock: ManualClock) -> Down:
    """`async with reopened(seconds) as api`: a server on the same folder, after it was down for so long."""
    tokens: list[str | None] = []

    @asynccontextmanager
    async def reopen(seconds: float) -> Any:
        await clock.jump(seconds)
        worker = {"scripted": ScriptedProvider()}
        async with (
            Runtime(tmp_path / "again", settings=settings, clock=clock, providers=worker) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            api = Api(session, url, tokens[0] if tokens else None)
            if not tokens:
                api = await api.somebody("Owner")
                tokens.append(api.token)
            yield api

    return reopen


async def a_routine(api: Api, cron: str = "@hourly", **fields: Any) -> tuple[Json, Json]:
    """(the company, a routine that fires by a schedule)."""
    company = await api.company()
    routine = await routine_of(api, company, concurrencyPolicy="always_enqueue", **fields)
    await scheduled(api, routine, cron)
    return company, routine


async def test_what_was_missed_is_skipped(reopened: Down, clock: ManualClock) -> None:
    async with reopened(0) as api:
        company, routine = await a_routine(api)
    async with reopened(4.5 * HOUR) as api:
        await moved_on(api, routine, "2026-04-05T15:00:00.000Z")
        assert await history_of(api, routine) == []
        assert (await verbs_of(api, company))[-1] == "routine.missed"
        await clock.advance(HOUR / 2)
        assert due_times(await history_with(api, routine, "enqueued")) == ["05T15:00"]


async def test_what_is_late_by_a_minute_at_most_is_not_missed(reopened: Down) -> None:
    """A restart at nine must not cost the day its report."""
    async with reopened(0) as api:
        company, routine = await a_routine(api)
    async with reopened(3 * HOUR + MINUTE) as api:
        assert due_times(await history_with(api, routine, "enqueued")) == ["05T13:00"]
        assert "routine.missed" in await verbs_of(api, company)
    async with reopened(HOUR) as api:
        assert due_times(await history_with(api, routine, "enqueued", "enqueued")) == ["05T13:00", "05T14:00"]
        assert (await verbs_of(api, company)).count("routine.missed") == 1
    async with reopened(HOUR + 0.001) as api:
        await moved_on(api, routine, "2026-04-05T16:00:00.000Z")
        assert len(await history_of(api, routine)) == 2


async def test_each_missed_due_time_is_caught_up_on(reopened: Down, clock: ManualClock) -> None:
    async with reopened(0) as api:
        company, routine = await a_routine(api, catchUpPolicy="catch_up")
    async with reopened(3.5 * HOUR) as api:
        history = await history_with(api, routine, *["enqueued"] * 3)
        assert due_times(history) == ["05T11:00", "05T12:00", "05T13:00"]
        assert {execution["erstelltAm"] for execution in history} == {clock.now()}
        assert "routine.missed" not in await verbs_of(api, company)
        await moved_on(api, routine, "2026-04-05T14:00:00.000Z")
        await clock.advance(HOUR / 2)
        assert due_times(await history_with(api, routine, *["enqueued"] * 4))[-1] == "05T14:00"


async def test_no_more_than_the_latest_are_caught_up_on(reopened: Down) -> None:
    async with reopened(0) as api:
        company, routine = await a_routine(api, "* * * * *", catchUpPolicy="catch_up")
    async with reopened(400 * DAY) as api:
        history = await history_with(api, routine, *["enqueued"] * LIMIT)
        assert due_times(history) == ["10T09:56", "10T09:57", "10T09:58", "10T09:59", "10T10:00"]
        assert (await verbs_of(api, company)).count("routine.missed") == 1


async def test_missed_due_times_are_merged_where_the_routine_coalesces(reopened: Down) -> None:
    async with reopened(0) as api:
        company, routine = await a_routine(api, catchUpPolicy="catch_up")
        await api.patch(f"/api/routinen/{routine['id']}", {"concurrencyPolicy": "coalesce_if_active"})
    async with reopened(3 * HOUR) as api:
        await history_with(api, routine, "enqueued", "received", "received")
        assert len(await tasks_of(api, company)) == 1


async def test_a_paused_routine_misses_nothing(reopened: Down) -> None:
    async with reopened(0) as api:
        _, routine = await a_routine(api, catchUpPolicy="catch_up")
        await api.patch(f"/api/routinen/{routine['id']}", {"status": "paused"})
    async with reopened(3 * HOUR) as api:
        await api.patch(f"/api/routinen/{routine['id']}", {"status": "active"})
        assert (await current(api, routine))["triggers"][0]["naechsterAusfuehrungAm"] == "2026-04-05T14:00:00.000Z"
        assert await history_of(api, routine) == []


@pytest.mark.parametrize(("policy", "expected"), [("skip_missed", []), ("catch_up", ["05T11:00", "05T12:00"])])
async def test_a_paused_company_fires_nothing_and_its_routines_go_on_by_their_policy_when_it_is_active(
    owner: Api, company: Json, clock: ManualClock, policy: str, expected: list[str]
) -> None:
    routine = await routine_of(owner, company, catchUpPolicy=policy, concurrencyPolicy="always_enqueue")
    await scheduled(owner, routine)
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "paused"})
    await clock.advance(2.5 * HOUR)
    assert (await current(owner, routine))["triggers"][0]["naechsterAusfuehrungAm"] == "2026-04-05T11:00:00.000Z"
    assert await history_of(owner, routine) == []
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
    await moved_on(owner, routine, "2026-04-05T13:00:00.000Z")
    assert due_times(await history_of(owner, routine)) == expected
    await clock.advance(HOUR / 2)
    history = await history_with(owner, routine, *["enqueued"] * (len(expected) + 1))
    assert due_times(history) == [*expected, "05T13:00"]


async def test_a_clock_that_is_set_back_fires_nothing_twice_even_if_the_schedule_is_set_anew(
    owner: Api, company: Json, clock: ManualClock
) -> None:
    routine = await routine_of(owner, company, concurrencyPolicy="always_enqueue")
    trigger = await scheduled(owner, routine)
    await clock.advance(HOUR)
    await history_with(owner, routine, "enqueued")
    await clock.jump(-HOUR / 2)
    for change, due in (({"cronExpression": "0 * * * *"}, TWELVE), ({"aktiv": False}, None), ({"aktiv": True}, TWELVE)):
        changed = await owner.patch(f"/api/triggers/{trigger['id']}", change)
        assert changed.json["naechsterAusfuehrungAm"] == due
    await clock.advance(HOUR / 2)
    await clock.advance(HOUR)
    assert due_times(await history_with(owner, routine, "enqueued", "enqueued")) == ["05T11:00", "05T12:00"]


# Restarts


async def test_the_end_of_a_task_that_the_routine_was_not_told_of_is_told_at_the_next_start(
    reopened: Down, tmp_path: Path
) -> None:
    """As when the process dies between the end of the task and the word of it."""
    async with reopened(0) as api:
        _, routine = await a_routine(api)
        executions = [await fired(api, routine) for _ in range(3)]
    change = "UPDATE tasks SET status = 'done', body = CAST(replace(CAST(body AS TEXT), 'backlog', 'done') AS BLOB)"
    with closing(sqlite3.connect(tmp_path / "again" / "opencognit.db")) as database, database:
        database.execute(change + " WHERE id = ?", (executions[0]["aufgabeId"],))
        database.execute("DELETE FROM tasks WHERE id = ?", (executions[1]["aufgabeId"],))
    async with reopened(0) as api:
        await history_with(api, routine, "completed", "failed", "enqueued")


def damage(folder: Path, routine: Json, before: str, after: str) -> None:
    """Change what is stored of a routine."""
    with closing(sqlite3.connect(folder / "again" / "opencognit.db")) as database, database:
        change = "UPDATE routines SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB) WHERE id = ?"
        database.execute(change, (before, after, routine["id"]))


@pytest.mark.parametrize(("before", "after"), [("@hourly", "*/0 * * * *"), ('"id"', '"di"')])
async def test_a_damaged_routine_stops_no_other(
    reopened: Down, tmp_path: Path, clock: ManualClock, before: str, after: str
) -> None:
    async with reopened(0) as api:
        _, damaged = await a_routine(api)
        company, healthy = await a_routine(api)
    damage(tmp_path, damaged, before, after)
    async with reopened(0) as api:
        await clock.advance(HOUR)
        await history_with(api, healthy, "enqueued")
        assert len(await tasks_of(api, company)) == 1


async def test_a_schedule_that_is_not_known_any_more_is_switched_off(reopened: Down, tmp_path: Path) -> None:
    async with reopened(0) as api:
        company, routine = await a_routine(api)
    damage(tmp_path, routine, '"UTC"', '"Atlantis/Capital"')
    async with reopened(HOUR) as api:
        [trigger] = (await moved_on(api, routine, None))["triggers"]
        assert (trigger["aktiv"], trigger["version"]) == (False, 2)
        assert (await verbs_of(api, company))[-1] == "routine.trigger_changed"
