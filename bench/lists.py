"""What people look at, in a big company and in one of a tenth of its size: how long one answer takes.

    python -m bench.lists            a table
    python -m bench.lists --check    exits 1 if a figure misses its goal
    python -m bench.lists --json     the figures for programs

Eight clients ask a real server over HTTP, each as soon as it is answered, so that an answer waits for those of seven
others. Rounds take turns between the two sizes, since a machine's speed drifts; what is printed is the median of the
rounds, and behind it the lowest and the highest. The last line is a measure of the machine: the same for `/api/health`,
which looks nothing up.
"""

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.actors import resident
from bench.big_company import TASKS, BigCompany, write
from bench.server import Goal, Started, free_port, running, served

CLIENTS = 8
ROUNDS = 7
SECONDS = 1.5
"""Of one question, in one round."""
TENTH = TASKS // 10
MOST = 20.0
"""Milliseconds within which 99 of 100 answers have to be there."""
FLAT = 2.0
"""How many times longer an answer may take in a company ten times as large."""
MEMORY = Goal("memory of the server", 700, at_least=False, unit="MB")
NOTHING = "nothing"
START = Goal("start to healthy", 3, at_least=False, unit="s")


def questions(big: BigCompany) -> dict[str, list[str]]:
    """What is asked, by name: paths that take turns."""
    of_company = f"/api/unternehmen/{big.id}"
    tasks = f"{of_company}/aufgaben"
    some = big.agent_ids[:: max(1, len(big.agent_ids) // 50)]
    return {
        "tasks": [tasks, f"{tasks}?offset={len(big.task_ids) // 100}"],
        "tasks by status, priority": [
            f"{tasks}?status=todo,in_progress",
            f"{tasks}?status=done&prioritaet=critical,low",
            f"{tasks}?prioritaet=high",
        ],
        "tasks of an agent": [f"{tasks}?zugewiesenAn={agent}" for agent in some],
        "agents": [f"{of_company}/experten"],
        "activity": [f"{of_company}/aktivitaet", f"{of_company}/aktivitaet?before={len(big.task_ids)}"],
        "inbox": [f"/api/experten/{agent}/inbox" for agent in some],
        "dashboard": [f"{of_company}/dashboard"],
        "cost summary": [f"{of_company}/kosten/zusammenfassung"],
        NOTHING: ["/api/health"],
    }


@dataclass
class Times:
    """What was measured of one question: a figure for each round."""

    halves: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)

    def add(self, seconds: list[float]) -> None:
        """The times of one round's answers."""
        cuts = statistics.quantiles(seconds, n=100)
        self.halves.append(cuts[49] * 1000)
        self.most.append(cuts[98] * 1000)

    @property
    def half(self) -> float:
        """Milliseconds within which half of the answers are there."""
        return statistics.median(self.halves)


class Server:
    """A running server with a big company in it."""

    def __init__(self, big: BigCompany, url: str) -> None:
        self.url = url
        self.questions = questions(big)
        self.times = {name: Times() for name in self.questions}
        body = json.dumps({"name": "B", "email": "b@example.com", "passwort": "bench-password"}).encode()
        asked = urllib.request.Request(self.url + "/api/auth/registrieren", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            self.token = json.load(answer)["token"]

    def ask(self, name: str) -> None:
        """One round of a question."""
        address = urlsplit(self.url)
        raw = [
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode()
            for path in self.questions[name]
        ]
        self.times[name].add(asyncio.run(_asked(address.hostname or "", address.port or 0, raw)))


async def _asked(host: str, port: int, requests: list[bytes]) -> list[float]:
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS
    taken: list[float] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=2**20)
        for request in itertools.islice(itertools.cycle(requests), number, None):
            begun = time.perf_counter()
            if loop.time() > end:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            taken.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return taken


@contextlib.contextmanager
def serving(data: Path) -> Iterator[tuple[str, Started]]:
    """A server on a data folder, and its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(served(data, port), f"{url}/api/health") as started:
        yield url, started


def measure(folder: Path) -> tuple[list[Goal], Times]:
    """All figures, and what an answer takes that looks nothing up."""
    large_data, small_data = folder / "large", folder / "small"
    large_company, small_company = write(large_data, TASKS), write(small_data, TENTH)
    starts = []
    for _ in range(ROUNDS):
        with serving(large_data) as (_, started):
            starts.append(started.seconds)
    START.value = statistics.median(starts)
    START.detail = f"{min(starts):.2f} to {max(starts):.2f}"
    with serving(small_data) as (small_url, _), serving(large_data) as (large_url, started):
        small, large = Server(small_company, small_url), Server(large_company, large_url)
        for _ in range(ROUNDS):
            for name in large.questions:
                small.ask(name)
                large.ask(name)
        MEMORY.value = resident(started.pid) / 1e6
    return [*goals_of(small, large), MEMORY, START], large.times[NOTHING]


def goals_of(small: Server, large: Server) -> list[Goal]:
    """The figures of all questions, each with its goal."""
    goals = []
    for name, times in large.times.items():
        if name == NOTHING:
            continue
        within = Goal(f"{name}: 99 % within", MOST, at_least=False, unit="ms")
        within.value = statistics.median(times.most)
        within.detail = f"{min(times.most):.1f} to {max(times.most):.1f}; half within {times.half:.1f}"
        flat = Goal(f"{name}: times a tenth of the size", FLAT, at_least=False)
        ratios = sorted(ours / tenth for tenth, ours in zip(small.times[name].halves, times.halves, strict=True))
        flat.value = statistics.median(ratios)
        flat.detail = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        goals += [within, flat]
    return goals


def main() -> int:
    """Measure everything; 1 if a goal was to be checked and is missed."""
    print(f"{TASKS:,} tasks beside {TENTH:,}, {CLIENTS} clients", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        goals, nothing = measure(Path(folder))
    if "--json" in sys.argv:
        print(json.dumps({goal.name: goal.value for goal in goals}))
    else:
        print("\n".join(goal.line() for goal in goals))
        print(f"/api/health: 99 % within {statistics.median(nothing.most):.1f} ms, half within {nothing.half:.1f} ms")
    return 1 if "--check" in sys.argv and not all(goal.is_met() for goal in goals) else 0


if __name__ == "__main__":
    sys.exit(main())
