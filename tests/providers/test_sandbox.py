"""The walls around a command, where bubblewrap is permitted, and what happens where it is not."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from opencognit.providers.port import ProviderFailed
from tests.providers.commands import run


async def bubblewrap_works() -> bool:
    if shutil.which("bwrap") is None:
        return False
    probe = await asyncio.create_subprocess_exec(
        "bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"
    )
    return await probe.wait() == 0


async def test_the_sandbox_hides_what_it_is_told_to(workspace: Path, tmp_path: Path) -> None:
    if not await bubblewrap_works():
        pytest.skip("bubblewrap is not permitted here")
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret").write_text("canary")
    inside = data / "agents" / "ada"
    inside.mkdir(parents=True)
    outcome = await run(f"cat {data}/secret; ls {data}; echo mine > own", inside, sandbox="bubblewrap", hidden=(data,))
    assert "canary" not in outcome.output
    assert "secret" not in (outcome.result or "")
    assert (inside / "own").read_text() == "mine\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "touch /etc/opencognit-test",
        "echo > /dev/tcp/127.0.0.1/{port}",
        f"cat /proc/{os.getpid()}/environ",
    ],
    ids=["the system", "the network", "the server"],
)
async def test_the_sandbox_keeps_a_command_from(workspace: Path, attempt: str) -> None:
    if not await bubblewrap_works():
        pytest.skip("bubblewrap is not permitted here")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        attempt = attempt.replace("{port}", str(server.sockets[0].getsockname()[1]))
        outcome = await run(attempt, workspace, sandbox="bubblewrap")
        assert outcome.error


async def test_nothing_is_written_beside_the_workspace(workspace: Path) -> None:
    if not await bubblewrap_works():
        pytest.skip("bubblewrap is not permitted here")
    await run("touch ../beside; touch inside", workspace, sandbox="bubblewrap")
    assert (workspace / "inside").exists()
    assert not (workspace.parent / "beside").exists()


async def test_the_network_is_there_when_it_is_asked_for(workspace: Path) -> None:
    if not await bubblewrap_works():
        pytest.skip("bubblewrap is not permitted here")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await run(f"echo > /dev/tcp/127.0.0.1/{port}", workspace, config={"netz": True}, sandbox="bubblewrap")
        assert outcome.error is None


async def test_where_bubblewrap_is_demanded_and_refused_nothing_runs(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refusing_bubblewrap(tmp_path, monkeypatch)
    with pytest.raises(ProviderFailed, match="bubblewrap"):
        await run("touch ran", workspace, sandbox="bubblewrap")
    assert not (workspace / "ran").exists()


async def test_where_bubblewrap_is_refused_auto_runs_without(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refusing_bubblewrap(tmp_path, monkeypatch)
    assert (await run("echo ran", workspace, sandbox="auto")).result == "ran"


def _refusing_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho not permitted >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
