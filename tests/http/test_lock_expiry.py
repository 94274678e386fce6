"""Leases that run out: in time, over a restart, and never twice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company)


@pytest.fixture
async def task(owner: Api, company: Json) -> Json:
    return await owner.task(company)


async def taken(api: Api, task: Json, agent: Json, **fields: Any) -> Json:
    return dict(await api.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], **fields}))


async def read(api: Api, task: Json) -> Json:
    return dict((await api.get(f"/api/aufgaben/{task['id']}")).json)


async def test_a_lease_that_runs_out_frees_the_task_at_its_time(
    owner: Api, company: Json, task: Json, ada: Json, *, clock: ManualClock, follow: Follow
) -> None:
    stream = await follow(owner)
    granted = await taken(owner, task, ada, leaseSek=60)
    await clock.advance(59)
    assert await read(owner, task) == granted
    await clock.advance(1)
    await stream.until("task_updated", taskId=task["id"], status="todo")
    freed = await read(owner, task)
    assert (freed["status"], freed["executionLockedBy"], freed["executionToken"]) == ("todo", None, 1)
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    assert feed[0]["aktion"] == "task.lock_expired"


async def test_a_renewed_lease_runs_from_its_renewal(owner: Api, task: Json, ada: Json, clock: ManualClock) -> None:
    await taken(owner, task, ada, runId="mine", leaseSek=60)
    await clock.advance(50)
    await taken(owner, task, ada, runId="mine", leaseSek=60)
    await clock.advance(50)
    assert (await read(owner, task))["executionLockedBy"] == ada["id"]


async def test_after_its_lease_the_old_holder_is_refused(owner: Api, task: Json, ada: Json, clock: ManualClock) -> None:
    late = await taken(owner, task, ada, runId="late", leaseSek=60)
    await clock.advance(60)
    await taken(owner, task, ada, runId="next")
    answer = await owner.post(
        f"/api/aufgaben/{task['id']}/release",
        {"expertId": ada["id"], "runId": "late", "executionToken": late["executionToken"], "status": "done"},
    )
    assert_error(answer, 409, "STALE_TOKEN")
    assert (await read(owner, task))["executionRunId"] == "next"


async def test_an_agent_with_an_adapter_takes_a_task_whose_lease_has_run_out(
    owner: Api, company: Json, worker: ScriptedProvider, *, clock: ManualClock, follow: Follow
) -> None:
    stream = await follow(owner)
    agent = await owner.agent(company, verbindungsTyp="scripted")
    task = await owner.task(company)
    await taken(owner, task, agent, runId="outside", leaseSek=60)
    assert worker.orders == []
    await clock.advance(60)
    await stream.until("task_completed", taskId=task["id"])
    assert (await read(owner, task))["executionToken"] == 2


# Restarts


@asynccontextmanager
async def served(data: Path, settings: Settings, clock: ManualClock) -> AsyncIterator[str]:
    async with (
        Runtime(data, settings=settings, clock=clock) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
    ):
        yield url


@pytest.mark.parametrize(("pause", "status"), [(59, "in_progress"), (61, "todo")])
async def test_a_lease_goes_on_while_the_server_is_down(
    tmp_path: Path, settings: Settings, pause: int, status: str
) -> None:
    clock = ManualClock()
    async with aiohttp.ClientSession() as session:
        async with served(tmp_path, settings, clock) as url:
            owner = await Api(session, url).somebody()
            company = await owner.company()
            agent, task = await owner.agent(company), await owner.task(company)
            await taken(owner, task, agent, leaseSek=60)
        await clock.advance(pause)
        async with served(tmp_path, settings, clock) as url:
            owner = Api(session, url, owner.token)
            stream = await owner.session.ws_connect(f"{url}/ws?token={owner.token}")
            await stream.send_json({"type": "subscribe", "since": 0})
            while status == "todo" and "task.lock_expired" not in (await stream.receive_str(timeout=5)):
                pass
            await stream.close()
            assert (await read(owner, task))["status"] == status


async def test_tokens_rise_over_a_restart(tmp_path: Path, settings: Settings) -> None:
    clock, tokens, token = ManualClock(), [], None
    task: Json = {}
    agent: Json = {}
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with served(tmp_path, settings, clock) as url:
                owner = Api(session, url, token)
                if token is None:
                    owner = await owner.somebody()
                    token = owner.token
                    company = await owner.company()
                    agent, task = await owner.agent(company), await owner.task(company)
                tokens.append((await taken(owner, task, agent))["executionToken"])
                await owner.make(f"/api/aufgaben/{task['id']}/release", {})
    assert tokens == [1, 2, 3]
