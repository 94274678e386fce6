"""Coding agents end to end: allowed by the operator, paid by the company, resumed later, ended with the run."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.agent import Agent
from opencognit.domain.coding_session import KEPT
from opencognit.domain.company import Company, DeleteCompany
from opencognit.domain.kinds import COMPANY, SETTINGS, TASK_LOCK
from opencognit.domain.origin import Origin
from opencognit.domain.setting import ChangeSetting
from opencognit.domain.task import TaskStatus, UpdateTask
from opencognit.housekeeping import ROUND
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.providers.coding_cli_fakes import FakeCli, claude_says, codex_says
from tests.providers.commands import released

Json = dict[str, Any]
KEY = "sk-ant-canary-0123456789"
WITHIN = 20.0


@pytest.fixture
def claude(tmp_path: Path) -> FakeCli:
    return FakeCli("claude", tmp_path / "cli")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(
        agents={
            "coding_agents_enabled": ["claude-code", "codex-cli"],
            "coding_agents_path": [str(tmp_path / "cli" / "bin")],
            "bash_sandbox": "none",
        }
    )


async def hired(runtime: Runtime, adapter: str = "claude-code") -> tuple[Company, Agent]:
    company = await runtime.create_company(name="Acme")
    for name in ("anthropic_api_key", "openai_api_key"):
        await runtime.ask(
            SETTINGS, company.id, ChangeSetting(key=name, value=KEY), origin=Origin(company_id=company.id)
        )
    agent = await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter=adapter)
    return company, agent


async def hired_over_http(owner: Api) -> tuple[Json, Json]:
    company = await owner.company()
    body = {"wert": KEY, "unternehmenId": company["id"]}
    assert (await owner.call("PUT", "/api/einstellungen/anthropic_api_key", body)).status == 200
    return company, await owner.agent(company, verbindungsTyp="claude-code")


async def test_a_task_is_done_with_the_companys_key_and_its_cost_is_booked(
    owner: Api, claude: FakeCli, follow: Any
) -> None:
    company, agent = await hired_over_http(owner)
    follower: Follower = await follow(owner)
    claude.plays(claude_says(f"Done with {KEY}.", cost=0.25))
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("run_finished", aufgabeId=task["id"])
    run = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json[0]
    assert (run["status"], run["kostenCent"]) == ("succeeded", 25)
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json["ergebnis"] == "Done with [key]."
    assert claude.starts[0]["env"]["ANTHROPIC_API_KEY"] == KEY
    assert KEY not in str(follower.seen)


async def test_the_price_that_is_set_holds_for_the_next_run(owner: Api, runtime: Runtime, tmp_path: Path) -> None:
    codex = FakeCli("codex", tmp_path / "cli")
    company, agent = await hired(runtime, "codex-cli")
    for price in (1_000_000, 2_000_000):
        prices = {"codex-cli": {"input": price, "output": price}}
        await runtime.ask(
            SETTINGS,
            company.id,
            ChangeSetting(key="model_prices", value=prices),
            origin=Origin(company_id=company.id),
        )
        codex.plays(codex_says(input_tokens=100, cached_input_tokens=0, output_tokens=0, session=f"s-{price}"))
        task = await runtime.create_task(company.id, title="Task", assignee_id=agent.id)
        await runtime.finished(task.id, within=WITHIN)
    state = await runtime.agent(agent.id)
    assert state is not None
    assert state.spent_cents == 300


@pytest.mark.parametrize("adapter", ["claude-code", "codex-cli", "gemini-cli"])
async def test_it_is_refused_where_the_operator_does_not_allow_it(tmp_path: Path, adapter: str) -> None:
    async with Runtime(tmp_path / "data", settings=quick_settings()) as runtime:
        company = await runtime.create_company(name="Acme")
        with pytest.raises(Exception, match=r"agents\.coding_agents_enabled"):
            await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter=adapter)


async def test_a_wrong_configuration_is_refused_over_http(owner: Api) -> None:
    body = {"name": "A", "rolle": "R", "verbindungsTyp": "claude-code", "verbindungsConfig": {"zugriff": "all"}}
    answer = await owner.post(f"/api/unternehmen/{(await owner.company())['id']}/experten", body)
    assert_error(answer, 400, "VALIDATION_ERROR")


async def test_the_session_is_resumed_after_a_restart(tmp_path: Path, settings: Settings, claude: FakeCli) -> None:
    claude.plays(claude_says(session="abc"))
    claude.plays(claude_says(session="abc"))
    async with Runtime(tmp_path / "data", settings=settings) as first:
        company, agent = await hired(first)
        task = await first.create_task(company.id, title="Task", assignee_id=agent.id)
        await first.finished(task.id, within=WITHIN)
    async with Runtime(tmp_path / "data", settings=settings) as second:
        await second.ask(TASK_LOCK, task.id, UpdateTask(status=TaskStatus.TODO))
        await second.wake(agent.id)
        await second.finished(task.id, within=WITHIN)
    assert [start["argv"][-2:] for start in claude.starts][1] == ["--resume", "abc"]


async def test_another_task_of_the_agent_has_a_session_of_its_own(
    tmp_path: Path, settings: Settings, claude: FakeCli
) -> None:
    async with Runtime(tmp_path / "data", settings=settings) as runtime:
        company, agent = await hired(runtime)
        for session in ("abc", "def"):
            claude.plays(claude_says(session=session))
            task = await runtime.create_task(company.id, title="Task", assignee_id=agent.id)
            await runtime.finished(task.id, within=WITHIN)
    assert "--resume" not in claude.starts[1]["argv"]


async def test_a_company_takes_its_sessions_with_it(runtime: Runtime, claude: FakeCli) -> None:
    company, agent = await hired(runtime)
    claude.plays(claude_says())
    task = await runtime.create_task(company.id, title="Task", assignee_id=agent.id)
    await runtime.finished(task.id, within=WITHIN)
    assert await runtime.queries.coding_session(agent.id, task.id) is not None
    await runtime.ask(COMPANY, company.id, DeleteCompany())
    assert await runtime.queries.coding_session(agent.id, task.id) is None


async def test_a_session_that_nobody_uses_is_forgotten(tmp_path: Path, settings: Settings, claude: FakeCli) -> None:
    clock = ManualClock()
    async with Runtime(tmp_path / "data", settings=settings, clock=clock) as runtime:
        company, agent = await hired(runtime)
        claude.plays(claude_says())
        task = await runtime.create_task(company.id, title="Task", assignee_id=agent.id)
        await runtime.finished(task.id, within=WITHIN)
        await clock.advance(KEPT)
        async with asyncio.timeout(WITHIN):
            while await runtime.queries.coding_session(agent.id, task.id) is not None:
                await clock.advance(ROUND)


async def test_a_run_that_the_board_cancels_ends_all_that_it_has_started(
    owner: Api, claude: FakeCli, follow: Any, tmp_path: Path
) -> None:
    held, begun = tmp_path / "held", tmp_path / "begun"
    held.touch()
    os.mkfifo(begun)
    company, agent = await hired_over_http(owner)
    follower: Follower = await follow(owner)
    claude.plays({"child": str(held)}, {"deaf": True}, {"write": str(begun)}, {"hang": True})
    task = await owner.task(company, zugewiesenAn=agent["id"])
    assert await asyncio.wait_for(asyncio.to_thread(begun.read_text), WITHIN) == "begun"
    await owner.make(f"/api/aufgaben/{task['id']}/release", {"status": "cancelled"})
    finished = await follower.until("run_finished", aufgabeId=task["id"])
    # What it has cost by then nobody knows, so it counts as its most.
    assert (finished["data"]["status"], finished["data"]["kostenCent"]) == ("cancelled", 500)
    await released(held)
