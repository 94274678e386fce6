"""`opencognit dry-run`, as a person runs it beside a server that is at work."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.kinds import ROUTINE
from opencognit.domain.origin import Origin
from opencognit.domain.routine import CreateRoutine, CreateTrigger, RoutineStatus, TriggerKind
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.testing import ScriptedProvider

Json = dict[str, Any]

TASKS = 12


@pytest.fixture
async def company(runtime: Runtime, worker: ScriptedProvider) -> str:
    """A company of two agents, each in the middle of its first task."""
    begun: asyncio.Queue[str] = asyncio.Queue()

    async def endless(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        begun.put_nowait(order.title)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    worker.script = endless
    company = await runtime.create_company(name="Acme")
    secret = {"kopfzeilen": {"Authorization": "Bearer canary"}}
    agents = [
        await runtime.create_agent(company.id, name=name, role="R", adapter="scripted", adapter_config=secret)
        for name in ("Ada", "Bob")
    ]
    for number in range(TASKS):
        await runtime.create_task(company.id, title=f"Task {number}", assignee_id=agents[number % 2].id)
    await begun.get()
    await begun.get()
    return company.id


async def called(data: Path, *options: str) -> tuple[int, str, str]:
    """(exit code, output, errors) of the command."""
    command = (sys.executable, "-m", "opencognit", "dry-run", "--data", str(data), *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def report(data: Path, *options: str) -> Json:
    code, output, errors = await called(data, "--json", *options)
    assert code == 0, errors
    read: Json = json.loads(output)
    return read


async def test_a_dry_run_does_in_a_copy_what_the_company_would_do(runtime: Runtime, company: str) -> None:
    before = runtime.hub.last_seq
    told = await report(runtime.data, "--days", "2", "--failing", "0", "--cents", "2.5")
    assert told["tasks"] == {"done": TASKS}
    assert {agent["name"]: agent["runs"] for agent in told["agents"]} == {
        name: {"succeeded": TASKS // 2} for name in ("Ada", "Bob")
    }
    assert [agent["cents"] for agent in told["agents"]] == [15.0, 15.0]
    assert told["events"]["task_completed"] == TASKS
    assert runtime.hub.last_seq == before
    assert (await runtime.status()).open_tasks == TASKS
    assert company


async def test_a_dry_run_with_the_same_seed_ends_the_same_and_with_another_seed_not(
    runtime: Runtime, company: str
) -> None:
    options = ("--company", company, "--days", "3", "--failing", "0.6")
    first, again, other = [await report(runtime.data, *options, "--seed", seed) for seed in ("1", "1", "2")]
    for told in (first, again, other):
        del told["until"]
    assert first == again
    assert first["agents"] != other["agents"]
    assert first["tasks"].keys() == {"done", "blocked"}


async def test_a_dry_run_lets_routines_come_due_and_counts_what_became_of_them(runtime: Runtime) -> None:
    company = await runtime.create_company(name="Acme")
    agent = await runtime.create_agent(company.id, name="Ada", role="R", adapter="scripted")
    origin = Origin(company_id=company.id)
    for title, status in (("Morning report", "active"), ("Idle", "paused")):
        create = CreateRoutine(title=title, assignee_id=agent.id, status=RoutineStatus(status))
        routine = await runtime.system.create(ROUTINE, create, origin=origin)
        await runtime.ask(ROUTINE, routine.id, CreateTrigger(kind=TriggerKind.SCHEDULE, cron="0 9 * * *"))
        await runtime.ask(ROUTINE, routine.id, CreateTrigger(kind=TriggerKind.WEBHOOK))
    told = await report(runtime.data, "--days", "30", "--failing", "0.2", "--seed", "1")
    assert told["routines"] == [
        {"title": "Morning report", "status": "active", "executions": {"completed": 30}},
        {"title": "Idle", "status": "paused", "executions": {}},
    ]
    assert told["events"]["routine_executed"] == 30
    # Each day's task has a chance of its own, although all have one title.
    assert 0 < told["agents"][0]["runs"]["failed"] < 30
    _, output, _ = await called(runtime.data, "--days", "1")
    assert "Morning report" in output


async def test_a_dry_run_shows_tables_to_people(runtime: Runtime, company: str) -> None:
    code, output, errors = await called(runtime.data, "--days", "1")
    assert code == 0, errors
    assert "Acme" in output
    assert "Ada" in output
    assert f"{TASKS}" in output
    assert "canary" not in output + errors
    assert company


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--company", "Nobody"), "there are: Acme"),
        (("--days", "0"), "Invalid value"),
        (("--seed", "x"), "Invalid value"),
    ],
)
async def test_a_dry_run_of_nothing_says_why(
    runtime: Runtime, company: str, options: tuple[str, ...], sentence: str
) -> None:
    code, _, errors = await called(runtime.data, *options)
    assert code != 0
    assert sentence in errors
    assert company


async def test_a_dry_run_without_a_database_says_so(tmp_path: Path) -> None:
    code, _, errors = await called(tmp_path / "nowhere")
    assert code == 1
    assert "cannot be copied" in errors
    assert "Traceback" not in errors
