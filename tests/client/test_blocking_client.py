"""The client for programs without asyncio: the same, and every call waits for its answer."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencognit import BlockingRuntime
from opencognit.client import BlockingClient
from opencognit.domain.errors import NotFound
from opencognit.domain.events import TaskCompleted
from opencognit.domain.task import TaskStatus
from opencognit.testing import ScriptedProvider
from tests.conftest import quick_settings

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with BlockingRuntime(tmp_path, settings=quick_settings(), providers={"scripted": ScriptedProvider()}) as runtime:
        yield runtime.serve(port=0)


@pytest.fixture
def client(url: str) -> Iterator[BlockingClient]:
    with BlockingClient(url) as client:
        signed_in = client.auth.register(name="Jane", email="jane@example.com", password="secret-password")
        client.token = signed_in.token
        yield client


def test_a_company_works_for_a_program_without_asyncio(client: BlockingClient) -> None:
    company = client.companies.create(name="Acme")
    agent = client.agents.create(company.id, name="Ada", role="Engineer", adapter="scripted")
    events = client.events(company_ids=[company.id], types=[TaskCompleted.type])
    task = client.tasks.create(company.id, title="Build it", assignee_id=agent.id)
    done = next(events).data
    assert isinstance(done, TaskCompleted)
    assert (done.task_id, client.tasks.get(task.id).status) == (task.id, TaskStatus.DONE)


def test_lists_are_gone_through_without_asyncio(client: BlockingClient) -> None:
    company = client.companies.create(name="Acme")
    made = [client.tasks.create(company.id, title=f"Task {number}").id for number in range(12)]
    assert [task.id for task in client.tasks.list(company.id, limit=5)] == made
    assert next(client.tasks.list.raw(company.id, limit=5)) == client.tasks.get.raw(made[0])


def test_a_refusal_reaches_the_thread_that_asked(client: BlockingClient) -> None:
    with pytest.raises(NotFound):
        client.tasks.get(NOBODY)
    with pytest.raises(NotFound):
        list(client.tasks.list(NOBODY))


def test_the_thread_ends_with_the_block(url: str) -> None:
    # By their name: the server, which runs here too, begins threads of its own as it needs them.
    before = loop_threads()
    with BlockingClient(url) as client:
        assert client.system.status().open_tasks == 0
        assert loop_threads() == before + 1
    assert loop_threads() == before


def loop_threads() -> int:
    return sum(thread.name == "opencognit" for thread in threading.enumerate())


def test_a_client_that_is_not_open_says_so_without_asyncio() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        BlockingClient("http://localhost").system.status()
