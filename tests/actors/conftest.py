import pykka
import pytest

from tests.actors.specimens import WAIT


@pytest.fixture
def _stop_what_is_left():
    """Stop every actor that the test started and registered."""
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT)
