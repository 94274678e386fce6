"""P1: a task has at most one lock holder, and its token only rises, across crashes and restarts.

Eight clients fight for five tasks over HTTP and crash now and then; the server is killed and started again. What each
of them saw is then read by a checker of linearizability. The same fight against servers whose lock is broken on purpose
shows that the checker would see it.
"""

import asyncio
import random
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.builders import Answer, Api
from tests.promises.linearizability import UNKNOWN, Operation, violation
from tests.promises.lock_model import Granted, Lock, Seen, lock_model
from tests.server_process import ServerProcess

CLIENTS = 8
AGENTS = 4
TASKS = 5
OPERATIONS = 6_000
KILLS = 8
LEASES = (1, 1, 1, 30)

FAULTS = {
    "the lock is not checked": """
from opencognit.actors.task_lock import TaskLock
from opencognit.domain.task import Checkout
async def broken(self, message):
    self.state = self.existing().unlocked()
    return await TaskLock.checkout(self, message)
TaskLock._handlers[Checkout] = broken
""",
    "the token does not rise": """
from msgspec.structs import replace
from opencognit.domain.task import Task
granted_to = Task.granted_to
def broken(self, *arguments, **named):
    return replace(granted_to(self, *arguments, **named), lock_token=max(self.lock_token, 1))
Task.granted_to = broken
""",
    "a grant is answered before it is written": """
import time
from opencognit.store.writer import SnapshotWriter
def broken(self, message):
    while self._waiting:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._loop.call_soon_threadsafe(self._settle, batch, [None] * len(batch), [])
        time.sleep(0.05)
        self._commit_together([unit for unit, _ in batch])
SnapshotWriter.on_receive = broken
""",
}


class Fight:
    """The clients, and the histories of what they saw."""

    def __init__(self, api: Api, seed: int) -> None:
        self.api = api
        self.histories: dict[str, list[Operation]] = {}
        self.deaths: list[float] = []
        self.count = 0
        self._agents: list[str] = []
        self._random = random.Random(seed)
        self._up = asyncio.Event()
        self._kill = asyncio.Event()
        self._kill_at = 0

    async def prepare(self) -> None:
        """A company with agents that are driven from outside, and tasks for them."""
        admin = await self.api.somebody("Admin")
        company = await admin.company()
        self.api.token = admin.token
        self._agents = [(await admin.agent(company))["id"] for _ in range(AGENTS)]
        self.histories = {(await admin.task(company))["id"]: [] for _ in range(TASKS)}

    async def go_on(self, operations: int) -> None:
        """Fight until there are this many operations."""
        self._up.set()
        clients = [self._client(self._agents[number % AGENTS], operations) for number in range(CLIENTS)]
        await asyncio.gather(*clients)

    async def kill_now_and_then(self, server: ServerProcess, *, every: int) -> None:
        """Kill the server each time that so many operations have been made."""
        while True:
            self._kill_at = self.count + every
            self._kill.clear()
            await self._kill.wait()
            self._up.clear()
            await server.end()
            self.deaths.append(time.time())
            await server.start()
            self._up.set()

    def closed(self) -> list[list[Operation]]:
        """The histories; what was never answered can take no effect after the death of its server."""
        for history in self.histories.values():
            for operation in history:
                if operation.answer is UNKNOWN:
                    later = [death for death in self.deaths if death > operation.called]
                    operation.answered = min(later, default=operation.answered)
        return list(self.histories.values())

    async def _client(self, agent: str, operations: int) -> None:
        held: dict[str, tuple[str, int]] = {}
        while self.count < operations:
            await self._up.wait()
            task = self._random.choice(list(self.histories))
            run, token = held.get(task, ("", 0))
            chance = self._random.random()
            if chance < 0.01:
                held.clear()  # The client has crashed, and knows of nothing that it held.
            elif chance < 0.15:
                await self._read(task)
            elif not run:
                await self._take(agent, task, held)
            elif chance < 0.25:
                await self._call(task, "checkout", agent, run, self._random.choice(LEASES))
            elif chance < 0.40:
                await self._write(task, token)
            elif chance < 0.45:
                await self._release(task, agent, "another run", token)
            else:
                held.pop(task)
                await self._release(task, agent, run, token)

    async def _take(self, agent: str, task: str, held: dict[str, tuple[str, int]]) -> None:
        run = f"run-{self._random.getrandbits(48):x}"
        answer = await self._call(task, "checkout", agent, run, self._random.choice(LEASES))
        if isinstance(answer, Granted):
            held[task] = (run, answer.token)
        elif answer == "ASSIGNED_ELSEWHERE":
            await self._unassign(task)
        elif self._random.random() < 0.2:
            await self._force(task)

    async def _call(self, task: str, name: str, agent: str, run: str, lease: int) -> Any:
        def read(answer: Answer) -> Any:
            if answer.status == 200:
                expires = datetime.fromisoformat(answer.json["executionLockExpiresAt"]).timestamp()
                return Granted(answer.json["executionToken"], expires)
            code = answer.json["code"]
            details = answer.json.get("details") or {}
            return (code, (details["lockedBy"], details["runId"])) if code == "LOCKED" else code

        body = {"expertId": agent, "runId": run, "leaseSek": lease}
        return await self._record(task, Operation(name, (agent, run, lease), 0), read, ("POST", "/checkout", body))

    async def _release(self, task: str, agent: str, run: str, token: int) -> None:
        body = {"expertId": agent, "runId": run, "executionToken": token}
        await self._record(task, Operation("release", (agent, run, token), 0), _done, ("POST", "/release", body))

    async def _force(self, task: str) -> None:
        await self._record(task, Operation("force", None, 0), _done, ("POST", "/release", {}))

    async def _unassign(self, task: str) -> None:
        await self._record(task, Operation("unassign", None, 0), _done, ("PATCH", "", {"zugewiesenAn": None}))

    async def _write(self, task: str, token: int) -> None:
        body = {"ergebnis": "so far", "executionToken": token}
        await self._record(task, Operation("write", token, 0), _done, ("PATCH", "", body))

    async def _read(self, task: str) -> None:
        def read(answer: Answer) -> Any:
            body = answer.json
            holder = (body["executionLockedBy"], body["executionRunId"]) if body["executionLockedBy"] else None
            return Seen(body["executionToken"], holder)

        await self._record(task, Operation("read", None, 0), read, ("GET", "", None))

    async def _record(self, task: str, operation: Operation, read: Any, call: tuple[str, str, Any]) -> Any:
        """Make the call and keep it; one that is cut off has an unknown outcome."""
        self.count += 1
        if self.count >= self._kill_at:
            self._kill.set()
        self.histories[task].append(operation)
        # One call in fifty is given up by its client before there is an answer.
        patience = 0.001 if self._random.random() < 0.02 else 10
        method, path, body = call
        operation.called = time.time()
        try:
            async with asyncio.timeout(patience):
                answer = await self.api.call(method, f"/api/aufgaben/{task}{path}", body)
        except (aiohttp.ClientError, TimeoutError):
            return UNKNOWN
        operation.answered = time.time()
        operation.answer = read(answer)
        return operation.answer


def _done(answer: Answer) -> str:
    code: str = "done" if answer.status == 200 else answer.json["code"]
    return code


async def fight(server: ServerProcess, *, operations: int, kills: int, seed: int) -> Fight:
    """One fight from beginning to end."""
    async with server, aiohttp.ClientSession() as session:
        one = Fight(Api(session, server.url), seed)
        await one.prepare()
        killing = asyncio.ensure_future(one.kill_now_and_then(server, every=operations // (kills + 1)))
        async with asyncio.timeout(120):
            await one.go_on(operations)
        killing.cancel()
        await asyncio.wait([killing])
        return one


async def test_a_task_has_one_holder_and_a_rising_token_across_crashes(tmp_path: Path) -> None:
    one = await fight(ServerProcess(tmp_path), operations=OPERATIONS, kills=KILLS, seed=1)
    histories = one.closed()
    assert len(one.deaths) >= KILLS
    assert sum(len(history) for history in histories) >= 5_000
    grants = [operation for history in histories for operation in history if isinstance(operation.answer, Granted)]
    assert len(grants) >= OPERATIONS // 20, "most of the fight was about nothing"
    for history in histories:
        wrong = violation(history, lock_model, Lock())
        assert wrong is None, f"{wrong} after {history[: history.index(wrong)][-10:]}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_the_checker_finds_a_lock_that_is_broken_on_purpose(tmp_path: Path, fault: str) -> None:
    program = f"{fault}\nfrom opencognit.cli import main\nmain(prog_name='opencognit')"
    broken = ServerProcess(tmp_path, command=(sys.executable, "-c", program))
    one = await fight(broken, operations=600, kills=1, seed=2)
    assert any(violation(history, lock_model, Lock()) for history in one.closed())
