"""Small builders: a client that speaks to the server as a user would, and companies to start from."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from tests.documented import assert_documented
from tests.seen import saw_message

_numbers = itertools.count(1)


class Answer:
    """An answer, read whole."""

    def __init__(self, status: int, headers: Any, text: str, json: Any) -> None:
        self.status = status
        self.headers = headers
        self.text = text
        self.json = json

    def __repr__(self) -> str:
        return f"<{self.status} {self.text[:500]}>"


class Api:
    """One caller. Every call returns an `Answer`; `make` insists on a 2xx and returns its JSON.

    An answer that the OpenAPI document does not promise is a failure, whatever the test is about.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        self.session = session
        self.url = url
        self.token = token
        self.user: dict[str, Any] = {}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            options["json"] = body
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            # A stream has no end; whoever wants its events reads them with `EventReader`.
            text = "" if response.content_type == "text/event-stream" else await response.text()
            json = await response.json() if response.content_type == "application/json" and text else None
            assert_documented(method, path, status=response.status, headers=response.headers, json=json)
            return Answer(response.status, response.headers, text, json)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.call("DELETE", path, **options)

    async def make(self, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.post(path, body, **options)
        assert answer.status in (200, 201), answer
        return answer.json

    @classmethod
    @asynccontextmanager
    async def session_at(cls, url: str) -> AsyncIterator[Self]:
        """A caller without a token, of a server that the test starts itself."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield cls(session, url)

    def with_token(self, token: str | None) -> "Api":
        return Api(self.session, self.url, token)

    async def somebody(self, name: str | None = None) -> "Api":
        """Another registered user, signed in."""
        number = next(_numbers)
        answer = await self.with_token(None).make(
            "/api/auth/registrieren",
            {
                "name": name or f"User {number}",
                "email": f"user{number}@example.com",
                "passwort": "secret-password",
            },
        )
        other = self.with_token(answer["token"])
        other.user = answer["benutzer"]
        return other

    async def company(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.make("/api/unternehmen", {"name": "Acme", **fields})
        return made

    async def agent(self, company: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"name": f"Agent {next(_numbers)}", "rolle": "Engineer", **fields}
        made: dict[str, Any] = await self.make(f"/api/unternehmen/{company['id']}/experten", body)
        return made

    async def task(self, company: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"titel": f"Task {next(_numbers)}", **fields}
        made: dict[str, Any] = await self.make(f"/api/unternehmen/{company['id']}/aufgaben", body)
        return made

    async def agent_api(self, agent: dict[str, Any]) -> "Api":
        """The agent itself, by a token of its own."""
        return self.with_token((await self.make(f"/api/experten/{agent['id']}/token"))["token"])


class Follower:
    """A WebSocket that follows events.

    Attributes:
        seen: all messages, in the order in which they came.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self._passed: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        """The next message, within twenty seconds."""
        # To import a model's client alone takes one, and several on a busy machine.
        message: dict[str, Any] = await self.socket.receive_json(timeout=20)
        saw_message(message)
        self.seen.append(message)
        return message

    async def until(self, kind: str, *, after: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
        """The first event of this kind whose data has these values; each is returned once.

        What an earlier call has passed over counts too: what two actors tell comes in either order. Where the order
        matters, `after` is the event that it must come after.
        """

        def is_wanted(message: dict[str, Any]) -> bool:
            return (
                message["type"] == kind
                and (after is None or message["seq"] > after["seq"])
                and all(message["data"].get(key) == value for key, value in data.items())
            )

        for message in self._passed:
            if is_wanted(message):
                self._passed.remove(message)
                return message
        while not is_wanted(message := await self.next()):
            self._passed.append(message)
        return message


def assert_error(answer: Answer, status: int, code: str) -> None:
    """The answer is this error, in the one form of all errors."""
    assert (answer.status, answer.json and answer.json.get("code")) == (status, code), answer
    assert answer.json["status"] == status
    assert answer.json["fehler"]
    assert answer.json["anfrageId"] == answer.headers["X-Request-Id"]
