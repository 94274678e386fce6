"""A task that fails again and again is brought to the orchestrator, or to the board, exactly once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.actors.escalation import TaskEscalation
from opencognit.actors.task_lock import TaskLock
from opencognit.domain.kinds import TASK_LOCK
from opencognit.domain.task import FollowEscalation, Task, TaskStatus, UpdateTask
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.working import (
    Json,
    approvals_of,
    away,
    failed_three_times,
    later,
    runs_of,
    task_of,
    tasks_of,
)


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
async def chief(owner: Api, company: Json) -> Json:
    """An orchestrator that nobody wakes: it is moved by hand."""
    return await owner.agent(company, name="Chief", isOrchestrator=True)


@pytest.fixture
def worker() -> ScriptedProvider:
    """It fails at all that is not an escalation."""

    async def fail(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        return Outcome(error="No such file", output="ls: nothing here")

    return ScriptedProvider(fail)


async def escalated(api: Api, task: Json, *, clock: ManualClock, follower: Follower) -> Json:
    """The event that tells of a task's escalation, after its three failures."""
    await failed_three_times(task, clock=clock, follower=follower)
    event = await follower.until("task_escalated", taskId=task["id"])
    data: Json = event["data"]
    return data


async def done_by_hand(api: Api, task_id: str, agent: Json, result: str = "Use the other file") -> None:
    await api.make(f"/api/aufgaben/{task_id}/checkout", {"expertId": agent["id"]})
    release = {"expertId": agent["id"], "status": "done", "ergebnis": result}
    await api.make(f"/api/aufgaben/{task_id}/release", release)


async def test_the_third_failure_in_a_row_gives_the_orchestrator_a_task(
    owner: Api, company: Json, agent: Json, chief: Json, *, clock: ManualClock, follower: Follower
) -> None:
    task = await owner.task(company, titel="Read it", beschreibung="The whole file", zugewiesenAn=agent["id"])
    told = await escalated(owner, task, clock=clock, follower=follower)
    [help_wanted] = await tasks_of(owner, company, parentId=task["id"])
    assert (
        told
        == {
            "unternehmenId": company["id"],
            "taskId": task["id"],
            "taskTitel": "Read it",
            "agentId": agent["id"],
            "versuche": 3,
            "fehler": "No such file",
            "eskalationsAufgabeId": help_wanted["id"],
        }
        or told | {"unternehmenId": company["id"]} == told
    )
    wanted = {"zugewiesenAn": chief["id"], "prioritaet": "high", "status": "todo", "eskaliertAufgabeId": task["id"]}
    assert {name: help_wanted[name] for name in wanted} == wanted
    for part in ("The whole file", "No such file", "ls: nothing here"):
        assert part in help_wanted["beschreibung"]
    assert help_wanted["beschreibung"].count("## ") == 3
    blocked = await task_of(owner, task)
    assert (blocked["status"], blocked["versuche"]) == ("blocked", 3)
    assert blocked["eskalation"] == {
        "id": help_wanted["id"],
        "expertId": chief["id"],
        "grund": "attempts",
        "fehler": "No such file",
        "erstellt": True,
    }
    assert await approvals_of(owner, company) == []


async def test_the_orchestrator_is_woken_at_once_and_the_task_goes_on_when_it_is_done(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    fail = worker.script

    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.agent_name == "Chief":
            worker.script = ScriptedProvider().script
            return Outcome(result="Use the other file")
        return await fail(order, toolbox)

    worker.script = script
    await owner.agent(company, name="Chief", isOrchestrator=True, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await failed_three_times(task, clock=clock, follower=follower)
    await follower.until("task_completed", taskId=task["id"])
    done = await task_of(owner, task)
    assert (done["status"], done["versuche"], done["eskalation"]) == ("done", 0, None)
    assert any("Use the other file" in comment for comment in worker.orders[-1].comments)


async def test_without_an_orchestrator_the_board_is_asked_and_its_yes_lets_the_task_go_on(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    task = await owner.task(company, zugewiesenAn=agent["id"])
    told = await escalated(owner, task, clock=clock, follower=follower)
    assert told["eskalationsAufgabeId"] is None
    [asked] = await approvals_of(owner, company)
    assert (asked["typ"], asked["payload"]["aufgabeId"]) == ("agent_action", task["id"])
    assert "No such file" in asked["beschreibung"]
    worker.script = ScriptedProvider().script
    await owner.make(f"/api/genehmigungen/{asked['id']}/genehmigen")
    await follower.until("task_completed", taskId=task["id"])


@pytest.mark.parametrize("standing", ["paused", "gone", "failing"])
async def test_an_orchestrator_that_cannot_help_is_not_asked(
    standing: str, owner: Api, company: Json, *, clock: ManualClock, follower: Follower
) -> None:
    chief = await owner.agent(company, name="Chief", isOrchestrator=True, verbindungsTyp="scripted")
    agent = chief if standing == "failing" else await owner.agent(company, verbindungsTyp="scripted")
    if standing == "paused":
        await owner.make(f"/api/experten/{chief['id']}/pausieren")
    if standing == "gone":
        await owner.delete(f"/api/experten/{chief['id']}")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await escalated(owner, task, clock=clock, follower=follower)
    assert await tasks_of(owner, company, parentId=task["id"]) == []
    assert len(await approvals_of(owner, company)) == 1


async def test_of_several_orchestrators_the_highest_above_the_agent_is_asked(
    owner: Api, company: Json, *, clock: ManualClock, follower: Follower
) -> None:
    await owner.agent(company, name="Elsewhere", isOrchestrator=True)
    top = await owner.agent(company, name="Top", isOrchestrator=True)
    middle = await owner.agent(company, name="Middle", isOrchestrator=True, reportsTo=top["id"])
    agent = await owner.agent(company, reportsTo=middle["id"], verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await escalated(owner, task, clock=clock, follower=follower)
    assert [one["zugewiesenAn"] for one in await tasks_of(owner, company, parentId=task["id"])] == [top["id"]]


async def test_an_escalation_that_fails_itself_goes_to_the_board_and_never_in_a_circle(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
) -> None:
    for name in ("Chief", "Another"):
        await owner.agent(company, name=name, isOrchestrator=True, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    first = await escalated(owner, task, clock=clock, follower=follower)
    help_wanted = {"id": first["eskalationsAufgabeId"]}
    await failed_three_times(help_wanted, clock=clock, follower=follower)
    await follower.until("task_escalated", taskId=help_wanted["id"])
    assert len(await tasks_of(owner, company)) == 2
    [asked] = await approvals_of(owner, company)
    assert asked["payload"]["aufgabeId"] == help_wanted["id"]


@pytest.mark.parametrize("end", ["cancelled", "deleted", "the orchestrator leaves"])
async def test_when_the_escalation_is_given_up_the_board_is_asked(
    end: str, owner: Api, company: Json, agent: Json, chief: Json, *, clock: ManualClock, follower: Follower
) -> None:
    task = await owner.task(company, zugewiesenAn=agent["id"])
    told = await escalated(owner, task, clock=clock, follower=follower)
    path = f"/api/aufgaben/{told['eskalationsAufgabeId']}"
    if end == "cancelled":
        await owner.patch(path, {"status": "cancelled"})
    else:
        await owner.delete(path if end == "deleted" else f"/api/experten/{chief['id']}")
    await follower.until("approval_needed")
    [asked] = await approvals_of(owner, company)
    assert asked["payload"]["aufgabeId"] == task["id"]
    assert (await task_of(owner, task))["status"] == "blocked"


async def test_a_task_that_was_changed_meanwhile_is_left_as_it_is(
    owner: Api, company: Json, agent: Json, chief: Json, *, clock: ManualClock, follower: Follower
) -> None:
    task = await owner.task(company, zugewiesenAn=agent["id"])
    told = await escalated(owner, task, clock=clock, follower=follower)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "in_review"})
    await done_by_hand(owner, told["eskalationsAufgabeId"], chief)
    # In its mailbox, behind what it is told of the other one's end.
    now = (await owner.patch(f"/api/aufgaben/{task['id']}", {})).json
    assert (now["status"], now["eskalation"]) == ("in_review", None)


# A crash at any moment


class Story:
    """A company whose task has just failed for the third time, in a process that dies; then in another one."""

    def __init__(self, folder: Path, worker: ScriptedProvider) -> None:
        self.folder = folder
        self.worker = worker
        self.clock = ManualClock()
        self.task_id = ""

    def runtime(self) -> Runtime:
        providers = {"scripted": self.worker}
        return Runtime(self.folder, settings=quick_settings(), clock=self.clock, providers=providers)

    async def task(self, runtime: Runtime, reached: Callable[[Task], bool]) -> Task:
        """The task when it is so; until then the clock is moved on."""
        while True:
            task = await runtime.system.state(TASK_LOCK, self.task_id)
            assert task is not None
            if reached(task):
                return task
            await self.clock.advance(10)
            await runtime.store.queries.answers_at_all()

    async def until_it_is_blocked(self, runtime: Runtime) -> Task:
        company = await runtime.create_company(name="Acme")
        await runtime.create_agent(company.id, name="Chief", role="CEO", is_orchestrator=True)
        agent = await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter="scripted")
        self.task_id = (await runtime.create_task(company.id, title="Read", assignee_id=agent.id)).id
        return await self.task(runtime, lambda task: task.status is TaskStatus.BLOCKED)

    async def told(self, runtime: Runtime) -> int:
        """How often the escalation was told."""
        last = await runtime.queries.newest_event()
        events = await runtime.queries.events_after(0, last, 10_000)
        return len([event for event in events if event.type == "task_escalated"])


async def _nothing(_actor: Any, _message: Any) -> None:
    """What a process does that has died."""


async def test_a_crash_before_the_escalation_is_made_makes_it_later(
    tmp_path: Path, worker: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path / "story", worker)
    with monkeypatch.context() as dying:
        dying.setitem(TaskLock._handlers, FollowEscalation, _nothing)
        async with story.runtime() as runtime:
            blocked = await story.until_it_is_blocked(runtime)
            assert blocked.escalation is not None
            assert await runtime.system.state(TASK_LOCK, blocked.escalation.id) is None
    async with story.runtime() as runtime:
        task = await story.task(runtime, lambda task: task.escalation is not None and task.escalation.made)
        assert task.escalation is not None
        assert task.escalation.id == blocked.escalation.id
        assert await runtime.system.state(TASK_LOCK, task.escalation.id) is not None
        assert await story.told(runtime) == 1


async def test_a_crash_after_the_escalation_is_made_makes_no_second_one(
    tmp_path: Path, worker: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def made_and_dead(actor: TaskEscalation, task: Task, escalation: Any) -> None:
        await actor._bring(task, escalation)

    story = Story(tmp_path / "story", worker)
    with monkeypatch.context() as dying:
        dying.setattr(TaskEscalation, "_make", made_and_dead)
        async with story.runtime() as runtime:
            blocked = await story.until_it_is_blocked(runtime)
            assert blocked.escalation is not None
            while await runtime.system.state(TASK_LOCK, blocked.escalation.id) is None:
                pass
    async with story.runtime() as runtime:
        task = await story.task(runtime, lambda task: task.escalation is not None and task.escalation.made)
        assert (await runtime.queries.counts(story.clock.now())).open_tasks == 2
        assert task.escalation is not None
        assert task.escalation.agent_id is not None
        assert await story.told(runtime) == 1


async def test_a_crash_after_the_escalation_is_done_lets_the_task_go_on_later(
    tmp_path: Path, worker: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path / "story", worker)
    async with story.runtime() as runtime:
        await story.until_it_is_blocked(runtime)
        task = await story.task(runtime, lambda task: task.escalation is not None and task.escalation.made)
        assert task.escalation is not None
        with monkeypatch.context() as dying:
            dying.setitem(TaskLock._handlers, FollowEscalation, _nothing)
            await finished_by_hand(runtime, task.escalation.id)
    worker.script = ScriptedProvider().script
    async with story.runtime() as runtime:
        await runtime.finished(task.id, within=5)


async def finished_by_hand(runtime: Runtime, task_id: str) -> None:
    await runtime.ask(TASK_LOCK, task_id, UpdateTask(status=TaskStatus.DONE))


# Whatever happens


Act = Callable[[WorkOrder, Toolbox], Awaitable[Outcome]]


async def _succeed(order: WorkOrder, toolbox: Toolbox) -> Outcome:
    return Outcome(result="done")


async def _fail(order: WorkOrder, toolbox: Toolbox) -> Outcome:
    return Outcome(error="broken")


async def _be_away(order: WorkOrder, toolbox: Toolbox) -> Outcome:
    raise away(60)


async def _crash(order: WorkOrder, toolbox: Toolbox) -> Outcome:
    raise ZeroDivisionError


async def _ask_for_review(order: WorkOrder, toolbox: Toolbox) -> Outcome:
    return Outcome(result="look at it", status="in_review")


ACTS: tuple[Act, ...] = (_succeed, _fail, _fail, _fail, _be_away, _be_away, _crash, _ask_for_review)
RESTING = ("done", "in_review", "blocked")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_a_task_ends_or_someone_is_asked_and_no_lock_is_left(
    seed: int, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
    worker: ScriptedProvider,
) -> None:  # fmt: skip
    chance = random.Random(seed)
    if chance.random() < 0.5:
        await owner.agent(company, name="Chief", isOrchestrator=True)

    async def act(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        return await chance.choice(ACTS)(order, toolbox)

    worker.script = act
    tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(3)]
    now = tasks
    async with asyncio.timeout(60):
        while not all(one["status"] in RESTING for one in now):
            await later(owner, company, clock, 30)
            now = [await task_of(owner, task) for task in tasks]
            for one in now:
                assert one["status"] in ("todo", "in_progress", *RESTING)
    for one in now:
        assert one["executionLockedBy"] is None
        if one["status"] == "blocked":
            while not (await task_of(owner, one))["eskalation"]["erstellt"]:
                await clock.advance(1)
            helping = await tasks_of(owner, company, parentId=one["id"])
            asked = [a for a in await approvals_of(owner, company) if a["payload"]["aufgabeId"] == one["id"]]
            assert len(helping) + len(asked) == 1
    while (await owner.get(f"/api/experten/{agent['id']}")).json["status"] == "running":
        await clock.advance(1)
    assert {run["status"] for run in await runs_of(owner, agent)} <= {"succeeded", "failed", "deferred"}
