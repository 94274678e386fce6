"""How the server is: health, readiness, its figures, and how it drains."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, assert_error

Json = dict[str, Any]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(datetime(2026, 4, 5, 23, 50, tzinfo=UTC))


async def test_a_healthy_server_says_so_to_anyone(nobody: Api) -> None:
    answer = await nobody.get("/api/health")
    assert (answer.status, answer.json) == (200, {"status": "UP", "timestamp": "2026-04-05T23:50:00.000Z"})
    assert (await nobody.get("/api/system/ready")).json == {"ready": True}


async def test_a_draining_server_says_so_and_takes_no_writes(nobody: Api, owner: Api, runtime: Runtime) -> None:
    company = await owner.company()
    runtime.draining = True
    answer = await nobody.get("/api/health")
    assert (answer.status, answer.json["status"]) == (503, "DRAINING")
    for refused in (await nobody.get("/api/system/ready"), await owner.post("/api/unternehmen", {"name": "New"})):
        assert_error(refused, 503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) > 0
    assert (await owner.get(f"/api/unternehmen/{company['id']}")).json == company


async def figures(nobody: Api) -> Json:
    return dict((await nobody.get("/api/system/status")).json)


async def test_the_figures_count_agents_tasks_and_todays_runs(
    nobody: Api, owner: Api, worker: ScriptedProvider, *, clock: ManualClock, follow: Any
) -> None:
    assert await figures(nobody) == {"aktiveAgenten": 0, "offeneAufgaben": 0, "heartbeatsHeute": 0}
    company = await owner.company()
    stream = await follow(owner)
    agents = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(3)]
    await owner.make(f"/api/experten/{agents[2]['id']}/pausieren")
    done = await owner.task(company, zugewiesenAn=agents[0]["id"])
    await stream.until("run_finished", aufgabeId=done["id"])
    await owner.task(company)
    assert await figures(nobody) == {"aktiveAgenten": 2, "offeneAufgaben": 1, "heartbeatsHeute": 1}
    await clock.advance(timedelta(minutes=20).total_seconds())
    assert (await figures(nobody))["heartbeatsHeute"] == 0
    assert len(worker.orders) == 1


async def test_the_figures_are_the_same_after_a_restart(nobody: Api, owner: Api, runtime: Runtime) -> None:
    company = await owner.company()
    for _ in range(3):
        await owner.task(company)
    await owner.agent(company)
    before = await runtime.status()
    await runtime.stop()
    async with Runtime(runtime.data, settings=runtime.settings, clock=ManualClock()) as again:
        assert await again.status() == before


@pytest.mark.parametrize("path", ["/api/health", "/api/system/ready", "/api/system/status"])
async def test_every_answer_bears_its_request_and_is_kept_by_nobody(nobody: Api, path: str) -> None:
    first, second = await nobody.get(path), await nobody.get(path)
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
