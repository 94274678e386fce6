"""`opencognit dry-run`: what a company would do in the next days, in a copy, offline, in seconds.

Its agents, routines and budgets are real; work is scripted: each piece takes so long, costs so much and fails so often.
What becomes of a piece follows from the seed, the task and the attempt alone, so a run is the same each time. No
provider is called and no command run.
"""

import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from opencognit.domain.agent import Agent
from opencognit.domain.company import Company
from opencognit.domain.errors import NotFound
from opencognit.domain.execution import Execution
from opencognit.domain.instants import Instant
from opencognit.domain.message import decode
from opencognit.domain.routine import Routine
from opencognit.domain.run import Run, TokenUsage
from opencognit.domain.task import Task
from opencognit.providers.port import MeteredCall, Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import KEEP_ALL, Settings
from opencognit.simulation import simulate
from opencognit.store.copying import copy_without_secrets
from opencognit.store.task_queries import TaskFilter
from opencognit.testing import ManualClock, ScriptedProvider

DAY: Final = 24 * 3600.0
PAGE: Final = 500


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed of each piece of work."""

    days: int = 30
    seed: int = 0
    failing: float = 0.1
    """The share of attempts that fail."""
    cents: Decimal = Decimal(10)
    """What an attempt costs; up to twice as much is reserved."""
    minutes: float = 10.0
    """How long an attempt takes."""


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent would do."""

    name: str
    status: str
    runs: dict[str, int]
    """By how they ended."""
    cents: Decimal


class RoutineReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one routine would do."""

    title: str
    status: str
    executions: dict[str, int]
    """By how they ended, or where they stand at the end."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen."""

    company: str
    until: str
    tasks: dict[str, int]
    """By status at the end."""
    agents: list[AgentReport]
    routines: list[RoutineReport]
    events: dict[str, int]
    """By type."""


def dry_run(data: Path, company: str | None, assumptions: Assumptions, *, settings: Settings) -> Report:
    """Let a copy of a data folder run on. Called where no loop runs.

    Args:
        data: the folder; a server may be working in it.
        company: name or id of the company; None if there is only one.
        assumptions: what is assumed of the work.
        settings: the server's.

    Raises:
        StorageUnavailable: there is no database that could be copied.
        NotFound: there is no such company, or more than one.
    """
    with TemporaryDirectory(prefix="opencognit-dry-run-") as folder:
        adapters = copy_without_secrets(data / "opencognit.db", Path(folder) / "opencognit.db")

        async def story(runtime: Runtime, clock: ManualClock) -> Report:
            chosen = await _company(runtime, company)
            begin, since = clock.now(), runtime.hub.last_seq
            await clock.advance(assumptions.days * DAY)
            return await _report(runtime, chosen, since=since, begin=begin)

        return simulate(
            story,
            data=folder,
            # What it tells of in the end must still be there then.
            settings=replace(settings, retention=KEEP_ALL),
            providers=lambda clock: {
                name: ScriptedProvider(_Worker(assumptions, clock), name=name) for name in adapters
            },
            start=datetime.now(UTC),
        )


def print_report(report: Report) -> None:
    """Show a report as tables."""
    console = Console()
    agents = Table("Agent", "Status", "Runs", "Cost in cents", title=f"{report.company} until {report.until}")
    for agent in report.agents:
        agents.add_row(agent.name, agent.status, _counted(agent.runs), f"{agent.cents:f}")
    console.print(agents)
    if report.routines:
        routines = Table("Routine", "Status", "Executions")
        for routine in report.routines:
            routines.add_row(routine.title, routine.status, _counted(routine.executions))
        console.print(routines)
    console.print(f"Tasks: {_counted(report.tasks)}")
    console.print(f"Events: {_counted(report.events)}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "none"


class _Worker:
    """Does each piece of work as the assumptions say."""

    def __init__(self, assumptions: Assumptions, clock: ManualClock) -> None:
        self._assumptions = assumptions
        self._clock = clock
        self._begun: Counter[str] = Counter()

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        assumed = self._assumptions
        # A failed attempt leaves a comment, so the next one has another chance. A routine's tasks are told apart by how
        # many came before. Ids are new each time and say nothing.
        piece = f"{assumed.seed}/{order.agent_name}/{order.title}/{len(order.comments)}"
        self._begun[piece] += 1
        chance = random.Random(f"{piece}/{self._begun[piece]}")  # noqa: S311
        used = Outcome(
            usage=TokenUsage(input_tokens=1000, output_tokens=200), cost_cents=assumed.cents, model="scripted"
        )

        async def make() -> tuple[None, Outcome]:
            await self._clock.sleep(assumed.minutes * 60 * chance.uniform(0.5, 1.5))
            return None, used

        worst = msgspec.structs.replace(used, cost_cents=2 * assumed.cents)
        await toolbox.metered(MeteredCall(provider_key="scripted", worst=worst, make=make))
        if chance.random() < assumed.failing:
            return Outcome(error="This attempt was chosen to fail")
        return Outcome(result=f"{order.title}: done in the dry run")


async def _company(runtime: Runtime, wanted: str | None) -> Company:
    page = await runtime.queries.companies(None, PAGE, 0)
    companies = [decode(body, Company) for body in page.bodies]
    found = [one for one in companies if wanted is None or wanted in (one.id, one.name)]
    if len(found) != 1:
        names = ", ".join(one.name for one in companies) or "none"
        raise NotFound(f"Name one company by its id or its whole name; there are: {names}")
    return found[0]


async def _report(runtime: Runtime, company: Company, *, since: int, begin: Instant) -> Report:
    agents = [decode(body, Agent) for body in (await runtime.queries.agents(company.id, PAGE, 0)).bodies]
    routines = [decode(body, Routine) for body in (await runtime.queries.routines(company.id, (), PAGE, 0)).bodies]
    return Report(
        company=company.name,
        until=runtime.clock.now(),
        tasks=await _tasks(runtime, company),
        agents=[await _agent(runtime, agent, begin) for agent in agents],
        routines=[await _routine(runtime, routine, begin) for routine in routines],
        events=await _events(runtime, company, since),
    )


async def _tasks(runtime: Runtime, company: Company) -> dict[str, int]:
    counted: Counter[str] = Counter()
    offset, total = 0, 1
    while offset < total:
        page = await runtime.queries.tasks(company.id, TaskFilter(), PAGE, offset)
        counted.update(decode(body, Task).status.value for body in page.bodies)
        offset, total = offset + PAGE, page.total
    return dict(counted)


async def _events(runtime: Runtime, company: Company, since: int) -> dict[str, int]:
    counted: Counter[str] = Counter()
    while batch := await runtime.queries.events_after(since, runtime.hub.last_seq, PAGE):
        counted.update(event.type for event in batch if event.company_id == company.id)
        since = batch[-1].seq
    return dict(counted.most_common())


async def _agent(runtime: Runtime, agent: Agent, begin: Instant) -> AgentReport:
    runs: Counter[str] = Counter()
    cents, before = Decimal(0), None
    while True:
        page = await runtime.queries.runs(agent.id, PAGE, 0, before)
        new = [run for body in page.bodies if (run := decode(body, Run)).started_at >= begin]
        runs.update(run.status.value for run in new)
        cents += sum((run.cost_cents for run in new), Decimal(0))
        before = page.older
        if before is None or len(new) < len(page.bodies):
            return AgentReport(name=agent.name, status=agent.status, runs=dict(runs), cents=cents)


async def _routine(runtime: Runtime, routine: Routine, begin: Instant) -> RoutineReport:
    counted: Counter[str] = Counter()
    before = None
    while True:
        page = await runtime.queries.executions(routine.id, PAGE, 0, before)
        executions = [decode(body, Execution) for body in page.bodies]
        counted.update(execution.status.value for execution in executions if execution.created_at >= begin)
        if (before := page.older) is None:
            return RoutineReport(title=routine.title, status=routine.status, executions=dict(counted))
