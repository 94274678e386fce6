"""P5: a budget is never overspent, whatever becomes of the calls and of the process."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from opencognit.domain.agent import Agent
from opencognit.domain.company import Company
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.task import Release
from opencognit.runtime import Runtime
from opencognit.testing import ScriptedProvider
from tests.promises.spending_company import (
    BUDGET,
    WORST,
    Journal,
    SpendingProvider,
    found,
    overspent,
    settings,
    watch,
)

KILLS = int(os.environ.get("KILLS", "6"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def rows(folder: Path) -> dict[str, tuple[Decimal, bool]]:
    """The ledger: what was booked for each call, and whether it is a guess."""
    with closing(sqlite3.connect(folder / "opencognit.db")) as database:
        found = database.execute("SELECT model, micro_cents, estimated FROM costs").fetchall()
    assert len({model for model, _, _ in found}) == len(found), "a call was booked twice"
    return {model: (Decimal(micro) / 1_000_000, bool(estimated)) for model, micro, estimated in found}


def calls(attempts: Iterable[str]) -> Counter[str]:
    """How many attempts there are at each call."""
    return Counter(name.partition(".")[0] for name in attempts)


async def ledgers(runtime: Runtime, company_id: str) -> tuple[Company, list[Agent]]:
    company = await runtime.company(company_id)
    assert company is not None
    agents = [await runtime.agent(agent_id) for agent_id in await runtime.queries.agent_ids(company_id)]
    return company, [agent for agent in agents if agent is not None]


async def settled(runtime: Runtime, company_id: str) -> tuple[Company, list[Agent]]:
    """Company and agents when nothing is under way and nothing reserved any more."""
    async with asyncio.timeout(20):
        while True:
            company, agents = await ledgers(runtime, company_id)
            held = company.reserved_cents + sum(agent.reserved_cents for agent in agents)
            if not held and not runtime.system.runs.all():
                return company, agents
            await asyncio.sleep(0.02)


def assert_the_ledger_is_what_the_provider_counted(
    folder: Path, journal: Journal, company: Company, agents: list[Agent]
) -> None:
    booked, begun, ended = rows(folder), journal.begun(), journal.ended()
    total = sum((cents for cents, _ in booked.values()), Decimal(0))
    assert company.spent_cents == sum(agent.spent_cents for agent in agents) == total
    assert calls(begun) <= calls(booked), "an attempt was made that nobody booked"
    for name, (cents, estimated) in booked.items():
        known = ended.get(name)
        # Nobody was told how it ended, or the process was killed before it could be booked: then it is the most.
        assert cents == known or (estimated and cents == WORST), (name, cents, known)


@pytest.mark.parametrize("seed", range(3))
async def test_fifty_heartbeats_at_once_on_a_budget_for_ten_calls(tmp_path: Path, journal: Journal, seed: int) -> None:
    provider, chance = SpendingProvider(journal, seed), random.Random(seed)
    async with Runtime(tmp_path / "data", settings=settings(), providers={"scripted": provider}) as runtime:
        watching = asyncio.ensure_future(watch(runtime, journal))
        company_id, agent_ids = await found(runtime)
        tasks = [await runtime.create_task(company_id, title="T", assignee_id=agent_id) for agent_id in agent_ids]
        company = await runtime.company(company_id)
        async with asyncio.timeout(30):
            while company is not None and company.paused_by is None:
                # Some are cancelled in the middle of their call.
                await runtime.ask(TASK_LOCK, chance.choice(tasks).id, Release())
                await asyncio.sleep(0.01)
                company = await runtime.company(company_id)
        company, agents = await settled(runtime, company_id)
        watching.cancel()
    assert [words for words in journal.lines() if words[0] == "overspent"] == []
    assert BUDGET - WORST < company.spent_cents <= BUDGET
    assert_the_ledger_is_what_the_provider_counted(tmp_path / "data", journal, company, agents)


async def test_a_kill_in_between_loses_no_money_and_frees_none(tmp_path: Path, journal: Journal) -> None:
    chance, folder = random.Random(5), tmp_path / "data"
    for _ in range(KILLS):
        await killed_while_spending(folder, journal, chance)
        assert overspent(stored(folder)) == []
    async with Runtime(folder, settings=settings(), providers={"scripted": ScriptedProvider()}) as runtime:
        company_id, _ = await found(runtime)
        company, agents = await settled(runtime, company_id)
    assert [words for words in journal.lines() if words[0] == "overspent"] == []
    assert_the_ledger_is_what_the_provider_counted(folder, journal, company, agents)
    assert any(estimated for _, estimated in rows(folder).values()), "no call was cut off"


async def killed_while_spending(folder: Path, journal: Journal, chance: random.Random) -> None:
    """Let the company work until some calls more are begun, and then kill it at any moment."""
    enough = len(journal.begun()) + chance.randrange(5, 25)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.promises.spending_company", str(folder), str(journal._file)),
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        async with asyncio.timeout(30):
            while len(journal.begun()) < enough:
                assert process.returncode is None, "it ended by itself"
                await asyncio.sleep(0.02)
        await asyncio.sleep(chance.random() * 0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def stored(folder: Path) -> list[msgspec.Struct]:
    """What a reader of the database would see now."""
    with closing(sqlite3.connect(folder / "opencognit.db")) as database:
        companies = [decode(body, Company) for (body,) in database.execute("SELECT body FROM companies")]
        agents = [decode(body, AGENT.entity) for (body,) in database.execute("SELECT body FROM agents")]
    return [*companies, *agents]
