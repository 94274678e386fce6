"""P4: a crashed actor is back from its snapshot; one actor's crash harms no other; no ask hangs."""

import asyncio
import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opencognit.actors.agent import Agent
from opencognit.actors.persistent_actor import Look, PersistentActor
from opencognit.actors.supervision import RESTARTS
from opencognit.actors.task_lock import TaskLock
from opencognit.domain.agent import UpdateAgent
from opencognit.domain.errors import DomainError
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.task import UpdateTask
from opencognit.runtime import Runtime
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, assert_error
from tests.conftest import quick_settings

CRASHES = 1_000
CLIENTS = 8
ENTITIES = CRASHES // (RESTARTS - 1)
STOP_RACES = 3_000
DEADLINE = 5.0
ERRORS = (ValueError, SystemExit, KeyError, asyncio.CancelledError)


class Crashes:
    """Makes actors fail: before their handler, after it, and when they start; each a few times only."""

    def __init__(self) -> None:
        self.active = False
        self.counted: Counter[str] = Counter()
        self.restarts: list[float] = []
        self._since: dict[str, float] = {}
        self._random = random.Random(4)
        self._errors = itertools.cycle(ERRORS)

    def install(self, monkeypatch: pytest.MonkeyPatch, actor: type[PersistentActor[Any]]) -> None:
        """Wrap all handlers and the activation of a kind of actor."""
        for message, handler in actor._handlers.items():
            if message is not Look:
                monkeypatch.setitem(actor._handlers, message, self._failing(handler))
        activated = actor.activated

        async def failing_activation(one: PersistentActor[Any]) -> None:
            # A second failure in a row makes the pause before the restart longer.
            if self.counted[one.id] % 3 == 2:
                self._maybe(one, 0.5)
            await activated(one)

        def resume(one: PersistentActor[Any]) -> None:
            if (crashed := self._since.pop(one.id, None)) is not None:
                self.restarts.append(time.perf_counter() - crashed)
            PersistentActor.resume(one)

        monkeypatch.setattr(actor, "activated", failing_activation)
        monkeypatch.setattr(actor, "resume", resume, raising=False)

    def _failing(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        async def failing(one: PersistentActor[Any], message: Any) -> Any:
            self._maybe(one, 0.3)
            reply = await handler(one, message)
            self._maybe(one, 0.2)
            return reply

        return failing

    def _maybe(self, one: PersistentActor[Any], chance: float) -> None:
        if self.active and self.counted[one.id] < RESTARTS - 1 and self._random.random() < chance:
            self.counted[one.id] += 1
            self._since.setdefault(one.id, time.perf_counter())
            raise next(self._errors)("injected")


@pytest.fixture
def settings() -> Any:
    return quick_settings(actors={"ask_deadline_seconds": DEADLINE})


async def test_of_1_000_crashes_under_8_clients_each_call_is_answered(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime, owner: Api
) -> None:
    company = await owner.company()
    agents = [await owner.agent(company) for _ in range(ENTITIES // 2)]
    tasks = [await owner.task(company) for _ in range(ENTITIES - ENTITIES // 2)]
    crashes = Crashes()
    crashes.install(monkeypatch, TaskLock)
    crashes.install(monkeypatch, Agent)
    crashes.active = True
    chosen = random.Random(5)
    known: dict[str, tuple[str, dict[str, Any]]] = {agent["id"]: ("experten", agent) for agent in agents}
    known |= {task["id"]: ("aufgaben", task) for task in tasks}
    answers: Counter[int] = Counter()

    async def client(mine: list[str]) -> None:
        while mine and crashes.counted.total() < CRASHES:
            id_ = chosen.choice(mine)
            if crashes.counted[id_] >= RESTARTS - 1:
                mine.remove(id_)
                continue
            where, before = known[id_]
            field = "titel" if where == "aufgaben" else "faehigkeiten"
            async with asyncio.timeout(2 * DEADLINE):
                answer = await owner.patch(f"/api/{where}/{id_}", {field: f"Title {chosen.random()}"})
            answers[answer.status] += 1
            known[id_] = where, await settle(owner, where, id_, before, answer)

    ids = list(known)
    await asyncio.gather(*(client(ids[number::CLIENTS]) for number in range(CLIENTS)))
    crashes.active = False

    assert crashes.counted.total() >= CRASHES * 0.99
    assert set(answers) == {200, 500}
    assert answers[500] > CRASHES // 2
    for where, before in known.values():
        answer = await owner.patch(f"/api/{where}/{before['id']}", {})
        assert answer.status == 200, answer
    restarts = sorted(crashes.restarts)
    print(
        f"back after a crash: p50 {restarts[len(restarts) // 2]:.3f} s, p99 {restarts[len(restarts) * 99 // 100]:.3f} s"
    )


async def settle(owner: Api, where: str, id_: str, before: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """What is there after an answer: what a 200 said, and after a 500 the old or the new, whole."""
    async with asyncio.timeout(2 * DEADLINE):
        now = (await owner.get(f"/api/{where}/{id_}")).json
    if answer.status == 200:
        assert now == answer.json
    else:
        assert now["version"] in (before["version"], before["version"] + 1)
        assert (now == before) == (now["version"] == before["version"])
    result: dict[str, Any] = now
    return result


async def test_one_actor_that_fails_too_often_rests_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, owner: Api, worker: ScriptedProvider, follow: Any
) -> None:
    company = await owner.company()
    sick, healthy = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(2)]
    stream = await follow(owner)
    update = Agent._handlers[UpdateAgent]

    async def failing(one: Agent, message: Any) -> Any:
        if one.id == sick["id"]:
            raise ValueError("again and again")
        return await update(one, message)

    monkeypatch.setitem(Agent._handlers, UpdateAgent, failing)
    for _ in range(RESTARTS + 1):
        answer = await owner.patch(f"/api/experten/{sick['id']}", {"titel": "New"})
        assert_error(answer, 500, "INTERNAL_ERROR")
    resting = await owner.patch(f"/api/experten/{sick['id']}", {"titel": "New"})
    assert_error(resting, 503, "UNAVAILABLE")
    assert int(resting.headers["Retry-After"]) > 0
    await stream.until("agent_status", expertId=sick["id"], status="error")
    assert (await owner.get(f"/api/experten/{sick['id']}")).json["status"] == "error"

    assert (await owner.patch(f"/api/experten/{healthy['id']}", {"titel": "New"})).status == 200
    task = await owner.task(company, zugewiesenAn=healthy["id"])
    await stream.until("task_completed", taskId=task["id"])


async def test_an_actor_whose_snapshot_cannot_be_read_never_starts_empty(tmp_path: Path) -> None:
    settings = quick_settings()
    async with Runtime(tmp_path, settings=settings) as runtime:
        company = await runtime.create_company(name="Acme")
        task = await runtime.create_task(company.id, title="Task")
    with closing(sqlite3.connect(tmp_path / "opencognit.db")) as database, database:
        database.execute("UPDATE tasks SET body = '{\"id\": 1}' WHERE id = ?", (task.id,))
    async with Runtime(tmp_path, settings=settings) as runtime:
        for _ in range(RESTARTS + 3):
            with pytest.raises(DomainError) as refused:
                await runtime.system.ask(TASK_LOCK, task.id, UpdateTask(title="New"))
            assert refused.value.status >= 500
    with closing(sqlite3.connect(tmp_path / "opencognit.db")) as database:
        assert database.execute("SELECT body FROM tasks").fetchall() == [('{"id": 1}',)]


async def test_of_3_000_races_of_an_ask_with_the_actors_end_none_is_left_open(runtime: Runtime) -> None:
    company = await runtime.create_company(name="Acme")
    task = await runtime.create_task(company.id, title="Task")
    ended: Counter[str] = Counter()
    turns = random.Random(6)
    for _ in range(STOP_RACES):
        asking = asyncio.ensure_future(runtime.system.ask(TASK_LOCK, task.id, UpdateTask(), deadline=DEADLINE))
        for _ in range(turns.randrange(12)):
            await asyncio.sleep(0)
        for actor in runtime.system.live():
            if actor.id == task.id:
                runtime.system.drop(actor)
        async with asyncio.timeout(DEADLINE):
            [outcome] = await asyncio.gather(asking, return_exceptions=True)
        ended[type(outcome).__name__] += 1
    assert ended.total() == STOP_RACES
    assert ended["DeadlineExceeded"] == 0
    assert len(ended) > 1, "no race was lost"
    assert (await runtime.system.state(TASK_LOCK, task.id)) is not None
    assert await runtime.system.state(AGENT, "nobody") is None
