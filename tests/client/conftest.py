"""Clients of a real server."""

from collections.abc import AsyncIterator

import pytest

from opencognit.client import Client, Retries
from tests.builders import Api
from tests.client.breaking_proxy import BreakingProxy

QUICK = Retries(tries=8, shortest=0.02, longest=2)


@pytest.fixture
async def client(url: str, owner: Api) -> AsyncIterator[Client]:
    """A client of the owner's."""
    async with Client(url, owner.token, retries=QUICK) as one:
        yield one


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[BreakingProxy]:
    """It lies before the server."""
    async with BreakingProxy(url).running() as one:
        yield one


@pytest.fixture
async def distant(proxy: BreakingProxy, owner: Api) -> AsyncIterator[Client]:
    """The owner's client, which reaches the server through the proxy alone."""
    async with Client(proxy.url, owner.token, retries=QUICK) as one:
        yield one
