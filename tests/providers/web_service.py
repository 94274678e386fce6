"""A web service on this machine that answers as a test says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opencognit.providers.http_call import HttpProvider
from opencognit.providers.port import Outcome, ProviderFailed
from tests.providers.toolbox import FakeToolbox, order

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """A web service that answers as the test says and keeps what it was sent."""

    def __init__(self) -> None:
        self.reply: Reply = _done
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        return await self.reply(request)


async def _done(_: web.Request) -> web.StreamResponse:
    return web.json_response({"ergebnis": "done"})


def replying(**fields: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(**fields)

    return reply


def json(**fields: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.json_response(fields)

    return reply


async def send(provider: HttpProvider, service: Service, toolbox: FakeToolbox | None = None, **config: Any) -> Outcome:
    return await provider.work(order(config={"url": service.url, **config}), toolbox or FakeToolbox())


async def failure(provider: HttpProvider, service: Service, **config: Any) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as raised:
        await send(provider, service, **config)
    return raised.value
