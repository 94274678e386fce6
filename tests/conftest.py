"""Fixtures that give running things and stop them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.reference import assert_shown
from tests.seen import SEEN

# How long a machine takes is not what the properties are about.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """A test that `docs/reference.md` names has seen what its rows are about, by itself and not by its fixtures."""
    SEEN.clear()
    yield
    assert_shown(item.nodeid)


def quick_settings(**overrides: Any) -> Settings:
    """The defaults with a cheap password hash; sections as keywords."""
    sections = {"accounts": {"bcrypt_rounds": 4}, "server": {"grace_seconds": 3}}
    for name, section in overrides.items():
        sections[name] = {**sections.get(name, {}), **section}
    return Settings.load(environment={}, overrides=sections)


@pytest.fixture
def settings() -> Settings:
    """Override in a module or class to change settings."""
    return quick_settings()


@pytest.fixture
def worker() -> ScriptedProvider:
    """The adapter `scripted`."""
    return ScriptedProvider()


@pytest.fixture
async def clock() -> ManualClock | None:
    """None: the machine's own. Override to return a `ManualClock`."""
    return None


@pytest.fixture
async def runtime(
    tmp_path: Path, settings: Settings, worker: ScriptedProvider, clock: ManualClock | None
) -> AsyncIterator[Runtime]:
    """A running runtime with a database of its own."""
    async with Runtime(tmp_path / "data", settings=settings, clock=clock, providers={"scripted": worker}) as running:
        yield running


@pytest.fixture
async def url(runtime: Runtime) -> AsyncIterator[str]:
    """The base URL of a real server on a free port."""
    async with listening(runtime, host="127.0.0.1", port=0) as base_url:
        yield base_url


@pytest.fixture
async def nobody(url: str) -> AsyncIterator[Api]:
    """A caller without a token."""
    async with Api.session_at(url) as api:
        yield api


@pytest.fixture
async def admin(nobody: Api) -> Api:
    """The first user: the server's admin."""
    return await nobody.somebody("Admin")


@pytest.fixture
async def owner(admin: Api) -> Api:
    """A user who is no admin; owns the companies that it makes."""
    return await admin.somebody("Owner")


@pytest.fixture
async def company(owner: Api) -> dict[str, Any]:
    """A company of the owner's."""
    return await owner.company()


@pytest.fixture
async def follow() -> AsyncIterator[Callable[..., Awaitable[Follower]]]:
    """Open a follower for a caller: `await follow(owner, since=0)`; subscribed when it returns."""
    async with AsyncExitStack() as stack:

        async def open_one(api: Api, **subscription: Any) -> Follower:
            socket = await api.session.ws_connect(api.url + "/ws", headers={"Authorization": f"Bearer {api.token}"})
            stack.push_async_callback(socket.close)
            follower = Follower(socket)
            await socket.send_json({"type": "subscribe", **subscription})
            while (await follower.next())["type"] not in ("subscribed", "resync"):
                pass
            return follower

        yield open_one


@pytest.fixture
async def follower(owner: Api, follow: Callable[..., Awaitable[Follower]]) -> Follower:
    """Follows all that the owner sees."""
    return await follow(owner)
