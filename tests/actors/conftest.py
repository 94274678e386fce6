from collections.abc import AsyncIterator
from pathlib import Path

import pykka
import pytest

from opencognit.actors.system import ActorSystem
from opencognit.domain.company import Company
from opencognit.domain.kinds import COMPANY
from opencognit.testing import ManualClock
from tests.actors.notebook import Open, system_of_notebooks
from tests.actors.specimens import WAIT


@pytest.fixture
def _stop_what_is_left():
    """Stop every actor that the test started and registered."""
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT)


@pytest.fixture
def notebook_clock() -> ManualClock:
    """The time that notebooks go by."""
    return ManualClock()


@pytest.fixture
async def system(tmp_path: Path, notebook_clock: ManualClock) -> AsyncIterator[ActorSystem]:
    """An actor system whose actors are notebooks."""
    async with system_of_notebooks(tmp_path, clock=notebook_clock) as running:
        yield running


@pytest.fixture
async def book(system: ActorSystem) -> Company:
    """A notebook that is there, and awake."""
    return await system.create(COMPANY, Open(name="Plans"))
