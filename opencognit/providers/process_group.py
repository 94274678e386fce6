"""A command in a process group of its own, with an end that is certain.

The command writes into pipes that are ours, so that waiting for it never means waiting for a child that it
left behind with its output open. Ending the group ends that child, too; one that has left the group is found
by a mark in its environment. A command that hides itself from both ends only with its sandbox.

Processes are started by `subprocess`, whose child runs no Python between fork and exec. The event loop's own way must
not be taken: uvloop's child cleans up the threads of the parent, meets a lock of SQLite that a thread held at the
fork, and waits for it for ever, and the parent for the child.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self, cast

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

Receive = Callable[[bytes], None]

_MARK = "OPENCOGNIT_PROCESS_MARK"
_PROC = Path("/proc")
_POLL = 0.01
_DEAD = (b"Z", b"X")
# After SIGKILL the kernel is quick, unless a process hangs in a broken file system.
_LAST_WAIT = 1.0
# A flood of output must not take the event loop from everyone else: a pause after so much at once.
_FLOOD = 65_536
_REST = 0.005
# Who forks between our look and our signal is met the next time; more often than this is a fork bomb.
_SWEEPS = 10


class ProcessGroup:
    """A running command and all that it has started. Made by `start`, given back by `end`."""

    def __init__(self, process: "subprocess.Popen[bytes]", pipes: Sequence["_Pipe"], *, mark: str) -> None:
        self._process = process
        self._pipes = pipes
        self._mark = mark
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        threading.Thread(target=self._reap, name=f"process-{process.pid}", daemon=True).start()

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        stdin: bytes,
        stdout: Receive,
        stderr: Receive,
    ) -> Self:
        """Start a command that has nothing of this process but what is given here.

        Args:
            argv: the program and its arguments.
            cwd: the folder that it runs in.
            env: its whole environment, beside a mark of ours.
            stdin: all that it can read there.
            stdout: called with each piece of output as it comes.
            stderr: likewise.

        Raises:
            OSError: it cannot be started.
        """
        mark = secrets.token_hex(16)
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as ours:
            pipes, ends = [], []
            for receive in (stdout, stderr):
                pipe, end = await _Pipe.open(receive)
                undo.callback(pipe.close)
                ours.callback(os.close, end)
                pipes.append(pipe)
                ends.append(end)
            # A file, not a pipe: a command that does not read its input can then block or break nothing.
            order = ours.enter_context(TemporaryFile())
            order.write(stdin)
            order.seek(0)
            undo.callback(_kill_marked, mark)
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns when the program is loaded; what it is, the caller knows
                argv,
                stdin=order,
                stdout=ends[0],
                stderr=ends[1],
                cwd=cwd,
                env={**env, _MARK: mark},
                start_new_session=True,
            )
            group = cls(process, pipes, mark=mark)
            undo.pop_all()
        return group

    async def wait(self) -> int:
        """Wait for the command itself, not for what it left behind; returns its status, -n for signal n."""
        return await asyncio.shield(self._status)

    async def end(self, *, grace: float) -> None:
        """End every process of the group: by SIGTERM, and after `grace` seconds by SIGKILL.

        On return nothing runs any more, and all output was received. Cancelled meanwhile, it kills at once.
        """
        try:
            if self._signal(signal.SIGTERM):
                await self._gone(within=grace)
            self._signal(signal.SIGKILL)
            await asyncio.to_thread(_kill_marked, self._mark)
            await self.wait()
            await self._gone(within=_LAST_WAIT)
            await asyncio.wait([pipe.closed for pipe in self._pipes], timeout=_LAST_WAIT)
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            _kill_marked(self._mark)
            raise
        finally:
            for pipe in self._pipes:
                pipe.close()

    def _reap(self) -> None:
        status = self._process.wait()
        # The loop may be gone, and with it whoever waited.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._status.set_result, status)

    def _signal(self, number: int) -> bool:
        """Send it to the whole group; False when the group is empty."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True

    async def _gone(self, *, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._signal(0) and await asyncio.to_thread(_lives, self._process.pid):  # noqa: ASYNC110
                    # There is no event to wait for: nothing announces the end of a grandchild.
                    await asyncio.sleep(_POLL)


class _Pipe(asyncio.Protocol):
    """The reading end of a pipe; hands on what comes, and rests in a flood."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(cls, receive: Receive) -> tuple[Self, int]:
        """A new pipe and its writing end, a file descriptor that is the caller's to close."""
        reading, writing = os.pipe()
        try:
            _, pipe = await asyncio.get_running_loop().connect_read_pipe(
                lambda: cls(receive), os.fdopen(reading, "rb", buffering=0)
            )
        except BaseException:
            os.close(writing)
            raise
        return pipe, writing

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._receive(data)
        if len(data) >= _FLOOD:
            self._transport.pause_reading()
            self._loop.call_later(_REST, self._go_on)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        self._transport.close()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _kill_marked(mark: str) -> None:
    """Kill each process that was started with this mark in its environment, wherever it has gone."""
    wanted = f"{_MARK}={mark}".encode()
    for _ in range(_SWEEPS):
        found = [int(each.name) for each in _PROC.glob("[0-9]*") if wanted in _read(each / "environ").split(b"\0")]
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if not found:
            return


def _lives(group: int) -> bool:
    """Whether one of the group still runs, other than dead and waiting for a parent that never looks."""
    if not _PROC.is_dir():
        return True
    # After the name, which may hold anything but ends with the last bracket: state, parent, group.
    fields = (_read(each / "stat").rpartition(b")")[2].split() for each in _PROC.glob("[0-9]*"))
    return any(int(state[2]) == group and state[0] not in _DEAD for state in fields if state)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        # Another user's, or ended since we looked.
        return b""
