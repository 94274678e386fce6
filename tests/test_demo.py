"""The demonstration, as a newcomer runs it."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "opencognit", "demo")
QUIET = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}


async def test_the_demonstration_does_all_its_tasks_and_ends_by_itself() -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, stdout=-1, stderr=-1, env=QUIET)
    async with asyncio.timeout(50):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"8 of 8 tasks are done" in output
    said = output.decode()
    assert "The critic has rejected the result: The total of all lines is missing." in said
    assert "The critic has accepted the result" in said
    assert "[run_finished] deferred" in said, "the service that was not awake yet was asked again"
    assert said.index("Otto asks the board: Hire Rita?") < said.index("Demo: approved: Hire Rita")
    assert said.index("Demo: approved: Hire Rita") < said.index("Hired Rita: Writes reports")


async def test_a_demonstration_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, "--data", str(tmp_path), stdout=-1, stderr=-1, env=QUIET)
    assert process.stdout is not None
    async with asyncio.timeout(50):
        while b"handed" not in await process.stdout.readline():
            pass
    process.send_signal(signal.SIGKILL)
    await process.communicate()

    process = await asyncio.create_subprocess_exec(*COMMAND, "--data", str(tmp_path), stdout=-1, stderr=-1, env=QUIET)
    async with asyncio.timeout(50):
        output, errors = await process.communicate()
    assert process.returncode == 0, output.decode() + errors.decode()

    database = sqlite3.connect(tmp_path / "opencognit.db")
    tasks = [json.loads(body) for (body,) in database.execute("SELECT body FROM tasks")]
    runs = [json.loads(body) for (body,) in database.execute("SELECT body FROM runs")]
    database.close()
    assert [(task["status"], task["executionLockedBy"]) for task in tasks] == [("done", None)] * 8
    assert all(run["beendetAm"] for run in runs)
    succeeded = [run["aufgabeId"] for run in runs if run["status"] == "succeeded"]
    assert sorted(succeeded) == sorted(task["id"] for task in tasks)
