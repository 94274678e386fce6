"""Dependencies between tasks over HTTP: what waits for what, circles, and how tasks come free, each once."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def blocker(owner: Api, company: Json) -> Json:
    return await owner.task(company, titel="Blocker")


@pytest.fixture
async def waiting(owner: Api, company: Json, blocker: Json) -> Json:
    """Waits for the blocker."""
    return await owner.task(company, titel="Waiting", blockedBy=[blocker["id"]])


@pytest.fixture
async def freed(owner: Api, follow: Follow) -> Follower:
    """Follows what comes free."""
    return await follow(owner, types=["tasks_unblocked"])


async def changed(api: Api, task: Json, **fields: Any) -> Answer:
    return await api.patch(f"/api/aufgaben/{task['id']}", fields)


async def read(api: Api, task: Json) -> Json:
    answer = await api.get(f"/api/aufgaben/{task['id']}")
    assert answer.status == 200, answer
    return dict(answer.json)


async def state(api: Api, task: Json) -> tuple[str, list[str]]:
    """(status, blockers)"""
    now = await read(api, task)
    return now["status"], now["blockedBy"]


async def finish(api: Api, task: Json, status: str = "done") -> None:
    answer = await changed(api, task, status=status)
    assert answer.status == 200, answer


async def next_freed(follower: Follower) -> list[str]:
    return list((await follower.next())["data"]["taskIds"])


async def nothing_freed(api: Api, company: Json, follower: Follower) -> None:
    """Blockers of a company are resolved one after the other, so what was to come would come before this."""
    first = await api.task(company)
    second = await api.task(company, blockedBy=[first["id"]])
    await finish(api, first)
    assert await next_freed(follower) == [second["id"]]


# What waits for what


async def test_a_task_with_an_open_blocker_is_blocked(waiting: Json, blocker: Json) -> None:
    assert (waiting["status"], waiting["blockedBy"]) == ("blocked", [blocker["id"]])


async def test_a_task_whose_blocker_is_done_already_is_not_blocked(owner: Api, company: Json, blocker: Json) -> None:
    await finish(owner, blocker)
    task = await owner.task(company, blockedBy=[blocker["id"]])
    assert (task["status"], task["blockedBy"]) == ("backlog", [blocker["id"]])


async def test_a_task_whose_blocker_was_cancelled_already_is_blocked(owner: Api, company: Json, blocker: Json) -> None:
    await finish(owner, blocker, "cancelled")
    assert (await owner.task(company, blockedBy=[blocker["id"]]))["status"] == "blocked"


async def test_a_blocker_is_named_once(owner: Api, company: Json, blocker: Json, waiting: Json) -> None:
    other = await owner.task(company)
    ids = [other["id"], blocker["id"], other["id"]]
    assert (await owner.task(company, blockedBy=ids))["blockedBy"] == ids[:2]
    assert (await changed(owner, waiting, blockedBy=ids)).json["blockedBy"] == ids[:2]


async def test_a_task_is_blocked_when_it_gets_a_blocker(owner: Api, company: Json, blocker: Json) -> None:
    task = await owner.task(company)
    answer = await changed(owner, task, blockedBy=[blocker["id"]])
    assert (answer.status, answer.json["status"], answer.json["blockedBy"]) == (200, "blocked", [blocker["id"]])


async def test_a_task_is_todo_when_it_loses_its_last_blocker(owner: Api, company: Json, waiting: Json) -> None:
    other = await owner.task(company)
    assert (await changed(owner, waiting, blockedBy=[other["id"]])).json["status"] == "blocked"
    after = (await changed(owner, waiting, blockedBy=[])).json
    assert (after["status"], after["blockedBy"]) == ("todo", [])


async def test_a_blocker_that_was_taken_away_frees_nothing_any_more(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    await changed(owner, waiting, blockedBy=[])
    await changed(owner, waiting, status="backlog")
    await finish(owner, blocker)
    await nothing_freed(owner, company, freed)
    assert await state(owner, waiting) == ("backlog", [])


@pytest.mark.parametrize("ids", [[NO_ID], ["nonsense"], [None], [[]], {}, "x", 5])
async def test_blockers_that_are_not_tasks_are_refused_and_change_nothing(owner: Api, waiting: Json, ids: Any) -> None:
    assert_error(await changed(owner, waiting, blockedBy=ids), 400, "VALIDATION_ERROR")
    assert await read(owner, waiting) == waiting


async def test_one_bad_blocker_spoils_the_list(owner: Api, blocker: Json, company: Json) -> None:
    task = await owner.task(company)
    assert_error(await changed(owner, task, blockedBy=[blocker["id"], NO_ID]), 400, "VALIDATION_ERROR")
    await finish(owner, blocker)
    assert await read(owner, task) == task


# What a blocked task may become


@pytest.mark.parametrize("status", ["backlog", "todo", "in_progress", "in_review", "done"])
async def test_a_blocked_task_cannot_go_on(owner: Api, waiting: Json, blocker: Json, status: str) -> None:
    answer = await changed(owner, waiting, status=status)
    assert_error(answer, 409, "BLOCKED")
    assert answer.json["details"] == {"blockedBy": [blocker["id"]]}
    assert await read(owner, waiting) == waiting


async def test_a_blocked_task_cannot_be_checked_out(owner: Api, company: Json, waiting: Json, blocker: Json) -> None:
    agent = await owner.agent(company)
    answer = await owner.post(f"/api/aufgaben/{waiting['id']}/checkout", {"expertId": agent["id"]})
    assert_error(answer, 409, "BLOCKED")
    assert answer.json["details"] == {"blockedBy": [blocker["id"]]}
    assert await read(owner, waiting) == waiting


async def test_a_cancelled_task_is_not_freed_when_its_blocker_is_done(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    await finish(owner, waiting, "cancelled")
    await finish(owner, blocker)
    await nothing_freed(owner, company, freed)
    assert (await read(owner, waiting))["status"] == "cancelled"


async def test_a_cancelled_task_is_not_opened_again_past_its_blocker(owner: Api, waiting: Json) -> None:
    await finish(owner, waiting, "cancelled")
    assert_error(await changed(owner, waiting, status="todo"), 409, "BLOCKED")


async def test_the_blockers_of_a_locked_task_stay(owner: Api, company: Json, blocker: Json) -> None:
    task, agent = await owner.task(company), await owner.agent(company)
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    assert_error(await changed(owner, task, blockedBy=[blocker["id"]]), 409, "LOCKED")
    assert await state(owner, task) == ("in_progress", [])


# Circles


async def test_a_task_does_not_wait_for_itself(owner: Api, blocker: Json) -> None:
    assert_error(await changed(owner, blocker, blockedBy=[blocker["id"]]), 409, "DEPENDENCY_CYCLE")
    assert await read(owner, blocker) == blocker


async def test_two_tasks_do_not_wait_for_each_other(owner: Api, blocker: Json, waiting: Json) -> None:
    assert_error(await changed(owner, blocker, blockedBy=[waiting["id"]]), 409, "DEPENDENCY_CYCLE")
    assert await read(owner, blocker) == blocker


async def test_a_long_circle_is_refused_and_a_diamond_is_not(owner: Api, company: Json) -> None:
    top = await owner.task(company)
    sides = [await owner.task(company, blockedBy=[top["id"]]) for _ in range(2)]
    bottom = await owner.task(company, blockedBy=[side["id"] for side in sides])
    assert bottom["status"] == "blocked"
    assert_error(await changed(owner, top, blockedBy=[bottom["id"]]), 409, "DEPENDENCY_CYCLE")
    assert (await changed(owner, bottom, blockedBy=[top["id"], sides[0]["id"]])).status == 200


async def test_a_circle_through_a_task_that_is_done_is_refused_too(owner: Api, blocker: Json, waiting: Json) -> None:
    await finish(owner, blocker)
    assert_error(await changed(owner, blocker, blockedBy=[waiting["id"]]), 409, "DEPENDENCY_CYCLE")


async def test_a_refused_circle_leaves_the_blockers_as_they_were(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    other = await owner.task(company)
    answer = await changed(owner, blocker, titel="New", blockedBy=[other["id"], waiting["id"]])
    assert_error(answer, 409, "DEPENDENCY_CYCLE")
    await finish(owner, blocker)
    assert await next_freed(freed) == [waiting["id"]]


@pytest.mark.parametrize("length", [2, 3, 6])
async def test_of_changes_that_would_close_a_circle_at_once_all_but_one_are_made(
    owner: Api, company: Json, length: int
) -> None:
    for _ in range(5):
        tasks = [await owner.task(company) for _ in range(length)]
        pairs = list(zip(tasks, [*tasks[1:], tasks[0]], strict=True))
        answers = await asyncio.gather(*(changed(owner, task, blockedBy=[other["id"]]) for task, other in pairs))
        (refused,) = [answer for answer in answers if answer.status != 200]
        assert_error(refused, 409, "DEPENDENCY_CYCLE")
        for (task, other), answer in zip(pairs, answers, strict=True):
            kept = ("backlog", []) if answer is refused else ("blocked", [other["id"]])
            assert await state(owner, task) == kept


# Coming free


async def test_a_task_comes_free_when_its_last_blocker_is_done(
    owner: Api, company: Json, blocker: Json, freed: Follower
) -> None:
    second = await owner.task(company)
    task = await owner.task(company, blockedBy=[blocker["id"], second["id"]])
    await finish(owner, blocker)
    await nothing_freed(owner, company, freed)
    assert (await read(owner, task))["status"] == "blocked"
    await finish(owner, second)
    assert await next_freed(freed) == [task["id"]]
    assert await state(owner, task) == ("todo", [blocker["id"], second["id"]])


async def test_all_that_one_task_frees_are_told_of_in_one_event(
    owner: Api, company: Json, blocker: Json, freed: Follower
) -> None:
    tasks = [await owner.task(company, blockedBy=[blocker["id"]]) for _ in range(20)]
    await finish(owner, blocker)
    assert sorted(await next_freed(freed)) == sorted(task["id"] for task in tasks)


async def test_a_task_comes_free_once_when_all_its_blockers_end_together(
    owner: Api, company: Json, freed: Follower
) -> None:
    blockers = [await owner.task(company) for _ in range(8)]
    task = await owner.task(company, blockedBy=[blocker["id"] for blocker in blockers])
    await asyncio.gather(*(finish(owner, blocker) for blocker in blockers))
    assert await next_freed(freed) == [task["id"]]
    await nothing_freed(owner, company, freed)


async def test_a_task_comes_free_whenever_its_blocker_ends_while_it_is_made(
    owner: Api, company: Json, follow: Follow
) -> None:
    follower = await follow(owner, types=["task_created", "task_updated"])
    for _ in range(10):
        blocker = await owner.task(company)
        task, _ = await asyncio.gather(owner.task(company, blockedBy=[blocker["id"]]), finish(owner, blocker))
        if task["status"] == "blocked":
            while (await read(owner, task))["status"] == "blocked":
                await follower.until("task_updated", taskId=task["id"])
        assert (await read(owner, task))["status"] in ("todo", "backlog")


async def test_a_task_opened_and_done_again_frees_nothing_twice(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    await finish(owner, blocker)
    assert await next_freed(freed) == [waiting["id"]]
    await finish(owner, waiting)
    for status in ("todo", "done"):
        await finish(owner, blocker, status)
    await nothing_freed(owner, company, freed)
    assert (await read(owner, waiting))["status"] == "done"


async def test_a_chain_comes_free_link_by_link(owner: Api, company: Json, freed: Follower) -> None:
    chain = [await owner.task(company)]
    for _ in range(3):
        chain.append(await owner.task(company, blockedBy=[chain[-1]["id"]]))
    for task, following in pairwise(chain):
        await finish(owner, task)
        assert await next_freed(freed) == [following["id"]]


async def test_a_release_as_done_frees_what_waits(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    who = {"expertId": (await owner.agent(company))["id"]}
    await owner.make(f"/api/aufgaben/{blocker['id']}/checkout", who)
    await owner.make(f"/api/aufgaben/{blocker['id']}/release", {**who, "status": "done"})
    assert await next_freed(freed) == [waiting["id"]]


async def test_an_agent_is_woken_for_what_comes_free_and_given_the_results(
    owner: Api, company: Json, blocker: Json, follow: Follow, worker: ScriptedProvider
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner, types=["task_completed"])
    task = await owner.task(company, zugewiesenAn=agent["id"], blockedBy=[blocker["id"]])
    assert (await changed(owner, blocker, status="done", ergebnis="The answer is 42")).status == 200
    await follower.until("task_completed", taskId=task["id"])
    assert [order.blocker_results for order in worker.orders] == [("Blocker: The answer is 42",)]


async def test_what_a_heartbeat_completes_frees_what_waits(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    await changed(owner, blocker, zugewiesenAn=agent["id"])
    assert await next_freed(freed) == [waiting["id"]]


# Blockers that are cancelled or deleted


async def test_a_cancelled_blocker_keeps_its_dependents_blocked_and_tells_the_board(
    owner: Api, company: Json, blocker: Json, waiting: Json, follow: Follow
) -> None:
    board = await follow(owner, types=["aktivitaet", "tasks_unblocked"])
    await finish(owner, blocker, "cancelled")
    told = await board.until("aktivitaet", aktion="task.blocker_cancelled")
    assert told["data"]["details"] == {"taskIds": [waiting["id"]]}
    assert "tasks_unblocked" not in [message["type"] for message in board.seen]
    assert await read(owner, waiting) == waiting


async def test_a_cancelled_blocker_opened_again_and_done_frees_what_waits(
    owner: Api, blocker: Json, waiting: Json, freed: Follower
) -> None:
    for status in ("cancelled", "todo", "done"):
        await finish(owner, blocker, status)
    assert await next_freed(freed) == [waiting["id"]]


async def test_the_board_may_take_a_cancelled_blocker_away(owner: Api, blocker: Json, waiting: Json) -> None:
    await finish(owner, blocker, "cancelled")
    assert (await changed(owner, waiting, blockedBy=[])).json["status"] == "todo"


@pytest.mark.parametrize("status", ["backlog", "cancelled"])
async def test_a_deleted_blocker_blocks_no_more_and_is_not_named_any_more(
    owner: Api, blocker: Json, waiting: Json, freed: Follower, status: str
) -> None:
    await finish(owner, blocker, status)
    await owner.delete(f"/api/aufgaben/{blocker['id']}")
    assert await next_freed(freed) == [waiting["id"]]
    assert await state(owner, waiting) == ("todo", [])


async def test_of_two_blockers_the_deletion_of_one_leaves_the_other(
    owner: Api, company: Json, blocker: Json, freed: Follower
) -> None:
    second = await owner.task(company)
    task = await owner.task(company, blockedBy=[blocker["id"], second["id"]])
    await owner.delete(f"/api/aufgaben/{blocker['id']}")
    await nothing_freed(owner, company, freed)
    assert await state(owner, task) == ("blocked", [second["id"]])


async def test_a_blocker_that_was_done_before_it_was_deleted_can_be_sent_back_as_it_was_read(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    await finish(owner, blocker)
    await next_freed(freed)
    await owner.delete(f"/api/aufgaben/{blocker['id']}")
    await nothing_freed(owner, company, freed)
    assert (await changed(owner, waiting, blockedBy=(await read(owner, waiting))["blockedBy"])).status == 200


async def test_a_deleted_task_waits_for_nothing(
    owner: Api, company: Json, blocker: Json, waiting: Json, freed: Follower
) -> None:
    await owner.delete(f"/api/aufgaben/{waiting['id']}")
    await finish(owner, blocker)
    await nothing_freed(owner, company, freed)


# Restarts


async def test_dependencies_outlive_a_restart(tmp_path: Path, settings: Settings) -> None:
    blocker: Json = {}
    waiting: Json = {}
    token: str | None = None
    for run in range(2):
        async with (
            Runtime(tmp_path, settings=settings) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
            aiohttp.ClientSession() as session,
        ):
            api = Api(session, url, token)
            if run == 0:
                api = await api.somebody()
                token, company = api.token, await api.company()
                blocker = await api.task(company)
                waiting = await api.task(company, blockedBy=[blocker["id"]])
                continue
            assert await state(api, waiting) == ("blocked", [blocker["id"]])
            assert_error(await changed(api, blocker, blockedBy=[waiting["id"]]), 409, "DEPENDENCY_CYCLE")
            await finish(api, blocker)
            async with session.ws_connect(f"{url}/ws", headers={"Authorization": f"Bearer {token}"}) as socket:
                follower = Follower(socket)
                await socket.send_json({"type": "subscribe", "types": ["tasks_unblocked"], "since": 0})
                event = await follower.until("tasks_unblocked")
            assert event["data"]["taskIds"] == [waiting["id"]]
            assert (await read(api, waiting))["status"] == "todo"
