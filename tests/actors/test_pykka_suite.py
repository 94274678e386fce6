"""Pykka's own test suite, of exactly the installed version, with `AsyncioActor` as the actor type."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(os.environ.get("PYKKA_SOURCE", ROOT / ".venv" / "pykka-source"))

TESTS_OF_THE_SUITE = 152

DIFFERENT_ON_PURPOSE = [
    # Pykka stops every actor of the program when one of them raises SystemExit or the like. Here that ends
    # the one actor: others must not be harmed by its crash.
    "tests/test_actor.py::test_all_actors_are_stopped_on_base_exception[threading]",
    # The log entry "Stopping all actors." of the same moment.
    "tests/test_logging.py::test_base_exception_is_logged[threading]",
]


def _run_pytest(*arguments: str) -> str:
    """Run pytest over the suite, in its own process: its package is called `tests`, as ours is."""
    if not (SOURCE / "tests" / "conftest.py").is_file():
        pytest.fail(
            f"Pykka's tests are not at {SOURCE}. Run: "
            f"tests/actors/fetch_pykka_suite.sh {SOURCE} {sys.executable} (or set PYKKA_SOURCE)",
            pytrace=False,
        )
    # No configuration file: Pykka's turns on what we have not installed, and ours is for our tests.
    command = [sys.executable, "-m", "pytest", "-p", "pykka_plugin", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", ".", "tests", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTEST_ADDOPTS": ""}
    outcome = subprocess.run(
        command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert outcome.returncode == 0, outcome.stdout[-5000:] + outcome.stderr[-2000:]
    return outcome.stdout


def test_asyncio_actor_passes_pykkas_own_test_suite():
    deselected = [f"--deselect={name}" for name in DIFFERENT_ON_PURPOSE]
    last_line = _run_pytest("-q", *deselected).splitlines()[-1]

    passed = TESTS_OF_THE_SUITE - len(DIFFERENT_ON_PURPOSE)
    assert re.match(rf"{passed} passed, {len(DIFFERENT_ON_PURPOSE)} deselected in ", last_line), last_line


def test_each_test_that_differs_on_purpose_is_in_the_suite():
    collected = [line for line in _run_pytest("--collect-only", "-q").splitlines() if "::" in line]

    assert len(collected) == TESTS_OF_THE_SUITE
    assert set(DIFFERENT_ON_PURPOSE) <= set(collected)
