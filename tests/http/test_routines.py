"""Routines over HTTP: given, changed, fired by hand and by their schedules, and followed to the end of their tasks."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.http.routine_calls import (
    DAY,
    HOUR,
    NO_ID,
    Json,
    current,
    ended,
    fired,
    history_of,
    history_with,
    routine_of,
    scheduled,
    task_ended,
    trigger_of,
)
from tests.http.working import task_of, tasks_of, verbs_of

NONSENSE = [
    *("", "nonsense", "@reboot", "* * * *", "* * * * * *", "*/0 * * * *", "5/0 * * * *", "99 9 * * *", "0 24 * * *"),
    *("0 0 32 * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "-1 * * * *", "5-1 * * * *"),
    *("1,,2 * * * *", "\0", "٣ * * * *"),
    *("0 0 30 2 *", "0 0 31 2,4,6 *", "0 0 */31 2 MON#5"),
]  # fmt: skip


@pytest.fixture
async def clock() -> ManualClock:
    """It is Sunday, 2026-04-05, ten o'clock UTC."""
    return ManualClock()


@pytest.fixture
def settings() -> Settings:
    return quick_settings(routines={"executions_kept_seconds": DAY + HOUR / 2})


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/routinen"


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    """It does nothing by itself."""
    return await owner.agent(company)


@pytest.fixture
async def routine(owner: Api, company: Json, agent: Json) -> Json:
    return await routine_of(owner, company, zugewiesenAn=agent["id"])


# Giving and changing


async def test_a_routine_is_answered_with_all_that_was_set(owner: Api, company: Json, path: str, agent: Json) -> None:
    wanted = {
        "titel": "Report on {{shop}}",
        "beschreibung": "Of {{faelligAm}}",
        "zugewiesenAn": agent["id"],
        "prioritaet": "high",
        "status": "paused",
        "concurrencyPolicy": "always_enqueue",
        "catchUpPolicy": "catch_up",
        "variablen": {"shop": "Berlin", "deep": {"list": [1, None]}},
    }
    answer = await owner.post(path, wanted)
    assert answer.status == 201
    assert {name: answer.json[name] for name in wanted} == wanted
    assert (answer.json["unternehmenId"], answer.json["triggers"]) == (company["id"], [])
    assert await current(owner, answer.json) == answer.json


async def test_a_routine_skips_and_coalesces_where_nothing_else_is_said(owner: Api, path: str) -> None:
    made = await owner.make(path, {"titel": "Report"})
    wanted = {"status": "active", "concurrencyPolicy": "coalesce_if_active", "catchUpPolicy": "skip_missed"}
    assert {name: made[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("titel", ""),
        ("titel", None),
        ("zugewiesenAn", "nonsense"),
        ("zugewiesenAn", NO_ID),
        ("prioritaet", "urgent"),
        ("status", "archived"),
        ("concurrencyPolicy", "whatever"),
        ("catchUpPolicy", "catch_up_all"),
        ("variablen", []),
        ("variablen", {"x": "y" * 70_000}),
        ("triggers", []),
        ("zuletztAusgefuehrtAm", "2026-04-05T10:00:00.000Z"),
    ],
)
async def test_a_bad_field_of_a_routine_is_refused_by_name(owner: Api, path: str, field: str, value: Any) -> None:
    answer = await owner.post(path, {"titel": "Report", field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]
    assert (await owner.get(path)).json == []


async def test_a_change_names_what_changes_and_keeps_the_rest(owner: Api, routine: Json) -> None:
    answer = await owner.patch(f"/api/routinen/{routine['id']}", {"prioritaet": "low", "zugewiesenAn": None})
    changed = {"prioritaet": "low", "zugewiesenAn": None, "version": 2, "aktualisiertAm": answer.json["aktualisiertAm"]}
    assert answer.json == routine | changed


async def test_a_change_of_an_old_version_is_refused(owner: Api, routine: Json) -> None:
    one = f"/api/routinen/{routine['id']}"
    assert (await owner.get(one)).headers["ETag"] == '"1"'
    assert (await owner.patch(one, {"titel": "New"}, headers={"If-Match": '"1"'})).status == 200
    assert_error(await owner.patch(one, {"titel": "Newer"}, headers={"If-Match": '"1"'}), 409, "VERSION_CONFLICT")
    assert_error(await owner.delete(one, headers={"If-Match": '"1"'}), 409, "VERSION_CONFLICT")


async def test_a_retried_routine_is_given_once(owner: Api, path: str) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [await owner.make(path, {"titel": "Report"}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]


async def test_routines_are_listed_by_age_in_pages_and_by_status(owner: Api, path: str) -> None:
    routines = [await owner.make(path, {"titel": word, "status": word}) for word in ("active", "paused", "active")]
    first, second = [await owner.get(f"{path}?limit=2&offset={offset}") for offset in (0, 2)]
    assert first.json + second.json == routines
    assert first.headers["X-Total-Count"] == "3"
    assert 'rel="next"' in first.headers["Link"]
    assert (await owner.get(f"{path}?status=paused")).json == routines[1:2]
    assert_error(await owner.get(f"{path}?status=x"), 400, "VALIDATION_ERROR")


async def test_a_deleted_routine_takes_its_triggers_and_history_with_it_and_leaves_its_tasks(
    owner: Api, routine: Json, runtime: Runtime
) -> None:
    trigger, execution = await scheduled(owner, routine), await fired(owner, routine)
    one = f"/api/routinen/{routine['id']}"
    assert (await owner.delete(one)).json == {"success": True}
    for gone in (one, f"{one}/triggers", f"{one}/ausfuehrungen"):
        assert_error(await owner.get(gone), 404, "NOT_FOUND")
    assert_error(await owner.patch(f"/api/triggers/{trigger['id']}", {}), 404, "NOT_FOUND")
    assert (await runtime.queries.executions(routine["id"], 10, 0, None)).total == 0
    assert (await task_of(owner, {"id": execution["aufgabeId"]}))["status"] == "todo"
    await task_ended(owner, execution, "done")


# Triggers


@pytest.mark.parametrize("expression", NONSENSE)
async def test_a_schedule_that_is_none_or_never_comes_due_is_refused(
    owner: Api, routine: Json, expression: str
) -> None:
    body = {"kind": "schedule", "cronExpression": expression, "timezone": "Europe/Berlin"}
    refused = await owner.post(f"/api/routinen/{routine['id']}/triggers", body)
    trigger = await scheduled(owner, routine)
    unchanged = await owner.patch(f"/api/triggers/{trigger['id']}", {"cronExpression": expression})
    for answer in (refused, unchanged):
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert [detail["feld"] for detail in answer.json["details"]] == ["cronExpression"]
    assert (await owner.get(f"/api/routinen/{routine['id']}/triggers")).json == [
        {name: value for name, value in trigger.items() if name != "secret"}
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "email"}, "kind"),
        ({"kind": "schedule"}, "cronExpression"),
        ({"kind": "webhook", "cronExpression": "@daily"}, "cronExpression"),
        ({"kind": "api", "cronExpression": "@daily"}, "cronExpression"),
        ({"kind": "schedule", "cronExpression": "@daily", "timezone": "Mars/Base"}, "timezone"),
        ({"kind": "schedule", "cronExpression": "@daily", "timezone": "../../etc/passwd"}, "timezone"),
        ({"kind": "schedule", "cronExpression": "@daily", "timezone": "Europe"}, "timezone"),
        ({"kind": "schedule", "cronExpression": "@daily", "timezone": "\0"}, "timezone"),
        ({"kind": "schedule", "cronExpression": "@daily", "naechsterAusfuehrungAm": None}, "naechsterAusfuehrungAm"),
        ({"kind": "webhook", "secret": "whsec_mine"}, "secret"),
    ],
)
async def test_a_bad_field_of_a_trigger_is_refused_by_name(owner: Api, routine: Json, body: Json, field: str) -> None:
    answer = await owner.post(f"/api/routinen/{routine['id']}/triggers", body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]


async def test_a_routine_has_fifty_triggers_at_most(owner: Api, routine: Json) -> None:
    for _ in range(50):
        await trigger_of(owner, routine, "api")
    assert_error(await owner.post(f"/api/routinen/{routine['id']}/triggers", {"kind": "api"}), 409, "INVALID_STATUS")
    first, second = [
        (await owner.get(f"/api/routinen/{routine['id']}/triggers?limit=30&offset={offset}")).json for offset in (0, 30)
    ]
    assert [trigger["kind"] for trigger in first + second] == ["api"] * 50


async def test_a_schedule_says_when_it_comes_due_in_its_own_time_zone(owner: Api, routine: Json) -> None:
    trigger = await scheduled(owner, routine, "0 9 * * 1-5", timezone="America/New_York")
    wanted = {
        "routineId": routine["id"],
        "kind": "schedule",
        "cronExpression": "0 9 * * 1-5",
        "timezone": "America/New_York",
        "aktiv": True,
        "naechsterAusfuehrungAm": "2026-04-06T13:00:00.000Z",
        "zuletztGefeuertAm": None,
        "publicId": None,
        "secret": None,
    }
    assert {name: trigger[name] for name in wanted} == wanted


async def test_a_changed_schedule_comes_due_anew_and_one_that_is_off_does_not(owner: Api, routine: Json) -> None:
    trigger = await scheduled(owner, routine, "0 9 * * *")
    one, due = f"/api/triggers/{trigger['id']}", "naechsterAusfuehrungAm"
    changes: list[tuple[Json, str | None]] = [
        ({"cronExpression": "30 11 * * *"}, "2026-04-05T11:30:00.000Z"),
        ({"timezone": "Asia/Kolkata"}, "2026-04-06T06:00:00.000Z"),
        ({"aktiv": False}, None),
        ({"cronExpression": "@daily"}, None),
        ({"aktiv": True}, "2026-04-05T18:30:00.000Z"),
    ]
    for version, (change, expected) in enumerate(changes, start=2):
        answer = await owner.patch(one, change)
        assert (answer.json[due], answer.json["version"]) == (expected, version)
        assert (await current(owner, routine))["triggers"] == [answer.json]


async def test_a_paused_routine_has_no_due_time_until_it_is_active_again(
    owner: Api, routine: Json, clock: ManualClock
) -> None:
    await scheduled(owner, routine)
    one = f"/api/routinen/{routine['id']}"
    paused = (await owner.patch(one, {"status": "paused"})).json
    assert paused["triggers"][0]["naechsterAusfuehrungAm"] is None
    added = await scheduled(owner, routine, "@daily")
    assert added["naechsterAusfuehrungAm"] is None
    await clock.advance(3 * HOUR)
    active = (await owner.patch(one, {"status": "active", "catchUpPolicy": "catch_up"})).json
    assert [trigger["naechsterAusfuehrungAm"] for trigger in active["triggers"]] == [
        "2026-04-05T14:00:00.000Z",
        "2026-04-06T00:00:00.000Z",
    ]
    assert await history_of(owner, routine) == []
    await clock.advance(HOUR)
    await history_with(owner, routine, "enqueued")


async def test_a_trigger_has_a_version_of_its_own(owner: Api, routine: Json) -> None:
    trigger = await scheduled(owner, routine)
    one, first = f"/api/triggers/{trigger['id']}", {"If-Match": '"1"'}
    await owner.patch(f"/api/routinen/{routine['id']}", {"titel": "New"})
    answer = await owner.patch(one, {"aktiv": False}, headers=first)
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    for refused in (await owner.patch(one, {"aktiv": True}, headers=first), await owner.delete(one, headers=first)):
        assert_error(refused, 409, "VERSION_CONFLICT")
    assert (await owner.delete(one, headers={"If-Match": '"2"'})).json == {"success": True}


async def test_a_trigger_that_is_off_or_deleted_does_not_fire(
    owner: Api, routine: Json, clock: ManualClock, follower: Follower
) -> None:
    off, deleted = await scheduled(owner, routine), await scheduled(owner, routine, "0 * * * *")
    await scheduled(owner, routine, "59 10 * * *")
    await owner.patch(f"/api/triggers/{off['id']}", {"aktiv": False})
    await owner.delete(f"/api/triggers/{deleted['id']}")
    await clock.advance(HOUR)
    [execution] = await history_with(owner, routine, "enqueued")
    assert execution["payload"] == {"faelligAm": "2026-04-05T10:59:00.000Z"}


# Firing


async def test_a_schedule_gives_the_agent_a_task_and_tells_when_it_is_done(
    owner: Api, company: Json, clock: ManualClock, follower: Follower
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    routine = await routine_of(owner, company, zugewiesenAn=agent["id"], beschreibung="Due {{faelligAm}}")
    trigger = await scheduled(owner, routine)
    await clock.advance(HOUR)
    told = (await follower.until("routine_executed"))["data"]
    [execution] = await history_of(owner, routine)
    due = "2026-04-05T11:00:00.000Z"
    wanted = {
        "routineId": routine["id"],
        "triggerId": trigger["id"],
        "quelle": "schedule",
        "status": "completed",
        "payload": {"faelligAm": due},
        "fehler": None,
        "erstelltAm": due,
        "abgeschlossenAm": due,
    }
    assert {name: execution[name] for name in wanted} == wanted
    assert told == {
        "unternehmenId": company["id"],
        "routineId": routine["id"],
        "ausfuehrungId": execution["id"],
        "titel": "Report",
        "status": "completed",
        "aufgabeId": execution["aufgabeId"],
    }
    task = await task_of(owner, {"id": execution["aufgabeId"]})
    wanted = {"titel": "Report", "beschreibung": f"Due {due}", "status": "done", "routineId": routine["id"]}
    assert {name: task[name] for name in wanted} == wanted
    after = await current(owner, routine)
    assert after["zuletztAusgefuehrtAm"] == after["triggers"][0]["zuletztGefeuertAm"] == due
    assert after["triggers"][0]["naechsterAusfuehrungAm"] == "2026-04-05T12:00:00.000Z"
    assert {"routine.fired", "routine.completed"} <= set(await verbs_of(owner, company))


async def test_a_schedule_fires_again_and_again(
    owner: Api, routine: Json, clock: ManualClock, follower: Follower
) -> None:
    await owner.patch(f"/api/routinen/{routine['id']}", {"concurrencyPolicy": "always_enqueue"})
    await scheduled(owner, routine)
    for _ in range(3):
        await clock.advance(HOUR)
        await follower.until("task_created")
    assert [execution["payload"]["faelligAm"][11:16] for execution in await history_of(owner, routine)] == [
        "11:00",
        "12:00",
        "13:00",
    ]


async def test_a_routine_fires_for_each_of_its_schedules(
    owner: Api, routine: Json, clock: ManualClock, follower: Follower
) -> None:
    await owner.patch(f"/api/routinen/{routine['id']}", {"concurrencyPolicy": "always_enqueue"})
    both = [await scheduled(owner, routine, cron) for cron in ("@hourly", "0 11 * * *")]
    await clock.advance(HOUR)
    history = await history_with(owner, routine, "enqueued", "enqueued")
    assert {execution["triggerId"] for execution in history} == {trigger["id"] for trigger in both}


async def test_firing_by_hand_fills_the_templates_from_the_variables_and_the_payload(
    owner: Api, company: Json, agent: Json
) -> None:
    routine = await routine_of(
        owner,
        company,
        titel="{{ verb }} {{shop}}",
        beschreibung="{{order.id}} {{order.items}} {{order.id.x}} {{unknown}} {{trick}} {{yes}}",
        zugewiesenAn=agent["id"],
        prioritaet="critical",
        variablen={"verb": "Count", "shop": "nowhere", "trick": "{{shop}}", "yes": True},
    )
    payload = {"shop": "Köln", "order": {"id": 7, "items": ["a", "b"]}}
    execution = await fired(owner, routine, payload=payload)
    assert (execution["quelle"], execution["status"], execution["payload"]) == ("manual", "enqueued", payload)
    task = await task_of(owner, {"id": execution["aufgabeId"]})
    wanted = {
        "titel": "Count Köln",
        "beschreibung": '7 ["a","b"] {{order.id.x}} {{unknown}} {{shop}} true',
        "status": "todo",
        "prioritaet": "critical",
        "zugewiesenAn": agent["id"],
        "erstelltVon": owner.user["id"],
        "routineId": routine["id"],
        "version": 1,
    }
    assert {name: task[name] for name in wanted} == wanted
    assert await history_of(owner, routine) == [execution]


@pytest.mark.parametrize(
    ("title", "expected"), [("{{x}}", "{{x}}"), ("{{x}}!" * 20, ("long" * 100 + "!") * 20), (" {{x}} ", " {{x}} ")]
)
async def test_a_filled_title_is_a_title(owner: Api, company: Json, title: str, expected: str) -> None:
    routine = await routine_of(owner, company, titel=title, variablen={"x": "long" * 100 if "!" in title else " "})
    execution = await fired(owner, routine)
    assert (await task_of(owner, {"id": execution["aufgabeId"]}))["titel"] == expected[:200]


async def test_a_description_that_would_be_endless_is_cut(owner: Api, company: Json) -> None:
    """Filled in whole, this one would have 2.4 GB."""
    routine = await routine_of(owner, company, beschreibung="{{x}}" * 40_000)
    tracemalloc.start()
    execution = await fired(owner, routine, payload={"x": "y" * 60_000})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000
    task = await task_of(owner, {"id": execution["aufgabeId"]})
    assert task["beschreibung"] == "y" * 200_000


async def test_a_routine_without_an_agent_puts_its_tasks_into_the_backlog(owner: Api, company: Json) -> None:
    execution = await fired(owner, await routine_of(owner, company))
    task = await task_of(owner, {"id": execution["aufgabeId"]})
    assert (task["status"], task["zugewiesenAn"]) == ("backlog", None)


async def test_a_retried_firing_has_one_effect(owner: Api, company: Json, routine: Json) -> None:
    key = {"Idempotency-Key": "once"}
    path = f"/api/routinen/{routine['id']}/trigger"
    answers = [await owner.make(path, {"payload": {"a": 1}}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert await history_of(owner, routine) == answers[:1]
    assert len(await tasks_of(owner, company)) == 1


async def test_an_api_trigger_is_named_by_its_caller(owner: Api, routine: Json) -> None:
    trigger = await trigger_of(owner, routine, "api")
    execution = await fired(owner, routine, triggerId=trigger["id"].upper())
    assert (execution["quelle"], execution["triggerId"]) == ("api", trigger["id"])
    [noted] = (await current(owner, routine))["triggers"]
    assert noted["zuletztGefeuertAm"] == execution["erstelltAm"]


async def test_only_an_api_trigger_of_the_same_routine_can_be_named(owner: Api, company: Json, routine: Json) -> None:
    elsewhere = await trigger_of(owner, await routine_of(owner, company), "api")
    for trigger in (
        elsewhere,
        await scheduled(owner, routine),
        await trigger_of(owner, routine, "webhook"),
        {"id": NO_ID},
    ):
        answer = await owner.post(f"/api/routinen/{routine['id']}/trigger", {"triggerId": trigger["id"]})
        assert_error(answer, 400, "VALIDATION_ERROR")
    assert await history_of(owner, routine) == []


@pytest.mark.parametrize("payload", [[], "x", None, {"x": "y" * 70_000}])
async def test_a_payload_is_an_object_of_moderate_size(owner: Api, routine: Json, payload: Any) -> None:
    answer = await owner.post(f"/api/routinen/{routine['id']}/trigger", {"payload": payload})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == ["payload"]


async def test_what_rests_cannot_be_fired(owner: Api, company: Json, routine: Json) -> None:
    trigger = await trigger_of(owner, routine, "api")
    rests: list[tuple[str, Json, Json]] = [
        (f"/api/triggers/{trigger['id']}", {"aktiv": False}, {"aktiv": True}),
        (f"/api/routinen/{routine['id']}", {"status": "paused"}, {"status": "active"}),
        (f"/api/unternehmen/{company['id']}", {"status": "paused"}, {"status": "active"}),
    ]
    for path, off, on in rests:
        await owner.patch(path, off)
        answer = await owner.post(f"/api/routinen/{routine['id']}/trigger", {"triggerId": trigger["id"]})
        assert_error(answer, 409, "INVALID_STATUS")
        await owner.patch(path, on)
    assert await history_of(owner, routine) == []
    await fired(owner, routine, triggerId=trigger["id"])


# How executions end


@pytest.mark.parametrize(
    ("status", "expected", "why"),
    [("done", "completed", None), ("cancelled", "failed", "The task was cancelled")],
)
async def test_an_execution_ends_as_its_task_does(
    owner: Api, routine: Json, follower: Follower, *, status: str, expected: str, why: str | None
) -> None:
    execution = await fired(owner, routine)
    await task_ended(owner, execution, status)
    assert (await ended(follower, execution))["status"] == expected
    [found] = await history_of(owner, routine)
    assert found["abgeschlossenAm"]
    assert found == execution | {"status": expected, "fehler": why, "abgeschlossenAm": found["abgeschlossenAm"]}


async def test_an_execution_whose_task_is_deleted_has_failed(owner: Api, routine: Json, follower: Follower) -> None:
    execution = await fired(owner, routine)
    await owner.delete(f"/api/aufgaben/{execution['aufgabeId']}")
    assert (await ended(follower, execution))["status"] == "failed"
    assert (await history_of(owner, routine))[0]["fehler"] == "The task was deleted"


async def test_an_execution_ends_once_even_if_its_task_is_opened_again(
    owner: Api, routine: Json, follower: Follower
) -> None:
    first = await fired(owner, routine)
    await task_ended(owner, first, "done")
    await ended(follower, first)
    await task_ended(owner, first, "todo")
    await task_ended(owner, first, "cancelled")
    second = await fired(owner, routine)
    await task_ended(owner, second, "done")
    await ended(follower, second)
    told = [event["data"]["ausfuehrungId"] for event in follower.seen if event["type"] == "routine_executed"]
    assert told == [first["id"], second["id"]]
    assert [one["status"] for one in await history_of(owner, routine)] == ["completed", "completed"]


async def test_a_task_that_others_change_ends_no_execution(owner: Api, routine: Json, follower: Follower) -> None:
    execution = await fired(owner, routine)
    for change in ({"status": "in_review"}, {"status": "blocked"}, {"titel": "Other"}, {"zugewiesenAn": None}):
        assert (await owner.patch(f"/api/aufgaben/{execution['aufgabeId']}", change)).status == 200
    assert await history_of(owner, routine) == [execution]


async def test_the_history_is_read_newest_first_in_pages(owner: Api, routine: Json) -> None:
    await owner.patch(f"/api/routinen/{routine['id']}", {"concurrencyPolicy": "always_enqueue"})
    executions = [await fired(owner, routine, payload={"number": number}) for number in range(5)]
    first = await owner.get(f"/api/routinen/{routine['id']}/ausfuehrungen?limit=3")
    await fired(owner, routine)
    second = await owner.get(first.headers["Link"].partition(">")[0].strip("<"))
    assert first.json + second.json == executions[::-1]
    assert first.headers["X-Total-Count"] == "5"


async def test_what_has_ended_long_ago_is_cleaned_up(
    owner: Api, routine: Json, clock: ManualClock, follower: Follower
) -> None:
    over = await fired(owner, routine)
    await task_ended(owner, over, "done")
    await ended(follower, over)
    unfinished = await fired(owner, routine)
    await clock.advance(DAY)
    assert len(await history_of(owner, routine)) == 2
    async with asyncio.timeout(5):
        while len(history := await history_of(owner, routine)) > 1:
            await clock.advance(HOUR / 6)
    assert history == [unfinished]
    assert clock.now() >= "2026-04-06T10:30:00.000Z"


# Whose agent has left


async def test_a_routine_whose_agent_has_left_fails_says_so_and_rests(
    owner: Api, company: Json, routine: Json, agent: Json, *, clock: ManualClock, follower: Follower
) -> None:
    await scheduled(owner, routine)
    unfinished = await fired(owner, routine)
    await owner.delete(f"/api/experten/{agent['id']}")
    await clock.advance(HOUR)
    told = (await follower.until("routine_executed"))["data"]
    assert (told["status"], told["aufgabeId"]) == ("failed", None)
    failed = (await history_of(owner, routine))[1]
    assert (failed["status"], failed["fehler"]) == ("failed", "Its agent has left the company")
    resting = await current(owner, routine)
    assert (resting["status"], resting["triggers"][0]["naechsterAusfuehrungAm"]) == ("paused", None)
    assert (await verbs_of(owner, company))[-1] == "routine.paused"
    assert [task["id"] for task in await tasks_of(owner, company)] == [unfinished["aufgabeId"]]


async def test_a_routine_goes_on_with_another_agent(
    owner: Api, company: Json, routine: Json, agent: Json, *, worker: ScriptedProvider, follower: Follower
) -> None:
    await owner.delete(f"/api/experten/{agent['id']}")
    assert (await fired(owner, routine))["status"] == "failed"
    other = await owner.agent(company, verbindungsTyp="scripted")
    assert_error(await owner.post(f"/api/routinen/{routine['id']}/trigger"), 409, "INVALID_STATUS")
    await owner.patch(f"/api/routinen/{routine['id']}", {"zugewiesenAn": other["id"], "status": "active"})
    assert (await ended(follower, await fired(owner, routine)))["status"] == "completed"
    assert [order.title for order in worker.orders] == ["Report"]
