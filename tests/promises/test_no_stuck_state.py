"""Whatever people, agents and providers do, in whatever order: nothing is ever stuck.

A hypothesis state machine drives a whole runtime whose clock jumps, and looks after every step whether each lock has a
run, each run a heartbeat, each waiting task someone or something to wait for. A month of twenty agents with failing
providers ends the same for the same seed.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opencognit.domain.agent import Agent, AgentStatus, PauseAgent, ResumeAgent
from opencognit.domain.errors import DomainError
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.run import Run
from opencognit.domain.task import Checkout, DeleteTask, Release, Task, TaskStatus, UpdateTask
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.simulation import SimulationLoop, simulate
from opencognit.store.queries import TaskFilter
from opencognit.testing import ManualClock, ScriptedProvider
from tests.conftest import quick_settings

HOUR = 3600.0
DAY = 24 * HOUR
MOODS = ("works", "is slow", "is away", "is broken", "refuses", "hangs", "asks the board")


async def tasks_of(runtime: Runtime, company_id: str) -> list[Task]:
    page = await runtime.queries.tasks(company_id, TaskFilter(), 500, 0)
    return [decode(body, Task) for body in page.bodies]


async def agents_of(runtime: Runtime, company_id: str) -> list[Agent]:
    return [decode(body, Agent) for body in (await runtime.queries.agents(company_id, 500, 0)).bodies]


async def assert_nothing_is_stuck(runtime: Runtime, company_id: str, outside: set[str]) -> None:
    """At a moment when nothing is left to do but to let time pass; `outside` are runs of programs outside."""
    tasks = {task.id: task for task in await tasks_of(runtime, company_id)}
    alive = {beat.run_id for beat in runtime.system.runs.all()}
    for task in tasks.values():
        if task.locked_by is not None:
            assert task.lock_run_id in alive | outside, f"a lock without a run: {task}"
            assert task.lock_expires_at is not None
            assert task.lock_expires_at > runtime.clock.now(), f"a lock that outlived its lease: {task}"
        assert (task.status is TaskStatus.IN_PROGRESS) == (task.locked_by is not None), f"a lock and a status: {task}"
    for agent in await agents_of(runtime, company_id):
        beat = runtime.system.runs.of_agent(agent.id)
        working = beat is not None and beat.run_id is not None
        if agent.status is AgentStatus.RUNNING:
            assert working, f"running without a run: {agent}"
        if agent.current_task_id is not None:
            assert working, f"a task without a run: {agent}"
        unfinished = [decode(body, Run) for body in await runtime.queries.unfinished_runs(agent.id)]
        assert {run.id for run in unfinished} <= alive, f"runs without an end: {unfinished}"
        if agent.status is AgentStatus.IDLE and not working:
            ready = await runtime.queries.ready_tasks(agent.id, runtime.clock.now(), 10)
            assert ready == [], f"an idle agent does not do its work: {[tasks[id_] for id_ in ready]}"


class Moody:
    """A provider in a mood."""

    def __init__(self, clock: ManualClock) -> None:
        self.mood = "works"
        self._clock = clock

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        match self.mood:
            case "is slow":
                await self._clock.sleep(HOUR / 4)
            case "is away":
                raise ProviderFailed("Too many requests", transient=True, retry_after=120)
            case "is broken":
                raise RuntimeError("unexpected")
            case "refuses":
                return Outcome(error="I cannot do that")
            case "hangs":
                await asyncio.Event().wait()
            case "asks the board":
                await toolbox.request_approval(title="May I?", description="It is costly.")
                return Outcome(status="blocked")
        return Outcome(result=f"{order.title}: done")


class Life(RuleBasedStateMachine):
    """A company of three agents, and all that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulationLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.folder = TemporaryDirectory(prefix="opencognit-life-")
        self.outside: set[str] = set()
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def begin(self) -> None:
        self.clock = ManualClock(settle=self.loop.idle)
        self.worker = Moody(self.clock)
        await self.open()
        self.company_id = (await self.runtime.create_company(name="Acme")).id
        self.agents = [
            (await self.runtime.create_agent(self.company_id, name=name, role="R", adapter="scripted")).id
            for name in ("Ada", "Bob", "Cem")
        ]

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        self.runtime = await self.stack.enter_async_context(
            Runtime(
                Path(self.folder.name),
                settings=quick_settings(),
                clock=self.clock,
                providers={"scripted": ScriptedProvider(self.worker)},
            )
        )
        self.loop.runtime = self.runtime

    async def close(self) -> None:
        await self.stack.aclose()
        self.loop.runtime = None

    async def told(self, kind: Any, entity_id: str, message: Any) -> None:
        """A client's request: what it is answered with does not matter here, only what is left behind."""
        try:
            await self.runtime.ask(kind, entity_id, message)
        except DomainError:
            hypothesis.event(f"{type(message).__name__} was refused")

    async def some_task(self, number: int) -> str | None:
        tasks = await tasks_of(self.runtime, self.company_id)
        return tasks[number % len(tasks)].id if tasks else None

    def with_task(self, number: int, make: Callable[[], Any]) -> None:
        async def act() -> None:
            if (task_id := await self.some_task(number)) is not None:
                await self.told(TASK_LOCK, task_id, make())
                await self.loop.idle()

        self.run(act())

    @rule(agent=st.integers(0, 3), waits=st.booleans())
    def a_task_is_given(self, agent: int, waits: bool) -> None:
        async def act() -> None:
            blocker = await self.some_task(agent) if waits else None
            await self.runtime.create_task(
                self.company_id,
                title="Do it",
                assignee_id=self.agents[agent] if agent < len(self.agents) else None,
                blocked_by=(blocker,) if blocker else (),
            )
            await self.loop.idle()

        self.run(act())

    @rule(mood=st.sampled_from(MOODS))
    def the_provider(self, mood: str) -> None:
        self.worker.mood = mood

    @rule(hours=st.sampled_from([0.01, 0.1, 1, 30]))
    def time_passes(self, hours: float) -> None:
        self.run(self.clock.advance(hours * HOUR))

    @rule(agent=st.integers(0, 2), message=st.sampled_from([PauseAgent(), ResumeAgent()]))
    def an_agent_is_paused_or_resumed(self, agent: int, message: Any) -> None:
        async def act() -> None:
            await self.told(AGENT, self.agents[agent], message)
            await self.loop.idle()

        self.run(act())

    @rule(number=st.integers(0, 20), status=st.sampled_from([None, *TaskStatus]))
    def a_lock_is_taken_away(self, number: int, status: TaskStatus | None) -> None:
        self.with_task(number, lambda: Release(status=status))

    # To `in_progress` the board may move a task without a lock; here, that status is a lock's.
    @rule(number=st.integers(0, 20), status=st.sampled_from(sorted(set(TaskStatus) - {TaskStatus.IN_PROGRESS})))
    def a_task_is_moved(self, number: int, status: TaskStatus) -> None:
        self.with_task(number, lambda: UpdateTask(status=status))

    @rule(number=st.integers(0, 20), agent=st.integers(0, 2))
    def a_task_is_given_to_another(self, number: int, agent: int) -> None:
        self.with_task(number, lambda: UpdateTask(assignee_id=self.agents[agent]))

    @rule(number=st.integers(0, 20))
    def a_task_is_deleted(self, number: int) -> None:
        self.with_task(number, DeleteTask)

    @rule(number=st.integers(0, 20), agent=st.integers(0, 2))
    def a_program_outside_takes_a_task(self, number: int, agent: int) -> None:
        run_id = f"outside-{len(self.outside)}"
        self.outside.add(run_id)
        self.with_task(number, lambda: Checkout(agent_id=self.agents[agent], run_id=run_id, lease=HOUR))

    @rule()
    def the_server_is_started_again(self) -> None:
        async def act() -> None:
            await self.close()
            await self.open()
            await self.loop.idle()

        self.run(act())

    @invariant()
    def nothing_is_stuck(self) -> None:
        self.run(assert_nothing_is_stuck(self.runtime, self.company_id, self.outside))

    def teardown(self) -> None:
        async def let_all_come_to_an_end() -> None:
            self.worker.mood = "works"
            await self.clock.advance(2 * DAY)
            await assert_nothing_is_stuck(self.runtime, self.company_id, self.outside)
            assert self.runtime.system.runs.all() == []
            await self.close()

        try:
            self.run(let_all_come_to_an_end())
        finally:
            self.runner.close()
            self.folder.cleanup()


TestLife = Life.TestCase
# The same lives each time; `make nightly` looks at others, and more of them.
LIVES = os.environ.get("LIVES")
TestLife.settings = hypothesis.settings(
    max_examples=int(LIVES or 40), stateful_step_count=30, deadline=None, derandomize=LIVES is None
)


def a_month(seed: int) -> tuple[dict[str, int], dict[str, int], str]:
    """(tasks by status, runs by status, the last moment) of a month of twenty agents whose providers fail."""
    begun: Counter[str] = Counter()

    async def work(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        begun[order.title] += 1
        chance = random.Random(f"{seed}/{order.title}/{begun[order.title]}").random()
        if chance < 0.15:
            raise ProviderFailed("Overloaded", transient=True)
        return Outcome(error="It did not work") if chance < 0.5 else Outcome(result="done")

    async def story(runtime: Runtime, clock: ManualClock) -> tuple[dict[str, int], dict[str, int], str]:
        company = await runtime.create_company(name="Acme")
        agents = [
            await runtime.create_agent(
                company.id, name=f"A{n}", role="R", adapter="scripted", heartbeat_on=True, heartbeat_interval=6 * 3600
            )
            for n in range(20)
        ]
        for day in range(30):
            for number in range(5):
                agent = agents[(day * 5 + number) % len(agents)]
                await runtime.create_task(company.id, title=f"Task {day}.{number}", assignee_id=agent.id)
            await clock.advance(DAY)
            await assert_nothing_is_stuck(runtime, company.id, set())
        assert runtime.system.runs.all() == []
        runs = [
            decode(body, Run)
            for agent in agents
            for body in (await runtime.queries.runs(agent.id, 500, 0, None)).bodies
        ]
        tasks = await tasks_of(runtime, company.id)
        return (
            dict(Counter(task.status.value for task in tasks)),
            dict(Counter(run.status.value for run in runs)),
            max(task.updated_at for task in tasks),
        )

    return simulate(story, settings=quick_settings(), providers=lambda _clock: {"scripted": ScriptedProvider(work)})


def test_a_month_of_twenty_agents_with_failing_providers_leaves_nothing_stuck_and_is_the_same_each_time() -> None:
    tasks, runs, last = a_month(seed=1)
    assert tasks.keys() == {"done", "blocked"}
    assert sum(tasks.values()) == 150
    assert runs["failed"] > 0
    assert (tasks, runs, last) == a_month(seed=1)
    assert runs != a_month(seed=2)[1]
