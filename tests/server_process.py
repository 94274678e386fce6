"""The server as a process of its own: started, killed and started again on the same folder and port."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Self

COMMAND = (sys.executable, "-m", "opencognit")


class ServerProcess:
    """One server.

    Args:
        data: its folder.
        command: what to run in place of `python -m opencognit`, such as a copy with a fault in it.
        settings: more of the environment, as `OPENCOGNIT_SECTION__NAME`.

    Attributes:
        url: its address, which stays the same.
    """

    def __init__(self, data: Path, *, command: tuple[str, ...] = COMMAND, **settings: str) -> None:
        self._data = data
        self._command = command
        self._port = free_port()
        self._settings = {"OPENCOGNIT_ACCOUNTS__BCRYPT_ROUNDS": "4", **settings}
        self._process: asyncio.subprocess.Process | None = None
        self._said = b""
        self._listening: asyncio.Task[None] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def arguments(self) -> bytes:
        """What everyone on the machine can see of the process that runs."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/cmdline").read_bytes()

    @property
    def said(self) -> bytes:
        """What the process that was started last has written to its standard error."""
        return self._said

    async def start(self) -> None:
        """Start it; it listens when this returns."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            *("serve", "--host", "127.0.0.1", "--port", str(self._port), "--data", str(self._data)),
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | self._settings,
        )
        is_up = asyncio.Event()
        self._said = b""
        self._listening = asyncio.ensure_future(self._listen(self._process, is_up))
        async with asyncio.timeout(30):
            await is_up.wait()
        assert self._process.returncode is None, self._said.decode()

    async def end(self, signal_number: signal.Signals = signal.SIGKILL) -> int:
        """Send it a signal and wait until it is gone; its exit code."""
        assert self._process is not None
        assert self._listening is not None
        if self._process.returncode is None:
            self._process.send_signal(signal_number)
        async with asyncio.timeout(30):
            code = await self._process.wait()
            await self._listening
        return code

    async def died(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self._process is not None
        async with asyncio.timeout(30):
            return await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.end()

    async def _listen(self, process: asyncio.subprocess.Process, is_up: asyncio.Event) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._said += line
            if b" listens on " in line:
                is_up.set()
        is_up.set()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
