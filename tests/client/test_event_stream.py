"""Events over lost connections and restarts: none is missed, and none comes twice."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from opencognit.client import Client, EventStream, Resync, Retries, ServerUnreachable, StreamedEvent
from opencognit.domain.errors import NotAuthenticated
from opencognit.domain.events import Activity, RunOutput, TaskCreated
from opencognit.domain.task import TaskStatus
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.testing import ScriptedProvider
from tests.builders import Api
from tests.client.breaking_proxy import BreakingProxy
from tests.client.conftest import QUICK
from tests.server_process import ServerProcess


async def next_of(stream: EventStream, kind: str, *words: str) -> StreamedEvent:
    """The next event of this type that has these words."""
    async with asyncio.timeout(20):
        async for event in stream:
            if event.type == kind and all(word in event.raw for word in words):
                return event
    raise AssertionError


async def number_of_next(stream: EventStream) -> int:
    """The number of the next event."""
    async with asyncio.timeout(20):
        return (await anext(stream)).seq or 0


async def up_to(stream: EventStream, seq: int) -> list[int]:
    """The numbers of all events up to this one."""
    numbers: list[int] = []
    async with asyncio.timeout(20):
        while not numbers or numbers[-1] < seq:
            numbers.append((await anext(stream)).seq or 0)
    return numbers


async def everything(client: Client) -> list[int]:
    """The numbers of all events until now, read in one go."""
    stream = client.events()
    await stream.connect()
    last = stream.seq or 0
    await stream.aclose()
    stream = client.events(since=0)
    numbers = await up_to(stream, last)
    await stream.aclose()
    return numbers


async def test_an_event_is_typed(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    stream = client.events(company_ids=[company.id])
    await stream.connect()
    task = await client.tasks.create(company.id, title="Build it")
    event = await next_of(stream, TaskCreated.type)
    assert isinstance(event.data, TaskCreated)
    assert (event.data.task_id, event.data.status) == (task.id, TaskStatus.BACKLOG)
    assert event.company_id == company.id
    assert f'"seq":{event.seq}' in event.raw
    assert isinstance((await next_of(stream, Activity.type)).data, Activity)
    await stream.aclose()


async def test_a_stream_is_narrowed_to_companies_and_types(client: Client) -> None:
    ours, theirs = [await client.companies.create(name=name) for name in ("Ours", "Theirs")]
    stream = client.events(company_ids=[ours.id], types=[TaskCreated.type], since=0)
    await client.tasks.create(theirs.id, title="Theirs")
    task = await client.tasks.create(ours.id, title="Ours")
    first = await anext(stream)
    assert isinstance(first.data, TaskCreated)
    assert first.data.task_id == task.id
    await stream.aclose()


async def test_lost_connections_lose_and_repeat_nothing(client: Client, distant: Client, proxy: BreakingProxy) -> None:
    company = await client.companies.create(name="Acme")
    stream = distant.events(since=0)
    seen = [await number_of_next(stream)]
    for number in range(40):
        await client.tasks.create(company.id, title=f"Task {number}")
        if number % 8 == 0:
            proxy.cut()
        seen.append(await number_of_next(stream))
    wanted = await everything(client)
    assert seen + await up_to(stream, wanted[-1]) == wanted
    await stream.aclose()


async def test_what_happens_before_the_first_event_is_read_is_not_missed_over_a_lost_connection(
    client: Client, distant: Client, proxy: BreakingProxy
) -> None:
    company = await client.companies.create(name="Acme")
    stream = distant.events()
    await stream.connect()
    proxy.cut()
    task = await client.tasks.create(company.id, title="Build it")
    event = await next_of(stream, TaskCreated.type)
    assert isinstance(event.data, TaskCreated)
    assert event.data.task_id == task.id
    await stream.aclose()


async def test_a_restart_of_the_server_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Client(server.url, retries=Retries(tries=60, longest=0.5)) as client:
        signed_in = await client.auth.register(name="Jane", email="jane@example.com", password="secret-password")
        client.token = signed_in.token
        company = await client.companies.create(name="Acme")
        stream = client.events(since=0)
        seen = [await number_of_next(stream)]
        for number in range(3):
            await client.tasks.create(company.id, title=f"Before {number}")
            await server.end()
            reading = asyncio.ensure_future(next_of(stream, TaskCreated.type, f"After {number}"))
            await server.start()
            await client.tasks.create(company.id, title=f"After {number}")
            await reading
        await stream.aclose()
        stream = client.events(since=seen[-1])
        wanted = await everything(client)
        assert seen + await up_to(stream, wanted[-1]) == wanted
        await stream.aclose()


async def test_what_is_no_longer_kept_is_told_as_such(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    stream = client.events(since=10**9)
    lost = await anext(stream)
    assert (lost.type, lost.data) == ("resync", Resync(since=10**9))
    task = await client.tasks.create(company.id, title="Build it")
    assert task.id in (await next_of(stream, TaskCreated.type)).raw
    await stream.aclose()


async def test_a_resync_at_the_first_connection_waits_to_be_read(client: Client) -> None:
    await client.companies.create(name="Acme")
    stream = client.events(since=10**9)
    await stream.connect()
    assert isinstance((await anext(stream)).data, Resync)
    await stream.aclose()


async def test_a_time_limit_around_the_next_event_costs_none(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    stream = client.events(types=[TaskCreated.type])
    await stream.connect()
    for number in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        await client.tasks.create(company.id, title=f"Task {number}")
        assert f"Task {number}" in (await next_of(stream, TaskCreated.type)).raw
    await stream.aclose()


async def test_a_token_that_has_ended_ends_the_stream(client: Client) -> None:
    stream = client.events()
    await stream.connect()
    await client.auth.sign_out()
    with pytest.raises(NotAuthenticated):
        await next_of(stream, "nothing")
    with pytest.raises(NotAuthenticated):
        await client.events().connect()


async def test_a_server_that_stays_away_is_given_up_when_patience_is_over(url: str, owner: Api) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(BreakingProxy(url).running())
        async with Client(proxy.url, owner.token, retries=QUICK) as client:
            stream = client.events(patience=0.1)
            await stream.connect()
            assert stream.connected
            await stack.aclose()
            with pytest.raises(ServerUnreachable):
                await next_of(stream, "nothing")
            assert not stream.connected


async def test_what_a_run_says_has_no_number(client: Client, worker: ScriptedProvider) -> None:
    async def speak(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        toolbox.progress("Hammering.")
        return Outcome(result="It stands.")

    worker.script = speak
    company = await client.companies.create(name="Acme")
    agent = await client.agents.create(company.id, name="Ada", role="Engineer", adapter="scripted")
    stream = client.events(types=[RunOutput.type])
    await stream.connect()
    await client.tasks.create(company.id, title="Build it", assignee_id=agent.id)
    said = await next_of(stream, RunOutput.type)
    assert isinstance(said.data, RunOutput)
    assert (said.seq, said.data.text) == (None, "Hammering.")
    await stream.aclose()
