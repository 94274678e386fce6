"""How a test runs a command, and sees whether something of it still runs."""

import asyncio
import fcntl
from pathlib import Path
from typing import Any

from opencognit.providers.command_line import BashProvider
from opencognit.providers.port import Outcome
from tests.providers.toolbox import FakeToolbox, order


async def run(
    command: str, workspace: Path, *, toolbox: FakeToolbox | None = None, config: Any = None, **settings: Any
) -> Outcome:
    settings = {"enabled": True, "kill_grace": 0.2, **settings}
    fields = {key: settings.pop(key) for key in ("title", "description") if key in settings}
    work = order(config={"befehl": command, **(config or {})}, workspace=str(workspace), **fields)
    return await BashProvider(**settings).work(work, toolbox or FakeToolbox())


async def released(path: Path) -> None:
    """Wait until no process holds the lock on this file."""

    def take() -> None:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    await asyncio.wait_for(asyncio.to_thread(take), 10)


def locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
