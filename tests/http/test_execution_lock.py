"""The execution lock over HTTP: who gets it, who is refused and why, and how it is given back."""

import asyncio
from typing import Any

import pytest

from opencognit.domain.instants import between
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, assert_error

Json = dict[str, Any]

NO_ID = "00000000-0000-4000-8000-000000000000"
LOCK_FIELDS = ("executionLockedBy", "executionRunId", "executionLockedAt", "executionLockExpiresAt")


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def bob(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Bob")


@pytest.fixture
async def task(owner: Api, company: Json) -> Json:
    return await owner.task(company)


async def checkout(api: Api, task: Json, agent: Json, **fields: Any) -> Answer:
    return await api.post(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], **fields})


async def release(api: Api, task: Json, agent: Json | None = None, **fields: Any) -> Answer:
    who = {"expertId": agent["id"]} if agent else {}
    return await api.post(f"/api/aufgaben/{task['id']}/release", {**who, **fields})


async def taken(api: Api, task: Json, agent: Json, **fields: Any) -> Json:
    answer = await checkout(api, task, agent, **fields)
    assert answer.status == 200, answer
    return dict(answer.json)


async def read(api: Api, task: Json) -> Json:
    return dict((await api.get(f"/api/aufgaben/{task['id']}")).json)


async def actions(api: Api, company: Json) -> list[str]:
    feed = (await api.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    return [entry["aktion"] for entry in feed]


# Taking it


async def test_a_grant_shows_who_has_the_task_and_until_when(owner: Api, task: Json, ada: Json) -> None:
    granted = await taken(owner, task, ada, runId="mine")
    assert (granted["status"], granted["zugewiesenAn"]) == ("in_progress", ada["id"])
    assert (granted["executionLockedBy"], granted["executionRunId"]) == (ada["id"], "mine")
    assert granted["executionToken"] == 1
    assert between(granted["executionLockedAt"], granted["executionLockExpiresAt"]) == 30 * 60
    assert await read(owner, task) == granted


async def test_a_lease_is_as_long_as_was_asked_for(owner: Api, task: Json, ada: Json) -> None:
    granted = await taken(owner, task, ada, leaseSek=90)
    assert between(granted["executionLockedAt"], granted["executionLockExpiresAt"]) == 90


async def test_a_run_without_a_name_gets_one(owner: Api, task: Json, ada: Json) -> None:
    assert (await taken(owner, task, ada))["executionRunId"]


async def test_the_holder_renews_its_lease_and_keeps_its_token(owner: Api, task: Json, ada: Json) -> None:
    first = await taken(owner, task, ada, runId="mine", leaseSek=60)
    second = await taken(owner, task, ada, runId="mine", leaseSek=600)
    assert second["executionToken"] == first["executionToken"]
    assert second["executionLockedAt"] == first["executionLockedAt"]
    assert second["executionLockExpiresAt"] > first["executionLockExpiresAt"]


async def test_another_agent_is_told_who_has_it_and_until_when(owner: Api, task: Json, ada: Json, bob: Json) -> None:
    granted = await taken(owner, task, ada, runId="mine")
    refused = await checkout(owner, task, bob)
    assert_error(refused, 409, "LOCKED")
    assert refused.json["details"] == {
        "lockedBy": ada["id"],
        "runId": "mine",
        "lockedAt": granted["executionLockedAt"],
        "expiresAt": granted["executionLockExpiresAt"],
        # This run is the client's own: whether it lives, only the client knows.
        "runAlive": None,
    }
    assert await read(owner, task) == granted


async def test_another_run_of_the_same_agent_is_refused_too(owner: Api, task: Json, ada: Json) -> None:
    await taken(owner, task, ada, runId="one")
    assert_error(await checkout(owner, task, ada, runId="two"), 409, "LOCKED")
    assert_error(await checkout(owner, task, ada), 409, "LOCKED")


async def test_a_run_of_ours_that_holds_it_is_said_to_be_alive(
    owner: Api, company: Json, bob: Json, worker: ScriptedProvider
) -> None:
    working, done = asyncio.Event(), asyncio.Event()

    async def wait(*_: object) -> Any:
        working.set()
        await done.wait()
        raise RuntimeError("enough")

    worker.script = wait
    agent = await owner.agent(company, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    async with asyncio.timeout(5):
        await working.wait()
    refused = await checkout(owner, task, bob)
    assert_error(refused, 409, "LOCKED")
    assert refused.json["details"]["runAlive"] is True
    done.set()


async def test_of_many_who_want_it_at_once_one_gets_it(owner: Api, company: Json, task: Json) -> None:
    agents = [await owner.agent(company) for _ in range(20)]
    answers = await asyncio.gather(*(checkout(owner, task, agent) for agent in agents))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert {answer.json["code"] for answer in answers if answer.status == 409} == {"LOCKED"}
    assert (await read(owner, task))["executionToken"] == 1


async def test_an_agent_takes_tasks_for_itself_alone(owner: Api, task: Json, ada: Json, bob: Json) -> None:
    as_ada = await owner.agent_api(ada)
    assert_error(await checkout(as_ada, task, bob), 403, "FORBIDDEN")
    assert (await taken(as_ada, task, ada))["executionLockedBy"] == ada["id"]


# Who does not get it


async def test_a_task_of_someone_else_is_not_taken(owner: Api, company: Json, ada: Json, bob: Json) -> None:
    task = await owner.task(company, zugewiesenAn=ada["id"])
    refused = await checkout(owner, task, bob)
    assert_error(refused, 409, "ASSIGNED_ELSEWHERE")
    assert refused.json["details"] == {"zugewiesenAn": ada["id"]}


async def test_a_task_that_waits_for_another_is_not_taken(owner: Api, company: Json, task: Json, ada: Json) -> None:
    waiting = await owner.task(company, blockedBy=[task["id"]])
    refused = await checkout(owner, waiting, ada)
    assert_error(refused, 409, "BLOCKED")
    assert refused.json["details"] == {"blockedBy": [task["id"]]}


@pytest.mark.parametrize("status", ["in_review", "done", "cancelled"])
async def test_a_task_in_review_or_over_is_not_taken(owner: Api, task: Json, ada: Json, status: str) -> None:
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": status})
    assert_error(await checkout(owner, task, ada), 409, "INVALID_STATUS")


async def test_a_paused_agent_gets_nothing_new_but_keeps_what_it_has(
    owner: Api, company: Json, task: Json, ada: Json
) -> None:
    await taken(owner, task, ada, runId="mine")
    await owner.make(f"/api/experten/{ada['id']}/pausieren")
    assert (await checkout(owner, task, ada, runId="mine")).status == 200
    assert_error(await checkout(owner, await owner.task(company), ada), 403, "AGENT_PAUSED")


async def test_agents_that_are_unknown_gone_or_elsewhere_are_not_found(owner: Api, task: Json, ada: Json) -> None:
    stranger = await owner.agent(await owner.company())
    await owner.delete(f"/api/experten/{ada['id']}")
    for agent in ({"id": NO_ID}, stranger, ada):
        assert_error(await checkout(owner, task, agent), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "fields",
    [
        {"leaseSek": 0},
        {"leaseSek": -5},
        {"leaseSek": 7 * 24 * 3600 + 1},
        {"leaseSek": "60"},
        {"runId": ""},
        {"runId": "x" * 201},
        {"runId": 5},
        {"expertId": "nobody"},
        {"lease": 60},
    ],
    ids=str,
)
async def test_what_is_asked_for_wrongly_takes_nothing(owner: Api, task: Json, ada: Json, fields: Json) -> None:
    assert_error(await checkout(owner, task, ada, **fields), 400, "VALIDATION_ERROR")
    assert await read(owner, task) == task


async def test_a_checkout_must_say_for_whom(owner: Api, task: Json) -> None:
    assert_error(await owner.post(f"/api/aufgaben/{task['id']}/checkout", {}), 400, "VALIDATION_ERROR")


# Giving it back


async def test_a_release_gives_the_task_back_to_be_done(owner: Api, company: Json, task: Json, ada: Json) -> None:
    granted = await taken(owner, task, ada)
    freed = (await release(owner, task, ada, executionToken=granted["executionToken"])).json
    assert (freed["status"], freed["zugewiesenAn"], freed["executionToken"]) == ("todo", ada["id"], 1)
    assert [freed[name] for name in LOCK_FIELDS] == [None] * 4
    assert (await actions(owner, company))[0] == "task.released"


@pytest.mark.parametrize("status", ["todo", "in_review", "done", "blocked", "cancelled"])
async def test_a_release_says_what_becomes_of_the_task(owner: Api, task: Json, ada: Json, status: str) -> None:
    await taken(owner, task, ada)
    freed = (await release(owner, task, ada, status=status, ergebnis="So far")).json
    assert (freed["status"], freed["ergebnis"], freed["executionLockedBy"]) == (status, "So far", None)


@pytest.mark.parametrize("status", ["backlog", "in_progress"])
async def test_a_release_to_any_other_status_is_refused(owner: Api, task: Json, ada: Json, status: str) -> None:
    granted = await taken(owner, task, ada)
    assert_error(await release(owner, task, ada, status=status), 400, "VALIDATION_ERROR")
    assert await read(owner, task) == granted


async def test_only_the_holder_gives_it_back(owner: Api, task: Json, ada: Json, bob: Json) -> None:
    granted = await taken(owner, task, ada, runId="mine")
    refused = await release(owner, task, bob)
    assert_error(refused, 409, "NOT_LOCK_HOLDER")
    assert refused.json["details"] == {"lockedBy": ada["id"]}
    assert_error(await release(owner, task, ada, runId="another"), 409, "NOT_LOCK_HOLDER")
    assert await read(owner, task) == granted


async def test_an_agent_gives_back_what_is_its_own(owner: Api, task: Json, ada: Json, bob: Json) -> None:
    await taken(owner, task, ada)
    assert_error(await release(await owner.agent_api(bob), task), 409, "NOT_LOCK_HOLDER")
    assert_error(await release(await owner.agent_api(bob), task, ada), 403, "FORBIDDEN")
    assert (await release(await owner.agent_api(ada), task)).json["status"] == "todo"


async def test_without_a_lock_a_release_changes_nothing(owner: Api, task: Json, ada: Json) -> None:
    answer = await release(owner, task, ada, status="done", ergebnis="Too late")
    assert (answer.status, answer.json) == (200, task)


async def test_the_board_takes_a_lock_away_and_that_is_recorded(
    owner: Api, company: Json, task: Json, ada: Json
) -> None:
    await taken(owner, task, ada)
    freed = (await release(owner, task)).json
    assert (freed["status"], freed["executionLockedBy"]) == ("todo", None)
    assert (await actions(owner, company))[0] == "task.force_released"


# Tokens


async def test_the_token_rises_with_every_grant(owner: Api, task: Json, ada: Json) -> None:
    tokens = []
    for _ in range(4):
        tokens.append((await taken(owner, task, ada))["executionToken"])
        await release(owner, task, ada if len(tokens) % 2 else None)
    assert tokens == [1, 2, 3, 4]


async def test_a_late_worker_changes_nothing_that_its_successor_has_begun(
    owner: Api, task: Json, ada: Json, bob: Json
) -> None:
    late = (await taken(owner, task, ada))["executionToken"]
    await release(owner, task)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"zugewiesenAn": None})
    successor = await taken(owner, task, bob)
    for answer in (
        await release(owner, task, ada, executionToken=late, status="done"),
        await owner.patch(f"/api/aufgaben/{task['id']}", {"ergebnis": "Mine", "executionToken": late}),
    ):
        assert_error(answer, 409, "STALE_TOKEN")
        assert answer.json["details"] == {"executionToken": successor["executionToken"]}
    assert await read(owner, task) == successor


async def test_the_holder_writes_with_its_token(owner: Api, task: Json, ada: Json) -> None:
    token = (await taken(owner, task, ada))["executionToken"]
    answer = await owner.patch(f"/api/aufgaben/{task['id']}", {"ergebnis": "So far", "executionToken": token})
    assert (answer.status, answer.json["ergebnis"]) == (200, "So far")


# A locked task


@pytest.mark.parametrize("fields", [{"status": "todo"}, {"status": "done"}, {"zugewiesenAn": None}], ids=str)
async def test_what_the_lock_stands_for_is_not_changed_beside_it(
    owner: Api, task: Json, ada: Json, fields: Json
) -> None:
    granted = await taken(owner, task, ada)
    assert_error(await owner.patch(f"/api/aufgaben/{task['id']}", fields), 409, "LOCKED")
    assert await read(owner, task) == granted


async def test_the_rest_of_a_locked_task_may_be_changed(owner: Api, task: Json, ada: Json) -> None:
    await taken(owner, task, ada)
    answer = await owner.patch(f"/api/aufgaben/{task['id']}", {"titel": "Better", "prioritaet": "critical"})
    assert (answer.status, answer.json["executionLockedBy"]) == (200, ada["id"])


async def test_a_locked_task_may_be_deleted_and_its_lock_is_gone(owner: Api, task: Json, ada: Json) -> None:
    await taken(owner, task, ada)
    assert (await owner.delete(f"/api/aufgaben/{task['id']}")).status == 200
    assert_error(await release(owner, task, ada), 404, "NOT_FOUND")


async def test_an_agent_that_is_deleted_holds_nothing(owner: Api, task: Json, ada: Json) -> None:
    await taken(owner, task, ada)
    await owner.delete(f"/api/experten/{ada['id']}")
    freed = await read(owner, task)
    assert (freed["status"], freed["zugewiesenAn"], freed["executionLockedBy"]) == ("todo", None, None)
