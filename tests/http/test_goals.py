"""Goals over HTTP: set, changed, counted by their tasks, offered to the orchestrator, achieved once."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.goal import CreateGoal, FollowTasks, UpdateGoal
from opencognit.domain.kinds import GOAL
from opencognit.domain.origin import Origin
from opencognit.runtime import Runtime
from opencognit.testing import ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/ziele"


@pytest.fixture
async def goal(owner: Api, path: str) -> Json:
    made: Json = await owner.make(path, {"titel": "Grow"})
    return made


async def current(api: Api, goal: Json) -> Json:
    found: Json = (await api.get(f"/api/ziele/{goal['id']}")).json
    return found


async def becomes(api: Api, goal: Json, **wanted: Any) -> Json:
    """The goal, as soon as it has these values: it follows its tasks a moment later."""
    async with asyncio.timeout(5):
        while True:
            found = await current(api, goal)
            if all(found[name] == value for name, value in wanted.items()):
                return found
            await asyncio.sleep(0.01)


async def done(api: Api, task: Json) -> None:
    assert (await api.patch(f"/api/aufgaben/{task['id']}", {"status": "done"})).status == 200


# Setting and changing


async def test_a_goal_is_answered_with_all_that_was_set(owner: Api, company: Json, path: str) -> None:
    agent = await owner.agent(company)
    above = await owner.make(path, {"titel": "Above"})
    wanted = {
        "titel": "Grow",
        "beschreibung": "A lot",
        "ebene": "team",
        "parentId": above["id"],
        "eigentuemerExpertId": agent["id"],
        "status": "active",
        "fortschritt": 20,
    }
    answer = await owner.post(path, wanted)
    assert answer.status == 201
    assert {name: answer.json[name] for name in wanted} == wanted
    assert answer.json["unternehmenId"] == company["id"]
    assert await current(owner, answer.json) == answer.json


async def test_a_goal_is_of_any_level(owner: Api, path: str) -> None:
    levels = ["company", "team", "agent", "task"]
    for level in levels:
        await owner.make(path, {"titel": "Grow", "ebene": level})
    assert [goal["ebene"] for goal in (await owner.get(path)).json] == levels


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("titel", ""),
        ("titel", None),
        ("ebene", "planet"),
        ("status", "done"),
        ("fortschritt", 101),
        ("fortschritt", -1),
        ("fortschritt", 1.5),
        ("parentId", "nonsense"),
        ("parentId", NO_ID),
        ("eigentuemerExpertId", NO_ID),
        ("planungsAufgabeId", NO_ID),
    ],
)
async def test_a_bad_field_of_a_goal_is_refused_by_name(owner: Api, path: str, field: str, value: Any) -> None:
    answer = await owner.post(path, {"titel": "Grow", field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]
    assert (await owner.get(path)).json == []


@pytest.mark.parametrize("field", ["parentId", "eigentuemerExpertId"])
async def test_a_goal_refers_to_nothing_of_another_company(owner: Api, path: str, goal: Json, field: str) -> None:
    elsewhere = await owner.company()
    foreign_goal = await owner.make(f"/api/unternehmen/{elsewhere['id']}/ziele", {"titel": "Theirs"})
    foreign = {"parentId": foreign_goal, "eigentuemerExpertId": await owner.agent(elsewhere)}[field]["id"]
    assert_error(await owner.post(path, {"titel": "Grow", field: foreign}), 400, "VALIDATION_ERROR")
    assert_error(await owner.patch(f"/api/ziele/{goal['id']}", {field: foreign}), 400, "VALIDATION_ERROR")


async def test_a_change_names_what_changes_and_keeps_the_rest(owner: Api, goal: Json) -> None:
    answer = await owner.patch(f"/api/ziele/{goal['id']}", {"fortschritt": 40, "beschreibung": "More"})
    assert answer.status == 200
    changed = {"fortschritt": 40, "beschreibung": "More", "version": 2, "aktualisiertAm": answer.json["aktualisiertAm"]}
    assert answer.json == goal | changed


async def test_a_change_of_an_old_version_is_refused(owner: Api, goal: Json) -> None:
    one = f"/api/ziele/{goal['id']}"
    assert (await owner.patch(one, {"titel": "New"}, headers={"If-Match": '"1"'})).status == 200
    assert_error(await owner.patch(one, {"titel": "Newer"}, headers={"If-Match": '"1"'}), 409, "VERSION_CONFLICT")
    assert_error(await owner.delete(one, headers={"If-Match": '"1"'}), 409, "VERSION_CONFLICT")


async def test_a_retried_goal_is_set_once(owner: Api, path: str) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [await owner.make(path, {"titel": "Grow"}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]


async def test_goals_are_listed_by_age_in_pages_and_by_status(owner: Api, path: str) -> None:
    goals = [await owner.make(path, {"titel": word, "status": word}) for word in ("planned", "active", "cancelled")]
    first = await owner.get(f"{path}?limit=2")
    second = await owner.get(f"{path}?limit=2&offset=2")
    assert first.json + second.json == goals
    assert first.headers["X-Total-Count"] == "3"
    assert 'rel="next"' in first.headers["Link"]
    assert (await owner.get(f"{path}?status=active,cancelled")).json == goals[1:]
    assert_error(await owner.get(f"{path}?status=x"), 400, "VALIDATION_ERROR")


# Circles


async def test_a_goal_cannot_lie_below_itself(owner: Api, path: str) -> None:
    top = await owner.make(path, {"titel": "Top"})
    middle = await owner.make(path, {"titel": "Middle", "parentId": top["id"]})
    bottom = await owner.make(path, {"titel": "Bottom", "parentId": middle["id"]})
    for below in (top, middle, bottom):
        answer = await owner.patch(f"/api/ziele/{top['id']}", {"parentId": below["id"]})
        assert_error(answer, 409, "DEPENDENCY_CYCLE")
    assert await current(owner, top) == top


async def test_of_two_changes_that_close_a_circle_together_one_is_refused(owner: Api, path: str) -> None:
    for _ in range(10):
        one, two = [await owner.make(path, {"titel": word}) for word in ("one", "two")]
        answers = await asyncio.gather(
            owner.patch(f"/api/ziele/{one['id']}", {"parentId": two["id"]}),
            owner.patch(f"/api/ziele/{two['id']}", {"parentId": one["id"]}),
        )
        assert sorted(answer.status for answer in answers) == [200, 409]


# Progress


async def test_the_progress_is_the_share_of_the_tasks_that_are_done(owner: Api, company: Json, goal: Json) -> None:
    tasks = [await owner.task(company, zielId=goal["id"]) for _ in range(3)]
    await owner.task(company)
    await done(owner, tasks[0])
    await becomes(owner, goal, fortschritt=33)
    await owner.patch(f"/api/aufgaben/{tasks[1]['id']}", {"status": "cancelled"})
    await becomes(owner, goal, fortschritt=50)
    await owner.patch(f"/api/aufgaben/{tasks[0]['id']}", {"status": "todo"})
    await becomes(owner, goal, fortschritt=0)


async def test_a_task_that_leaves_the_goal_counts_no_longer(owner: Api, company: Json, goal: Json) -> None:
    one, two, three = [await owner.task(company, zielId=goal["id"]) for _ in range(3)]
    await done(owner, one)
    await owner.delete(f"/api/aufgaben/{two['id']}")
    await becomes(owner, goal, fortschritt=50)
    await owner.task(company, zielId=goal["id"])
    await becomes(owner, goal, fortschritt=33)
    await owner.patch(f"/api/aufgaben/{three['id']}", {"zielId": None})
    await becomes(owner, goal, fortschritt=50)


async def test_a_progress_that_follows_from_tasks_is_not_given_by_hand(owner: Api, company: Json, goal: Json) -> None:
    await owner.task(company, zielId=goal["id"])
    one = f"/api/ziele/{goal['id']}"
    assert_error(await owner.patch(one, {"fortschritt": 50}), 409, "INVALID_STATUS")
    assert (await owner.patch(one, {"fortschritt": 0, "titel": "Same"})).status == 200


@pytest.mark.parametrize("way", ["create", "patch"])
async def test_a_task_names_a_goal_of_its_own_company_only(owner: Api, company: Json, way: str) -> None:
    elsewhere = await owner.company()
    foreign = await owner.make(f"/api/unternehmen/{elsewhere['id']}/ziele", {"titel": "Theirs"})
    task = await owner.task(company)
    for goal_id in (foreign["id"], NO_ID):
        if way == "create":
            answer = await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "T", "zielId": goal_id})
        else:
            answer = await owner.patch(f"/api/aufgaben/{task['id']}", {"zielId": goal_id})
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert [detail["feld"] for detail in answer.json["details"]] == ["zielId"]


# Achieved


async def achievements(follower: Follower, company: Json, owner: Api) -> int:
    """How often a goal was achieved so far; all that was sent before a task that is created now is seen."""
    last = await owner.task(company)
    await follower.until("task_created", taskId=last["id"])
    return sum(event["type"] == "goal_achieved" for event in follower.seen)


async def test_without_an_orchestrator_a_goal_at_100_is_achieved_by_itself_once(
    owner: Api, company: Json, goal: Json, follow: Follow
) -> None:
    follower = await follow(owner)
    tasks = [await owner.task(company, zielId=goal["id"]) for _ in range(2)]
    for task in tasks:
        await done(owner, task)
    event = await follower.until("goal_achieved")
    assert event["data"] == {"unternehmenId": company["id"], "zielId": goal["id"], "zielTitel": "Grow"}
    await becomes(owner, goal, status="achieved", fortschritt=100)
    await owner.patch(f"/api/ziele/{goal['id']}", {"titel": "Still achieved", "status": "achieved"})
    await owner.patch(f"/api/aufgaben/{tasks[0]['id']}", {"titel": "Changed"})
    assert await achievements(follower, company, owner) == 1


async def test_a_goal_set_to_100_by_hand_is_achieved(owner: Api, goal: Json) -> None:
    answer = await owner.patch(f"/api/ziele/{goal['id']}", {"fortschritt": 100})
    assert (answer.json["status"], answer.json["fortschritt"]) == ("achieved", 100)


async def test_the_board_achieves_a_goal_whatever_its_progress(owner: Api, goal: Json, follow: Follow) -> None:
    follower = await follow(owner)
    answer = await owner.patch(f"/api/ziele/{goal['id']}", {"status": "achieved"})
    assert (answer.json["status"], answer.json["fortschritt"]) == ("achieved", 100)
    assert (await follower.until("goal_achieved"))["data"]["zielId"] == goal["id"]


async def test_an_achieved_goal_is_opened_again_but_not_cancelled(owner: Api, goal: Json) -> None:
    one = f"/api/ziele/{goal['id']}"
    await owner.patch(one, {"status": "achieved"})
    assert_error(await owner.patch(one, {"status": "cancelled"}), 409, "INVALID_STATUS")
    answer = await owner.patch(one, {"status": "active", "fortschritt": 10})
    assert (answer.json["status"], answer.json["fortschritt"]) == ("active", 10)


class TestWithAnOrchestrator:
    @pytest.fixture
    async def ceo(self, owner: Api, company: Json) -> Json:
        return await owner.agent(company, isOrchestrator=True)

    async def inbox(self, owner: Api, ceo: Json, count: int) -> list[Json]:
        async with asyncio.timeout(5):
            while True:
                answer = (await owner.get(f"/api/experten/{ceo['id']}/inbox")).json
                if answer["count"] == count:
                    return list(answer["inbox"])
                await asyncio.sleep(0.01)

    async def test_a_goal_at_100_is_offered_to_it(self, owner: Api, company: Json, goal: Json, ceo: Json) -> None:
        await done(owner, await owner.task(company, zielId=goal["id"]))
        [review] = await self.inbox(owner, ceo, 1)
        assert goal["id"] in review["beschreibung"]
        found = await becomes(owner, goal, geschuldeteAufgabeId=None, fortschritt=100)
        assert (found["status"], found["pruefungsAufgabeIds"]) == ("planned", [review["id"]])

    async def test_what_it_leaves_as_it_is_counts_as_achieved(
        self, owner: Api, company: Json, goal: Json, ceo: Json
    ) -> None:
        await done(owner, await owner.task(company, zielId=goal["id"]))
        [review] = await self.inbox(owner, ceo, 1)
        await done(owner, review)
        await becomes(owner, goal, status="achieved")

    async def test_what_it_adds_to_the_goal_opens_it_again(
        self, owner: Api, company: Json, goal: Json, ceo: Json
    ) -> None:
        await done(owner, await owner.task(company, zielId=goal["id"]))
        [review] = await self.inbox(owner, ceo, 1)
        more = await owner.task(company, zielId=goal["id"])
        await becomes(owner, goal, fortschritt=50)
        await done(owner, review)
        await done(owner, more)
        [second] = await self.inbox(owner, ceo, 1)
        assert second["id"] != review["id"]
        assert (await current(owner, goal))["status"] == "planned"

    @pytest.mark.parametrize("way", ["create", "patch", "plan"])
    async def test_a_goal_given_to_it_becomes_one_planning_task(
        self, owner: Api, path: str, ceo: Json, way: str
    ) -> None:
        body = {"titel": "Grow", "beschreibung": "A lot", "status": "active"}
        goal = await owner.make(path, body | ({"eigentuemerExpertId": ceo["id"]} if way == "create" else {}))
        one = f"/api/ziele/{goal['id']}"
        if way == "patch":
            await owner.patch(one, {"eigentuemerExpertId": ceo["id"]})
        for _ in range(2):
            assert (await owner.post(f"{one}/planen")).status == 200
            await owner.patch(one, {"status": "active"})
        [task] = await self.inbox(owner, ceo, 1)
        assert (task["titel"], task["zielId"]) == ("Plan: Grow", goal["id"])
        assert "A lot" in task["beschreibung"]
        found = await becomes(owner, goal, geschuldeteAufgabeId=None)
        assert (found["planungsAufgabeId"], found["fortschritt"]) == (task["id"], 0)

    async def test_a_planning_task_that_is_done_is_no_progress(self, owner: Api, path: str, ceo: Json) -> None:
        goal = await owner.make(path, {"titel": "Grow", "eigentuemerExpertId": ceo["id"]})
        [task] = await self.inbox(owner, ceo, 1)
        await done(owner, task)
        await self.inbox(owner, ceo, 0)
        found = await current(owner, goal)
        assert (found["fortschritt"], found["status"]) == (0, "planned")


async def test_a_goal_cannot_be_given_to_nobody(owner: Api, goal: Json) -> None:
    assert_error(await owner.post(f"/api/ziele/{goal['id']}/planen"), 409, "INVALID_STATUS")


# Deleting


async def test_what_names_a_deleted_goal_stays_and_names_it_no_longer(
    owner: Api, company: Json, path: str, goal: Json
) -> None:
    task = await owner.task(company, zielId=goal["id"])
    below = await owner.make(path, {"titel": "Below", "parentId": goal["id"]})
    assert (await owner.delete(f"/api/ziele/{goal['id']}")).json == {"success": True}
    assert_error(await owner.get(f"/api/ziele/{goal['id']}"), 404, "NOT_FOUND")
    await becomes(owner, below, parentId=None)
    async with asyncio.timeout(5):
        while (await owner.get(f"/api/aufgaben/{task['id']}")).json["zielId"] is not None:
            pass


# Crashes


def lose_all_mail(runtime: Runtime) -> None:
    """As a kill does: what waits in mailboxes is lost."""
    for actor in runtime.system.live():
        runtime.system.drop(actor)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "killed"


async def test_a_planning_task_owed_at_a_kill_is_created_once_at_the_next_start(folder: Path) -> None:
    worker = ScriptedProvider()
    async with Runtime(folder, settings=quick_settings(), providers={"scripted": worker}) as runtime:
        company = await runtime.create_company(name="Acme")
        ceo = await runtime.create_agent(company.id, name="Ada", role="CEO", is_orchestrator=True, adapter="scripted")
        origin = Origin(company_id=company.id)
        goal = await runtime.system.create(GOAL, CreateGoal(title="Grow", owner_id=ceo.id), origin=origin)
        lose_all_mail(runtime)
    async with Runtime(folder, settings=quick_settings(), providers={"scripted": worker}) as runtime:
        await runtime.ask(GOAL, goal.id, FollowTasks())
        task = await runtime.finished(goal.planning_task_id or "", within=5)
        assert task.assignee_id == ceo.id
    async with Runtime(folder, settings=quick_settings(), providers={"scripted": worker}) as runtime:
        await runtime.ask(GOAL, goal.id, FollowTasks())
        assert await runtime.queries.tasks_of_goal(goal.id) == [goal.planning_task_id]
    assert len(worker.orders) == 1


async def test_a_task_that_was_done_right_before_a_kill_counts_at_the_next_start(folder: Path) -> None:
    async with Runtime(folder, settings=quick_settings()) as runtime:
        company = await runtime.create_company(name="Acme")
        goal = await runtime.system.create(GOAL, CreateGoal(title="Grow"), origin=Origin(company_id=company.id))
        task = await runtime.create_task(company.id, title="Do it", goal_id=goal.id)
        await runtime.ask(GOAL, goal.id, FollowTasks())
    # What the task's actor told the goal was lost with the mailbox: only the task's own row says that it is done.
    with closing(sqlite3.connect(folder / "opencognit.db", isolation_level=None)) as database:
        body = "json_set(CAST(body AS TEXT), '$.status', 'done')"
        database.execute(f"UPDATE tasks SET status = 'done', body = {body} WHERE id = ?", (task.id,))  # noqa: S608
    async with Runtime(folder, settings=quick_settings()) as runtime:
        found = await runtime.ask(GOAL, goal.id, UpdateGoal())
        assert (found.status, found.progress) == ("achieved", 100)
