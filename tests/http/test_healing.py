"""Failures of providers, which pass, and failures of the work, which count: what people see of either."""

import asyncio
from typing import Any

import pytest

from opencognit.domain.instants import after
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.working import MINUTE, Json, away, calling, later, run_ended, runs_of, task_of, tasks_of, verbs_of


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


async def held(runtime: Runtime, api: Api) -> None:
    """Until a run waits for its turn, because the provider has asked for time."""
    while not (state := runtime.system.gates.states().get("acme/1")) or not (state.held_until and state.waiting):
        await api.get("/api/health")


class Provider:
    """A provider that gives these answers, one after the other, the last one for ever."""

    def __init__(self, worker: ScriptedProvider, clock: ManualClock, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Any] = []
        self._clock = clock
        worker.script = calling(self._answer)

    async def _answer(self) -> str:
        self.calls.append(self._clock.now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ProviderFailed):
            raise answer
        return str(answer)


# Passing failures


async def test_a_call_waits_for_exactly_as_long_as_the_provider_asks(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider,
    runtime: Runtime,
) -> None:  # fmt: skip
    provider = Provider(worker, clock, away(120), "42")
    start = clock.now()
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("run_started")
    await held(runtime, owner)
    await clock.advance(119.999)
    assert len(provider.calls) == 1
    await clock.advance(0.001)
    await follower.until("task_completed", taskId=task["id"])
    assert provider.calls == [start, after(start, 120)]
    [run] = await runs_of(owner, agent)
    assert (run["status"], run["versuch"]) == ("succeeded", 1)


async def test_a_run_that_waits_says_until_when_and_later_no_longer(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider,
    runtime: Runtime,
) -> None:  # fmt: skip
    Provider(worker, clock, away(120), "42")
    start = clock.now()
    task = await owner.task(company, zugewiesenAn=agent["id"])
    run_id = (await follower.until("run_started"))["data"]["runId"]
    await held(runtime, owner)
    while (await owner.get(f"/api/laeufe/{run_id}")).json["wartetBis"] is None:
        await clock.advance(0.5)
    run = (await owner.get(f"/api/laeufe/{run_id}")).json
    assert (run["status"], run["wartetBis"]) == ("running", after(start, 120))
    await clock.advance(120)
    await follower.until("task_completed", taskId=task["id"])
    assert (await owner.get(f"/api/laeufe/{run_id}")).json["wartetBis"] is None
    assert (await verbs_of(owner, company)).count("provider.waiting") == 1


async def test_without_a_time_of_the_providers_the_pauses_grow_and_are_jittered(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, worker: ScriptedProvider,
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    class Fixed:
        def fraction(self) -> float:
            return 0.6

    slept: list[float] = []
    sleep = runtime.system.sleep

    async def noted(seconds: float) -> None:
        slept.append(round(seconds, 6))
        await sleep(seconds)

    runtime.system.jitter = Fixed()
    monkeypatch.setattr(runtime.system, "sleep", noted)
    Provider(worker, clock, away(), away(), away(), "42")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    while (await task_of(owner, task))["status"] != "done":
        await clock.advance(0.05)
    assert [seconds for seconds in slept if seconds in (0.8, 1.6, 3.2)] == [0.8, 1.6, 3.2]


async def test_a_provider_that_stays_away_longer_than_a_run_waits_puts_the_task_off_without_a_failed_attempt(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    Provider(worker, clock, away(3600), "42")
    start = clock.now()
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await run_ended(follower, status="deferred")
    put_off = await task_of(owner, task)
    assert (put_off["status"], put_off["versuche"], put_off["executionLockedBy"]) == ("todo", 0, None)
    assert put_off["naechsterVersuchAm"] == after(start, 3600)
    await clock.advance(3600)
    await follower.until("task_completed", taskId=task["id"])
    assert [run["status"] for run in await runs_of(owner, agent)] == ["deferred", "succeeded"]


class TestTries:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"provider_tries": 2, "provider_pause_seconds": 45})

    async def test_after_so_many_tries_the_task_is_put_off(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedProvider,
    ) -> None:  # fmt: skip
        provider = Provider(worker, clock, away())
        task = await owner.task(company, zugewiesenAn=agent["id"])
        while (await task_of(owner, task))["naechsterVersuchAm"] is None:
            await clock.advance(0.5)
        put_off = await task_of(owner, task)
        assert (put_off["status"], put_off["versuche"], len(provider.calls)) == ("todo", 0, 2)

    async def test_a_failing_provider_never_uses_up_a_tasks_attempts(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedProvider,
    ) -> None:  # fmt: skip
        async def refuse(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            raise away()

        worker.script = refuse
        task = await owner.task(company, zugewiesenAn=agent["id"])
        for _ in range(5):
            await run_ended(follower, status="deferred")
            await clock.advance(45)
        assert (await task_of(owner, task))["versuche"] == 0


async def test_a_failure_for_good_counts_as_an_attempt(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    provider = Provider(worker, clock, ProviderFailed("401 Unauthorized", transient=False))
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await run_ended(follower, status="failed")
    failed = await task_of(owner, task)
    assert (failed["versuche"], failed["naechsterVersuchAm"]) == (1, after(clock.now(), 300))
    assert len(provider.calls) == 1


async def test_while_its_provider_is_away_an_agent_begins_none_of_its_other_tasks(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    Provider(worker, clock, away(3600), "42")
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(3)]
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    await run_ended(follower, status="deferred")
    assert len(await runs_of(owner, agent)) == 1
    # The one that was put off goes, and with it its time; the others are taken up all the same.
    await owner.delete(f"/api/aufgaben/{tasks[0]['id']}")
    await clock.advance(3600)
    left = {task["id"] for task in tasks[1:]}
    while left:
        left.discard((await follower.until("task_completed"))["data"]["taskId"])


class TestTimeLimit:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"run_time_limit_seconds": 0.5})

    async def test_a_run_that_waits_for_its_provider_is_not_cut(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedProvider, runtime: Runtime,
    ) -> None:  # fmt: skip
        Provider(worker, clock, away(120), "42")
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await held(runtime, owner)
        # Longer than the limit, by the clock that the limit goes by.
        await asyncio.sleep(0.6)
        await clock.advance(120)
        await follower.until("task_completed", taskId=task["id"])
        assert [run["status"] for run in await runs_of(owner, agent)] == ["succeeded"]


class TestPlaces:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"runs_at_once": 1})

    async def test_a_run_that_waits_leaves_its_place_to_others(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedProvider,
    ) -> None:  # fmt: skip
        Provider(worker, clock, away(120), "42")
        waiting = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("run_started")
        while "provider.waiting" not in await verbs_of(owner, company):
            await clock.advance(0.5)
        worker.script = ScriptedProvider().script
        colleague = await owner.agent(company, verbindungsTyp="scripted")
        quick = await owner.task(company, zugewiesenAn=colleague["id"])
        await follower.until("task_completed", taskId=quick["id"])
        assert (await task_of(owner, waiting))["status"] == "in_progress"
        await clock.advance(120)
        await follower.until("task_completed", taskId=waiting["id"])


# Everyone at once


async def test_a_provider_that_limits_twenty_agents_for_49_minutes_costs_no_attempt(
    owner: Api, company: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider, runtime: Runtime
) -> None:
    back = after(clock.now(), 49 * MINUTE)
    refused = 0

    async def answer() -> str:
        nonlocal refused
        if clock.now() < back:
            refused += 1
            raise away(30)
        return "42"

    worker.script = calling(answer)
    other = await owner.company()
    agents = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(20)]
    tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for agent in agents]
    most = 0
    while clock.now() < back:
        await later(owner, other, clock, 10)
        now = await tasks_of(owner, company)
        most = max(most, *(task["versuche"] for task in now))
        assert {task["status"] for task in now} <= {"todo", "in_progress", "done"}
    left = {task["id"] for task in tasks}
    for _ in range(400):
        await later(owner, other, clock, 10)
        left &= {task["id"] for task in await tasks_of(owner, company) if task["status"] != "done"}
        if not left:
            break
    assert (left, most) == (set(), 0)
    runs = [run for agent in agents for run in await runs_of(owner, agent)]
    assert {run["status"] for run in runs} <= {"deferred", "succeeded"}
    # One call at a time finds out whether the provider is back; all others wait in line.
    assert refused < 150
    verbs = await verbs_of(owner, company)
    assert (verbs.count("provider.circuit_opened"), verbs.count("provider.circuit_closed")) == (1, 1)
    assert not runtime.system.gates.states()["acme/1"].is_open


async def test_only_those_who_wait_for_a_provider_are_told_that_it_fails(
    owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower, worker: ScriptedProvider
) -> None:
    other = await owner.company()
    provider = Provider(worker, clock, *[away(1)] * 5, "42")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    while (await task_of(owner, task))["status"] != "done":
        await clock.advance(0.5)
    assert len(provider.calls) == 6
    await follower.until("aktivitaet", aktion="provider.circuit_closed")
    verbs = [verb for verb in await verbs_of(owner, company) if "circuit" in verb]
    assert verbs == ["provider.circuit_opened", "provider.circuit_closed"]
    assert "provider.circuit_opened" not in await verbs_of(owner, other)
