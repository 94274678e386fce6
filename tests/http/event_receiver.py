"""Another program, to which events are posted: a real server on this machine that answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from tests.builders import Api
from tests.conftest import quick_settings

Json = dict[str, Any]
Answers = Callable[["Received"], Awaitable[web.StreamResponse]]

LONGEST: Final = 20.0
"""Seconds that anything may take to arrive on a busy machine."""


class Received:
    """What was posted."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.headers = dict(request.headers)
        self.path = request.path
        self.body = body
        self.id = request.headers["webhook-id"]
        self.event: Json = json.loads(body)
        self._transport = request.transport

    def signed_by(self, secret: str) -> Json:
        """The event, if this secret has signed it just now; by the reference library and the machine's clock."""
        event: Json = Webhook(secret).verify(self.body, self.headers)
        return event

    def drop(self) -> None:
        """End the connection without an answer."""
        assert self._transport is not None
        self._transport.abort()


class Receiver:
    """Keeps what it was sent.

    Attributes:
        url: where it is.
        received: all, in the order in which it came.
        answers: what it answers with; 204 at first.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.answers: Answers = answer(204)
        self._came = asyncio.Event()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        received = Received(request, await request.read())
        self.received.append(received)
        self._came.set()
        return await self.answers(received)

    def hold(self) -> asyncio.Event:
        """Answer nothing until the event is set."""
        may_answer = asyncio.Event()

        async def late(_received: Received) -> web.StreamResponse:
            await may_answer.wait()
            return web.Response(status=204)

        self.answers = late
        return may_answer

    async def until(self, is_wanted: Callable[[list[Received]], bool]) -> list[Received]:
        """All that was received, as soon as it is this."""
        async with asyncio.timeout(LONGEST):
            while not is_wanted(self.received):
                self._came.clear()
                await self._came.wait()
        return self.received

    async def count(self, number: int) -> list[Received]:
        """All that was received, as soon as it is so many."""
        received = await self.until(lambda received: len(received) >= number)
        assert len(received) == number, [one.body for one in received]
        return received


@asynccontextmanager
async def receiving(port: int | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.receive)
    async with TestServer(app, host="127.0.0.1", port=port) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


def answer(status: int, **headers: str) -> Answers:
    """Answers everything with this."""

    async def answering(_received: Received) -> web.StreamResponse:
        return web.Response(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answering


def allowing(**webhooks: Any) -> Settings:
    """Settings of a server that may call this machine."""
    return quick_settings(webhooks={"allowed_addresses": ["127.0.0.1"], **webhooks})


@asynccontextmanager
async def serving(folder: Path, settings: Settings) -> AsyncIterator[Api]:
    """A server by the machine's own clock, as a user meets it."""
    async with (
        Runtime(folder, settings=settings) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        yield Api(session, url)


async def subscribed(api: Api, company: Json, url: str, *types: str, **fields: Any) -> Json:
    """A subscription to these types, `task_created` if none is named."""
    body = {"url": url, "ereignisTypen": types or ("task_created",), **fields}
    made: Json = await api.make(f"/api/unternehmen/{company['id']}/abonnements", body)
    return made


async def current(api: Api, subscription: Json, **wanted: Any) -> Json:
    """It, as soon as these are its fields: the log tells of a try a moment before its own actor does."""
    found: Json = {}
    try:
        async with asyncio.timeout(LONGEST):
            while (
                not wanted.items() <= (found := (await api.get(f"/api/abonnements/{subscription['id']}")).json).items()
            ):
                pass
    except TimeoutError:
        raise AssertionError(found) from None
    return found


async def log_of(api: Api, subscription: Json) -> list[Json]:
    """Its deliveries, oldest first."""
    answered = await api.get(f"/api/abonnements/{subscription['id']}/zustellungen?limit=500")
    assert answered.status == 200, answered
    deliveries: list[Json] = answered.json
    return deliveries[::-1]


async def log_when(api: Api, subscription: Json, is_wanted: Callable[[list[Json]], bool]) -> list[Json]:
    """Its deliveries, as soon as they are so: what came of a try is recorded a moment after it."""
    log: list[Json] = []
    try:
        async with asyncio.timeout(LONGEST):
            while not is_wanted(log := await log_of(api, subscription)):
                pass
    except TimeoutError:
        raise AssertionError(log) from None
    return log


async def log_with(api: Api, subscription: Json, *wanted: tuple[str, int]) -> list[Json]:
    """Its deliveries, as soon as these are their statuses and their numbers of tries."""
    return await log_when(api, subscription, lambda log: [(one["status"], one["versuche"]) for one in log] == [*wanted])
