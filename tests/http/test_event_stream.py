"""`GET …/ereignisse`: the same events as over the WebSocket, for those who may see them, and how the stream ends."""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator

import aiohttp
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Api, Follower, assert_error
from tests.http.event_reader import EventReader, reading
from tests.http.sockets import Json, bearer
from tests.http.test_websocket_closing import write_large_events


async def begun(reader: EventReader) -> Json:
    """The first event, after which the stream follows."""
    event = await reader.next()
    assert event is not None
    return event


async def test_it_has_the_same_events_as_the_socket(owner: Api, company: Json, follower: Follower) -> None:
    async with reading(owner, company) as reader:
        assert (await begun(reader))["type"] == "subscribed"
        for _ in range(3):
            await owner.task(company)
        told = [await reader.until("task_created") for _ in range(3)]
    assert told == [await follower.until("task_created") for _ in range(3)]


async def test_it_is_announced_as_a_stream_that_nobody_keeps(owner: Api, company: Json) -> None:
    answer = await owner.get(f"/api/unternehmen/{company['id']}/ereignisse")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("way", ["?since={}", "Last-Event-ID", "both"])
async def test_it_replays_what_came_after_an_event(owner: Api, company: Json, way: str) -> None:
    async with reading(owner, company) as reader:
        await begun(reader)
        tasks = [await owner.task(company) for _ in range(3)]
        first = await reader.until("task_created")
    query = {"both": "?since=0"}.get(way, way.format(first["seq"]) if "?" in way else "")
    headers = {} if "?" in way else {"Last-Event-ID": str(first["seq"])}
    async with reading(owner, company, query, **headers) as reader:
        assert await begun(reader) == {"type": "subscribed", "seq": first["seq"]}
        told = [(await reader.until("task_created"))["data"]["taskId"] for _ in range(2)]
    assert told == [task["id"] for task in tasks[1:]]


async def test_a_client_that_drops_before_the_first_event_misses_none(owner: Api, company: Json) -> None:
    async with reading(owner, company) as reader:
        await begun(reader)
    task = await owner.task(company)
    async with reading(owner, company, **{"Last-Event-ID": str(reader.last_id)}) as reader:
        assert (await reader.until("task_created"))["data"]["taskId"] == task["id"]


async def test_an_event_that_is_not_kept_is_answered_by_resync(owner: Api, company: Json) -> None:
    async with reading(owner, company, "?since=1000000") as reader:
        assert (await begun(reader))["type"] == "resync"
        assert reader.last_id != "1000000"
        task = await owner.task(company)
        assert (await reader.until("task_created"))["data"]["taskId"] == task["id"]


async def test_types_narrow_what_comes_and_what_is_replayed(owner: Api, company: Json) -> None:
    await owner.task(company)
    async with reading(owner, company, "?since=0&types=task_created,task_deleted") as reader:
        await begun(reader)
        await owner.delete(f"/api/aufgaben/{(await owner.task(company))['id']}")
        events = [await reader.next() for _ in range(3)]
    assert [event and event["type"] for event in events] == ["task_created", "task_created", "task_deleted"]


async def test_it_has_the_events_of_one_company_only(owner: Api, company: Json) -> None:
    other = await owner.company()
    async with reading(owner, company, "?since=0") as reader:
        await owner.task(other)
        last = await owner.task(company)
        await begun(reader)
        seen = [await reader.next()]
        while (event := seen[-1]) and event["data"].get("taskId") != last["id"]:
            seen.append(await reader.next())
    assert {event and event["unternehmenId"] for event in seen} == {company["id"]}


async def test_an_agent_does_not_read_what_others_say(owner: Api, company: Json) -> None:
    agent, other = await owner.agent(company), await owner.agent(company)
    for listener in (other, agent):
        said = {"nachricht": "Hello", "empfaengerId": listener["id"]}
        await owner.make(f"/api/unternehmen/{company['id']}/chat", said)
    async with reading(await owner.agent_api(agent), company, "?since=0&types=chat_message") as reader:
        await begun(reader)
        message = await reader.next()
    assert message is not None
    assert message["data"]["expertId"] == agent["id"]


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "1" * 16])
async def test_a_last_event_id_that_is_no_number_is_refused(owner: Api, company: Json, number: str) -> None:
    answer = await owner.get(f"/api/unternehmen/{company['id']}/ereignisse", headers={"Last-Event-ID": number})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert answer.json["details"][0]["feld"] == "Last-Event-ID"


@pytest.mark.parametrize("query", ["since=x", "since=-1", "type=task_created", "since=1&since=2"])
async def test_a_query_that_is_wrong_is_refused(owner: Api, company: Json, query: str) -> None:
    answer = await owner.get(f"/api/unternehmen/{company['id']}/ereignisse?{query}")
    assert_error(answer, 400, "VALIDATION_ERROR")


async def test_silence_is_broken_by_how_far_there_is_nothing(
    owner: Api, company: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.event_stream.KEEP_ALIVE", 0.01)
    async with reading(owner, company, "?types=task_deleted") as reader:
        start = (await begun(reader))["seq"]
        await owner.task(company)
        lines = reader.response.content
        while (line := await lines.readline()) in (b"\n", b": still here\n", b"id: %d\n" % start):
            pass
    assert int(line.removeprefix(b"id: ")) > start


# The end


async def test_it_ends_when_the_token_is_revoked(owner: Api, company: Json) -> None:
    async with reading(owner, company) as reader:
        await begun(reader)
        await owner.make("/api/auth/abmelden")
        await reader.rest()


async def test_it_ends_when_its_user_is_no_longer_a_member_and_not_when_another_leaves(
    admin: Api, owner: Api, company: Json
) -> None:
    members = f"/api/unternehmen/{company['id']}/mitglieder"
    first, second = await admin.somebody(), await admin.somebody()
    for person in (first, second):
        await owner.make(members, {"benutzerId": person.user["id"], "rolle": "mitglied"})
    async with reading(first, company, "?types=task_created") as reader:
        await begun(reader)
        await owner.delete(f"{members}/{second.user['id']}")
        await owner.task(company)
        await reader.until("task_created")
        await owner.delete(f"{members}/{first.user['id']}")
        assert await reader.rest() == []


async def test_it_ends_with_its_company(owner: Api, company: Json) -> None:
    async with reading(owner, company) as reader:
        await begun(reader)
        assert (await owner.delete(f"/api/unternehmen/{company['id']}")).status == 200
        await reader.rest()


class TestATokenThatExpires:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_ends_it_then_and_not_before(
        self, owner: Api, company: Json, clock: ManualClock, settings: Settings
    ) -> None:
        async with reading(owner, company) as reader:
            await begun(reader)
            await clock.advance(settings.accounts.session_seconds - 1)
            await owner.task(company)
            await reader.until("task_created")
            await clock.advance(1)
            await reader.rest()


async def test_a_client_that_leaves_is_forgotten(owner: Api, company: Json, runtime: Runtime) -> None:
    async with reading(owner, company) as reader:
        await begun(reader)
        assert runtime.hub.followers() == 1
    async with asyncio.timeout(10):
        while runtime.hub.followers():
            await owner.get("/api/health")


async def test_the_end_of_the_server_ends_it_at_once(runtime: Runtime) -> None:
    # Of the time in which requests may end, so nothing has to be waited for in vain.
    patience = runtime.settings.server.grace_seconds - 1
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(None) as limit, listening(runtime, host="127.0.0.1", port=0) as url:
            owner = await Api(session, url).somebody()
            company = await owner.company()
            address = f"{url}/api/unternehmen/{company['id']}/ereignisse"
            response = await session.get(address, headers=bearer(owner))
            await begun(EventReader(response))
            limit.reschedule(asyncio.get_running_loop().time() + patience)
        assert await EventReader(response).rest() == []


# Slow clients


@pytest.fixture
async def sleeper(owner: Api, company: Json) -> AsyncIterator[sockets.socket]:
    """A client of the operating system's own sockets that has asked for the stream and does not read."""
    loop = asyncio.get_running_loop()
    host, port = owner.url.removeprefix("http://").split(":")
    with sockets.socket() as line:
        line.setblocking(False)
        line.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        await loop.sock_connect(line, (host, int(port)))
        asked = (
            f"GET /api/unternehmen/{company['id']}/ereignisse HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {owner.token}\r\n\r\n"
        )
        await loop.sock_sendall(line, asked.encode())
        assert (await loop.sock_recv(line, 12)).endswith(b" 200")
        yield line


async def test_a_client_that_does_not_read_is_cut_off_and_nothing_is_kept_for_it(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.event_stream.SEND_WITHIN", 0.1)
    await write_large_events(owner, company)
    async with asyncio.timeout(20):
        while runtime.hub.followers():
            await owner.get("/api/health")
    assert is_cut(await all_of(sleeper))


async def test_a_client_that_is_a_thousand_events_behind_is_cut_off_at_once(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.event_stream.SEND_WITHIN", 3600)
    await write_large_events(owner, company)
    for _ in range(1000):
        await runtime.create_task(company["id"], title="Small")
        if not runtime.hub.followers():
            break
    assert runtime.hub.followers() == 0


async def test_nobody_waits_for_a_client_that_does_not_read(owner: Api, company: Json, sleeper: sockets.socket) -> None:
    async with reading(owner, company, "?types=task_completed") as reader:
        await begun(reader)
        write = asyncio.ensure_future(write_large_events(owner, company))
        for _ in range(40):
            await reader.until("task_completed")
        await write


async def test_a_revoked_token_does_not_wait_for_a_client_that_does_not_read(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.event_stream.SEND_WITHIN", 3600)
    monkeypatch.setattr("opencognit.http.event_stream.END_WITHIN", 0)
    await write_large_events(owner, company)
    await owner.make("/api/auth/abmelden")
    async with asyncio.timeout(10):
        while runtime.hub.followers():
            await owner.get("/api/health")
        assert is_cut(await all_of(sleeper))


def is_cut(received: bytes) -> bool:
    """Whether a stream stops amid an event: what was not sent yet went with the connection."""
    return not received.endswith(b"\r\n")


async def all_of(line: sockets.socket) -> bytes:
    """What a client finds when it reads at last, up to the end of the connection."""
    received = b""
    line.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 1 << 20)
    with contextlib.suppress(ConnectionError):
        while chunk := await asyncio.get_running_loop().sock_recv(line, 1 << 20):
            received += chunk
    return received
