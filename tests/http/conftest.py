"""Fixtures of what is beyond the server."""

from collections.abc import AsyncIterator

import pytest

from tests.http.event_receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Another program, to which events are posted."""
    async with receiving() as running:
        yield running
