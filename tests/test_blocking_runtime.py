"""The runtime for programs without asyncio: the same, and every call waits for its answer."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencognit import TASK_LOCK, BlockingRuntime
from opencognit.domain.errors import DeadlineExceeded, NotFound, StorageUnavailable, ValidationFailed
from opencognit.domain.task import Checkout, TaskStatus
from opencognit.testing import ScriptedProvider
from tests.conftest import quick_settings

NOBODY = "00000000-0000-4000-8000-000000000000"


def runtime_in(data: Path) -> BlockingRuntime:
    return BlockingRuntime(data, settings=quick_settings(), providers={"scripted": ScriptedProvider()})


@pytest.fixture
def blocking(tmp_path: Path) -> Iterator[BlockingRuntime]:
    with runtime_in(tmp_path / "data") as runtime:
        yield runtime


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "opencognit"]


def test_a_company_is_driven_without_asyncio(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    agent = blocking.create_agent(company.id, name="Ada", role="Engineer", adapter="scripted")
    task = blocking.create_task(company.id, title="Build it", assignee_id=agent.id)
    assert blocking.finished(task.id, within=20).result == "Build it: done"


def test_states_are_read_without_asyncio(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    agent = blocking.create_agent(company.id, name="Ada", role="Engineer")
    task = blocking.create_task(company.id, title="Build it")
    assert (blocking.company(company.id), blocking.task(task.id)) == (company, task)
    assert blocking.agent(agent.id) == agent == blocking.wake(agent.id)
    assert blocking.task(NOBODY) is None


def test_any_message_can_be_sent_without_asyncio(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    agent = blocking.create_agent(company.id, name="Ada", role="Engineer")
    task = blocking.create_task(company.id, title="Build it")
    locked = blocking.ask(TASK_LOCK, task.id, Checkout(agent_id=agent.id))
    assert locked.status is TaskStatus.IN_PROGRESS


def test_a_refusal_reaches_the_callers_thread(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    task = blocking.create_task(company.id, title="Nobody's")
    with pytest.raises(ValidationFailed):
        blocking.create_company(name="")
    with pytest.raises(NotFound):
        blocking.create_task(NOBODY, title="x")
    with pytest.raises(DeadlineExceeded):
        blocking.finished(task.id, within=0.01)


def test_events_are_followed_without_asyncio(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    blocking.create_task(company.id, title="Build it")
    seen = []
    for event in blocking.events(company_id=company.id, since=0):
        seen.append(event.type)
        if event.type == "task_created":
            break
    assert seen[-1] == "task_created"


def test_several_threads_may_use_one_runtime(blocking: BlockingRuntime) -> None:
    company = blocking.create_company(name="Acme")
    made: list[str] = []
    workers = [
        threading.Thread(target=lambda: made.append(blocking.create_task(company.id, title="Build it").id))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(made)) == 8


def test_it_can_be_served_over_http_at_the_same_time(blocking: BlockingRuntime) -> None:
    url = blocking.serve(port=0)
    with urllib.request.urlopen(url + "/api/health") as answer:  # noqa: S310 - our own server
        assert json.load(answer)["status"] == "UP"


def test_the_end_of_the_block_ends_the_thread_and_gives_the_folder_back(tmp_path: Path) -> None:
    for _ in range(2):
        with runtime_in(tmp_path) as runtime:
            assert threads() == ["opencognit"]
            runtime.create_company(name="Acme")
        assert threads() == []


def test_a_second_one_on_the_same_folder_is_refused_and_leaves_no_thread(
    blocking: BlockingRuntime, tmp_path: Path
) -> None:
    with pytest.raises(StorageUnavailable, match="in use"), runtime_in(tmp_path / "data"):
        pass
    assert threads() == ["opencognit"]


def test_an_error_in_the_block_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), runtime_in(tmp_path):
        raise ZeroDivisionError
    assert threads() == []
