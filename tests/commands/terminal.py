"""A program on a terminal of its own, or at the end of a pipe."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAM = str(Path(sys.executable).parent / "opencognit")


class Terminal:
    """`opencognit` with these words, as a person sees it.

    Attributes:
        said: all that it has written.
    """

    def __init__(self, *words: str, on_terminal: bool = True, **environment: str) -> None:
        self.said = ""
        self._words = words
        self._environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"} | environment
        self._on_terminal = on_terminal
        self._arrival = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._ours, theirs = pty.openpty() if self._on_terminal else os.pipe()
        if self._on_terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *self._words,
            stdin=theirs if self._on_terminal else asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
            # A shell's background jobs ignore Ctrl-C, and whoever they start with them: the tests may be such a job.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        os.close(theirs)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)

    def _read(self) -> None:
        try:
            part = os.read(self._ours, 65536)
        except OSError:
            part = b""
        if not part:
            asyncio.get_running_loop().remove_reader(self._ours)
        self.said += part.decode(errors="replace")
        self._arrival.set()

    async def shows(self, words: str, *, after: int = 0) -> int:
        """Wait until it has written these words after that place; the place behind them."""
        async with asyncio.timeout(30):
            while (place := self.said.find(words, after)) < 0:
                self._arrival.clear()
                await self._arrival.wait()
        return place + len(words)

    @property
    def mode(self) -> list[object]:
        """How the terminal takes keys."""
        return termios.tcgetattr(self._ours)

    def interrupt(self) -> None:
        """Press Ctrl-C, as the terminal passes it on."""
        self.process.send_signal(signal.SIGINT)

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(20):
            return await self.process.wait()
