"""What a shell asks to complete commands and names."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed
from tests.server_process import free_port

PROGRAM = str(Path(sys.executable).parent / "opencognit")


@pytest.mark.parametrize(
    ("program", "start"),
    [
        ("bash", "_opencognit_completion() {"),
        ("zsh", "#compdef opencognit"),
        ("fish", "function _opencognit_completion;"),
    ],
)
async def test_each_shell_is_given_its_script(program: str, start: str, shell: Typed) -> None:
    result = await shell("completion", program)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(start)
    assert f"_OPENCOGNIT_COMPLETE={program}_complete" in result.stdout


async def completed(words: str, *, url: str, token: str | None) -> list[str]:
    """What bash is offered after these words; the last one is begun."""
    typed = words.split(" ")
    environment = os.environ | {
        "_OPENCOGNIT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(typed) - 1),
        "OPENCOGNIT_URL": url,
        "OPENCOGNIT_TOKEN": token or "",
    }
    process = await asyncio.create_subprocess_exec(PROGRAM, env=environment, stdout=-1, stderr=-1)
    output, errors = await process.communicate()
    assert errors == b""
    return [line.partition(",")[2] for line in output.decode().split()]


async def test_commands_and_options_are_completed(url: str) -> None:
    assert await completed("opencognit task re", url=url, token=None) == ["release"]
    assert await completed("opencognit task list --pri", url=url, token=None) == ["--priority"]
    assert await completed("opencognit task list --status in_", url=url, token=None) == ["in_progress", "in_review"]


async def test_names_of_agents_and_companies_are_completed(url: str, owner: Api) -> None:
    company = await owner.company(name="Acme")
    for name in ("Ada", "Adam", "Bob"):
        await owner.agent(company, name=name)
    assert await completed("opencognit agent show ad", url=url, token=owner.token) == ["Ada", "Adam"]
    assert await completed("opencognit task create x --assign B", url=url, token=owner.token) == ["Bob"]
    assert await completed("opencognit company show A", url=url, token=owner.token) == ["Acme"]


async def test_a_server_that_is_away_completes_nothing_and_says_nothing() -> None:
    assert await completed("opencognit agent show A", url=f"http://127.0.0.1:{free_port()}", token="x") == []
    assert await completed("opencognit agent show A", url="nonsense", token="x") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
async def test_bash_takes_the_script(shell: Typed) -> None:
    script = (await shell("completion", "bash")).stdout
    process = await asyncio.create_subprocess_exec("bash", "-eu", "-c", script + "\ncomplete -p opencognit", stdout=-1)
    output, _ = await process.communicate()
    assert output.decode() == "complete -o nosort -F _opencognit_completion opencognit\n"
