"""The WebSocket: who may open it, what it answers, and when it is closed."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from opencognit.http.answering import COOKIE
from opencognit.settings import Settings
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.http.sockets import Follow, Json, Open, answer_to, bearer, close_code, is_signed_in


@pytest.fixture
async def open_socket(nobody: Api) -> AsyncIterator[Open]:
    """Open a socket with these headers and this query, and without a token of its own."""
    async with AsyncExitStack() as stack:

        async def open_one(query: str = "", **options: Any) -> aiohttp.ClientWebSocketResponse:
            socket: aiohttp.ClientWebSocketResponse = await nobody.session.ws_connect(
                f"{nobody.url}/ws{query}", **options
            )
            stack.push_async_callback(socket.close)
            return socket

        yield open_one


# Signing in


async def test_the_header_signs_in(owner: Api, open_socket: Open) -> None:
    assert await is_signed_in(await open_socket(headers=bearer(owner)))


async def test_the_cookie_of_a_sign_in_signs_in(owner: Api) -> None:
    credentials = {"email": owner.user["email"], "passwort": "secret-password"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        await Api(browser, owner.url).make("/api/auth/anmelden", credentials)
        async with browser.ws_connect(owner.url + "/ws") as socket:
            assert await is_signed_in(socket)


async def test_a_token_in_the_query_signs_in(owner: Api, open_socket: Open) -> None:
    assert await is_signed_in(await open_socket(f"?token={owner.token}"))


async def test_a_first_message_signs_in(owner: Api, open_socket: Open) -> None:
    socket = await open_socket()
    await socket.send_json({"type": "auth", "token": owner.token})
    assert await socket.receive_json(timeout=5) == {"type": "authenticated"}
    assert await is_signed_in(socket)


async def test_the_cookie_of_another_program_does_not_hinder_a_first_message(owner: Api, open_socket: Open) -> None:
    socket = await open_socket(headers={"Cookie": "theme=dark"})
    await socket.send_json({"type": "auth", "token": owner.token})
    assert await socket.receive_json(timeout=5) == {"type": "authenticated"}


async def test_an_agents_token_signs_in(owner: Api, company: Json, open_socket: Open) -> None:
    agent = await owner.agent_api(await owner.agent(company))
    assert await is_signed_in(await open_socket(headers=bearer(agent)))


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Bearer nonsense"}},
        {"headers": {"Authorization": "Basic b3duZXI6c2VjcmV0"}},
        {"headers": {"Cookie": f"{COOKIE}=nonsense"}},
        {"query": "?token=nonsense"},
        {"query": "?token="},
    ],
    ids=["bad bearer", "another scheme", "bad cookie", "bad query", "empty query"],
)
async def test_a_bad_token_closes_with_4401(open_socket: Open, options: Json) -> None:
    assert await close_code(await open_socket(**options)) == 4401


@pytest.mark.parametrize(
    "first",
    [
        '{"type": "auth", "token": "nonsense"}',
        '{"type": "auth"}',
        '{"type": "subscribe"}',
        '{"type": "auth", "token": 5}',
        "nonsense",
        "",
        "[" * 10_000,
    ],
)
async def test_a_first_message_that_does_not_sign_in_closes_with_4401(open_socket: Open, first: str) -> None:
    socket = await open_socket()
    await socket.send_str(first)
    assert await close_code(socket) == 4401


async def test_a_binary_first_message_closes_with_4401(owner: Api, open_socket: Open) -> None:
    socket = await open_socket()
    await socket.send_bytes(json.dumps({"type": "auth", "token": owner.token}).encode())
    assert await close_code(socket) == 4401


async def test_who_says_nothing_in_time_is_closed_with_4401(open_socket: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opencognit.http.websocket.SIGN_IN_WITHIN", 0.05)
    assert await close_code(await open_socket()) == 4401


async def test_a_revoked_token_closes_with_4401(owner: Api, open_socket: Open) -> None:
    await owner.make("/api/auth/abmelden")
    assert await close_code(await open_socket(headers=bearer(owner))) == 4401


async def test_signing_in_again_as_the_same_user_is_confirmed(owner: Api, open_socket: Open) -> None:
    socket = await open_socket(headers=bearer(owner))
    assert await answer_to(socket, {"type": "auth", "token": owner.token}) == {"type": "authenticated"}


async def test_a_socket_cannot_become_somebody_elses(owner: Api, admin: Api, company: Json, open_socket: Open) -> None:
    socket = await open_socket(headers=bearer(await owner.somebody()))
    for token in (admin.token, "nonsense", None):
        assert (await answer_to(socket, {"type": "auth", "token": token}))["type"] == "error"
    await owner.task(company)
    assert await is_signed_in(socket)


# The origin


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
async def test_a_page_of_another_origin_is_refused_before_the_upgrade(owner: Api, origin: str) -> None:
    upgrade = {
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert_error(await owner.get("/ws", headers=upgrade), 403, "FORBIDDEN")


async def test_our_own_page_may_open_it(owner: Api, open_socket: Open) -> None:
    assert await is_signed_in(await open_socket(headers={**bearer(owner), "Origin": owner.url}))


async def test_a_plain_request_is_told_that_this_is_a_socket(owner: Api) -> None:
    assert_error(await owner.get("/ws"), 400, "VALIDATION_ERROR")


class TestAnAllowedOrigin:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(server={"allowed_origins": ["https://board.example.com"]})

    async def test_may_open_it(self, owner: Api, open_socket: Open) -> None:
        socket = await open_socket(headers={**bearer(owner), "Origin": "https://board.example.com"})
        assert await is_signed_in(socket)


# Messages


async def test_a_socket_that_never_subscribes_gets_everything(owner: Api, company: Json, open_socket: Open) -> None:
    socket = await open_socket(headers=bearer(owner))
    assert await is_signed_in(socket)
    task = await owner.task(company)
    await Follower(socket).until("task_created", taskId=task["id"])


async def test_a_ping_is_answered(owner: Api, follow: Follow) -> None:
    answer = await answer_to((await follow(owner)).socket, {"type": "ping"})
    assert answer.keys() == {"type", "timestamp"}
    assert answer["type"] == "pong"


GARBAGE = [
    "",
    "nonsense",
    "{",
    "null",
    "5",
    "[]",
    "{}",
    '{"type": 5}',
    '{"type": "nonsense"}',
    '{"type": "subscribe", "since": "1"}',
    '{"type": "subscribe", "since": 1.5}',
    '{"type": "subscribe", "unternehmenIds": "all"}',
    '{"type": "subscribe", "unternehmenIds": [5]}',
    '{"type": "subscribe", "types": {}}',
    '{"type": "subscribe", "companies": []}',
    '{"type": "ping", "x": ' + "[" * 10_000 + "}",
    '{"type": "ping", "type": "nonsense"}',
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:45])
async def test_garbage_gets_an_error_and_the_socket_stays(owner: Api, follow: Follow, text: str) -> None:
    follower = await follow(owner)
    await follower.socket.send_str(text)
    answer = await follower.next()
    assert (answer["type"], answer["code"]) == ("error", "VALIDATION_ERROR")
    assert answer["fehler"]
    assert await is_signed_in(follower.socket)


async def test_garbage_leaves_the_subscription_as_it_was(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner, types=["task_created"])
    await answer_to(follower.socket, {"type": "subscribe", "types": 5})
    await owner.task(company)
    await owner.task(company)
    assert [(await follower.next())["type"] for _ in range(2)] == ["task_created", "task_created"]


async def test_a_binary_message_gets_an_error_and_the_socket_stays(owner: Api, follow: Follow) -> None:
    follower = await follow(owner)
    await follower.socket.send_bytes(b'{"type": "ping"}')
    assert (await follower.next())["type"] == "error"
    assert await is_signed_in(follower.socket)


async def test_a_message_that_is_too_big_closes_with_1009(owner: Api, follow: Follow) -> None:
    follower = await follow(owner)
    await follower.socket.send_str(json.dumps({"type": "ping", "token": "x" * 100_000}))
    assert await close_code(follower.socket) == 1009


async def test_a_bad_clients_socket_does_not_disturb_anothers(owner: Api, company: Json, follow: Follow) -> None:
    good, bad = await follow(owner), await follow(owner)
    await bad.socket.send_str("x" * 100_000)
    assert await close_code(bad.socket) == 1009
    task = await owner.task(company)
    await good.until("task_created", taskId=task["id"])
