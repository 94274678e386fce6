"""The server beside a bare aiohttp "hello", under the same load; and how much it holds, and how soon it is there.

    python -m bench.server            a table
    python -m bench.server --check    exits 1 if a figure misses its goal
    python -m bench.server --json     the figures for programs

Ratios are of requests answered in a second, in many short rounds that take turns, since a machine's speed drifts;
behind them the lowest and the highest ratio of the rounds.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.actors import resident
from bench.load import CONNECTIONS, TOOL, Request, load
from opencognit.domain.kinds import TASK_LOCK
from opencognit.domain.records import Snapshot, Unit
from opencognit.domain.task import Task, TaskStatus
from opencognit.runtime import Runtime
from opencognit.settings import Settings

HERE = Path(__file__).parent
ROUNDS = 15
SECONDS = 1.0
TASKS = 1_000
MANY = 100_000


class Goal:
    """A figure and what it has to be."""

    def __init__(self, name: str, goal: float, *, at_least: bool, unit: str = "") -> None:
        self.name = name
        self.goal = goal
        self.at_least = at_least
        self.unit = unit
        self.value = 0.0
        self.detail = ""

    def is_met(self) -> bool:
        """Whether the figure is good enough."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def line(self) -> str:
        """A row of the table."""
        word = "at least" if self.at_least else "at most"
        met = "" if self.is_met() else "   MISSED"
        return f"{self.name:44} {self.value:10.2f} {self.unit:4} {word} {self.goal:g}{met}   {self.detail}"


READ = Goal("signed-in GET of a task / hello", 0.5, at_least=True)
LOCK = Goal("durable checkout and release / hello", 0.25, at_least=True)
CREATE = Goal("creating tasks / hello", 0.2, at_least=True)
MEMORY = Goal(f"{MANY:,} live task locks", 600, at_least=False, unit="MB")
START = Goal(f"start to healthy, {MANY:,} stored tasks", 2, at_least=False, unit="s")
GOALS = (READ, LOCK, CREATE, MEMORY, START)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Started(NamedTuple):
    """A server process."""

    seconds: float
    """From its start to its first answer."""
    pid: int


@contextlib.contextmanager
def running(command: list[str], healthy: str) -> Iterator[Started]:
    """A server process until the block ends; it has answered at `healthy` when the block begins."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(healthy, timeout=1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with {process.returncode}")
            time.sleep(0.005)
        yield Started(time.perf_counter() - begun, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def served(data: Path, port: int) -> list[str]:
    """The command that serves a folder."""
    return [sys.executable, "-m", "opencognit", "serve", "--port", str(port), "--data", str(data)]


class Client:
    """Prepares what the load needs, over the API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""
        answer = self.post("/api/auth/registrieren", name="B", email="b@example.com", passwort="bench-password")
        self.token = answer["token"]
        self.company = self.post("/api/unternehmen", name="Bench")["id"]
        self.agent = self.post(f"/api/unternehmen/{self.company}/experten", name="A", rolle="R")["id"]
        self.tasks = [self.post(f"/api/unternehmen/{self.company}/aufgaben", titel="T")["id"] for _ in range(TASKS)]

    def post(self, path: str, **body: Any) -> Any:
        """The JSON that a POST is answered with."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if not self.token:
            del headers["Authorization"]
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def reads(self) -> list[Request]:
        """A GET for each task."""
        return [Request("GET", f"/api/aufgaben/{task}") for task in self.tasks]

    def locks(self) -> list[Request]:
        """A checkout of each task, then a release of each: far enough from each other not to meet."""
        body = json.dumps({"expertId": self.agent, "runId": "bench"})
        return [
            Request("POST", f"/api/aufgaben/{task}/{what}", body)
            for what in ("checkout", "release")
            for task in self.tasks
        ]

    def creates(self) -> list[Request]:
        """A new task."""
        body = json.dumps({"titel": "A task", "beschreibung": "What is to be done", "prioritaet": "high"})
        return [Request("POST", f"/api/unternehmen/{self.company}/aufgaben", body)]


def measure_rates() -> None:
    """Fill in the ratios: each is the median of its rounds."""
    hello_port, port = free_port(), free_port()
    hello, url = f"http://127.0.0.1:{hello_port}", f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        running([sys.executable, str(HERE / "hello.py"), str(hello_port)], hello),
        running(served(Path(folder), port), f"{url}/api/health"),
    ):
        client = Client(url)
        for goal, requests in ((READ, client.reads()), (LOCK, client.locks()), (CREATE, client.creates())):
            pairs = [
                (
                    load(hello, [Request("GET", "/")], seconds=SECONDS),
                    load(url, requests, token=client.token, seconds=SECONDS),
                )
                for _ in range(ROUNDS)
            ]
            ratios = sorted(ours / bare for bare, ours in pairs)
            goal.value = statistics.median(ratios)
            ours = statistics.median(ours for _, ours in pairs)
            goal.detail = f"{ratios[0]:.2f} to {ratios[-1]:.2f}; {ours:,.0f} a second"


async def fill(data: Path, count: int) -> None:
    """A company with so many stored tasks."""
    async with Runtime(data, settings=Settings.load()) as runtime:
        company = await runtime.create_company(name="Large")
        for first in range(0, count, 5_000):
            now = runtime.clock.now()
            waiting = []
            for number in range(first, min(first + 5_000, count)):
                task = Task(
                    id=runtime.ids.new_id(),
                    company_id=company.id,
                    title=f"Task {number}",
                    description="What is to be done, and how it is known to be done",
                    status=TaskStatus.TODO,
                    version=1,
                    created_at=now,
                    updated_at=now,
                )
                snapshot = Snapshot(kind=TASK_LOCK.name, id=task.id, before=None, entity=task)
                waiting.append(runtime.store.commit(Unit(snapshot=snapshot, records=(), events=(), now=now)))
            await asyncio.gather(*waiting)


async def live(data: Path) -> int:
    """Bytes that the process holds with all tasks of the folder awake."""
    async with Runtime(data, settings=Settings.load()) as runtime:
        ids = await all_tasks(data)
        for first in range(0, len(ids), 1_000):
            states = await asyncio.gather(*(runtime.system.state(TASK_LOCK, id_) for id_ in ids[first : first + 1_000]))
            assert all(states)
        assert len(runtime.system.live()) >= len(ids)
        return resident()


async def all_tasks(data: Path) -> list[str]:
    """The ids of all stored tasks."""
    with contextlib.closing(sqlite3.connect(data / "opencognit.db")) as database:
        return [id_ for (id_,) in database.execute("SELECT id FROM tasks")]


def measure_size() -> None:
    """Fill in the memory and the time to start."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        asyncio.run(fill(data, MANY))
        command = [sys.executable, "-m", "bench.server", "--live", folder]
        MEMORY.value = int(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout) / 1e6
        seconds = []
        for _ in range(ROUNDS):
            port = free_port()
            with running(served(data, port), f"http://127.0.0.1:{port}/api/health") as started:
                seconds.append(started.seconds)
        START.value = statistics.median(seconds)


def main() -> int:
    """Measure everything; 1 if a goal was to be checked and is missed."""
    if "--live" in sys.argv:
        print(asyncio.run(live(Path(sys.argv[-1]))), flush=True)
        os._exit(0)
    print(f"Load by {TOOL} on {CONNECTIONS} connections", file=sys.stderr)
    measure_rates()
    measure_size()
    if "--json" in sys.argv:
        print(json.dumps({goal.name: goal.value for goal in GOALS}))
    else:
        print("\n".join(goal.line() for goal in GOALS))
    return 1 if "--check" in sys.argv and not all(goal.is_met() for goal in GOALS) else 0


if __name__ == "__main__":
    sys.exit(main())
