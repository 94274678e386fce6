"""Commands really run: what they see, what they leave behind, and how they end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.errors import ValidationFailed
from opencognit.providers.command_line import BashProvider
from opencognit.providers.port import ProviderFailed
from tests.providers.commands import locked, released, run
from tests.providers.toolbox import FakeToolbox, order


@pytest.fixture(params=["none", "auto"])
def sandbox(request: pytest.FixtureRequest) -> str:
    """Each way in which a command can run here; the second is bubblewrap where it is permitted."""
    return str(request.param)


async def test_what_a_command_prints_is_the_result(workspace: Path, sandbox: str) -> None:
    outcome = await run("echo '  forty-two '; echo careful >&2", workspace, sandbox=sandbox)
    assert outcome.result == "forty-two"
    assert "careful" in outcome.output
    assert outcome.error is None


async def test_another_status_than_0_is_a_failure_with_its_output(workspace: Path, sandbox: str) -> None:
    outcome = await run("echo so far; exit 3", workspace, sandbox=sandbox)
    assert outcome.error == "The command ended with status 3"
    assert outcome.result is None
    assert "so far" in outcome.output


async def test_nothing_of_the_servers_environment_is_seen(
    workspace: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    outcome = await run("env", workspace, sandbox=sandbox)
    assert "canary" not in outcome.output
    names = {line.split("=")[0] for line in (outcome.result or "").splitlines()}
    assert names - {"SHLVL", "_", "PWD", "OLDPWD", "OPENCOGNIT_PROCESS_MARK"} == {
        "PATH",
        "HOME",
        "LANG",
        "OPENCOGNIT_RUN_ID",
        "OPENCOGNIT_TASK_ID",
        "OPENCOGNIT_TASK_TITLE",
        "OPENCOGNIT_TASK_DESCRIPTION",
    }


async def test_the_words_of_a_task_are_data(workspace: Path) -> None:
    outcome = await run(
        'echo "$OPENCOGNIT_TASK_TITLE"', workspace, title="$(touch caught); `touch caught`", sandbox="none"
    )
    assert outcome.result == "$(touch caught); `touch caught`"
    assert not (workspace / "caught").exists()


async def test_the_order_is_json_on_standard_input(workspace: Path, sandbox: str) -> None:
    outcome = await run("cat", workspace, sandbox=sandbox)
    document = json.loads(outcome.result or "")
    assert document["titel"] == "Count the anvils"
    assert document["kommentare"] == ["Bob: hurry"]
    assert document["agent"]["rolle"] == "Engineer"
    assert "befehl" not in str(document)


@pytest.mark.parametrize("text", ["with \0 inside", "ä" * 150_000])
async def test_a_description_that_no_variable_can_hold_does_not_stop_the_run(workspace: Path, text: str) -> None:
    outcome = await run("wc -c >/dev/null; echo ran", workspace, description=text, sandbox="none")
    assert outcome.result == "ran"


async def test_it_runs_in_the_workspace_and_may_write_there(workspace: Path, sandbox: str) -> None:
    await run('pwd > here; echo "$HOME" >> here', workspace, sandbox=sandbox)
    assert (workspace / "here").read_text().split() == [str(workspace), str(workspace)]


async def test_long_output_keeps_its_head_and_its_tail(workspace: Path, toolbox: FakeToolbox) -> None:
    outcome = await run(
        "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last",
        workspace,
        sandbox="none",
        output_limit_bytes=1000,
        toolbox=toolbox,
    )
    assert outcome.output.startswith("first")
    assert outcome.output.endswith("last\n")
    assert "bytes left out" in outcome.output
    assert len(outcome.output) < 1100
    assert len("".join(toolbox.heard)) <= 1000
    assert len(outcome.result or "") <= 20_000


async def test_output_is_shown_as_it_comes(workspace: Path, toolbox: FakeToolbox, sandbox: str) -> None:
    running = asyncio.create_task(run("echo ready; sleep 1000", workspace, toolbox=toolbox, sandbox=sandbox))
    await toolbox.said("ready")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    "holder",
    [
        "flock held sleep 1000",
        "(flock held sleep 1000 &)",
        "(trap '' TERM; flock held sh -c \"trap '' TERM; while :; do sleep 1000; done\") >/dev/null 2>&1 &",
        "setsid -f flock held sleep 1000 >/dev/null 2>&1",
    ],
    ids=["child", "grandchild", "one that ignores SIGTERM", "one that left the group"],
)
async def test_cancelling_ends_all_that_it_started(
    workspace: Path, toolbox: FakeToolbox, sandbox: str, holder: str
) -> None:
    (workspace / "held").touch()
    watch = "while flock -n held true; do :; done; echo ready"
    running = asyncio.create_task(
        run(f"({watch}) & {holder}\nwait; sleep 1000", workspace, toolbox=toolbox, sandbox=sandbox)
    )
    await toolbox.said("ready")
    assert locked(workspace / "held")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await released(workspace / "held")


async def test_a_background_child_that_holds_the_output_does_not_hang_the_run(workspace: Path, sandbox: str) -> None:
    (workspace / "held").touch()
    command = "flock held sleep 1000 & while flock -n held true; do :; done; echo done"
    outcome = await asyncio.wait_for(run(command, workspace, sandbox=sandbox), 20)
    assert outcome.result == "done"
    await released(workspace / "held")


async def test_its_own_time_limit_ends_it(workspace: Path, sandbox: str) -> None:
    outcome = await run("echo begun; sleep 1000", workspace, config={"zeitlimitSek": 0.3}, sandbox=sandbox)
    assert outcome.error == "The command was ended after its limit of 0.3 s"


async def test_more_memory_than_allowed_is_refused_to_it(workspace: Path, sandbox: str) -> None:
    grab = "python3 -c 'x = bytearray(300_000_000); print(len(x))'"
    assert (await run(grab, workspace, sandbox=sandbox, memory_mb=100)).error
    assert (await run(grab, workspace, sandbox=sandbox, memory_mb=0)).result == "300000000"


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_file_descriptor_is_left_open(workspace: Path) -> None:
    await run("true", workspace, sandbox="none")
    before = _open_files()
    for _ in range(5):
        await run("true", workspace, sandbox="none")
    assert _open_files() == before


async def test_a_workspace_that_is_missing_is_a_clear_failure(workspace: Path) -> None:
    with pytest.raises(ProviderFailed, match="could not be started") as failure:
        await run("true", workspace / "absent", sandbox="none")
    assert not failure.value.transient


async def test_it_is_off_unless_the_server_says_otherwise(workspace: Path) -> None:
    provider = BashProvider(enabled=False)
    with pytest.raises(ValidationFailed, match=r"agents\.bash_enabled"):
        provider.validate({"befehl": "true"})
    with pytest.raises(ProviderFailed, match=r"agents\.bash_enabled"):
        await provider.work(order(config={"befehl": "true"}, workspace=str(workspace)), FakeToolbox())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"befehl": ""},
        {"befehl": "  "},
        {"befehl": 7},
        {"befehl": "a\0b"},
        {"befehl": "true", "zeitlimitSek": 0},
        {"befehl": "true", "zeitlimitSek": "9"},
        {"befehl": "true", "netz": 1},
        {"befehl": "true", "umgebung": {}},
        {"befehl": "x" * 30_001},
    ],
)
def test_a_bad_configuration_is_refused_when_it_is_saved(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        BashProvider(enabled=True).validate(config)


@pytest.mark.parametrize("command", ["true", "first\nsecond", "\n  true"])
def test_a_good_configuration_is_taken(command: str) -> None:
    BashProvider(enabled=True).validate({"befehl": command, "zeitlimitSek": 5, "netz": False})
