"""What the tests of adapters share: a toolbox, a workspace, a web service, a fake wire."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.openai_compatible import OPENAI, OpenAiCompatibleProvider
from opencognit.providers.prices import PriceList
from tests.aioresponses_shim import fake_wire
from tests.providers.anthropic_wire import Wire, key_of
from tests.providers.openai_wire import OpenAiWire
from tests.providers.toolbox import FakeToolbox
from tests.providers.web_service import Service


@pytest.fixture
def toolbox() -> FakeToolbox:
    return FakeToolbox()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with fake_wire() as fake:
        yield Wire(fake)


@pytest.fixture
async def claude(wire: Wire) -> AsyncIterator[ClaudeProvider]:
    provider = ClaudeProvider(key_for=key_of, prices=PriceList(), base_url="https://api.anthropic.test")
    yield provider
    await provider.close()


@pytest.fixture
def openai_wire() -> Iterator[OpenAiWire]:
    with fake_wire() as fake:
        yield OpenAiWire(fake)


@pytest.fixture
async def openai(openai_wire: OpenAiWire) -> AsyncIterator[OpenAiCompatibleProvider]:
    provider = OpenAiCompatibleProvider(OPENAI, key_for=key_of, prices=PriceList())
    yield provider
    await provider.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_post("/work", service.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        service.url = str(server.make_url("/work"))
        service.address = f"127.0.0.1:{server.port}"
        yield service


@pytest.fixture
async def http(service: Service) -> AsyncIterator[HttpProvider]:
    provider = HttpProvider(allowed_addresses=frozenset({service.address}))
    yield provider
    await provider.close()
