"""A company that is stopped at once, and tasks that wait for a time."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.http.working import task_of

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]


class Hanging:
    """A script that hangs until it is cut off, and then works.

    Attributes:
        busy: counts those that hang.
        works: whether it works.
    """

    def __init__(self, worker: ScriptedProvider) -> None:
        self.busy = asyncio.Semaphore(0)
        self.works = False
        worker.script = self

    async def __call__(self, order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        if not self.works:
            self.busy.release()
            await asyncio.Event().wait()
        return Outcome(result=f"{order.title}: done")


class TestAnEmergencyStop:
    async def test_it_cuts_off_every_run_and_nothing_new_begins_until_the_company_is_active_again(
        self, owner: Api, company: Json, follower: Follower, worker: ScriptedProvider
    ) -> None:
        hanging = Hanging(worker)
        agents = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(2)]
        tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for agent in agents]
        for _ in tasks:
            await hanging.busy.acquire()

        stopped = await owner.make(f"/api/unternehmen/{company['id']}/notaus")
        assert (stopped["status"], stopped["pausiertVon"]) == ("paused", "board")
        for _ in tasks:
            await follower.until("run_finished", status="cancelled")
        assert {(await task_of(owner, task))["status"] for task in tasks} == {"todo"}
        await owner.make(f"/api/experten/{agents[0]['id']}/wakeup")
        assert len(worker.orders) == 2

        hanging.works = True
        await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
        for _ in tasks:
            await follower.until("task_completed")

    async def test_other_companies_go_on(self, owner: Api, follower: Follower, worker: ScriptedProvider) -> None:
        hanging = Hanging(worker)
        companies = [await owner.company() for _ in range(2)]
        agents = [await owner.agent(company, verbindungsTyp="scripted") for company in companies]
        for company, agent in zip(companies, agents, strict=True):
            await owner.task(company, zugewiesenAn=agent["id"])
            await hanging.busy.acquire()
        await owner.make(f"/api/unternehmen/{companies[0]['id']}/notaus")
        await follower.until("run_finished", expertId=agents[0]["id"], status="cancelled")
        assert (await owner.get(f"/api/experten/{agents[1]['id']}")).json["status"] == "running"
        assert (await owner.get(f"/api/unternehmen/{companies[1]['id']}")).json["status"] == "active"

    async def test_it_may_be_pressed_twice_and_an_archived_company_stays_archived(
        self, owner: Api, company: Json
    ) -> None:
        for _ in range(2):
            assert (await owner.make(f"/api/unternehmen/{company['id']}/notaus"))["status"] == "paused"
        await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "archived"})
        assert (await owner.make(f"/api/unternehmen/{company['id']}/notaus"))["status"] == "archived"


class TestStubbornCommands:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(agents={"bash_enabled": True})

    async def test_a_command_that_does_not_want_to_end_is_killed(
        self, owner: Api, company: Json, runtime: Runtime, follower: Follower
    ) -> None:
        command = "trap '' TERM; echo $$ > begun; while true; do sleep 600; done"
        agent = await owner.agent(company, verbindungsTyp="bash", verbindungsConfig={"befehl": command})
        begun: Path = runtime.data / "agents" / company["id"] / agent["id"] / "begun"
        begun.parent.mkdir(parents=True)
        os.mkfifo(begun)
        await owner.task(company, zugewiesenAn=agent["id"])
        await asyncio.to_thread(begun.read_text)
        await owner.make(f"/api/unternehmen/{company['id']}/notaus")
        run = await follower.until("run_finished", status="cancelled")
        assert await asyncio.to_thread(processes_of, run["data"]["runId"]) == []


def processes_of(run_id: str) -> list[Path]:
    """Those that have the run's id in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if run_id in path.read_text(errors="replace"):
                found.append(path)
    return found


class TestATaskThatWaitsForATime:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def agent(self, owner: Api, company: Json) -> Json:
        return await owner.agent(company, verbindungsTyp="scripted")

    async def test_nobody_takes_it_before_and_its_agent_takes_it_then(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"], nichtVor="2026-04-05T12:00:00Z")
        other = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("task_completed", taskId=other["id"])
        refused = await owner.post(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
        assert_error(refused, 409, "BLOCKED")
        assert refused.json["details"]["nichtVor"] == task["nichtVor"] == "2026-04-05T12:00:00.000Z"
        await clock.advance(2 * 3600 - 1)
        assert (await task_of(owner, task))["status"] == "todo"
        await clock.advance(1)
        await follower.until("task_completed", taskId=task["id"])
        assert (await task_of(owner, task))["nichtVor"] is None

    async def test_the_time_can_be_changed_and_taken_away(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"], nichtVor="2026-04-06")
        later = await owner.patch(f"/api/aufgaben/{task['id']}", {"nichtVor": "2027-01-01"})
        assert later.json["nichtVor"] == "2027-01-01T00:00:00.000Z"
        await owner.patch(f"/api/aufgaben/{task['id']}", {"nichtVor": None})
        await follower.until("task_completed", taskId=task["id"])

    async def test_a_time_that_has_passed_is_none(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"], nichtVor="2026-04-05T09:59:59Z")
        await follower.until("task_completed", taskId=task["id"])

    async def test_it_waits_over_a_restart(self, tmp_path: Path, worker: ScriptedProvider) -> None:
        clock = ManualClock()
        async with Runtime(tmp_path / "own", clock=clock, providers={"scripted": worker}) as runtime:
            company = await runtime.create_company(name="Acme")
            agent = await runtime.create_agent(company.id, name="Ada", role="R", adapter="scripted")
            task = await runtime.create_task(
                company.id, title="Later", assignee_id=agent.id, not_before="2026-04-05T12:00:00Z"
            )
        async with Runtime(tmp_path / "own", clock=clock, providers={"scripted": worker}) as runtime:
            await clock.advance(3600)
            assert worker.orders == []
            events = runtime.events(since=0)
            await clock.advance(3600)
            async for event in events:
                if event.type == "task_completed":
                    break
            found = await runtime.task(task.id)
            assert found is not None
            assert found.status == "done"

    @pytest.mark.parametrize("bad", ["tomorrow", 5, "2026-13-01"])
    async def test_what_is_no_time_is_refused(self, owner: Api, company: Json, bad: object) -> None:
        answer = await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "T", "nichtVor": bad})
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert answer.json["details"][0]["feld"] == "nichtVor"
