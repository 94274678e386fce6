"""However a run ends, nothing stays behind: its lock is free, its agent is not `running`, it has a final status, and
the next task is worked on."""

import asyncio
import json
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.actors.agent import Agent
from opencognit.actors.company import Company
from opencognit.actors.persistent_actor import Look, PersistentActor
from opencognit.actors.task_lock import TaskLock
from opencognit.domain.agent import Agent as AgentState
from opencognit.domain.agent import AgentStatus, EndRun, HeartbeatEnded, ResumeAgent, TakeTask, Wake
from opencognit.domain.budget import ReserveBudget, SettleCost
from opencognit.domain.company import CompanyStatus, UpdateCompany
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.records import Unit
from opencognit.domain.run import TokenUsage
from opencognit.domain.task import Checkout, HandIn, Release, TaskStatus
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, Follower
from tests.conftest import quick_settings
from tests.server_process import ServerProcess

Json = dict[str, Any]

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "deferred"}


class FirstWaits:
    """A script: the first piece of work ends as a test says; all later work succeeds at once."""

    def __init__(self, worker: ScriptedProvider) -> None:
        self.begun = asyncio.Event()
        self.end: asyncio.Future[Outcome | BaseException] = asyncio.get_running_loop().create_future()
        worker.script = self

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if self.begun.is_set():
            return Outcome(result="done")
        self.begun.set()
        ended = await self.end
        if isinstance(ended, BaseException):
            raise ended
        return Outcome(status="todo") if toolbox.stopping() else ended


class Case:
    """A run under way, and who may end it."""

    def __init__(self, runtime: Runtime, owner: Api, worker: ScriptedProvider) -> None:
        self.runtime = runtime
        self.owner = owner
        self.first = FirstWaits(worker)

    async def begin(self) -> None:
        self.company = await self.owner.company()
        self.agent = await self.owner.agent(self.company, verbindungsTyp="scripted")
        self.colleague = await self.owner.agent(self.company, verbindungsTyp="scripted")
        self.task = await self.owner.task(self.company, zugewiesenAn=self.agent["id"])
        await asyncio.wait_for(self.first.begun.wait(), 5)
        heartbeat = self.runtime.system.runs.of_agent(self.agent["id"])
        assert heartbeat is not None
        self.run_id = heartbeat.run_id

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        ids = {"task": self.task["id"], "agent": self.agent["id"], "company": self.company["id"]}
        return await self.owner.call(method, "/api" + path.format(**ids), body)

    async def do(self, method: str, path: str, body: Any = None) -> None:
        answer = await self.call(method, path, body)
        assert answer.status == 200, answer

    def ends(self, how: Outcome | BaseException | None = None) -> None:
        self.first.end.set_result(how or Outcome(result="done"))

    async def is_over(self) -> None:
        """All heartbeats have ended, and what they told their agents at the end was handled."""
        while heartbeats := self.runtime.system.runs.all():
            await asyncio.wait_for(asyncio.gather(*(heartbeat.ended() for heartbeat in heartbeats)), 5)
            for heartbeat in heartbeats:
                await self.owner.patch(f"/api/experten/{heartbeat.agent_id}", {})

    async def statuses(self) -> tuple[Any, Any, Any]:
        """Of the first run, the task and the agent; 404 for what is gone."""
        run = await self.owner.get(f"/api/laeufe/{self.run_id}")
        task, agent = [await self.call("GET", path) for path in ("/aufgaben/{task}", "/experten/{agent}")]
        return run.json["status"], task.json["status"], agent.json["status"]

    async def assert_nothing_is_stuck(self) -> None:
        assert self.runtime.system.runs.all() == []
        task, agent = await self.call("GET", "/aufgaben/{task}"), await self.call("GET", "/experten/{agent}")
        if task.status == 200:
            lock = ("executionLockedBy", "executionRunId", "executionLockedAt", "executionLockExpiresAt")
            assert [task.json[field] for field in lock] == [None] * 4
        if agent.status == 200:
            assert agent.json["aktuelleAufgabeId"] is None
            runs = (await self.call("GET", "/experten/{agent}/laeufe")).json
            assert {run["status"] for run in runs} <= FINAL
            assert all(run["beendetAm"] for run in runs)

    async def assert_the_next_task_is_done(self) -> None:
        """By the same agent, or by a colleague if it is gone."""
        company, agent = self.company, self.agent
        if (await self.call("GET", "/unternehmen/{company}")).status == 404:
            company = await self.owner.company()
            agent = await self.owner.agent(company, verbindungsTyp="scripted")
        elif (await self.call("GET", "/experten/{agent}")).status == 404:
            agent = self.colleague
        await self.owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
        await self.owner.patch(f"/api/experten/{agent['id']}", {"verbindungsTyp": "scripted"})
        await self.owner.make(f"/api/experten/{agent['id']}/fortsetzen")
        task = await self.owner.task(company, zugewiesenAn=agent["id"])
        done = await self.runtime.finished(task["id"], within=5)
        assert (done.status, done.assignee_id) == ("done", agent["id"])


@pytest.fixture
async def case(runtime: Runtime, owner: Api, worker: ScriptedProvider) -> Case:
    case = Case(runtime, owner, worker)
    await case.begin()
    return case


# In the life of one process


async def succeeds(case: Case) -> None:
    case.ends()


async def fails(case: Case) -> None:
    case.ends(Outcome(error="No such file"))


async def crashes(case: Case) -> None:
    case.ends(RuntimeError("unexpected"))


async def exits(case: Case) -> None:
    case.ends(SystemExit("unexpected"))


async def cancels_itself(case: Case) -> None:
    case.ends(asyncio.CancelledError())


async def is_cancelled_by_the_board(case: Case) -> None:
    await case.do("POST", "/aufgaben/{task}/release", {"status": "cancelled"})


async def loses_its_lock(case: Case) -> None:
    await case.do("POST", "/aufgaben/{task}/release", {})


async def loses_its_lock_to_a_colleague(case: Case) -> None:
    await case.do("POST", "/experten/{agent}/pausieren")
    await case.do("POST", "/aufgaben/{task}/release", {})
    await case.do("PATCH", "/aufgaben/{task}", {"zugewiesenAn": case.colleague["id"]})
    await case.runtime.finished(case.task["id"], within=5)


async def has_its_task_deleted(case: Case) -> None:
    await case.do("DELETE", "/aufgaben/{task}")


async def has_its_task_patched(case: Case) -> None:
    for change in ({"status": "cancelled"}, {"zugewiesenAn": case.colleague["id"]}):
        answer = await case.call("PATCH", "/aufgaben/{task}", change)
        assert (answer.status, answer.json["code"]) == (409, "LOCKED")
    case.ends()


async def has_its_agent_paused(case: Case) -> None:
    await case.do("POST", "/experten/{agent}/pausieren")
    case.ends()


async def has_its_agent_paused_and_its_work_fails(case: Case) -> None:
    await case.do("POST", "/experten/{agent}/pausieren")
    case.ends(RuntimeError("unexpected"))


async def has_its_agent_paused_and_its_task_deleted(case: Case) -> None:
    await case.do("POST", "/experten/{agent}/pausieren")
    await case.do("DELETE", "/aufgaben/{task}")


async def has_its_agent_paused_and_resumed(case: Case) -> None:
    await case.do("POST", "/experten/{agent}/pausieren")
    await case.do("POST", "/experten/{agent}/fortsetzen")
    case.ends()


async def has_its_agent_deleted(case: Case) -> None:
    await case.do("DELETE", "/experten/{agent}")


async def has_its_agent_deleted_as_it_ends(case: Case) -> None:
    case.ends()
    await case.do("DELETE", "/experten/{agent}")


async def has_its_adapter_taken_away(case: Case) -> None:
    await case.do("PATCH", "/experten/{agent}", {"verbindungsTyp": None})
    case.ends()


async def has_its_company_paused(case: Case) -> None:
    await case.do("PATCH", "/unternehmen/{company}", {"status": "paused"})
    case.ends()


async def has_its_company_deleted(case: Case) -> None:
    await case.do("DELETE", "/unternehmen/{company}")


@pytest.mark.parametrize(
    ("it", "run", "task", "agent"),
    [
        (succeeds, "succeeded", "done", "idle"),
        (fails, "failed", "todo", "idle"),
        (crashes, "failed", "todo", "idle"),
        (exits, "failed", "todo", "idle"),
        (cancels_itself, "cancelled", "done", "idle"),
        (is_cancelled_by_the_board, "cancelled", "cancelled", "idle"),
        (loses_its_lock, "cancelled", "done", "idle"),
        (loses_its_lock_to_a_colleague, "cancelled", "done", "paused"),
        (has_its_task_deleted, "cancelled", 404, "idle"),
        (has_its_task_patched, "succeeded", "done", "idle"),
        (has_its_agent_paused, "succeeded", "todo", "paused"),
        (has_its_agent_paused_and_its_work_fails, "failed", "todo", "paused"),
        (has_its_agent_paused_and_its_task_deleted, "cancelled", 404, "paused"),
        (has_its_agent_paused_and_resumed, "succeeded", "done", "idle"),
        (has_its_agent_deleted, "cancelled", "todo", 404),
        (has_its_adapter_taken_away, "succeeded", "done", "idle"),
        (has_its_company_paused, "succeeded", "todo", "idle"),
        (has_its_company_deleted, 404, 404, 404),
    ],
)
async def test_nothing_is_stuck_after_a_run_that(
    case: Case, it: Callable[[Case], Awaitable[None]], run: Any, task: Any, agent: Any
) -> None:
    await it(case)
    await case.is_over()
    assert await case.statuses() == (run, task, agent)
    await case.assert_nothing_is_stuck()
    await case.assert_the_next_task_is_done()


async def test_nothing_is_stuck_after_a_run_that_has_its_agent_deleted_as_it_ends(case: Case) -> None:
    await has_its_agent_deleted_as_it_ends(case)
    await case.is_over()
    run, task, agent = await case.statuses()
    assert (run, task) in (("succeeded", "done"), ("cancelled", "todo"))
    assert agent == 404
    await case.assert_nothing_is_stuck()
    await case.assert_the_next_task_is_done()


class TestTimeLimit:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"run_time_limit_seconds": 0.2})

    async def test_nothing_is_stuck_after_a_run_that_takes_too_long(self, case: Case) -> None:
        await case.is_over()
        assert await case.statuses() == ("timed_out", "todo", "idle")
        await case.assert_nothing_is_stuck()
        await case.assert_the_next_task_is_done()


# Actors that fail in the middle


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("actor", "message"),
    [
        (Agent, Wake),
        (Agent, TakeTask),
        (Company, ReserveBudget),
        (Agent, ReserveBudget),
        (Agent, SettleCost),
        (Company, SettleCost),
        (Agent, EndRun),
        (Agent, HeartbeatEnded),
        (TaskLock, Checkout),
        (TaskLock, HandIn),
    ],
)
async def test_nothing_is_stuck_after_an_actor_has_failed(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime, owner: Api, worker: ScriptedProvider, follow: Any,
    *, actor: type[PersistentActor[Any]], message: type, moment: str,
) -> None:  # fmt: skip
    handler, failed = actor._handlers[message], asyncio.Event()

    async def failing(one: PersistentActor[Any], message: Any) -> Any:
        is_first, reply = not failed.is_set(), None
        if is_first and moment == "before":
            failed.set()
            raise ValueError("injected")
        reply = await handler(one, message)
        if is_first:
            failed.set()
            raise ValueError("injected")
        return reply

    async def costly(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        return Outcome(result="done", usage=TokenUsage(input_tokens=1))

    monkeypatch.setitem(actor._handlers, message, failing)
    worker.script = costly
    case, follower = Case(runtime, owner, ScriptedProvider()), await follow(owner)
    case.company = await owner.company()
    case.agent = await owner.agent(case.company, verbindungsTyp="scripted")
    case.task = await owner.task(case.company, zugewiesenAn=case.agent["id"])
    await asyncio.wait_for(failed.wait(), 5)
    done = await runtime.finished(case.task["id"], within=5)
    assert done.status == "done"
    await case.assert_the_next_task_is_done()
    await case.is_over()
    await case.assert_nothing_is_stuck()
    await assert_each_run_ends_once(case, follower)


async def assert_each_run_ends_once(case: Case, follower: Follower) -> None:
    last = await case.owner.task(case.company)
    await follower.until("task_created", taskId=last["id"])
    finished = [event["data"] for event in follower.seen if event["type"] == "run_finished"]
    runs = (await case.call("GET", "/experten/{agent}/laeufe")).json
    assert Counter(event["runId"] for event in finished) == Counter(run["id"] for run in runs)
    assert {event["runId"]: event["status"] for event in finished} == {run["id"]: run["status"] for run in runs}


async def test_nothing_is_stuck_after_a_lock_was_lost_before_the_work_began(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime, owner: Api, worker: ScriptedProvider
) -> None:
    take, lost = Agent._handlers[TakeTask], asyncio.Event()

    async def losing(one: Agent, message: Any) -> Any:
        run = await take(one, message)
        if not lost.is_set():
            lost.set()
            await runtime.ask(TASK_LOCK, run.task_id, Release(status=TaskStatus.CANCELLED))
        return run

    monkeypatch.setitem(Agent._handlers, TakeTask, losing)
    case = Case(runtime, owner, worker)
    case.company = await owner.company()
    case.agent = await owner.agent(case.company, verbindungsTyp="scripted")
    case.task = await owner.task(case.company, zugewiesenAn=case.agent["id"])
    await asyncio.wait_for(lost.wait(), 5)
    await case.is_over()
    assert not case.first.begun.is_set()
    await case.assert_nothing_is_stuck()
    case.ends()
    await case.assert_the_next_task_is_done()


# Servers that are stopped, and servers that are killed


class Office:
    """A runtime on a folder, with a server, that can be stopped and started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.worker = ScriptedProvider()

    def runtime(self) -> Runtime:
        return Runtime(self.data, settings=quick_settings(), providers={"scripted": self.worker})


@pytest.mark.parametrize("ending", [None, is_cancelled_by_the_board, has_its_agent_paused_and_resumed])
async def test_nothing_is_stuck_after_the_server_was_stopped_while_a_run_worked(
    tmp_path: Path, ending: Callable[[Case], Awaitable[None]] | None
) -> None:
    office = Office(tmp_path)
    async with aiohttp.ClientSession() as session:
        async with office.runtime() as runtime, listening(runtime, host="127.0.0.1", port=0) as url:
            owner = await Api(session, url).somebody()
            case = Case(runtime, owner, office.worker)
            await case.begin()
            if ending is not None:
                await ending(case)
        async with office.runtime() as runtime, listening(runtime, host="127.0.0.1", port=0) as url:
            case.runtime, case.owner = runtime, Api(session, url, owner.token)
            await runtime.finished(case.task["id"], within=5)
            await case.assert_the_next_task_is_done()
            await case.is_over()
            await case.assert_nothing_is_stuck()


class Copies:
    """What a crash would leave: a copy of the data folder after each commit."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self._data = runtime.data
        self._folder = folder
        self._commit = runtime.store.commit
        self.made: list[Path] = []
        runtime.store.commit = self._committing  # type: ignore[method-assign, assignment]

    async def _committing(self, unit: Unit) -> None:
        await self._commit(unit)
        copy = self._folder / f"copy-{len(self.made)}"
        # Without the index of the log: it belongs to the processes that have the database open.
        shutil.copytree(self._data, copy, ignore=shutil.ignore_patterns("*-shm", "lock"))
        self.made.append(copy)


@pytest.mark.parametrize(
    "ending",
    [succeeds, fails, loses_its_lock, has_its_task_deleted, has_its_agent_paused, has_its_agent_deleted,
     has_its_company_paused, has_its_company_deleted, has_its_agent_paused_and_its_task_deleted],
)  # fmt: skip
async def test_nothing_is_stuck_after_the_server_was_killed_between_any_two_commits_of_a_run_that(
    tmp_path: Path, runtime: Runtime, owner: Api, worker: ScriptedProvider, ending: Callable[[Case], Awaitable[None]]
) -> None:
    copies = Copies(runtime, tmp_path)
    case = Case(runtime, owner, worker)
    await case.begin()
    await ending(case)
    await case.is_over()
    # Before the task was created, there was nothing that could be stuck.
    since = next(number for number, copy in enumerate(copies.made) if rows(copy, "SELECT id FROM tasks"))
    assert len(copies.made) - since >= 5
    for copy in copies.made[since:]:
        await check_a_crashed_server(copy, case)


async def check_a_crashed_server(data: Path, case: Case) -> None:
    """Start on what a crash has left, wait until each run has its end, and see that work goes on."""
    left = unfinished_runs(data)
    async with Office(data).runtime() as runtime:
        await asyncio.wait_for(each_run_has_ended(runtime, left), 5)
        if await runtime.company(case.company["id"]) is None:
            return
        await runtime.ask(COMPANY, case.company["id"], UpdateCompany(status=CompanyStatus.ACTIVE))
        agent = await working_agent(runtime, case)
        task = await runtime.create_task(agent.company_id, title="Next", assignee_id=agent.id)
        await runtime.finished(task.id, within=5)
        while heartbeats := runtime.system.runs.all():
            await asyncio.wait_for(asyncio.gather(*(heartbeat.ended() for heartbeat in heartbeats)), 5)
        for agent_id in {agent.id, case.agent["id"]}:
            now = await runtime.ask(AGENT, agent_id, Look())
            assert isinstance(now, AgentState)
            assert (now.current_task_id, now.status) in ((None, "idle"), (None, "terminated"))
        found = await runtime.task(case.task["id"])
        assert found is None or (found.locked_by, found.lock_run_id, found.lock_expires_at) == (None, None, None)
        if found is not None and found.assignee_id is not None:
            assert found.status == "done" or found.next_attempt_at is not None
    assert unfinished_runs(data) == set()


async def working_agent(runtime: Runtime, case: Case) -> AgentState:
    """The agent of the case, or another one if it was deleted."""
    agent = await runtime.agent(case.agent["id"])
    assert agent is not None
    if agent.status is AgentStatus.TERMINATED:
        return await runtime.create_agent(agent.company_id, name="Eve", role="Engineer", adapter="scripted")
    return await runtime.ask(AGENT, agent.id, ResumeAgent())


def unfinished_runs(data: Path) -> set[str]:
    return rows(data, "SELECT id FROM runs WHERE ended_at IS NULL")


def rows(data: Path, question: str) -> set[str]:
    with closing(sqlite3.connect(data / "opencognit.db")) as database:
        return {first for (first,) in database.execute(question)}


async def each_run_has_ended(runtime: Runtime, left: set[str]) -> None:
    if not left:
        return
    async with aclosing(runtime.events(since=0)) as events:
        async for event in events:
            if event.type == "run_finished":
                left.discard(msgspec.json.decode(event.data)["runId"])
                if not left:
                    return


async def test_nothing_is_stuck_after_kill_9_while_a_run_works(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def work(request: web.Request) -> web.Response:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return web.json_response({"ergebnis": "done"})

    app = web.Application()
    app.router.add_post("/work", work)
    async with TestServer(app, host="127.0.0.1") as service, aiohttp.ClientSession() as session:
        allowed = json.dumps([f"127.0.0.1:{service.port}"])
        async with ServerProcess(tmp_path, OPENCOGNIT_AGENTS__HTTP_ALLOWED_ADDRESSES=allowed) as server:
            owner = await Api(session, server.url).somebody()
            config = {"verbindungsTyp": "http", "verbindungsConfig": {"url": str(service.make_url("/work"))}}
            company = await owner.company()
            agent = await owner.agent(company, **config)
            task = await owner.task(company, zugewiesenAn=agent["id"])
            await asyncio.wait_for(asked.wait(), 10)
            await server.end(signal.SIGKILL)
            await server.start()
            socket = await session.ws_connect(f"{server.url}/ws?token={owner.token}")
            follower = Follower(socket)
            await socket.send_json({"type": "subscribe", "since": 0})
            done = await follower.until("task_completed", taskId=task["id"])
            await follower.until("agent_status", after=done, expertId=agent["id"], status="idle")
            runs = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
            assert [run["status"] for run in runs] == ["succeeded", "failed"]
            assert (await owner.get(f"/api/experten/{agent['id']}")).json["aktuelleAufgabeId"] is None
            await socket.close()
