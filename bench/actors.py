"""Actors on the event loop beside Pykka's actors with a thread each: the same program, one process a row.

    python -m bench.actors            a table, and 100,000 live actors
    python -m bench.actors --check    exits 1 if any ratio is below 5

Every row starts its actors, asks each of them and collects all the answers, over and over. Who asks is what a
program of that kind has: the main thread for `ThreadingActor`, a coroutine for `AsyncioActor`; and once more
the main thread for `AsyncioActor`. `--check` holds both against `ThreadingActor`.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pykka

from opencognit.actors.asyncio_actor import AsyncioActor

SIZES = (1_000, 10_000)
MANY = 100_000
REQUIRED = 5.0
SECONDS = 2.0
"""For how long each row asks."""
REPEATS = 3
"""Rows of a kind; the median of each figure counts, as the machine has other things to do."""


class ThreadEcho(pykka.ThreadingActor):
    use_daemon_thread = True

    def on_receive(self, message: Any) -> Any:
        return message


class LoopEcho(AsyncioActor):
    def on_receive(self, message: Any) -> Any:
        return message


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds, this one by default."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


class Measurement:
    """Three moments of a row: before the start, when all have answered once, and after many asks."""

    def __init__(self, size: int) -> None:
        gc.collect()
        self.size = size
        self.memory = resident()
        self.begun = time.perf_counter()
        self.rounds = 0
        self.figures: dict[str, float] = {}

    def all_live(self) -> None:
        """All have started and answered; from now on asks are counted."""
        self.figures["starts"] = self.size / (time.perf_counter() - self.begun)
        self.figures["memory"] = (resident() - self.memory) / self.size
        self.begun = time.perf_counter()

    def goes_on(self) -> bool:
        """Whether there should be one more round of asks."""
        passed = time.perf_counter() - self.begun
        self.figures["asks"] = self.rounds * self.size / passed
        self.rounds += 1
        return passed < SECONDS

    def report(self) -> None:
        """Print the figures for the parent process, and leave without waiting for thousands of threads."""
        print(json.dumps(self.figures), flush=True)
        os._exit(0)


def run_from_a_thread(actor_class: type[pykka.Actor], size: int) -> None:
    """Start and ask from the main thread, as a Pykka program does."""
    measurement = Measurement(size)
    refs = [actor_class.start() for _ in range(size)]
    for answer in [ref.ask(0, block=False) for ref in refs]:
        answer.get()
    measurement.all_live()
    while measurement.goes_on():
        for answer in [ref.ask(1, block=False) for ref in refs]:
            answer.get()
    measurement.report()


async def run_in_the_loop(size: int) -> None:
    """The same from a coroutine."""
    measurement = Measurement(size)
    refs = [LoopEcho.start() for _ in range(size)]
    for answer in [ref.ask(0, block=False) for ref in refs]:
        await answer
    measurement.all_live()
    while measurement.goes_on():
        for answer in [ref.ask(1, block=False) for ref in refs]:
            await answer
    measurement.report()


ROWS = {
    "thread": lambda size: run_from_a_thread(ThreadEcho, size),
    "loop": lambda size: asyncio.run(run_in_the_loop(size)),
    "loop, from a thread": lambda size: run_from_a_thread(LoopEcho, size),
}


def measure(row: str, size: int, repeats: int = REPEATS) -> dict[str, float]:
    """The medians of a row, each run in a fresh process."""
    command = [sys.executable, __file__, "--row", row, str(size)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout) for _ in range(repeats)
    ]
    return {name: sorted(run[name] for run in runs)[repeats // 2] for name in runs[0]}


def line(name: str, size: int, figures: dict[str, float]) -> None:
    print(f"{name:22} {size:>8,} {figures['starts']:>12,.0f} {figures['asks']:>12,.0f} {figures['memory']:>14,.0f}")


def compare(size: int) -> list[float]:
    """Print the rows of one size, and return the ratios of the loop's actors to Pykka's."""
    rows = {row: measure(row, size) for row in ROWS}
    for row, figures in rows.items():
        line(row, size, figures)
    thread = rows["thread"]
    checked: list[float] = []
    for row in list(ROWS)[1:]:
        ratios = {name: rows[row][name] / thread[name] for name in ("starts", "asks")}
        ratios["memory"] = thread["memory"] / rows[row]["memory"]
        print(
            f"{'  times better':22} {size:>8,} {ratios['starts']:>12.1f} {ratios['asks']:>12.1f}"
            f" {ratios['memory']:>14.1f}   {row}"
        )
        checked += ratios.values()
    print()
    return checked


def main() -> int:
    """Print the table; 1 if a ratio was to be checked and is too small."""
    if "--row" in sys.argv:
        row, size = sys.argv[-2:]
        ROWS[row](int(size))
    print(f"{'actors':22} {'live':>8} {'starts/s':>12} {'asks/s':>12} {'bytes an actor':>14}")
    ratios = [ratio for size in SIZES for ratio in compare(size)]
    many = measure("loop", MANY, repeats=1)
    line("loop", MANY, many)
    print(f"  {MANY:,} live actors hold {many['memory'] * MANY / 2**20:,.0f} MiB")
    print(f"  smallest ratio: {min(ratios):.1f}")
    return 1 if "--check" in sys.argv and min(ratios) < REQUIRED else 0


if __name__ == "__main__":
    sys.exit(main())
