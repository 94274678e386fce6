"""Every event of a task: what a client does over HTTP that causes it, and exactly what it tells."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.domain.run import TokenUsage
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.http.sockets import Follow, Json, told


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    """One who takes tasks by REST alone: it has no adapter."""
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def task(owner: Api, company: Json, agent: Json) -> Json:
    return await owner.task(company, titel="Build it", zugewiesenAn=agent["id"])


@pytest.fixture
async def follower(owner: Api, company: Json, follow: Follow) -> Follower:
    """Follows everything from before the agent and the task."""
    return await follow(owner)


async def costly(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
    usage = TokenUsage(input_tokens=7, output_tokens=3, cache_read_tokens=2, cache_write_tokens=1)
    return Outcome(result="Built", usage=usage, cost_cents=Decimal("1.25"), model="claude-opus-4-5")


async def test_task_created_tells_of_a_new_task(
    owner: Api, company: Json, follower: Follower, agent: Json, task: Json
) -> None:
    assert await told(follower, "task_created") == {
        "unternehmenId": company["id"],
        "taskId": task["id"],
        "taskTitel": "Build it",
        "status": "todo",
        "prioritaet": "medium",
        "agentId": agent["id"],
    }


async def test_task_updated_tells_what_the_task_is_now(
    owner: Api, company: Json, follower: Follower, task: Json
) -> None:
    change = {"titel": "Tear it down", "prioritaet": "high", "zugewiesenAn": None, "status": "in_review"}
    await owner.patch(f"/api/aufgaben/{task['id']}", change)
    assert await told(follower, "task_updated") == {
        "unternehmenId": company["id"],
        "taskId": task["id"],
        "taskTitel": "Tear it down",
        "status": "in_review",
        "prioritaet": "high",
        "agentId": None,
    }


async def test_task_updated_tells_of_a_release(owner: Api, follower: Follower, agent: Json, task: Json) -> None:
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    await owner.make(f"/api/aufgaben/{task['id']}/release", {"status": "blocked"})
    assert (await told(follower, "task_updated"))["status"] == "blocked"


async def test_task_deleted_tells_which(owner: Api, company: Json, follower: Follower, task: Json) -> None:
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert await told(follower, "task_deleted") == {
        "unternehmenId": company["id"],
        "taskId": task["id"],
        "taskTitel": "Build it",
    }


async def test_task_started_tells_who_was_granted_the_lock(
    owner: Api, company: Json, follower: Follower, agent: Json, task: Json
) -> None:
    taken = await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    assert await told(follower, "task_started") == {
        "unternehmenId": company["id"],
        "taskId": task["id"],
        "taskTitel": "Build it",
        "agentId": agent["id"],
        "agentName": "Ada",
        "runId": taken["executionRunId"],
    }


async def test_a_renewed_lock_is_not_told_again(owner: Api, follower: Follower, agent: Json, task: Json) -> None:
    first = await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    renewal = {"expertId": agent["id"], "runId": first["executionRunId"]}
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", renewal)
    await owner.make(f"/api/aufgaben/{task['id']}/release")
    await told(follower, "aktivitaet", aktion="task.force_released")
    assert [message["type"] for message in follower.seen].count("task_started") == 1


async def test_a_refused_checkout_tells_nothing(
    owner: Api, company: Json, follower: Follower, agent: Json, task: Json
) -> None:
    other = await owner.agent(company)
    assert (await owner.post(f"/api/aufgaben/{task['id']}/checkout", {"expertId": other["id"]})).status == 409
    await owner.delete(f"/api/aufgaben/{task['id']}")
    await told(follower, "task_deleted")
    assert "task_started" not in [message["type"] for message in follower.seen]


async def finish_by_patch(api: Api, task: Json) -> None:
    await api.patch(f"/api/aufgaben/{task['id']}", {"status": "done", "ergebnis": "Built"})


async def finish_by_release(api: Api, task: Json) -> None:
    path = f"/api/aufgaben/{task['id']}"
    await api.make(f"{path}/checkout", {"expertId": task["zugewiesenAn"]})
    await api.make(f"{path}/release", {"expertId": task["zugewiesenAn"], "status": "done", "ergebnis": "Built"})


async def finish_by_heartbeat(api: Api, task: Json) -> None:
    await api.patch(f"/api/experten/{task['zugewiesenAn']}", {"verbindungsTyp": "scripted"})


@pytest.mark.parametrize("finish", [finish_by_patch, finish_by_release, finish_by_heartbeat])
async def test_task_completed_tells_the_same_by_whatever_way_the_task_became_done(
    owner: Api, follower: Follower, task: Json, worker: ScriptedProvider, finish: Any
) -> None:
    worker.script = costly
    await finish(owner, task)
    assert await told(follower, "task_completed") == {
        "unternehmenId": task["unternehmenId"],
        "taskId": task["id"],
        "taskTitel": "Build it",
        "agentId": task["zugewiesenAn"],
        "agentName": "Ada",
        "ergebnis": "Built",
    }


async def test_task_completed_by_nobody_names_nobody(owner: Api, company: Json, follower: Follower) -> None:
    task = await owner.task(company)
    for status in ("todo", "done"):
        await owner.patch(f"/api/aufgaben/{task['id']}", {"status": status})
    completed = await told(follower, "task_completed")
    assert (completed["agentId"], completed["agentName"], completed["ergebnis"]) == (None, None, None)


async def test_a_task_that_is_done_already_is_not_told_done_again(owner: Api, follower: Follower, task: Json) -> None:
    for change in ({"status": "done"}, {"status": "done"}, {"titel": "Another"}):
        await owner.patch(f"/api/aufgaben/{task['id']}", change)
    await told(follower, "task_updated", taskTitel="Another")
    assert [message["type"] for message in follower.seen].count("task_completed") == 1


async def test_a_cancelled_task_is_not_told_done(owner: Api, follower: Follower, task: Json) -> None:
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "cancelled"})
    await told(follower, "aktivitaet", aktion="task.updated")
    assert "task_completed" not in [message["type"] for message in follower.seen]


async def test_tasks_unblocked_lists_all_that_were_freed_at_once(
    owner: Api, company: Json, follower: Follower, task: Json
) -> None:
    waiting = [await owner.task(company, blockedBy=[task["id"]]) for _ in range(3)]
    other = await owner.task(company)
    await owner.task(company, blockedBy=[task["id"], other["id"]])
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "done"})
    freed = await told(follower, "tasks_unblocked")
    assert freed.keys() == {"unternehmenId", "taskIds"}
    assert freed["unternehmenId"] == company["id"]
    assert sorted(freed["taskIds"]) == sorted(task["id"] for task in waiting)


# After a restart, when nothing is in memory


@contextlib.asynccontextmanager
async def running(data: Path, settings: Settings) -> AsyncIterator[Api]:
    async with (
        Runtime(data, settings=settings) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Api(session, url)


async def after_a_restart(tmp_path: Path, settings: Settings, act: Callable[..., Awaitable[object]]) -> Follower:
    """All events, after Ada's owner or Ada have acted on Ada's task as the first thing after a restart."""
    async with running(tmp_path, settings) as api:
        owner = await api.somebody()
        company = await owner.company()
        agent = await owner.agent(company, name="Ada")
        task = await owner.task(company, zugewiesenAn=agent["id"])
        itself = await owner.agent_api(agent)
    async with running(tmp_path, settings) as api:
        await act(api.with_token(owner.token), api.with_token(itself.token), f"/api/aufgaben/{task['id']}")
        async with api.session.ws_connect(f"{api.url}/ws?token={owner.token}") as socket:
            follower = Follower(socket)
            await socket.send_json({"type": "subscribe", "since": 0})
            last = (await follower.next())["seq"]
            while follower.seen[-1]["seq"] < last or follower.seen[-1]["type"] == "subscribed":
                await follower.next()
            return follower


async def test_what_an_agent_does_after_a_restart_bears_its_name(tmp_path: Path, settings: Settings) -> None:
    async def act(_owner: Api, itself: Api, path: str) -> None:
        comment = await itself.make(f"{path}/kommentare", {"inhalt": "I go on"})
        assert comment["autorName"] == "Ada"

    (*_, entry) = (await after_a_restart(tmp_path, settings, act)).seen
    assert (entry["data"]["aktion"], entry["data"]["akteurName"]) == ("task.commented", "Ada")


async def test_a_task_done_after_a_restart_names_its_agent(tmp_path: Path, settings: Settings) -> None:
    async def act(owner: Api, _itself: Api, path: str) -> None:
        await owner.patch(path, {"status": "done"})

    seen = (await after_a_restart(tmp_path, settings, act)).seen
    assert [event["data"]["agentName"] for event in seen if event["type"] == "task_completed"] == ["Ada"]


# By the clock


class TestAtALeasesEnd:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_task_updated_tells_that_the_task_is_free(
        self, owner: Api, follower: Follower, agent: Json, task: Json, clock: ManualClock
    ) -> None:
        await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], "leaseSek": 60})
        await clock.advance(60)
        assert (await told(follower, "task_updated"))["status"] == "todo"
        expired = await told(follower, "aktivitaet", aktion="task.lock_expired")
        assert (expired["akteurTyp"], expired["akteurId"], expired["entitaetId"]) == ("system", None, task["id"])
