"""The command line against a real server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opencognit.cli import main
from tests.builders import Api

Typed = Callable[..., Awaitable[Result]]


@pytest.fixture
def settings_of_the_shell(tmp_path: Path) -> dict[str, str | None]:
    """The environment: a configuration folder of its own, and nothing of the machine's."""
    names = ("URL", "TOKEN", "COMPANY", "PASSWORD")
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), **{f"OPENCOGNIT_{name}": None for name in names}}


@pytest.fixture
def shell(settings_of_the_shell: dict[str, str | None]) -> Typed:
    """Types a command, and gives what came of it: `await shell("task", "list")`."""

    async def typed(*words: str, stdin: str | None = None, **environment: str) -> Result:
        # In a thread: the server answers on this one.
        return await asyncio.to_thread(
            CliRunner().invoke, main, words, input=stdin, env=settings_of_the_shell | environment
        )

    return typed


@pytest.fixture
def opencognit(shell: Typed, url: str, owner: Api) -> Typed:
    """The same, as the owner, and it has to go well."""

    async def typed(*words: str, **options: Any) -> Result:
        result = await shell(*words, OPENCOGNIT_URL=url, OPENCOGNIT_TOKEN=owner.token or "", **options)
        assert result.exit_code == 0, result.output
        return result

    return typed


@pytest.fixture
def refused(shell: Typed, url: str, owner: Api) -> Callable[..., Awaitable[str]]:
    """The same, and it is refused: the sentence that says why."""

    async def typed(*words: str, **environment: str) -> str:
        known = {"OPENCOGNIT_URL": url, "OPENCOGNIT_TOKEN": owner.token or ""}
        result = await shell(*words, **known | environment)
        return sentence(result)

    return typed


def sentence(result: Result) -> str:
    """The one sentence of a refusal: on standard error, with exit code 1 and no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    return line.removeprefix("Error: ")


def rows(result: Result) -> list[list[str]]:
    """The cells of a table, without its head."""
    return [line.split() for line in result.stdout.splitlines()[1:]]


def wire(result: Result) -> Any:
    """What `--json` printed."""
    return json.loads(result.stdout)
