"""An agent's heartbeat, seen from outside: what begins one, what it takes up, what follows from a failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from opencognit.actors.run_slots import RunSlots
from opencognit.domain.instants import after
from opencognit.domain.run import TokenUsage
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.working import run_ended

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

MINUTE = 60


class Gate:
    """A script that counts who works at once; the first piece of work ends when the gate is opened."""

    def __init__(self, worker: ScriptedProvider) -> None:
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        worker.script = self

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.set()
        try:
            await self.opened.wait()
            await asyncio.sleep(0.005)
        finally:
            self.at_once -= 1
        return Outcome(result="done")

    async def is_reached(self) -> None:
        await asyncio.wait_for(self.begun.wait(), 5)


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
def gate(worker: ScriptedProvider) -> Gate:
    return Gate(worker)


async def current(api: Api, one: Json) -> Json:
    """The newest state of a task or an agent."""
    kind = "aufgaben" if "prioritaet" in one else "experten"
    found: Json = (await api.get(f"/api/{kind}/{one['id']}")).json
    return found


async def runs_of(api: Api, agent: Json) -> list[Json]:
    """Oldest first."""
    runs: list[Json] = (await api.get(f"/api/experten/{agent['id']}/laeufe")).json
    return runs[::-1]


async def wake(api: Api, agent: Json) -> Json:
    woken: Json = await api.make(f"/api/experten/{agent['id']}/wakeup")
    return woken


async def waiting_task(api: Api, company: Json, agent: Json, **fields: Any) -> Json:
    """A task that the agent could take, but was not woken for."""
    task = await api.task(company, **fields)
    await api.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    released: Json = await api.make(f"/api/aufgaben/{task['id']}/release", {"expertId": agent["id"]})
    return released


@asynccontextmanager
async def paused(api: Api, agent: Json) -> AsyncIterator[None]:
    """What is assigned inside waits until the end."""
    await api.make(f"/api/experten/{agent['id']}/pausieren")
    yield
    await api.make(f"/api/experten/{agent['id']}/fortsetzen")


async def all_done(follower: Follower, *tasks: Json) -> None:
    left = {task["id"] for task in tasks}
    while left:
        left.discard((await follower.until("task_completed"))["data"]["taskId"])


async def test_an_assigned_task_is_worked_on_and_done(owner: Api, follow: Follow) -> None:
    company = await owner.company()
    follower = await follow(owner)
    agent = await owner.agent(company, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])

    await follower.until("task_completed", taskId=task["id"])

    done = (await owner.get(f"/api/aufgaben/{task['id']}")).json
    assert (done["status"], done["ergebnis"]) == ("done", f"{task['titel']}: done")
    assert done["executionLockedBy"] is None


class TestTimer:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def agent(self, owner: Api, company: Json) -> Json:
        return await owner.agent(company, verbindungsTyp="scripted", zyklusAktiv=True, zyklusIntervallSek=MINUTE)

    async def patched(self, api: Api, agent: Json, **changes: Any) -> Json:
        answer = await api.patch(f"/api/experten/{agent['id']}", changes)
        assert answer.status == 200, answer
        patched: Json = answer.json
        return patched

    async def test_it_brings_a_heartbeat_at_its_time(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        due = after(clock.now(), MINUTE)
        assert agent["naechsterZyklus"] == due
        await waiting_task(owner, company, agent)
        await clock.advance(MINUTE - 1)
        await clock.advance(1)
        started = (await follower.until("run_started"))["data"]
        run = (await owner.get(f"/api/laeufe/{started['runId']}")).json
        assert (run["quelle"], run["gestartetAm"]) == ("scheduler", due)
        now = await current(owner, agent)
        assert (now["letzterZyklus"], now["naechsterZyklus"]) == (due, after(due, MINUTE))

    async def test_it_comes_again_after_each_interval(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        start = clock.now()
        for _ in range(3):
            task = await waiting_task(owner, company, agent)
            await clock.advance(MINUTE)
            await run_ended(follower, aufgabeId=task["id"], status="succeeded")
        started = [run["gestartetAm"] for run in await runs_of(owner, agent)]
        assert started == [after(start, MINUTE * number) for number in (1, 2, 3)]

    async def test_it_is_off_unless_it_is_switched_on(
        self, owner: Api, company: Json, clock: ManualClock, follower: Follower
    ) -> None:
        agent = await owner.agent(company, verbindungsTyp="scripted")
        assert (agent["zyklusAktiv"], agent["naechsterZyklus"]) == (False, None)
        task = await waiting_task(owner, company, agent)
        await clock.advance(24 * 60 * MINUTE)
        await wake(owner, agent)
        await all_done(follower, task)
        assert [run["quelle"] for run in await runs_of(owner, agent)] == ["manual"]

    @pytest.mark.parametrize("interval", [5, 10 * MINUTE])
    async def test_another_interval_counts_from_its_change(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, interval: int
    ) -> None:
        await waiting_task(owner, company, agent)
        await clock.advance(MINUTE / 2)
        due = after(clock.now(), interval)
        assert (await self.patched(owner, agent, zyklusIntervallSek=interval))["naechsterZyklus"] == due
        await clock.advance(interval)
        await follower.until("task_completed")
        [run] = await runs_of(owner, agent)
        assert (run["quelle"], run["gestartetAm"]) == ("scheduler", due)

    async def test_it_can_be_switched_off_and_on_again(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        await waiting_task(owner, company, agent)
        assert (await self.patched(owner, agent, zyklusAktiv=False))["naechsterZyklus"] is None
        await clock.advance(60 * MINUTE)
        due = after(clock.now(), MINUTE)
        assert (await self.patched(owner, agent, zyklusAktiv=True))["naechsterZyklus"] == due
        await clock.advance(MINUTE)
        await follower.until("task_completed")
        assert [run["gestartetAm"] for run in await runs_of(owner, agent)] == [due]

    async def test_a_change_of_something_else_leaves_it_alone(
        self, owner: Api, agent: Json, clock: ManualClock
    ) -> None:
        await clock.advance(MINUTE / 2)
        assert (await self.patched(owner, agent, titel="CTO"))["naechsterZyklus"] == agent["naechsterZyklus"]

    async def test_with_nothing_to_do_it_calls_no_adapter_and_records_no_run(
        self, owner: Api, agent: Json, *, clock: ManualClock, runtime: Runtime, worker: ScriptedProvider
    ) -> None:
        changes = runtime.system.watch(kind="agent", entity_id=agent["id"])
        for _ in range(3):
            beat = asyncio.ensure_future(anext(changes))
            await clock.advance(MINUTE)
            await asyncio.wait_for(beat, 5)
        # The handler has ended when the next message is answered.
        now = await wake(owner, agent)
        assert (now["letzterZyklus"], now["status"], now["version"]) == (clock.now(), "idle", agent["version"] + 3)
        assert (worker.orders, await runs_of(owner, agent)) == ([], [])

    async def test_it_stands_still_while_the_agent_is_paused(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        async with paused(owner, agent):
            await owner.task(company, zugewiesenAn=agent["id"])
            await clock.advance(60 * MINUTE)
        await follower.until("task_completed")
        assert [run["quelle"] for run in await runs_of(owner, agent)] == ["manual"]

    async def test_it_does_not_cut_into_a_run(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, gate: Gate
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await gate.is_reached()
        await clock.advance(3 * MINUTE)
        gate.opened.set()
        await all_done(follower, task)
        assert [run["status"] for run in await runs_of(owner, agent)] == ["succeeded"]


# What wakes an agent


@pytest.mark.parametrize(
    ("how", "source"),
    [("assigned", "assignment"), ("mentioned", "automation"), ("unblocked", "automation"), ("by hand", "manual")],
)
async def test_an_agent_is_woken_and_the_run_says_by_what(
    owner: Api, company: Json, agent: Json, *, follower: Follower, how: str, source: str
) -> None:
    if how == "assigned":
        task = await owner.task(company)
        await owner.patch(f"/api/aufgaben/{task['id']}", {"zugewiesenAn": agent["id"]})
    elif how == "mentioned":
        task = await waiting_task(owner, company, agent)
        await owner.make(f"/api/aufgaben/{(await owner.task(company))['id']}/kommentare", {"inhalt": "Help, @ada!"})
    elif how == "unblocked":
        blocker = await owner.task(company)
        task = await owner.task(company, zugewiesenAn=agent["id"], blockedBy=[blocker["id"]])
        await owner.patch(f"/api/aufgaben/{blocker['id']}", {"status": "done"})
    else:
        task = await waiting_task(owner, company, agent)
        await wake(owner, agent)
    assert (await follower.until("run_started"))["data"]["quelle"] == source
    await all_done(follower, task)


async def test_an_agent_that_gets_its_adapter_later_begins_then(owner: Api, company: Json, follower: Follower) -> None:
    agent = await owner.agent(company)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await wake(owner, agent)
    assert (await current(owner, task))["status"] == "todo"
    await owner.patch(f"/api/experten/{agent['id']}", {"verbindungsTyp": "scripted"})
    await all_done(follower, task)


async def test_a_paused_company_rests_until_it_is_active_again(
    owner: Api, company: Json, agent: Json, follower: Follower
) -> None:
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "paused"})
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await wake(owner, agent)
    assert await runs_of(owner, agent) == []
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
    await all_done(follower, task)


async def test_wake_ups_during_a_run_are_one(
    owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate, worker: ScriptedProvider
) -> None:
    tasks = [await owner.task(company, zugewiesenAn=agent["id"])]
    await gate.is_reached()
    await asyncio.gather(*(wake(owner, agent) for _ in range(30)))
    tasks.append(await owner.task(company, zugewiesenAn=agent["id"]))
    gate.opened.set()
    await all_done(follower, *tasks)
    await wake(owner, agent)
    assert [order.task_id for order in worker.orders] == [task["id"] for task in tasks]
    assert len(await runs_of(owner, agent)) == 2


async def test_many_wake_ups_at_once_begin_one_run(owner: Api, company: Json, agent: Json, follower: Follower) -> None:
    task = await waiting_task(owner, company, agent)
    await asyncio.gather(*(wake(owner, agent) for _ in range(30)))
    await all_done(follower, task)
    await wake(owner, agent)
    assert len(await runs_of(owner, agent)) == 1


# Who works at once


async def test_an_agent_never_works_on_two_tasks_at_once(
    owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate
) -> None:
    gate.opened.set()
    tasks = [owner.task(company, zugewiesenAn=agent["id"]) for _ in range(8)]
    made = await asyncio.gather(*tasks, *(wake(owner, agent) for _ in range(8)))
    await all_done(follower, *made[:8])
    assert gate.most_at_once == 1


class TestPlaces:
    @pytest.fixture
    def settings(self, request: pytest.FixtureRequest) -> Settings:
        return quick_settings(work={"runs_at_once": getattr(request, "param", 1)})

    async def in_line(self, api: Api, company: Json) -> Json:
        """A new agent's task; when this returns, its heartbeat waits for a place or has one."""
        agent = await api.agent(company, verbindungsTyp="scripted")
        task = await api.task(company, zugewiesenAn=agent["id"])
        await wake(api, agent)
        return task

    @pytest.mark.parametrize("settings", [2], indirect=True)
    async def test_no_more_run_at_once_than_is_allowed(
        self, owner: Api, company: Json, follower: Follower, gate: Gate
    ) -> None:
        tasks = [await self.in_line(owner, company) for _ in range(6)]
        gate.opened.set()
        await all_done(follower, *tasks)
        assert gate.most_at_once == 2

    async def test_companies_take_turns(
        self, owner: Api, company: Json, *, follower: Follower, gate: Gate, worker: ScriptedProvider
    ) -> None:
        other = await owner.company()
        tasks = [await self.in_line(owner, one) for one in (company, company, company, company, other)]
        gate.opened.set()
        await all_done(follower, *tasks)
        assert [order.company_id == other["id"] for order in worker.orders] == [False, False, True, False, False]

    async def test_a_long_inbox_keeps_no_colleague_waiting(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate, worker: ScriptedProvider
    ) -> None:
        tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(3)]
        await gate.is_reached()
        tasks.insert(1, await self.in_line(owner, company))
        gate.opened.set()
        await all_done(follower, *tasks)
        assert [order.task_id for order in worker.orders] == [task["id"] for task in tasks]

    async def test_one_who_waits_in_line_can_be_deleted(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate, worker: ScriptedProvider
    ) -> None:
        first, leaving, last = [await self.in_line(owner, company) for _ in range(3)]
        await owner.delete(f"/api/experten/{leaving['zugewiesenAn']}")
        gate.opened.set()
        await all_done(follower, first, last)
        assert [order.task_id for order in worker.orders] == [first["id"], last["id"]]

    async def test_a_company_that_waits_in_line_can_be_deleted_at_once(
        self, owner: Api, company: Json, *, follower: Follower, gate: Gate
    ) -> None:
        first, other = await self.in_line(owner, company), await owner.company()
        await self.in_line(owner, other)
        async with asyncio.timeout(5):
            assert (await owner.delete(f"/api/unternehmen/{other['id']}")).status == 200
        gate.opened.set()
        await all_done(follower, first)


async def test_a_place_that_is_given_to_one_who_leaves_at_that_moment_is_not_lost() -> None:
    slots = RunSlots(1)

    async def visit() -> None:
        async with slots.place("acme"):
            pass

    async with slots.place("acme"):
        leaving, staying = asyncio.ensure_future(visit()), asyncio.ensure_future(visit())
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait_for(staying, 5)
    assert leaving.cancelled()
    await asyncio.wait_for(visit(), 5)


# What is taken up, and in which order


async def test_what_matters_most_is_taken_first(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedProvider
) -> None:
    wanted: list[Json] = [
        {"prioritaet": "critical"},
        {"prioritaet": "high"},
        {"prioritaet": "medium", "faelligAm": "2026-05-01"},
        {"prioritaet": "medium", "faelligAm": "2026-06-01"},
        {"prioritaet": "medium"},
        {"prioritaet": "low", "faelligAm": "2026-04-01"},
    ]
    async with paused(owner, agent):
        tasks = [await owner.task(company, zugewiesenAn=agent["id"], **fields) for fields in reversed(wanted)]
    await all_done(follower, *tasks)
    assert [order.task_id for order in worker.orders] == [task["id"] for task in reversed(tasks)]


async def test_a_task_that_becomes_urgent_is_next(
    owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate, worker: ScriptedProvider
) -> None:
    tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(3)]
    await gate.is_reached()
    await owner.patch(f"/api/aufgaben/{tasks[2]['id']}", {"prioritaet": "critical"})
    gate.opened.set()
    await all_done(follower, *tasks)
    assert [order.task_id for order in worker.orders] == [tasks[number]["id"] for number in (0, 2, 1)]


async def test_what_another_holds_is_left_to_it(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedProvider
) -> None:
    async with paused(owner, agent):
        mine = await owner.task(company, zugewiesenAn=agent["id"])
    await all_done(follower, mine)
    held = await owner.task(company)
    await owner.make(f"/api/aufgaben/{held['id']}/checkout", {"expertId": agent["id"], "runId": "outside"})
    await wake(owner, agent)
    assert [order.task_id for order in worker.orders] == [mine["id"]]


async def test_what_the_board_takes_back_from_a_program_outside_the_agent_does_itself(
    owner: Api, company: Json, agent: Json, follower: Follower
) -> None:
    task = await owner.task(company)
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], "runId": "outside"})
    await owner.make(f"/api/aufgaben/{task['id']}/release")
    await follower.until("task_completed", taskId=task["id"])


async def test_what_an_agent_itself_puts_down_does_not_wake_it(
    owner: Api, company: Json, agent: Json, runtime: Runtime
) -> None:
    task = await owner.task(company)
    itself = await owner.agent_api(agent)
    await itself.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], "runId": "outside"})
    await itself.make(f"/api/aufgaben/{task['id']}/release")
    # Behind a wake-up in the agent's mailbox, had there been one.
    await owner.patch(f"/api/experten/{agent['id']}", {"name": "Renamed"})
    assert runtime.system.runs.of_agent(agent["id"]) is None


class TestShare:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"tasks_per_heartbeat": 2})

    async def test_what_is_left_when_the_share_is_used_is_the_next_heartbeats(
        self, owner: Api, company: Json, agent: Json, follower: Follower
    ) -> None:
        async with paused(owner, agent):
            tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(5)]
        await all_done(follower, *tasks)
        sources = [run["quelle"] for run in await runs_of(owner, agent)]
        assert sources == ["manual", "manual", "automation", "automation", "automation"]


# Failures


class TestAttempts:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def failing(self, worker: ScriptedProvider) -> None:
        async def fail(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            return Outcome(error="No such file")

        worker.script = fail

    async def failed(self, api: Api, task: Json, follower: Follower) -> Json:
        """The task after its next failure."""
        await run_ended(follower, aufgabeId=task["id"], status="failed")
        return await current(api, task)

    @pytest.mark.usefixtures("failing")
    async def test_a_failed_task_is_tried_again_after_longer_and_longer_and_then_blocked(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        seen = []
        for delay in (300, 900):
            now = await self.failed(owner, task, follower)
            assert now["naechsterVersuchAm"] == after(clock.now(), delay)
            seen.append((now["status"], now["versuche"]))
            await wake(owner, agent)
            await clock.advance(delay)
        last = await self.failed(owner, task, follower)
        assert [*seen, (last["status"], last["versuche"])] == [("todo", 1), ("todo", 2), ("blocked", 3)]
        assert last["naechsterVersuchAm"] is None
        attempts = [(run["versuch"], run["fehler"], run["gestartetAm"]) for run in await runs_of(owner, agent)]
        start = after(clock.now(), -1200)
        times = [start, after(start, 300), clock.now()]
        assert attempts == [(number, "No such file", when) for number, when in enumerate(times, 1)]

    @pytest.mark.usefixtures("failing")
    async def test_a_task_that_the_board_sends_back_after_its_last_attempt_has_all_its_attempts_again(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        for delay in (300, 900):
            await self.failed(owner, task, follower)
            await clock.advance(delay)
        await self.failed(owner, task, follower)
        await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "todo"})
        now = await self.failed(owner, task, follower)
        assert (now["status"], now["versuche"]) == ("todo", 1)

    async def test_a_success_ends_the_count(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, failing: None,
        worker: ScriptedProvider,
    ) -> None:  # fmt: skip
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await self.failed(owner, task, follower)
        worker.script = ScriptedProvider().script
        await clock.advance(300)
        await all_done(follower, task)
        done = await current(owner, task)
        assert (done["status"], done["versuche"], done["naechsterVersuchAm"]) == ("done", 0, None)

    async def test_others_are_worked_on_while_one_waits_for_its_next_attempt(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower, failing: None, worker: ScriptedProvider
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await self.failed(owner, task, follower)
        worker.script = ScriptedProvider().script
        other = await owner.task(company, zugewiesenAn=agent["id"])
        await all_done(follower, other)
        assert (await current(owner, task))["status"] == "todo"

    @pytest.mark.usefixtures("failing")
    async def test_a_failure_is_told_on_the_task(
        self, owner: Api, company: Json, agent: Json, follower: Follower
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await self.failed(owner, task, follower)
        [comment] = (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json
        assert (comment["inhalt"], comment["autorExpertId"]) == ("This attempt failed: No such file", agent["id"])


class TestTimeLimit:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"run_time_limit_seconds": 0.05})

    async def test_a_run_that_takes_too_long_is_cut_and_counts_as_a_failure(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower, gate: Gate
    ) -> None:
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("agent_status", status="idle")
        [run] = await runs_of(owner, agent)
        assert (run["status"], run["fehler"]) == ("timed_out", "The time limit was reached")
        assert gate.at_once == 0
        now = await current(owner, task)
        assert (now["status"], now["versuche"], now["executionLockedBy"]) == ("todo", 1, None)


# Costs


def cost(cents: str) -> Outcome:
    return Outcome(result="done", usage=TokenUsage(input_tokens=5), cost_cents=Decimal(cents), model="m")


async def test_what_a_run_costs_is_booked_on_the_run_and_its_agent_alone(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedProvider
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await toolbox.book(cost("0.1"))
        return cost("0.25")

    worker.script = script
    colleague = await owner.agent(company, verbindungsTyp="scripted")
    tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(2)]
    await all_done(follower, *tasks)
    runs = await runs_of(owner, agent)
    assert [(run["kostenCent"], run["usage"]["inputTokens"]) for run in runs] == [(0.35, 10)] * 2
    assert (await current(owner, agent))["verbrauchtMonatCent"] == 0.7
    assert (await current(owner, colleague))["verbrauchtMonatCent"] == 0
    booked = [event for event in follower.seen if event["type"] == "kosten_updated"]
    assert [event["data"]["verbrauchtMonatCent"] for event in booked] == [0.1, 0.35, 0.45, 0.7]
    assert {event["unternehmenId"] for event in booked} == {company["id"]}


async def test_what_a_failed_run_has_used_is_booked_too(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedProvider
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        raise ProviderFailed("The line broke", transient=True, partial=cost("2"))

    worker.script = script
    await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("agent_status", status="idle")
    [run] = await runs_of(owner, agent)
    assert (run["status"], run["kostenCent"]) == ("deferred", 2)
    assert (await current(owner, agent))["verbrauchtMonatCent"] == 2


class TestMonth:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_each_month_is_counted_from_zero(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedProvider,
    ) -> None:  # fmt: skip
        async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            return cost("3")

        worker.script = script
        first = await owner.task(company, zugewiesenAn=agent["id"])
        await run_ended(follower, aufgabeId=first["id"])
        await clock.advance(29 * 24 * 3600)
        await all_done(follower, await owner.task(company, zugewiesenAn=agent["id"]))
        assert (await current(owner, agent))["verbrauchtMonatCent"] == 3
        assert [run["kostenCent"] for run in await runs_of(owner, agent)] == [3, 3]
