"""Tasks over HTTP: creating, reading, changing, deleting, versions, status, parents, and lists with their pages."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from opencognit.domain.task import TRANSITIONS, TaskStatus
from tests.builders import Answer, Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"
EMPTY_AT_FIRST = (
    *(
        "beschreibung",
        "zugewiesenAn",
        "parentId",
        "projektId",
        "routineId",
        "zielId",
        "faelligAm",
        "nichtVor",
        "ergebnis",
        "naechsterVersuchAm",
    ),
    *("executionRunId", "executionLockedBy", "executionLockedAt", "executionLockExpiresAt"),
    *("gestartetAm", "abgeschlossenAm", "abgebrochenAm"),
    *("critic", "eskalation", "eskaliertAufgabeId"),
)
STATUSES = [str(status) for status in TaskStatus]


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company)


@pytest.fixture
async def task(owner: Api, company: Json) -> Json:
    return await owner.task(company)


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/aufgaben"


async def created(api: Api, company: Json, **fields: Any) -> Answer:
    return await api.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "Build", **fields})


async def changed(api: Api, task: Json, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return await api.patch(f"/api/aufgaben/{task['id']}", fields, headers=headers or {})


async def read(api: Api, task: Json) -> Json:
    answer = await api.get(f"/api/aufgaben/{task['id']}")
    assert answer.status == 200, answer
    return dict(answer.json)


async def in_status(api: Api, company: Json, status: str) -> Json:
    task = await api.task(company)
    if status == "backlog":
        return task
    return dict((await changed(api, task, status=status)).json)


def fields_of(answer: Answer) -> list[str]:
    return [detail["feld"] for detail in answer.json["details"]]


def titles(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [task["titel"] for task in answer.json]


# Creating


async def test_a_new_task_has_the_documented_defaults(owner: Api, company: Json) -> None:
    answer = await created(owner, company)
    expected = {
        **dict.fromkeys(EMPTY_AT_FIRST),
        "unternehmenId": company["id"],
        "titel": "Build",
        "status": "backlog",
        "prioritaet": "medium",
        "erstelltVon": owner.user["id"],
        "blockedBy": [],
        "versuche": 0,
        "executionToken": 0,
        "version": 1,
    }
    assert answer.status == 201
    assert answer.json == expected | {name: answer.json[name] for name in ("id", "erstelltAm", "aktualisiertAm")}
    assert answer.headers["ETag"] == '"1"'


async def test_a_new_task_is_kept_as_it_was_given(owner: Api, company: Json, agent: Json, task: Json) -> None:
    wanted = {
        "titel": "Ship",
        "beschreibung": "By sea",
        "prioritaet": "critical",
        "zugewiesenAn": agent["id"],
        "parentId": task["id"],
    }
    made = (await created(owner, company, **wanted)).json
    assert await read(owner, made) == made
    assert {name: made[name] for name in wanted} == wanted


async def test_a_new_task_with_an_assignee_is_todo(owner: Api, company: Json, agent: Json) -> None:
    assert (await created(owner, company, zugewiesenAn=agent["id"])).json["status"] == "todo"


@pytest.mark.parametrize("status", ["todo", "backlog"])
async def test_a_new_task_may_be_todo_or_backlog(owner: Api, company: Json, status: str) -> None:
    assert (await created(owner, company, status=status)).json["status"] == status


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"todo", "backlog"}))
async def test_a_new_task_cannot_have_come_far(owner: Api, company: Json, status: str) -> None:
    answer = await created(owner, company, status=status)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == ["status"]


@pytest.mark.parametrize("body", [{}, {"beschreibung": "No title"}])
async def test_a_task_needs_a_title(owner: Api, path: str, body: Json) -> None:
    answer = await owner.post(path, body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == ["titel"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("titel", ""),
        ("titel", " \t"),
        ("titel", None),
        ("titel", 5),
        ("titel", "x" * 201),
        ("beschreibung", ["a"]),
        ("beschreibung", "x" * 200_001),
        ("prioritaet", "urgent"),
        ("prioritaet", None),
        ("status", "finished"),
        ("zugewiesenAn", "Ada"),
        ("zugewiesenAn", NO_ID),
        ("parentId", "above"),
        ("parentId", NO_ID),
        ("zielId", NO_ID),
        ("blockedBy", None),
        ("blockedBy", "first"),
        ("blockedBy", [NO_ID]),
        ("faelligAm", "soon"),
        ("faelligAm", "2026-02-30"),
        ("faelligAm", "2026-13-01"),
        ("faelligAm", "2026-05-01\n"),
        ("parentId", "00000000-0000-4000-8000-000000000000\n"),
        ("faelligAm", 1_775_383_200),
        ("executionLockedBy", NO_ID),
        ("version", 7),
        ("title", "English"),
    ],
)
async def test_a_bad_field_is_refused_by_name_on_creation_and_on_change(
    owner: Api, company: Json, task: Json, field: str, value: Any
) -> None:
    for answer in (await created(owner, company, **{field: value}), await changed(owner, task, **{field: value})):
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert [name.removesuffix("[...]") for name in fields_of(answer)] == [field]
    assert await read(owner, task) == task


@pytest.mark.parametrize("field", ["zugewiesenAn", "parentId", "blockedBy"])
async def test_what_belongs_to_another_company_is_not_referred_to(
    owner: Api, company: Json, task: Json, field: str
) -> None:
    other = await owner.company()
    foreign = (await (owner.agent if field == "zugewiesenAn" else owner.task)(other))["id"]
    value: Any = [foreign] if field == "blockedBy" else foreign
    for answer in (await created(owner, company, **{field: value}), await changed(owner, task, **{field: value})):
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert fields_of(answer) == [field]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-04-05", "2026-04-05T00:00:00.000Z"),
        ("2026-04-05T10:00:00Z", "2026-04-05T10:00:00.000Z"),
        ("2026-04-05T10:00:00.25Z", "2026-04-05T10:00:00.250Z"),
        ("2026-04-05T10:00:00+02:00", "2026-04-05T08:00:00.000Z"),
        ("2026-04-05 10:00", "2026-04-05T10:00:00.000Z"),
    ],
)
async def test_a_due_date_is_kept_in_utc(owner: Api, company: Json, given: str, kept: str) -> None:
    assert (await created(owner, company, faelligAm=given)).json["faelligAm"] == kept


async def test_a_refused_task_leaves_nothing_behind(owner: Api, company: Json, path: str) -> None:
    await created(owner, company, parentId=NO_ID)
    assert (await owner.get(path)).json == []


async def test_an_observer_reads_tasks_but_changes_none(owner: Api, company: Json, task: Json, path: str) -> None:
    observer = await owner.somebody()
    body = {"benutzerId": observer.user["id"], "rolle": "beobachter"}
    await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", body)
    assert (await observer.get(path)).json == [task]
    for answer in (
        await created(observer, company),
        await changed(observer, task, titel="Mine"),
        await observer.delete(f"/api/aufgaben/{task['id']}"),
    ):
        assert_error(answer, 403, "FORBIDDEN")


async def test_an_agent_creates_subtasks_only(owner: Api, company: Json, agent: Json, task: Json) -> None:
    ada = await owner.agent_api(agent)
    assert_error(await created(ada, company), 403, "FORBIDDEN")
    made = await created(ada, company, parentId=task["id"])
    assert (made.status, made.json["erstelltVon"]) == (201, agent["id"])


# Reading


@pytest.mark.parametrize("task_id", [NO_ID, "nonsense", "1", "%00", "' OR 1=1 --"])
async def test_an_unknown_task_is_not_found(owner: Api, company: Json, task_id: str) -> None:
    path = f"/api/aufgaben/{task_id}"
    for answer in (
        await owner.get(path),
        await owner.patch(path, {"titel": "New"}),
        await owner.delete(path),
        await owner.post(f"{path}/release", {}),
        await owner.get(f"{path}/kommentare"),
    ):
        assert_error(answer, 404, "NOT_FOUND")


async def test_an_id_is_read_without_case(owner: Api, task: Json) -> None:
    assert (await owner.get(f"/api/aufgaben/{task['id'].upper()}")).json == task


async def test_a_stranger_is_not_told_that_a_task_exists(owner: Api, task: Json) -> None:
    stranger = await owner.somebody()
    path = f"/api/aufgaben/{task['id']}"
    for answer in (await stranger.get(path), await stranger.patch(path, {"titel": "X"}), await stranger.delete(path)):
        assert_error(answer, 404, "NOT_FOUND")


# Versions


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"7", "1"', "*"])
async def test_a_task_that_has_not_changed_is_answered_304(owner: Api, task: Json, tag: str) -> None:
    answer = await owner.get(f"/api/aufgaben/{task['id']}", headers={"If-None-Match": tag})
    assert (answer.status, answer.text, answer.headers["ETag"]) == (304, "", '"1"')


@pytest.mark.parametrize("tag", ['"0"', '"11"', "1", "nonsense"])
async def test_a_task_of_another_version_is_answered_whole(owner: Api, task: Json, tag: str) -> None:
    answer = await owner.get(f"/api/aufgaben/{task['id']}", headers={"If-None-Match": tag})
    assert (answer.status, answer.json) == (200, task)


async def test_a_change_makes_a_new_version_and_a_new_tag(owner: Api, task: Json) -> None:
    answer = await changed(owner, task, titel="New")
    assert (answer.json["version"], answer.headers["ETag"]) == (2, '"2"')
    again = await owner.get(f"/api/aufgaben/{task['id']}", headers={"If-None-Match": '"1"'})
    assert (again.status, again.json) == (200, answer.json)


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "*"])
async def test_a_change_of_the_version_that_was_read_is_made(owner: Api, task: Json, tag: str) -> None:
    assert (await changed(owner, task, {"If-Match": tag}, titel="New")).json["titel"] == "New"


@pytest.mark.parametrize("tag", ['"0"', '"2"', '"999999999999999999"'])
async def test_a_change_of_another_version_is_a_conflict(owner: Api, task: Json, tag: str) -> None:
    answer = await changed(owner, task, {"If-Match": tag}, titel="New")
    assert_error(answer, 409, "VERSION_CONFLICT")
    assert answer.json["details"] == {"version": 1}
    assert_error(await owner.delete(f"/api/aufgaben/{task['id']}", headers={"If-Match": tag}), 409, "VERSION_CONFLICT")
    assert await read(owner, task) == task


@pytest.mark.parametrize("tag", ["1", '"one"', '"1", "2"', '"-1"', "", '"' + "9" * 40 + '"'])
async def test_a_condition_that_names_no_version_is_refused(owner: Api, task: Json, tag: str) -> None:
    answer = await changed(owner, task, {"If-Match": tag}, titel="New")
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == ["If-Match"]


async def test_of_many_changes_of_one_version_exactly_one_is_made(owner: Api, task: Json) -> None:
    answers = await asyncio.gather(
        *(changed(owner, task, {"If-Match": '"1"'}, titel=f"Version of {number}") for number in range(8))
    )
    (won,) = [answer for answer in answers if answer.status == 200]
    for answer in answers:
        if answer is not won:
            assert_error(answer, 409, "VERSION_CONFLICT")
    assert await read(owner, task) == won.json


# Changing


async def test_a_change_touches_only_what_it_names(owner: Api, task: Json) -> None:
    after = (await changed(owner, task, beschreibung="More", prioritaet="high")).json
    touched = {"beschreibung": "More", "prioritaet": "high", "version": 2}
    assert after == task | touched | {"aktualisiertAm": after["aktualisiertAm"]}


@pytest.mark.parametrize("field", ["beschreibung", "zugewiesenAn", "parentId", "projektId", "faelligAm", "ergebnis"])
async def test_null_clears_what_is_optional(owner: Api, company: Json, agent: Json, task: Json, field: str) -> None:
    values = {
        "beschreibung": "D",
        "zugewiesenAn": agent["id"],
        "parentId": task["id"],
        "projektId": NO_ID,
        "faelligAm": "2026-04-05",
        "ergebnis": "R",
    }
    subtask = await owner.task(company)
    assert (await changed(owner, subtask, **{field: values[field]})).json[field] is not None
    answer = await changed(owner, subtask, **{field: None})
    assert (answer.status, answer.json[field]) == (200, None)
    assert (await read(owner, subtask))[field] is None


async def test_null_for_the_goal_is_no_mistake(owner: Api, task: Json) -> None:
    assert (await changed(owner, task, zielId=None)).json["zielId"] is None


async def test_a_task_in_the_backlog_that_gets_an_assignee_is_todo(owner: Api, task: Json, agent: Json) -> None:
    after = (await changed(owner, task, zugewiesenAn=agent["id"])).json
    assert (after["status"], after["zugewiesenAn"]) == ("todo", agent["id"])


async def test_a_change_is_told_to_followers(owner: Api, task: Json, follow: Follow) -> None:
    follower = await follow(owner)
    await changed(owner, task, titel="New")
    await follower.until("task_updated", taskId=task["id"])


async def test_a_change_with_the_newest_token_is_made_and_one_with_an_older_is_refused(
    owner: Api, task: Json, agent: Json
) -> None:
    path, who = f"/api/aufgaben/{task['id']}", {"expertId": agent["id"]}
    first = (await owner.make(f"{path}/checkout", who))["executionToken"]
    await owner.make(f"{path}/release", who)
    second = (await owner.make(f"{path}/checkout", who))["executionToken"]
    assert_error(await changed(owner, task, executionToken=first, ergebnis="Late"), 409, "STALE_TOKEN")
    assert (await changed(owner, task, executionToken=second, ergebnis="In time")).json["ergebnis"] == "In time"


@pytest.mark.parametrize("change", [{"status": "done"}, {"zugewiesenAn": None}, {"status": "backlog"}])
async def test_a_locked_task_keeps_status_and_assignee(owner: Api, task: Json, agent: Json, change: Json) -> None:
    locked = await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], "runId": "r"})
    answer = await changed(owner, task, **change)
    assert_error(answer, 409, "LOCKED")
    assert (answer.json["details"]["lockedBy"], answer.json["details"]["runId"]) == (agent["id"], "r")
    assert await read(owner, task) == locked


async def test_the_words_of_a_locked_task_may_be_changed(owner: Api, task: Json, agent: Json) -> None:
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    after = (await changed(owner, task, titel="Clearer")).json
    assert (after["titel"], after["executionLockedBy"]) == ("Clearer", agent["id"])


# Status


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
async def test_a_status_may_follow_another_as_the_table_says(
    owner: Api, company: Json, before: str, after: str
) -> None:
    task = await in_status(owner, company, before)
    assert task["status"] == before
    answer = await changed(owner, task, status=after)
    if before == after or TaskStatus(after) in TRANSITIONS[TaskStatus(before)]:
        assert (answer.status, answer.json["status"]) == (200, after)
    else:
        assert_error(answer, 409, "INVALID_STATUS")
        assert await read(owner, task) == task


async def test_what_is_over_can_only_be_opened_again(owner: Api, company: Json) -> None:
    for status in ("done", "cancelled"):
        task = await in_status(owner, company, status)
        assert_error(await changed(owner, task, status="in_progress"), 409, "INVALID_STATUS")
        assert (await changed(owner, task, status="todo")).json["status"] == "todo"


@pytest.mark.parametrize(
    ("status", "field"),
    [("in_progress", "gestartetAm"), ("done", "abgeschlossenAm"), ("cancelled", "abgebrochenAm")],
)
async def test_a_status_leaves_its_time(owner: Api, company: Json, status: str, field: str) -> None:
    task = await in_status(owner, company, status)
    times = ("gestartetAm", "abgeschlossenAm", "abgebrochenAm")
    assert {name for name in times if task[name] is not None} == {field}
    assert task["erstelltAm"] <= task[field] <= task["aktualisiertAm"]


async def test_a_task_opened_again_is_not_completed_any_more(owner: Api, company: Json) -> None:
    task = await in_status(owner, company, "done")
    assert (await changed(owner, task, status="todo")).json["abgeschlossenAm"] is None


@pytest.mark.parametrize("status", ["backlog", "todo"])
async def test_a_task_opened_again_is_for_nobody_if_its_agent_has_left(owner: Api, company: Json, status: str) -> None:
    agent = await owner.agent(company)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await changed(owner, task, status="done")
    await owner.delete(f"/api/experten/{agent['id']}")
    assert (await changed(owner, task, prioritaet="low")).json["zugewiesenAn"] == agent["id"]
    opened = (await changed(owner, task, status=status)).json
    assert (opened["status"], opened["zugewiesenAn"]) == (status, None)


async def test_a_task_that_becomes_done_is_told_once(owner: Api, company: Json, task: Json, follow: Follow) -> None:
    follower = await follow(owner, types=["task_completed"])
    await changed(owner, task, status="done", ergebnis="42")
    await changed(owner, task, status="done")
    await changed(owner, task, titel="Still done")
    second = await in_status(owner, company, "done")
    events = [(await follower.next())["data"] for _ in range(2)]
    assert [event["taskId"] for event in events] == [task["id"], second["id"]]
    assert events[0]["ergebnis"] == "42"


# Deleting


async def test_a_deleted_task_is_gone(owner: Api, task: Json, path: str) -> None:
    answer = await owner.delete(f"/api/aufgaben/{task['id']}")
    assert (answer.status, answer.json) == (200, {"success": True})
    assert_error(await owner.get(f"/api/aufgaben/{task['id']}"), 404, "NOT_FOUND")
    assert_error(await owner.delete(f"/api/aufgaben/{task['id']}"), 404, "NOT_FOUND")
    assert (await owner.get(path)).json == []


async def test_a_deletion_is_told_and_recorded(owner: Api, company: Json, task: Json, follow: Follow) -> None:
    follower = await follow(owner)
    await owner.delete(f"/api/aufgaben/{task['id']}")
    await follower.until("task_deleted", taskId=task["id"])
    newest = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json[0]
    assert (newest["aktion"], newest["entitaetId"]) == ("task.deleted", task["id"])


# Parents


async def test_a_task_does_not_lie_below_itself(owner: Api, task: Json) -> None:
    assert_error(await changed(owner, task, parentId=task["id"]), 409, "DEPENDENCY_CYCLE")


async def test_a_task_does_not_lie_below_its_descendant(owner: Api, company: Json, task: Json) -> None:
    child = await owner.task(company, parentId=task["id"])
    grandchild = await owner.task(company, parentId=child["id"])
    assert_error(await changed(owner, task, parentId=grandchild["id"]), 409, "DEPENDENCY_CYCLE")
    assert await read(owner, task) == task


async def test_a_task_may_move_to_another_parent(owner: Api, company: Json, task: Json) -> None:
    child = await owner.task(company, parentId=task["id"])
    other = await owner.task(company)
    assert (await changed(owner, child, parentId=other["id"])).json["parentId"] == other["id"]
    assert (await changed(owner, task, parentId=child["id"])).status == 200


async def test_of_two_moves_that_would_close_a_circle_at_once_exactly_one_is_made(owner: Api, company: Json) -> None:
    for _ in range(5):
        first, second = await owner.task(company), await owner.task(company)
        answers = await asyncio.gather(
            changed(owner, first, parentId=second["id"]), changed(owner, second, parentId=first["id"])
        )
        assert sorted(answer.status for answer in answers) == [200, 409], answers
        assert_error(next(answer for answer in answers if answer.status == 409), 409, "DEPENDENCY_CYCLE")


async def test_a_task_whose_parent_was_deleted_still_takes_subtasks(owner: Api, company: Json, task: Json) -> None:
    child = await owner.task(company, parentId=task["id"])
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert (await created(owner, company, parentId=child["id"])).status == 201


# Lists


async def test_tasks_are_listed_in_the_order_of_their_creation(owner: Api, company: Json, path: str) -> None:
    tasks = [await owner.task(company) for _ in range(4)]
    tasks[0] = (await changed(owner, tasks[0], titel="Changed last")).json
    answer = await owner.get(path)
    assert answer.json == tasks
    assert answer.headers["X-Total-Count"] == "4"
    assert "Link" not in answer.headers


async def test_a_list_shows_its_own_company_alone(owner: Api, company: Json, task: Json, path: str) -> None:
    await owner.task(await owner.company())
    assert (await owner.get(path)).json == [task]


async def test_a_list_without_a_limit_has_a_hundred(owner: Api, company: Json, path: str) -> None:
    await asyncio.gather(*(owner.task(company) for _ in range(101)))
    answer = await owner.get(path)
    assert (len(answer.json), answer.headers["X-Total-Count"]) == (100, "101")
    assert answer.headers["Link"] == f'<{path}?limit=100&offset=100>; rel="next"'


async def test_the_pages_of_a_list_drop_and_repeat_nothing_while_tasks_are_added(
    owner: Api, company: Json, path: str
) -> None:
    before = [await owner.task(company) for _ in range(7)]
    seen: list[Json] = []
    url: str | None = f"{path}?limit=2"
    while url is not None:
        page = await owner.get(url)
        seen += page.json
        if len(seen) < 8:
            await owner.task(company, prioritaet="critical")
        link = page.headers.get("Link")
        url = link.partition(">")[0].removeprefix("<") if link else None
    assert seen[:7] == before
    assert all(first["erstelltAm"] <= second["erstelltAm"] for first, second in pairwise(seen))
    assert seen == (await owner.get(path)).json


async def test_the_next_page_keeps_the_filters(owner: Api, company: Json, path: str) -> None:
    for title in ("a & b one", "other", "a & b two"):
        await owner.task(company, titel=title, prioritaet="high")
    first = await owner.get(path, params={"limit": "1", "prioritaet": "high", "q": "a & b"})
    link = first.headers["Link"].partition(">")[0].removeprefix("<")
    assert titles(first) + titles(await owner.get(link)) == ["a & b one", "a & b two"]


async def test_a_page_past_the_end_is_empty(owner: Api, task: Json, path: str) -> None:
    answer = await owner.get(f"{path}?offset=9007199254740992")
    assert (answer.json, answer.headers["X-Total-Count"]) == ([], "1")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=501",
        "limit=1.5",
        "limit=ten",
        "limit=",
        "limit=nan",
        "limit=inf",
        "limit=1e999",
        "offset=-1",
        "offset=1e18",
        "status=finished",
        "status=todo,finished",
        "prioritaet=urgent",
        "sort=titel",
        "Status=todo",
    ],
)
async def test_a_bad_query_is_refused_by_name(owner: Api, path: str, query: str) -> None:
    answer = await owner.get(f"{path}?{query}")
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == [query.partition("=")[0]]


async def test_the_largest_page_has_five_hundred(owner: Api, task: Json, path: str) -> None:
    assert (await owner.get(f"{path}?limit=500")).json == [task]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=todo", ["Paint the boat"]),
        ("status=todo,done", ["Paint the boat", "Sell 100% of it"]),
        ("status=in_review", []),
        ("prioritaet=low", ["Sell 100% of it"]),
        ("prioritaet=low,critical", ["Paint the boat", "Sell 100% of it"]),
        ("zugewiesenAn={agent}", ["Paint the boat"]),
        ("zugewiesenAn=" + NO_ID, []),
        ("parentId={first}", ["Sell 100% of it"]),
        ("zielId=" + NO_ID, []),
        ("q=boat", ["Build a boat", "Paint the boat"]),
        ("q=BOAT", ["Build a boat", "Paint the boat"]),
        ("q=boat+paint", ["Paint the boat"]),
        ("q=green", ["Paint the boat"]),
        ("q=%25", ["Sell 100% of it"]),
        ("q=b_at", []),
        ("q=", ["Build a boat", "Paint the boat", "Sell 100% of it"]),
        ("q=STRASSE", ["Sell 100% of it"]),
        ("status=todo&q=build", []),
        ("status=todo&prioritaet=critical&q=boat", ["Paint the boat"]),
    ],
)
async def test_a_list_is_narrowed(owner: Api, company: Json, agent: Json, query: str, expected: list[str]) -> None:
    first = await owner.task(company, titel="Build a boat")
    await owner.task(
        company, titel="Paint the boat", beschreibung="Green", prioritaet="critical", zugewiesenAn=agent["id"]
    )
    last = await owner.task(
        company, titel="Sell 100% of it", beschreibung="Straße", prioritaet="low", parentId=first["id"]
    )
    await changed(owner, last, status="done")
    query = query.format(agent=agent["id"], first=first["id"])
    answer = await owner.get(f"/api/unternehmen/{company['id']}/aufgaben?{query}")
    assert titles(answer) == expected
    assert answer.headers["X-Total-Count"] == str(len(expected))


async def test_an_agent_lists_the_tasks_of_its_company(owner: Api, agent: Json, task: Json, path: str) -> None:
    assert (await (await owner.agent_api(agent)).get(path)).json == [task]
