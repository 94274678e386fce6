"""How a WebSocket ends: with its session, by not reading, and with the server."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator

import aiohttp
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Api
from tests.http.sockets import Follow, Json, bearer, close_code, everything, is_signed_in, newest, numbers

# The end of a session


async def test_signing_out_closes_the_tokens_sockets(owner: Api, follow: Follow) -> None:
    both = [await follow(owner), await follow(owner)]
    await owner.make("/api/auth/abmelden")
    assert [await close_code(follower.socket) for follower in both] == [4401, 4401]


async def test_signing_out_leaves_the_users_other_sessions_open(owner: Api, follow: Follow) -> None:
    credentials = {"email": owner.user["email"], "passwort": "secret-password"}
    other = owner.with_token((await owner.make("/api/auth/anmelden", credentials))["token"])
    kept, closed = await follow(other), await follow(owner)
    await owner.make("/api/auth/abmelden")
    assert await close_code(closed.socket) == 4401
    assert await is_signed_in(kept.socket)


async def test_a_change_of_password_closes_all_of_the_users_sockets(owner: Api, follow: Follow) -> None:
    credentials = {"email": owner.user["email"], "passwort": "secret-password"}
    other = owner.with_token((await owner.make("/api/auth/anmelden", credentials))["token"])
    both = [await follow(owner), await follow(other)]
    change = {"altesPasswort": "secret-password", "neuesPasswort": "another-password"}
    assert (await owner.call("PUT", "/api/auth/passwort", change)).status == 200
    assert [await close_code(follower.socket) for follower in both] == [4401, 4401]


async def test_revoking_an_agents_token_closes_its_sockets(owner: Api, company: Json, follow: Follow) -> None:
    agent = await owner.agent(company)
    follower = await follow(await owner.agent_api(agent))
    assert (await owner.delete(f"/api/experten/{agent['id']}/token")).status == 200
    assert await close_code(follower.socket) == 4401


async def test_deleting_an_agent_closes_its_sockets(owner: Api, company: Json, follow: Follow) -> None:
    agent = await owner.agent(company)
    follower = await follow(await owner.agent_api(agent))
    assert (await owner.delete(f"/api/experten/{agent['id']}")).status == 200
    assert await close_code(follower.socket) == 4401


async def test_a_socket_that_closes_by_itself_is_forgotten(owner: Api, follow: Follow, runtime: Runtime) -> None:
    first, second = await follow(owner), await follow(owner)
    await first.socket.close()
    assert await is_signed_in(second.socket)
    await owner.make("/api/auth/abmelden")
    assert await close_code(second.socket) == 4401
    assert runtime.hub.followers() == 0


class TestATokenThatExpires:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_closes_its_sockets_then_and_not_before(
        self, owner: Api, follow: Follow, clock: ManualClock, settings: Settings
    ) -> None:
        follower = await follow(owner)
        await clock.advance(settings.accounts.session_seconds - 1)
        assert await is_signed_in(follower.socket)
        await clock.advance(1)
        assert await close_code(follower.socket) == 4401


# Slow clients, and the end of the server


@pytest.fixture
async def sleeper(owner: Api) -> AsyncIterator[sockets.socket]:
    """A client of the operating system's own sockets that has signed in and does not read."""
    loop = asyncio.get_running_loop()
    host, port = owner.url.removeprefix("http://").split(":")
    with sockets.socket() as line:
        line.setblocking(False)
        line.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        await loop.sock_connect(line, (host, int(port)))
        upgrade = (
            f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {owner.token}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(line, upgrade.encode())
        assert (await loop.sock_recv(line, 12)).endswith(b" 101")
        yield line


def said(text: bytes) -> bytes:
    """The frame in which a client says this."""
    no_mask = bytes(4)
    return bytes([0x81, 0x80 | len(text)]) + no_mask + text


TOO_SLOW = b"\x88\x0a" + (4008).to_bytes(2) + b"Too slow"
"""The frame that closes with 4008."""


async def up_to(line: sockets.socket, end: bytes) -> bytes:
    """What a client finds when it reads at last, up to these bytes or the end of the connection."""
    received = b""
    line.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 1 << 20)
    async with asyncio.timeout(8):
        while end not in received[-500:]:
            chunk = await asyncio.get_running_loop().sock_recv(line, 1 << 20)
            if not chunk:
                break
            received += chunk
    return received


async def write_large_events(api: Api, company: Json, megabytes: int = 8) -> None:
    """More than the buffers between a server and a client hold."""
    for _ in range(megabytes * 5):
        task = await api.task(company)
        await api.patch(f"/api/aufgaben/{task['id']}", {"status": "done", "ergebnis": "x" * 200_000})


async def test_a_client_that_does_not_read_is_cut_off_with_4008(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.websocket.SEND_WITHIN", 0.1)
    monkeypatch.setattr("opencognit.http.websocket.CLOSE_WITHIN", 3600)
    await write_large_events(owner, company)
    while runtime.hub.followers():
        await owner.task(company)
    assert TOO_SLOW in await up_to(sleeper, TOO_SLOW)


async def test_a_client_that_is_a_thousand_events_behind_is_cut_off_at_once(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.websocket.SEND_WITHIN", 3600)
    monkeypatch.setattr("opencognit.http.websocket.CLOSE_WITHIN", 3600)
    await write_large_events(owner, company)
    for _ in range(1000):
        await runtime.create_task(company["id"], title="Small")
        if not runtime.hub.followers():
            break
    assert TOO_SLOW in await up_to(sleeper, TOO_SLOW)


async def test_what_a_client_leaves_unread_is_not_kept_for_it(
    owner: Api, company: Json, sleeper: sockets.socket, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opencognit.http.websocket.SEND_WITHIN", 0.1)
    monkeypatch.setattr("opencognit.http.websocket.CLOSE_WITHIN", 0)
    await write_large_events(owner, company)
    while runtime.hub.followers():
        await owner.task(company)
    assert TOO_SLOW not in await up_to(sleeper, TOO_SLOW)


async def test_what_waits_for_a_slow_client_is_not_sent_once_it_may_not_see_it(
    admin: Api, company: Json, owner: Api, sleeper: sockets.socket
) -> None:
    members = f"/api/unternehmen/{company['id']}/mitglieder"
    await owner.make(members, {"benutzerId": admin.user["id"], "rolle": "eigentuemer"})
    await write_large_events(owner, company)
    assert (await admin.delete(f"{members}/{owner.user['id']}")).status == 200
    await asyncio.get_running_loop().sock_sendall(sleeper, said(b'{"type":"ping"}'))
    assert (await up_to(sleeper, b'"pong"')).count(b'"task_completed"') < 40


async def test_what_waits_for_a_slow_client_is_sent_before_its_next_choice_counts(
    owner: Api, company: Json, sleeper: sockets.socket
) -> None:
    await write_large_events(owner, company)
    await asyncio.get_running_loop().sock_sendall(sleeper, said(b'{"type":"subscribe","types":[]}'))
    assert (await up_to(sleeper, b'"subscribed"')).count(b'"task_completed"') == 40


async def test_nobody_waits_for_a_client_that_does_not_read(
    owner: Api, company: Json, sleeper: sockets.socket, follow: Follow
) -> None:
    follower = await follow(owner, types=["task_completed"])
    await write_large_events(owner, company)
    for _ in range(40):
        await follower.next()


async def test_a_client_that_reads_gets_a_replay_longer_than_the_queue(
    owner: Api, company: Json, follow: Follow, runtime: Runtime
) -> None:
    for _ in range(12):
        await asyncio.gather(*(runtime.create_task(company["id"], title="Small") for _ in range(50)))
    last = await newest(follow, owner)
    assert last > 1000
    assert numbers(await everything(await follow(owner, since=0), last)) == list(range(1, last + 1))


async def test_the_end_of_the_server_closes_all_sockets_with_1001(runtime: Runtime) -> None:
    async with aiohttp.ClientSession() as session:
        async with listening(runtime, host="127.0.0.1", port=0) as url:
            owner = await Api(session, url).somebody()
            following = await session.ws_connect(url + "/ws", headers=bearer(owner))
            assert await is_signed_in(following)
            signing_in = await session.ws_connect(url + "/ws")
            codes = asyncio.gather(close_code(following), close_code(signing_in))
        assert list(await codes) == [1001, 1001]


async def test_the_end_of_the_server_does_not_wait_for_a_client_that_does_not_answer(runtime: Runtime) -> None:
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(None) as limit, listening(runtime, host="127.0.0.1", port=0) as url:
            owner = await Api(session, url).somebody()
            socket = await session.ws_connect(url + "/ws", headers=bearer(owner))
            assert await is_signed_in(socket)
            limit.reschedule(asyncio.get_running_loop().time() + 2.5)
        closing = await socket.receive(timeout=5)
        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1001)
