"""Embedding: a whole company from Python, without HTTP; started, stopped, and started again."""

import asyncio
import stat
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from opencognit import TASK_LOCK, DomainError, Runtime
from opencognit.domain.agent import Agent
from opencognit.domain.company import Company
from opencognit.domain.errors import (
    DeadlineExceeded,
    Draining,
    NotFound,
    StorageUnavailable,
    TaskLocked,
    ValidationFailed,
)
from opencognit.domain.message import decode
from opencognit.domain.run import Run, RunStatus
from opencognit.domain.task import Checkout, DeleteTask, Release, Task, TaskStatus
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.store.database import sqlite3
from opencognit.testing import ScriptedProvider
from tests.conftest import quick_settings

WAIT = 20.0
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def runtime_in(data: Path | None, worker: ScriptedProvider | None = None, **options: Any) -> Runtime:
    return Runtime(data, settings=quick_settings(), providers={"scripted": worker or ScriptedProvider()}, **options)


@pytest.fixture
async def company(runtime: Runtime) -> Company:
    return await runtime.create_company(name="Acme")


@pytest.fixture
async def agent(runtime: Runtime, company: Company) -> Agent:
    """One that works by itself."""
    return await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter="scripted")


class Unending:
    """A script that works until it is stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, _order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        raise AssertionError


# Driving a company


async def test_a_company_is_driven_from_python(runtime: Runtime, company: Company, agent: Agent) -> None:
    task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
    done = await runtime.finished(task.id, within=WAIT)
    assert (done.status, done.result) == (TaskStatus.DONE, "Build it: done")


async def test_the_program_itself_can_do_the_work(runtime: Runtime, company: Company) -> None:
    agent = await runtime.create_agent(company.id, name="Bob", role="Engineer")
    task = await runtime.create_task(company.id, title="Build it")
    locked = await runtime.ask(TASK_LOCK, task.id, Checkout(agent_id=agent.id))
    assert (locked.status, locked.locked_by, locked.lock_token) == (TaskStatus.IN_PROGRESS, agent.id, 1)
    released = await runtime.ask(
        TASK_LOCK, task.id, Release(agent_id=agent.id, status=TaskStatus.DONE, result="It stands.")
    )
    assert (released.status, released.result, released.locked_by) == (TaskStatus.DONE, "It stands.", None)


async def test_what_is_refused_is_a_typed_error(runtime: Runtime, company: Company) -> None:
    agents = [await runtime.create_agent(company.id, name=name, role="Engineer") for name in ("Ada", "Bob")]
    task = await runtime.create_task(company.id, title="Build it")
    await runtime.ask(TASK_LOCK, task.id, Checkout(agent_id=agents[0].id))
    with pytest.raises(TaskLocked) as refused:
        await runtime.ask(TASK_LOCK, task.id, Checkout(agent_id=agents[1].id))
    assert isinstance(refused.value, DomainError)


async def test_states_can_be_read(runtime: Runtime, company: Company, agent: Agent) -> None:
    task = await runtime.create_task(company.id, title="Build it")
    assert await runtime.company(company.id) == company
    assert await runtime.task(task.id) == task
    read = await runtime.agent(agent.id)
    assert read is not None
    assert read.name == "Ada"


async def test_what_does_not_exist_reads_as_none(runtime: Runtime) -> None:
    assert [await runtime.company(NOBODY), await runtime.agent(NOBODY), await runtime.task(NOBODY)] == [None] * 3


@pytest.mark.parametrize(
    ("fields", "problem"),
    [({"name": ""}, "name"), ({"name": 5}, "name"), ({"nome": "Acme"}, "nome"), ({}, "name"), ({"name": None}, "name")],
)
async def test_a_wrong_field_is_refused_as_over_http(runtime: Runtime, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationFailed, match=problem):
        await runtime.create_company(**fields)


async def test_nobody_is_hired_and_nothing_assigned_in_a_company_that_does_not_exist(runtime: Runtime) -> None:
    with pytest.raises(NotFound):
        await runtime.create_agent(NOBODY, name="Ada", role="Engineer")
    with pytest.raises(NotFound):
        await runtime.create_task(NOBODY, title="Build it")


async def test_an_agent_can_be_woken(runtime: Runtime, company: Company, worker: ScriptedProvider) -> None:
    agent = await runtime.create_agent(company.id, name="Ada", role="Engineer")
    assert (await runtime.wake(agent.id)).id == agent.id
    with pytest.raises(NotFound):
        await runtime.wake(NOBODY)


async def test_the_figures_of_the_whole_server(runtime: Runtime, company: Company, agent: Agent) -> None:
    task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
    await runtime.create_task(company.id, title="Another")
    await runtime.finished(task.id, within=WAIT)
    status = await runtime.status()
    assert (status.active_agents, status.open_tasks, status.heartbeats_today) == (1, 1, 1)


# Waiting


async def test_waiting_for_a_task_that_is_done_already_answers_at_once(
    runtime: Runtime, company: Company, agent: Agent
) -> None:
    task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
    first = await runtime.finished(task.id, within=WAIT)
    assert await runtime.finished(task.id, within=WAIT) == first


async def test_waiting_ends_with_the_time_given(runtime: Runtime, company: Company) -> None:
    task = await runtime.create_task(company.id, title="Nobody's")
    with pytest.raises(DeadlineExceeded):
        await runtime.finished(task.id, within=0.01)


async def test_waiting_for_what_does_not_exist_is_refused(runtime: Runtime) -> None:
    with pytest.raises(NotFound):
        await runtime.finished(NOBODY, within=WAIT)


async def test_waiting_ends_when_the_task_is_deleted(runtime: Runtime, company: Company) -> None:
    task = await runtime.create_task(company.id, title="Nobody's")
    waiting = asyncio.ensure_future(runtime.finished(task.id, within=WAIT))
    await asyncio.sleep(0)
    await runtime.ask(TASK_LOCK, task.id, DeleteTask())
    with pytest.raises(NotFound):
        await waiting


async def test_events_can_be_replayed_and_followed(runtime: Runtime, company: Company, agent: Agent) -> None:
    task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
    seen = []
    async with asyncio.timeout(WAIT), aclosing(runtime.events(since=0)) as events:
        async for event in events:
            seen.append(event)
            if event.type == "task_completed":
                break
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert next(event.type for event in seen if task.id.encode() in event.data) == "task_created"


async def test_events_of_one_company_are_not_anothers(runtime: Runtime, company: Company) -> None:
    other = await runtime.create_company(name="Other")
    await runtime.create_task(company.id, title="Build it")
    async with asyncio.timeout(WAIT), aclosing(runtime.events(company_id=company.id, since=0)) as events:
        async for event in events:
            assert event.company_id == company.id != other.id
            if event.type == "task_created":
                break


# Starting and stopping


async def test_without_a_folder_nothing_is_left_behind() -> None:
    async with runtime_in(None) as runtime:
        data = runtime.data
        await runtime.create_company(name="Acme")
        assert (data / "opencognit.db").exists()
    assert not data.exists()


async def test_what_was_made_is_there_at_the_next_start(data: Path) -> None:
    async with runtime_in(data) as runtime:
        company = await runtime.create_company(name="Acme")
    async with runtime_in(data) as runtime:
        assert await runtime.company(company.id) == company


async def test_the_folder_and_its_keys_are_for_their_owner_alone(data: Path) -> None:
    async with runtime_in(data):
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [data, *(data / "keys").iterdir()]}
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


async def test_a_second_runtime_on_the_same_folder_is_refused(data: Path) -> None:
    async with runtime_in(data) as first:
        with pytest.raises(StorageUnavailable, match=r"in use by another server \(process \d+\)"):
            async with runtime_in(data):
                pass
        assert (await first.create_company(name="Acme")).name == "Acme"


async def test_after_the_first_has_stopped_the_folder_is_free(data: Path) -> None:
    for number in range(3):
        async with runtime_in(data) as runtime:
            await runtime.create_company(name=f"Acme {number}")


async def test_two_runtimes_on_two_folders_do_not_know_each_other(tmp_path: Path) -> None:
    async with runtime_in(tmp_path / "one") as one, runtime_in(tmp_path / "two") as two:
        company = await one.create_company(name="Acme")
        assert await two.company(company.id) is None


@pytest.fixture
def damaged(data: Path) -> Path:
    """A file that is no database, where the database should be."""
    data.mkdir()
    file = data / "opencognit.db"
    file.write_bytes(b"This is no database at all. " * 500)
    return file


async def test_a_start_that_fails_gives_the_folder_back(data: Path, damaged: Path) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        async with runtime_in(data):
            pass
    await asyncio.to_thread(damaged.unlink)
    async with runtime_in(data) as runtime:
        assert await runtime.queries.answers_at_all()


async def test_a_stopped_runtime_takes_nothing_new(data: Path) -> None:
    async with runtime_in(data) as runtime:
        pass
    with pytest.raises(Draining):
        await runtime.create_company(name="Too late")


async def test_stopping_twice_is_harmless(data: Path) -> None:
    async with runtime_in(data) as runtime:
        await runtime.stop()


async def test_stopping_closes_the_programs_own_adapters(data: Path) -> None:
    class Closing(ScriptedProvider):
        closed = 0

        @override
        async def close(self) -> None:
            self.closed += 1

    worker = Closing()
    async with runtime_in(data, worker):
        assert worker.closed == 0
    assert worker.closed == 1


async def test_a_block_that_fails_stops_the_runtime_and_passes_the_error_on(data: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with runtime_in(data):
            raise ZeroDivisionError
    async with runtime_in(data):
        pass


# Stopping while someone is at work


@pytest.fixture
async def interrupted(data: Path) -> tuple[Unending, Agent, Task]:
    """A runtime that was stopped while its agent was at work."""
    script = Unending()
    async with runtime_in(data, ScriptedProvider(script)) as runtime:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter="scripted")
        task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
        async with asyncio.timeout(WAIT):
            await script.begun.wait()
    return script, agent, task


async def test_stopping_ends_the_work_under_way(interrupted: tuple[Unending, Agent, Task]) -> None:
    script, _, _ = interrupted
    assert script.was_cancelled


async def test_stopping_leaves_neither_a_lock_nor_an_open_run(
    interrupted: tuple[Unending, Agent, Task], data: Path
) -> None:
    with closing(sqlite3.connect(data / "opencognit.db")) as database:
        ((task,),) = database.execute("SELECT body FROM tasks").fetchall()
        ((run, ended_at),) = database.execute("SELECT body, ended_at FROM runs").fetchall()
    left = decode(task, Task)
    assert (left.status, left.locked_by, left.lock_expires_at, left.attempts) == (TaskStatus.TODO, None, None, 0)
    assert decode(run, Run).status is RunStatus.CANCELLED
    assert ended_at is not None


async def test_the_next_start_goes_on_with_the_work(interrupted: tuple[Unending, Agent, Task], data: Path) -> None:
    _, _, task = interrupted
    worker = ScriptedProvider()
    async with runtime_in(data, worker) as runtime:
        done = await runtime.finished(task.id, within=WAIT)
    assert done.result == "Build it: done"
    assert done.lock_token == 2
    assert [order.task_id for order in worker.orders] == [task.id]


async def test_numbers_of_events_go_on_at_the_next_start(data: Path) -> None:
    numbers: list[list[int]] = []
    for _ in range(2):
        async with runtime_in(data) as runtime:
            await runtime.create_company(name="Acme")
            async with aclosing(runtime.events(since=0)) as events:
                numbers.append([(await anext(events)).seq for _ in range(len(numbers) + 1)])
    assert numbers == [[1], [1, 2]]
