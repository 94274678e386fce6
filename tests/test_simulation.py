"""A runtime whose clock jumps: months in seconds, each due time when all before it is over."""

import re
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from opencognit.domain.agent import AgentStatus
from opencognit.domain.task import TaskStatus
from opencognit.providers.port import MeteredCall, Outcome, Provider, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.simulation import simulate
from opencognit.testing import ManualClock, ScriptedProvider

HOUR = 3600.0
DAY = 24 * HOUR


def test_an_idle_company_of_100_agents_calls_no_provider_in_a_day() -> None:
    worker = ScriptedProvider()

    async def story(runtime: Runtime, clock: ManualClock) -> tuple[int, set[str | None]]:
        company = await runtime.create_company(name="Idle")
        for number in range(100):
            await runtime.create_agent(
                company.id, name=f"A{number}", role="R", adapter="scripted", heartbeat_on=True, heartbeat_interval=3600
            )
        await clock.advance(DAY)
        agents = [await runtime.agent(id_) for id_ in await runtime.queries.agent_ids(company.id)]
        return (await runtime.status()).heartbeats_today, {agent.last_heartbeat for agent in agents if agent}

    runs, last_heartbeats = simulate(story, providers=lambda _clock: {"scripted": worker})
    assert (worker.orders, runs) == ([], 0)
    assert last_heartbeats == {"2026-04-06T10:00:00.000Z"}


def test_work_takes_its_time_and_the_next_begins_after_it() -> None:
    begun: list[tuple[str, str]] = []

    def providers(clock: ManualClock) -> Mapping[str, Provider]:
        async def work(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
            begun.append((order.title, clock.now()))
            await clock.sleep(600)
            return Outcome(result="done")

        return {"scripted": ScriptedProvider(work)}

    async def story(runtime: Runtime, clock: ManualClock) -> AgentStatus | None:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="R", adapter="scripted")
        for title in ("One", "Two"):
            await runtime.create_task(company.id, title=title, assignee_id=agent.id)
        await clock.advance(HOUR)
        known = await runtime.agent(agent.id)
        return known.status if known else None

    assert simulate(story, providers=providers) is AgentStatus.IDLE
    assert begun == [("One", "2026-04-05T10:00:00.000Z"), ("Two", "2026-04-05T10:10:00.000Z")]


def test_failed_attempts_are_tried_again_at_their_times_until_the_last() -> None:
    begun: list[str] = []

    def providers(clock: ManualClock) -> Mapping[str, Provider]:
        async def fail(_order: WorkOrder, _toolbox: Toolbox) -> Outcome:
            begun.append(clock.now())
            return Outcome(error="No")

        return {"scripted": ScriptedProvider(fail)}

    async def story(runtime: Runtime, clock: ManualClock) -> TaskStatus | None:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="R", adapter="scripted")
        task = await runtime.create_task(company.id, title="Hard", assignee_id=agent.id)
        await clock.advance(DAY)
        known = await runtime.task(task.id)
        return known.status if known else None

    assert simulate(story, providers=providers) is TaskStatus.BLOCKED
    assert begun == ["2026-04-05T10:00:00.000Z", "2026-04-05T10:05:00.000Z", "2026-04-05T10:20:00.000Z"]


def test_what_happens_at_the_same_moment_happens_in_the_same_order_each_time() -> None:
    async def story(runtime: Runtime, clock: ManualClock) -> None:
        company = await runtime.create_company(name="Acme")
        for number in range(30):
            agent = await runtime.create_agent(company.id, name=f"A{number}", role="R", adapter="scripted")
            for title in ("One", "Two"):
                await runtime.create_task(company.id, title=f"{title} of {number}", assignee_id=agent.id)
        await clock.advance(HOUR)

    def titles() -> list[str]:
        worker = ScriptedProvider()
        simulate(story, providers=lambda _clock: {"scripted": worker})
        return [order.title for order in worker.orders]

    first = titles()
    assert len(first) == 60
    assert [titles(), titles()] == [first, first]


def test_a_call_that_waits_for_another_ones_budget_waits_by_the_clock() -> None:
    def providers(clock: ManualClock) -> Mapping[str, Provider]:
        async def spend(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
            async def make() -> tuple[None, Outcome]:
                await clock.sleep(600)
                return None, Outcome(cost_cents=Decimal(3))

            worst = Outcome(cost_cents=Decimal(10))
            await toolbox.metered(MeteredCall(provider_key="p", worst=worst, make=make))
            return Outcome(result=clock.now())

        return {"scripted": ScriptedProvider(spend)}

    async def story(runtime: Runtime, clock: ManualClock) -> list[str | None]:
        company = await runtime.create_company(name="Acme", budget_cents=13)
        tasks = []
        for name in ("Ada", "Bob"):
            agent = await runtime.create_agent(company.id, name=name, role="R", adapter="scripted")
            tasks.append(await runtime.create_task(company.id, title="T", assignee_id=agent.id))
        await clock.advance(HOUR)
        done = [await runtime.task(task.id) for task in tasks]
        return [task.result for task in done if task is not None]

    first, second = simulate(story, providers=providers)
    assert first == "2026-04-05T10:10:00.000Z"
    assert second is not None
    assert "2026-04-05T10:20:00.000Z" <= second <= "2026-04-05T10:20:02.000Z"


def test_the_example_in_the_documentation_runs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "dry-run.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
