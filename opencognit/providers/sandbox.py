"""Limits and walls around a command: memory by `ulimit`, files and network by bubblewrap where it works.

In the sandbox the file system is read-only but for the workspace, `/tmp` is private, what is to stay hidden
is covered, other processes cannot be seen, and there is no network unless it is asked for. Without bubblewrap
a command can do whatever the server's own user can: read its files and, by `/proc`, its environment.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import structlog

from opencognit.providers.port import ProviderFailed

SandboxChoice = Literal["auto", "bubblewrap", "none"]
"""`auto` takes bubblewrap where it works, `bubblewrap` refuses to go on without it."""

log = structlog.get_logger(__name__)

_WALLS = (
    *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--tmpfs", "/tmp"),  # noqa: S108 - a private one, in the sandbox
    # A socket can be used through a read-only folder, and one that lies here may command the whole machine.
    *("--tmpfs", "/run"),
)
_NAME_SERVICE = "/run/systemd/resolve"

# A limit on data, not on address space: runtimes such as Node reserve far more space than they use. A limit
# that the server itself runs under may be lower and cannot be raised, which is no reason to stop.
_LIMITS = 'ulimit -c 0; ulimit -d "$1" 2>/dev/null; shift; exec "$@"'


class Sandbox:
    """Puts the limits and, where it can, the walls around a command."""

    def __init__(self, choice: SandboxChoice, *, memory_mb: int, hidden: tuple[Path, ...]) -> None:
        self._choice = choice
        self._memory_kb = memory_mb * 1024
        self._hidden = hidden
        self._probe: asyncio.Task[str | None] | None = None

    def missing(self) -> bool:
        """Whether bubblewrap is demanded and not even installed; that it works is seen on first use."""
        return self._choice == "bubblewrap" and shutil.which("bwrap") is None

    async def around(self, argv: Sequence[str], *, workspace: str, network: bool) -> list[str]:
        """The arguments that run this command inside.

        Args:
            argv: the command.
            workspace: the only folder that it may write to, beside `/tmp`.
            network: whether it may use the network; without bubblewrap it always may.

        Raises:
            ProviderFailed: bubblewrap is demanded and does not work here.
        """
        limited = ["/bin/sh", "-c", _LIMITS, "limits", str(self._memory_kb or "unlimited"), *argv]
        program = await self._program()
        if program is None:
            return limited
        return [program, *self._arguments(workspace, network=network), "--", *limited]

    def _arguments(self, workspace: str, *, network: bool) -> list[str]:
        arguments = [*_WALLS]
        for path in self._hidden:
            real = path.resolve()
            if real.is_dir():
                arguments += ["--tmpfs", str(real)]
            elif real.exists():
                arguments += ["--ro-bind", "/dev/null", str(real)]
        # After what is hidden: the workspace may lie inside of it.
        arguments += ["--bind", workspace, workspace, "--chdir", workspace]
        if network:
            arguments += ["--share-net", "--ro-bind-try", _NAME_SERVICE, _NAME_SERVICE]
        return arguments

    async def _program(self) -> str | None:
        """Bubblewrap, or None where commands run without it."""
        if self._choice == "none":
            return None
        if self._probe is None:
            self._probe = asyncio.create_task(_working_bubblewrap())
        program = await asyncio.shield(self._probe)
        if self._choice == "bubblewrap" and program is None:
            raise ProviderFailed(
                "Commands are to run in bubblewrap, but it is missing or not permitted on this server",
                transient=False,
            )
        return program


async def _working_bubblewrap() -> str | None:
    """Find it and try it: in many containers it is installed, but may not make namespaces."""
    program = shutil.which("bwrap")
    if program is None:
        log.warning("bubblewrap_missing", consequence="commands run without a sandbox")
        return None
    probe = await asyncio.to_thread(
        subprocess.run, [program, *_WALLS, "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if probe.returncode:
        log.warning("bubblewrap_refused", reason=probe.stderr.decode(errors="replace").strip()[:500])
        return None
    return program
