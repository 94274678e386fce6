"""P7: work that was cut off in the middle, and may have been done, is not done again unless someone says so."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.adapter import Abilities
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.working import approvals_of, comments_of, task_of

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]
Restart = Callable[..., Awaitable[Api]]

NOON = datetime(2026, 4, 5, 12, tzinfo=UTC)
NEXT_DAY = datetime(2026, 4, 6, 12, tzinfo=UTC)


class Worker(ScriptedProvider):
    """An adapter whose work may not be repeated; the first piece hangs.

    Attributes:
        busy: set while a piece hangs.
    """

    abilities = Abilities(tools=True, streaming=True, cost_known=True, repeatable=False)

    def __init__(self) -> None:
        super().__init__(self.hang_once)
        self.busy = asyncio.Event()

    async def hang_once(self, order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        if len(self.orders) == 1:
            await self.hang()
        return Outcome(result=f"{order.title}: done")

    async def hang(self) -> None:
        self.busy.set()
        await asyncio.Event().wait()


@pytest.fixture
def settings() -> Settings:
    return quick_settings(agents={"bash_enabled": True}, server={"grace_seconds": 0.1})


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
async def crash(tmp_path: Path, settings: Settings, worker: Worker, owner: Api) -> AsyncIterator[Restart]:
    """Go on as after a `kill -9`, at a certain time: on the files as they are now, with nothing said to the agents."""
    async with AsyncExitStack() as stack:

        async def restart(at: datetime = NOON) -> Api:
            folder = tmp_path / f"copy-{at:%d}"
            await asyncio.to_thread(shutil.copytree, tmp_path / "data", folder, ignore=shutil.ignore_patterns("agents"))
            return await stack.enter_async_context(serving(folder, settings, worker, owner, at))

        yield restart


@asynccontextmanager
async def serving(
    folder: Path, settings: Settings, worker: ScriptedProvider, owner: Api, at: datetime
) -> AsyncIterator[Api]:
    providers = {"scripted": worker}
    async with (
        Runtime(folder, settings=settings, clock=ManualClock(at), providers=providers) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
    ):
        yield Api(owner.session, url, owner.token)


async def the_question(api: Api, company: Json, follow: Follow) -> Json:
    """What the board is asked about the interrupted task."""
    stream = await follow(api, since=0)
    await stream.until("approval_needed")
    [approval] = await approvals_of(api, company)
    return approval


async def decided(api: Api, approval: Json, how: str, follow: Follow) -> None:
    """Decide, and wait until what follows from it is done."""
    stream = await follow(api)
    await api.make(f"/api/genehmigungen/{approval['id']}/{how}")
    while (await api.get(f"/api/genehmigungen/{approval['id']}")).json["folgenOffen"]:
        await stream.next()


class TestAfterACrash:
    async def test_the_task_is_blocked_and_the_board_is_asked(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, titel="Pay the bill", zugewiesenAn=agent["id"])
        await worker.busy.wait()
        [run] = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
        [effect] = run["wirkungen"]
        assert effect["beschreibung"] == "“Pay the bill”, by the adapter scripted"
        assert effect["ergebnis"] is None

        api = await crash()
        approval = await the_question(api, company, follow)
        assert approval["titel"] == "“Pay the bill” was interrupted"
        assert "nobody knows what came of this" in approval["beschreibung"]
        assert effect["beschreibung"] in approval["beschreibung"]
        blocked = await task_of(api, task)
        assert (blocked["status"], blocked["executionLockedBy"]) == ("blocked", None)
        assert blocked["eskalation"]["grund"] == "interrupted"
        assert len(worker.orders) == 1

    async def test_with_a_yes_it_is_done_again_and_the_agent_knows_what_it_had_begun(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, titel="Pay the bill", zugewiesenAn=agent["id"])
        await worker.busy.wait()
        api = await crash()
        await decided(api, await the_question(api, company, follow), "genehmigen", follow)
        await (await follow(api, since=0)).until("task_completed", taskId=task["id"])
        [_, again] = worker.orders
        [known] = again.effects
        assert "“Pay the bill”, by the adapter scripted\nNobody knows what came of it." in known

    async def test_with_a_no_it_stays_as_it_is(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await worker.busy.wait()
        api = await crash()
        await decided(api, await the_question(api, company, follow), "ablehnen", follow)
        assert (await task_of(api, task))["status"] == "blocked"
        assert len(worker.orders) == 1
        # What it is, the board says itself.
        await api.patch(f"/api/aufgaben/{task['id']}", {"status": "done"})
        assert (await task_of(api, task))["status"] == "done"

    async def test_the_answer_to_another_question_does_not_start_it_again(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        path = f"/api/unternehmen/{company['id']}/genehmigungen"
        other = await owner.make(path, {"titel": "A holiday?", "payload": {"aufgabeId": task["id"]}})
        await worker.busy.wait()
        api = await crash()
        await (await follow(api, since=0)).until("task_updated", taskId=task["id"], status="blocked")
        await decided(api, other, "genehmigen", follow)
        assert (await task_of(api, task))["status"] == "blocked"
        assert len(worker.orders) == 1

    async def test_a_lease_that_ran_out_meanwhile_makes_no_difference(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await worker.busy.wait()
        api = await crash(NEXT_DAY)
        await the_question(api, company, follow)
        assert (await task_of(api, task))["status"] == "blocked"
        assert len(worker.orders) == 1

    async def test_work_that_is_said_to_be_repeatable_is_done_again(
        self, owner: Api, company: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        config = {"wiederholbar": True}
        agent = await owner.agent(company, verbindungsTyp="scripted", verbindungsConfig=config)
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await worker.busy.wait()
        api = await crash()
        await (await follow(api, since=0)).until("task_completed", taskId=task["id"])
        assert await approvals_of(api, company) == []
        assert len(worker.orders) == 2

    async def test_a_message_is_not_answered_again_and_its_writer_is_told(
        self, owner: Api, company: Json, agent: Json, *, worker: Worker, crash: Restart, follow: Follow
    ) -> None:
        path = f"/api/unternehmen/{company['id']}/chat"
        await owner.make(path, {"nachricht": "Pay the bill", "empfaengerId": agent["id"]})
        await worker.busy.wait()
        api = await crash()
        told = await (await follow(api, since=0)).until("chat_message", absenderTyp="system")
        assert told["data"]["nachricht"].startswith(
            "This could not be answered: It was interrupted, and nobody knows what came of this"
        )
        assert (await api.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 0
        assert len(worker.orders) == 1


class TestAfterAStop:
    async def test_work_that_was_cut_off_is_a_persons_to_judge(
        self, settings: Settings, tmp_path: Path, follow: Follow, nobody: Api
    ) -> None:
        worker, folder = Worker(), tmp_path / "stopped"
        async with serving(folder, settings, worker, nobody, NOON) as api:
            admin = await api.somebody()
            company = await admin.company()
            agent = await admin.agent(company, verbindungsTyp="scripted")
            task = await admin.task(company, zugewiesenAn=agent["id"])
            await worker.busy.wait()
        async with serving(folder, settings, worker, admin, NOON) as api:
            approval = await the_question(api, company, follow)
            assert approval["titel"].endswith("was interrupted")
            assert (await task_of(api, task))["status"] == "blocked"
            assert len(worker.orders) == 1

    async def test_work_that_ends_within_the_grace_is_done(self, tmp_path: Path, nobody: Api) -> None:
        worker, folder = Worker(), tmp_path / "stopped"
        patient = quick_settings(server={"grace_seconds": 60})

        async def work(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            worker.busy.set()
            while not toolbox.stopping():  # noqa: ASYNC110 - that is how an adapter learns it
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            return Outcome(result=f"{order.title}: done")

        worker.script = work
        async with AsyncExitStack() as stack:
            api = await stack.enter_async_context(serving(folder, patient, worker, nobody, NOON))
            admin = await api.somebody()
            company = await admin.company()
            agent = await admin.agent(company, verbindungsTyp="scripted")
            task = await admin.task(company, zugewiesenAn=agent["id"])
            await worker.busy.wait()
        async with serving(folder, patient, worker, admin, NOON) as api:
            assert (await task_of(api, task))["status"] == "done"
            assert await approvals_of(api, company) == []


class Commander(ScriptedProvider):
    """A model that has some commands run and then hangs, the first time.

    Attributes:
        busy: set while it hangs.
    """

    def __init__(self, *commands: str, repeatable: bool = False) -> None:
        super().__init__(self.work_once)
        self.commands = commands
        self.repeatable = repeatable
        self.busy = asyncio.Event()

    async def work_once(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if len(self.orders) == 1:
            for command in self.commands:
                await toolbox.run_command(command, repeatable=self.repeatable)
            self.busy.set()
            await asyncio.Event().wait()
        return Outcome(result=f"{order.title}: done")


class TestCommandsOfAModel:
    @pytest.fixture
    def worker(self) -> Commander:
        return Commander("echo paid", "exit 3")

    async def test_those_that_have_ended_are_known_to_the_next_run(
        self, owner: Api, company: Json, agent: Json, *, worker: Commander, crash: Restart, follow: Follow
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await worker.busy.wait()
        api = await crash()
        await (await follow(api, since=0)).until("task_completed", taskId=task["id"])
        assert [effect.partition(" ")[2] for effect in worker.orders[1].effects] == [
            "Command: echo paid\npaid\nThe command ended well",
            "Command: exit 3\nThe command ended with status 3",
        ]
        assert await comments_of(api, task) == [f"{task['titel']}: done"]

    @pytest.fixture
    def begun(self, runtime: Runtime, company: Json, agent: Json) -> Path:
        """A pipe in the agent's workspace: whoever reads it waits until a command writes to it."""
        pipe = runtime.data / "agents" / company["id"] / agent["id"] / "begun"
        pipe.parent.mkdir(parents=True)
        os.mkfifo(pipe)
        return pipe

    async def test_one_that_was_cut_off_is_a_persons_to_judge(
        self,
        owner: Api,
        company: Json,
        agent: Json,
        *,
        begun: Path,
        worker: Commander,
        crash: Restart,
        follow: Follow,
    ) -> None:
        worker.commands = ("echo paying > begun; sleep 600",)
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await asyncio.to_thread(begun.read_text)
        api = await crash()
        approval = await the_question(api, company, follow)
        assert "Command: echo paying > begun; sleep 600" in approval["beschreibung"]
        assert (await task_of(api, task))["status"] == "blocked"
        assert len(worker.orders) == 1

    async def test_one_that_may_be_repeated_is_not(
        self,
        owner: Api,
        company: Json,
        agent: Json,
        *,
        begun: Path,
        worker: Commander,
        crash: Restart,
        follow: Follow,
    ) -> None:
        worker.commands, worker.repeatable = ("echo testing > begun; sleep 600",), True
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await asyncio.to_thread(begun.read_text)
        api = await crash()
        await (await follow(api, since=0)).until("task_completed", taskId=task["id"])
        assert await approvals_of(api, company) == []
