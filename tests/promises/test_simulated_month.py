"""A month of twenty agents whose providers fail, whose critics reject and whose money runs out: nothing is left over.

It runs in seconds, and ends the same for the same seed.
"""

import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, Verdict, WorkOrder
from opencognit.runtime import Runtime
from opencognit.simulation import simulate
from opencognit.testing import ManualClock, ScriptedReviewer
from tests.conftest import quick_settings
from tests.promises.at_rest import AtRest

DAY = 24 * 3600.0
DAYS = 29
BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
WORST = Outcome(cost_cents=Decimal(8), usage=TokenUsage(output_tokens=800), model="m")
USED = Outcome(cost_cents=Decimal(5), usage=TokenUsage(output_tokens=500), model="m")
POOR, SMALL = 4, 40
"""How many agents have little money, and how many cents that is: enough for eight calls."""

Ending = tuple[dict[str, int], dict[str, Decimal], Decimal, str]
"""(tasks by status, what each agent has spent, what the company has, the last moment)"""


class Fate:
    """What becomes of each call, by its seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._calls: Counter[str] = Counter()

    def chance(self, what: str) -> float:
        """From 0 to 1, for this call about something; the next one has another."""
        self._calls[what] += 1
        return random.Random(f"{self._seed}/{what}/{self._calls[what]}").random()

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Call the provider; it may be away, and the work may be no good."""
        await toolbox.metered(MeteredCall(provider_key="p", worst=WORST, make=lambda: self._make(order.title)))
        good = self.chance(f"work/{order.title}") > 0.35
        return Outcome(result="done") if good else Outcome(error="It did not work")

    async def judge(self, order: WorkOrder, _result: str, _toolbox: Toolbox) -> Verdict:
        """Reject now and then."""
        return Verdict(accepted=self.chance(f"verdict/{order.title}") > 0.3, reasons="It is too short")

    async def _make(self, title: str) -> tuple[None, Outcome]:
        if self.chance(f"call/{title}") < 0.15:
            raise ProviderFailed("Overloaded", transient=True)
        return None, USED


def days(number: int, seed: int) -> Ending:
    """How so many days with this seed end."""
    fate = Fate(seed)
    worker = ScriptedReviewer(fate.work)
    worker.judge = fate.judge

    async def story(runtime: Runtime, clock: ManualClock) -> Ending:
        company = await runtime.create_company(name="Acme", budget_cents=1200)
        agents = [
            await runtime.create_agent(
                company.id,
                name=f"A{nth}",
                role="R",
                adapter="scripted",
                heartbeat_on=True,
                heartbeat_interval=12 * 3600,
                budget_cents=SMALL if nth < POOR else 0,
            )
            for nth in range(20)
        ]
        for day in range(number):
            for nth in range(5):
                agent = agents[(day * 5 + nth) % len(agents)]
                await runtime.create_task(company.id, title=f"Task {day}.{nth}", assignee_id=agent.id)
            await clock.advance(DAY)
            AtRest(runtime).assert_nothing_is_stuck()
        assert runtime.system.runs.all() == []
        rest = AtRest(runtime)
        assert [ledger for ledger in (rest.company, *rest.agents.values()) if ledger.reservations] == []
        spent = {agent.name: agent.spent_cents for agent in rest.agents.values()}
        assert rest.company.spent_cents == sum(spent.values()) <= rest.company.budget_cents
        assert all(spent[f"A{nth}"] <= SMALL for nth in range(POOR))
        statuses = dict(Counter(task.status.value for task in rest.tasks.values()))
        return statuses, spent, rest.company.spent_cents, max(task.updated_at for task in rest.tasks.values())

    return simulate(story, settings=quick_settings(), start=BEGIN, providers=lambda _clock: {"scripted": worker})


def test_a_month_of_twenty_agents_leaves_nothing_over() -> None:
    tasks, _spent, _in_all, _last = days(DAYS, seed=1)
    assert tasks["done"] > 0
    assert tasks["blocked"] > 0, "nothing was rejected or failed too often"
    assert tasks["todo"] > 0, "nobody's money was used up"
    assert sum(tasks.values()) == 5 * DAYS


def test_the_same_seed_ends_the_same() -> None:
    assert days(6, seed=1) == days(6, seed=1) != days(6, seed=2)
