"""A server that is killed while it lets go of what is old."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from opencognit.runtime import Runtime
from opencognit.testing import ManualClock
from tests.conftest import quick_settings
from tests.server_process import ServerProcess

TASKS = 4000
KILLS = 4


def events_in(data: Path) -> int:
    """Read as another process may while the server writes."""
    with sqlite3.connect(f"file:{data / 'opencognit.db'}?mode=ro", uri=True) as database:
        number: int = database.execute("SELECT count(*) FROM events").fetchone()[0]
        return number


async def test_a_kill_in_between_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    clock = ManualClock(start=datetime(2020, 1, 1, tzinfo=UTC))
    async with Runtime(tmp_path, settings=quick_settings(), clock=clock) as runtime:
        company = await runtime.create_company(name="Acme")
        for number in range(TASKS):
            await runtime.create_task(company.id, title=f"Task {number}")
    server = ServerProcess(tmp_path)
    left = [events_in(tmp_path)]
    assert left[0] > 2 * TASKS
    for _ in range(KILLS):
        await server.start()
        while (now := events_in(tmp_path)) == left[-1] and now:
            pass
        await server.end()
        left.append(events_in(tmp_path))
        if left[-1] == 0:
            break
    assert len([number for number in left if number]) > 1, "it was killed in between"
    await server.start()
    while events_in(tmp_path):
        pass
    await server.end()
    with sqlite3.connect(tmp_path / "opencognit.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM tasks").fetchone() == (TASKS,)
        counts = dict(database.execute("SELECT kind, sum(number) FROM counts GROUP BY kind"))
    assert counts["activity"] == 0
    assert counts["task"] == TASKS
