"""A pytest plugin that runs Pykka's own tests with `AsyncioActor` instead of `ThreadingActor`."""

import threading
import time
from typing import Any

import pytest

from opencognit.actors.asyncio_actor import AsyncioActor
from opencognit.actors.asyncio_future import AsyncioFuture


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Any:
    """Give AsyncioActor's runtime to whatever asks Pykka's suite for its `runtime` fixture."""
    if fixturedef.argname != "runtime":
        return None
    from tests.types import Runtime  # Pykka's package of tests; it is there only when its suite runs

    runtime = Runtime(
        name="asyncio",
        actor_class=AsyncioActor,
        event_class=threading.Event,
        future_class=AsyncioFuture,
        sleep_func=time.sleep,
    )
    fixturedef.cached_result = (runtime, fixturedef.cache_key(request), None)
    return runtime
