"""A process starts, whatever the server's other threads do at that moment."""

import os
import signal
import subprocess
import sys

PROGRAM = """
import asyncio, threading
import uvloop
from opencognit.providers.process_group import ProcessGroup
from opencognit.store.database import sqlite3

mine = threading.local()

def hold_statements():
    mine.database = sqlite3.connect(":memory:")
    for number in range(20):
        mine.database.execute(f"SELECT {number}").fetchall()
    threading.Event().wait()

def ask_without_end():
    mine.database = sqlite3.connect(":memory:")
    while True:
        mine.database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000)"
            " SELECT count(hex(randomblob(50))) FROM n"
        ).fetchall()

async def start_many():
    for work in (hold_statements, ask_without_end):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(100):
        group = await ProcessGroup.start(
            ["/bin/true"], cwd="/", env={}, stdin=b"", stdout=lambda _: None, stderr=lambda _: None
        )
        assert await group.wait() == 0
        await group.end(grace=0)

uvloop.run(start_many())
"""


def test_a_hundred_processes_start_beside_threads_that_use_the_database() -> None:
    # In a session of its own: what hangs between fork and exec is not ended by the end of its parent.
    program = subprocess.Popen((sys.executable, "-c", PROGRAM), stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, errors = program.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    assert program.returncode == 0, errors.decode()
