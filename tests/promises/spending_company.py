"""A company whose agents spend: in the test's own process, or in one of its own that is killed.

As a program: `python -m tests.promises.spending_company FOLDER JOURNAL` gives fifty agents work until it is killed.
"""

import asyncio
import itertools
import random
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from opencognit.domain.agent import Agent
from opencognit.domain.budget import Ledger
from opencognit.domain.company import Company, UpdateCompany
from opencognit.domain.kinds import COMPANY
from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider

AGENTS = 50
WORST = Decimal(10)
BUDGET = 10 * int(WORST)
"""Enough for ten calls, if each costs its most."""


class Journal:
    """What the provider counts, kept in a file: what it has begun, and what that has cost it.

    An attempt is known by its model, which stands in the ledger too: `call-7.2` is the second at call 7. One of which
    nobody knows how it ended is booked as `call-7`; there is no other after it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, *words: object) -> None:
        with self._file.open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    def lines(self) -> list[list[str]]:
        """Whole lines; a kill may cut the last."""
        text = self._file.read_text() if self._file.exists() else ""
        return [line.split() for line in text.split("\n")[:-1]]

    def begun(self) -> set[str]:
        return {words[1] for words in self.lines() if words[0] == "begun"}

    def ended(self) -> dict[str, Decimal]:
        return {words[1]: Decimal(words[2]) for words in self.lines() if words[0] == "ended"}


class SpendingProvider(ScriptedProvider):
    """Each piece of work is three metered calls that end in every way there is."""

    def __init__(self, journal: Journal, seed: object) -> None:
        super().__init__(self._spend)
        self.journal = journal
        self._random = random.Random(str(seed))
        self._seed = seed
        self._calls = 0

    async def _spend(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        for _ in range(3):
            self._calls += 1
            name = f"call-{self._seed}-{self._calls}"
            worst = Outcome(cost_cents=WORST, model=name, usage=TokenUsage(output_tokens=10))

            attempts = itertools.count(1)

            async def make(name: str = name, attempts: Iterator[int] = attempts) -> tuple[str, Outcome]:
                return await self._make(f"{name}.{next(attempts)}")

            await toolbox.metered(MeteredCall(provider_key="p", worst=worst, make=make))
        return Outcome(result="done")

    async def _make(self, name: str) -> tuple[str, Outcome]:
        self.journal.write("begun", name)
        await asyncio.sleep(self._random.random() * 0.03)
        way = self._random.choice(["reply", "reply", "reply", "failed", "lost", "crash", "hang"])
        cost = Decimal(self._random.randrange(1, 4_000_000)) / 1_000_000
        used = Outcome(cost_cents=cost, model=name, usage=TokenUsage(output_tokens=3))
        if way == "hang":
            await asyncio.sleep(0.2)
        if way == "crash":
            raise RuntimeError("The line broke, and nobody knows what it has cost")
        self.journal.write("ended", name, WORST if way == "lost" else cost)
        if way == "failed":
            raise ProviderFailed("down", transient=True, partial=used)
        if way == "lost":
            lost = Outcome(cost_cents=WORST, cost_estimated=True, model=name)
            raise ProviderFailed("no answer", transient=True, partial=lost)
        return "reply", used


def overspent(states: Iterable[object]) -> list[Ledger]:
    """The committed states in which more is booked and reserved than may be."""
    return [
        state
        for state in states
        if isinstance(state, Agent | Company)
        and state.budget_cents
        and state.spent_cents + state.reserved_cents > state.budget_cents
    ]


def settings() -> Settings:
    """Fifty at once; what failed comes again at once."""
    soon = {
        "retry_delays_seconds": [0.01] * 100,
        "provider_backoff_seconds": 0.01,
        "provider_pause_seconds": 0.01,
    }
    return Settings.load(environment={}, overrides={"work": {"runs_at_once": AGENTS, **soon}})


async def watch(runtime: Runtime, journal: Journal) -> None:
    """Write down every committed state that breaks the promise."""
    async for change in runtime.system.watch():
        for ledger in overspent([change.state]):
            journal.write("overspent", ledger.id, ledger.spent_cents, ledger.reserved_cents, ledger.budget_cents)


async def found(runtime: Runtime) -> tuple[str, list[str]]:
    """The company with its agents, as they were left or new."""
    page = await runtime.queries.companies(None, 1, 0)
    company_ids = await runtime.queries.companies_with_month() if page.bodies else []
    if not company_ids:
        company = await runtime.create_company(name="Acme", budget_cents=BUDGET)
        for number in range(AGENTS):
            await runtime.create_agent(
                company.id, name=f"Agent {number}", role="Spender", adapter="scripted", budget_cents=5 * BUDGET
            )
        company_ids = [company.id]
    return company_ids[0], await runtime.queries.agent_ids(company_ids[0])


async def main(folder: Path, journal: Journal) -> None:
    provider = SpendingProvider(journal, seed=len(journal.lines()))
    async with Runtime(folder, settings=settings(), providers={"scripted": provider}) as runtime:
        watching = asyncio.ensure_future(watch(runtime, journal))
        company_id, agent_ids = await found(runtime)
        for round_number in range(1_000):
            company = await runtime.company(company_id)
            assert company is not None
            more = int(company.spent_cents + company.reserved_cents) + BUDGET
            await runtime.ask(COMPANY, company_id, UpdateCompany(budget_cents=more))
            for agent_id in agent_ids:
                await runtime.create_task(company_id, title=f"Round {round_number}", assignee_id=agent_id)
            await asyncio.sleep(0.3)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Journal(Path(sys.argv[2]))))
