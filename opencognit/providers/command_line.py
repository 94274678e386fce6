"""The `bash` adapter: a task is done by a command on this server.

Which command is the agent's configuration alone; the words of a task never choose it. They reach it as
data: as environment variables (`OPENCOGNIT_TASK_ID`, `OPENCOGNIT_TASK_TITLE`, `OPENCOGNIT_TASK_DESCRIPTION`,
`OPENCOGNIT_RUN_ID`) and as one JSON document on standard input. A company that trusts whoever writes its
tasks may of course configure `bash -c "$OPENCOGNIT_TASK_DESCRIPTION"`; that is its own choice, and every word
of a task then runs.
"""

import asyncio
import codecs
import errno
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import Forbidden, ValidationFailed
from opencognit.domain.message import encode
from opencognit.domain.wire_names import FIELDS
from opencognit.providers.exchange import AdapterConfig, OrderDocument, TimeLimit, read_config
from opencognit.providers.output import CutOutput
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.process_group import ProcessGroup, Receive
from opencognit.providers.sandbox import Sandbox, SandboxChoice

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_OFF = "commands are switched off on this server; its operator can allow them by the setting `agents.bash_enabled`"
_RESULT_BYTES = 20_000

# Linux takes 128 KiB for one variable or argument; the whole description stands on standard input.
_VARIABLE_BYTES = 100_000
_COMMAND_CHARACTERS = 30_000

_PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""Reasons for which a process cannot be started now, but may be later."""


class BashConfig(AdapterConfig, frozen=True, kw_only=True):
    """What an agent of this kind is configured with."""

    command: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=_COMMAND_CHARACTERS, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
    ]
    """What the shell is given."""
    time_limit: TimeLimit | None = None
    """Seconds, where the run's own limit is too long."""
    network: bool = False
    """Whether the sandbox has a network."""


class BashProvider:
    """Runs the configured command in the agent's workspace, in a process group of its own.

    It has a clean environment and limits, and a sandbox where bubblewrap works. Status 0 makes its output the
    result; any other is a failure of the task. When the run is cancelled, all that it has started is ended.

    Args:
        enabled: off, unless the server's own configuration says otherwise.
        sandbox: see `SandboxChoice`.
        memory_mb: how much a process may hold, in MiB; 0 for no limit.
        output_limit_bytes: how much output is kept and shown; the middle of more is left out.
        hidden: files and folders that the sandbox covers, above all the server's data.
        extra_path: folders in which programs are looked for first.
        kill_grace: seconds between SIGTERM and SIGKILL.

    Attributes:
        enabled: as given.
    """

    name = "bash"
    abilities = Abilities(tools=False, streaming=True, cost_known=False, repeatable=False)

    def __init__(
        self,
        *,
        enabled: bool,
        sandbox: SandboxChoice = "auto",
        memory_mb: int = 2048,
        output_limit_bytes: int = 200_000,
        hidden: tuple[Path, ...] = (),
        extra_path: tuple[Path, ...] = (),
        kill_grace: float = 2.0,
    ) -> None:
        self.enabled = enabled
        self._sandbox = Sandbox(sandbox, memory_mb=memory_mb, hidden=hidden)
        self._output_limit = output_limit_bytes
        self._path = ":".join([*map(str, extra_path), SEARCH_PATH])
        self._kill_grace = kill_grace

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        if not self.enabled:
            raise ValidationFailed.of(FIELDS["adapter"], _OFF)
        if self._sandbox.missing():
            raise ValidationFailed.of(FIELDS["adapter"], "this server demands bubblewrap and does not have it")
        read_config(config, BashConfig)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Run the command. Raises `ProviderFailed` when it cannot be run at all."""
        if not self.enabled:
            raise ProviderFailed(_OFF.capitalize(), transient=False)
        config = read_config(order.config, BashConfig)
        argv = await self._sandbox.around(
            ["bash", "-c", config.command], workspace=order.workspace, network=config.network
        )
        heard = _Heard(toolbox, limit=self._output_limit)
        group = await self._start(argv, order, heard)
        try:
            async with asyncio.timeout(config.time_limit):
                code = await group.wait()
            error = _failure(code)
        except TimeoutError:
            error = f"The command was ended after its limit of {config.time_limit:g} s"
        finally:
            await group.end(grace=self._kill_grace)
        result = None if error else heard.stdout.text().strip()
        return Outcome(result=result, error=error, output=heard.all.text())

    async def run(self, command: str, *, workspace: str, time_limit: float) -> str:
        """Run one command there, without a network; its output and how it ended, for whoever asked.

        Raises:
            Forbidden: commands are switched off, or a sandbox is demanded and missing.
            ValidationFailed: it cannot be started.
        """
        if not self.enabled:
            raise Forbidden(_OFF.capitalize())
        said = CutOutput(head=_RESULT_BYTES // 2, tail=_RESULT_BYTES // 2)
        try:
            argv = await self._sandbox.around(["bash", "-c", command], workspace=workspace, network=False)
            environment = {"PATH": self._path, "HOME": workspace, "LANG": "C.UTF-8"}
            group = await ProcessGroup.start(
                argv, cwd=workspace, env=environment, stdin=b"", stdout=said.add, stderr=said.add
            )
        except (OSError, ProviderFailed) as error:
            raise ValidationFailed.of("command", f"could not be started ({type(error).__name__})") from error
        try:
            async with asyncio.timeout(time_limit):
                ending = _failure(await group.wait())
        except TimeoutError:
            ending = f"The command was ended after {time_limit:g} s"
        finally:
            await group.end(grace=self._kill_grace)
        return "\n".join(part for part in (said.text().strip(), ending or "The command ended well") if part)

    async def close(self) -> None:
        """Nothing is held between runs."""

    async def _start(self, argv: list[str], order: WorkOrder, heard: "_Heard") -> ProcessGroup:
        try:
            return await ProcessGroup.start(
                argv,
                cwd=order.workspace,
                env=_environment(order, path=self._path),
                stdin=encode(OrderDocument.of(order)),
                stdout=heard.receive(heard.stdout),
                stderr=heard.receive(None),
            )
        except OSError as error:
            raise ProviderFailed(
                f"The command could not be started: {error.strerror}", transient=error.errno in _PASSING
            ) from error


class _Heard:
    """What the command has said so far, in the order in which it came."""

    def __init__(self, toolbox: Toolbox, *, limit: int) -> None:
        self._toolbox = toolbox
        self._limit = limit
        self.all = CutOutput(head=limit // 2, tail=limit - limit // 2)
        self.stdout = CutOutput(head=0, tail=_RESULT_BYTES)

    def receive(self, also: CutOutput | None) -> Receive:
        """The receiver of one stream; what comes is shown live until the limit is reached."""
        # A character may be cut in two between one piece and the next.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def received(data: bytes) -> None:
            room = self._limit - self.all.total
            self.all.add(data)
            if also is not None:
                also.add(data)
            if room > 0:
                self._toolbox.progress(decoder.decode(data[:room]))

        return received


def _environment(order: WorkOrder, *, path: str) -> dict[str, str]:
    return {
        "PATH": path,
        "HOME": order.workspace,
        "LANG": "C.UTF-8",
        "OPENCOGNIT_RUN_ID": order.run_id,
        "OPENCOGNIT_TASK_ID": order.task_id or "",
        "OPENCOGNIT_TASK_TITLE": _variable(order.title),
        "OPENCOGNIT_TASK_DESCRIPTION": _variable(order.description or ""),
    }


def _variable(text: str) -> str:
    """The text as the value of a variable, which holds no NUL and is not too long."""
    return text.replace("\0", "").encode()[:_VARIABLE_BYTES].decode(errors="ignore")


def _failure(code: int) -> str | None:
    if code == 0:
        return None
    if code < 0:
        return f"The command was ended by {signal.Signals(-code).name}"
    return f"The command ended with status {code}"
