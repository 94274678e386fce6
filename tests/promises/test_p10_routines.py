"""P10: a routine fires once for each due time: clocks that jump, downtime, both changes, a store that fails, `kill -9`.

Which due times there are over the changes of the clocks is shown by `tests/domain/test_cron.py`.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opencognit.domain.company import CompanyStatus, UpdateCompany
from opencognit.domain.cron import Cron
from opencognit.domain.errors import StorageUnavailable
from opencognit.domain.execution import Execution
from opencognit.domain.instants import Instant, after, between, moment
from opencognit.domain.kinds import COMPANY, ROUTINE
from opencognit.domain.message import decode
from opencognit.domain.origin import Origin
from opencognit.domain.records import Unit
from opencognit.domain.routine import (
    CatchUpPolicy,
    ChangeTrigger,
    ConcurrencyPolicy,
    CreateRoutine,
    CreateTrigger,
    RoutineStatus,
    TriggerKind,
    UpdateRoutine,
)
from opencognit.domain.task import Task
from opencognit.domain.wire_names import FIELDS
from opencognit.runtime import Runtime
from opencognit.simulation import SimulationLoop, simulate
from opencognit.store.store import Store
from opencognit.testing import ManualClock
from tests.builders import Api
from tests.conftest import quick_settings
from tests.hasty_server import SPEED
from tests.server_process import ServerProcess

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
EVERY = 1000
KILLS = int(os.environ.get("KILLS", "20"))
LONGEST = 0.8 * EVERY * MINUTE / SPEED
"""Seconds of killing, after which more may have been missed on a slow machine than is caught up on."""


async def a_routine(
    runtime: Runtime, company_id: str, cron: str, zone: str, policy: CatchUpPolicy = CatchUpPolicy.SKIP
) -> str:
    """The id of a routine that makes a task each time."""
    create = CreateRoutine(title="Report", catch_up_policy=policy, concurrency_policy=ConcurrencyPolicy.ENQUEUE)
    routine = await runtime.system.create(ROUTINE, create, origin=Origin(company_id=company_id))
    trigger = CreateTrigger(kind=TriggerKind.SCHEDULE, cron=cron, time_zone=zone)
    await runtime.ask(ROUTINE, routine.id, trigger)
    return routine.id


async def fired(runtime: Runtime, routine_id: str) -> list[tuple[Instant, Instant]]:
    """(due time, when it has fired) of all, in order; each with a task that is there and is no other's."""
    executions: list[Execution] = []
    before = None
    while True:
        page = await runtime.queries.executions(routine_id, 500, 0, before)
        executions += [decode(body, Execution) for body in page.bodies]
        if (before := page.older) is None:
            break
    made = await runtime.queries.bodies("task_lock", [execution.task_id or "" for execution in executions])
    tasks = [decode(body, Task) for body in made]
    assert {task.id for task in tasks} == {execution.task_id for execution in executions}
    assert {task.routine_id for task in tasks} <= {routine_id}
    assert len(tasks) == len(executions)
    return [(execution.payload[FIELDS["due_at"]], execution.created_at) for execution in reversed(executions)]


# A year, with both changes of the clocks


def test_a_daily_routine_fires_once_on_each_day_of_a_year_in_its_time_zone() -> None:
    zones = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")

    async def story(runtime: Runtime, clock: ManualClock) -> list[list[Instant]]:
        company = await runtime.create_company(name="Acme")
        routines = [await a_routine(runtime, company.id, "15 2 * * *", zone) for zone in zones]
        await clock.advance(365 * DAY)
        return [[due for due, when in await fired(runtime, routine) if due == when] for routine in routines]

    for zone, due_times in zip(zones, simulate(story, settings=quick_settings()), strict=True):
        local = [moment(due).astimezone(ZoneInfo(zone)) for due in due_times]
        assert [time.date() for time in local] == [local[0].date() + timedelta(days=day) for day in range(365)]
        # On the one day on which there is no quarter past two, it is the moment at which the clocks are changed.
        assert sorted((time.hour, time.minute) for time in local if (time.hour, time.minute) != (2, 15)) in (
            [(3, 0)],
            [(2, 30)],
        )


# Whatever happens


class FailingStore:
    """A store that answers commits with a failure, whether or not they were made."""

    def __init__(self, store: Store) -> None:
        self.queries = store.queries
        self._store = store
        self.failures: list[bool] = []
        """For each of the next commits, whether it is made although it is said to have failed."""

    def commit(self, unit: Unit) -> "asyncio.Future[None]":
        if not self.failures:
            return self._store.commit(unit)
        return asyncio.ensure_future(self._fail(unit, is_made=self.failures.pop()))

    async def _fail(self, unit: Unit, *, is_made: bool) -> None:
        if is_made:
            await self._store.commit(unit)
        raise StorageUnavailable


def test_a_store_that_cannot_write_is_not_asked_again_without_end() -> None:
    async def story(runtime: Runtime, clock: ManualClock) -> tuple[int, list[tuple[Instant, Instant]]]:
        company = await runtime.create_company(name="Acme")
        routine = await a_routine(runtime, company.id, "@hourly", "UTC")
        runtime.system.store = store = FailingStore(runtime.store)
        await clock.advance(HOUR - 1)
        store.failures = [False] * 1000
        await clock.advance(31)
        tries = 1000 - len(store.failures)
        store.failures.clear()
        await clock.advance(2)
        return tries, await fired(runtime, routine)

    tries, firings = simulate(story, settings=quick_settings())
    assert 25 < tries < 35
    assert firings == [("2026-04-05T11:00:00.000Z", "2026-04-05T11:00:31.000Z")]


class Life(RuleBasedStateMachine):
    """Three routines over the change of the clocks in autumn, and all that may happen to a server and its clock.

    Attributes:
        patient: catches up, so it must have fired for each due time that any clock has shown.
        hasty: skips what was missed, so it must have fired for each due time that came while it could.
        restless: is paused and changed all the time, so it must not have fired twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulationLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.folder = TemporaryDirectory(prefix="opencognit-routines-")
        self.clock = ManualClock(datetime(2026, 10, 24, 20, tzinfo=UTC), settle=self.loop.idle)
        self.begin = self.latest = self.clock.now()
        self.required: list[Instant] = []
        self.allowed: set[Instant] = set()
        self.is_resting = False
        self.cron = Cron("*/20 * * * *", ZoneInfo("Europe/Berlin"))
        self.run(self.found())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def found(self) -> None:
        await self.open()
        self.company_id = (await self.runtime.create_company(name="Acme")).id
        self.patient, self.hasty, self.restless = [
            await a_routine(self.runtime, self.company_id, "*/20 * * * *", "Europe/Berlin", policy)
            for policy in (CatchUpPolicy.CATCH_UP, CatchUpPolicy.SKIP, CatchUpPolicy.CATCH_UP)
        ]

    async def open(self) -> None:
        settings = quick_settings(routines={"catch_up_limit": EVERY})
        self.stack = AsyncExitStack()
        self.runtime = self.loop.runtime = Runtime(Path(self.folder.name), settings=settings, clock=self.clock)
        await self.stack.enter_async_context(self.runtime)
        self.store = FailingStore(self.runtime.store)
        self.runtime.system.store = self.store

    async def close(self) -> None:
        await self.stack.aclose()

    def it_was(self, start: Instant) -> None:
        """Time has passed evenly from `start` until now."""
        if not self.is_resting:
            self.required += self.cron.newest(max(start, self.latest), self.clock.now(), EVERY)
            self.it_is_now()

    def it_is_now(self) -> None:
        """It has become this late, however."""
        if not self.is_resting:
            now = self.clock.now()
            last = self.cron.newest(self.begin, now, 1)
            self.allowed |= {due for due in last if between(due, now) <= MINUTE}
            self.latest = max(self.latest, now)

    @rule(minutes=st.sampled_from([1, 7, 20, 55, 200]))
    def time_passes(self, minutes: int) -> None:
        start = self.clock.now()
        self.run(self.clock.advance(minutes * MINUTE))
        self.it_was(start)

    @rule(minutes=st.sampled_from([-150, -20, -1, 0.5, 20, 45, 400]))
    def the_clock_jumps(self, minutes: float) -> None:
        self.run(self.clock.jump(minutes * MINUTE))
        self.it_is_now()

    @rule(minutes=st.sampled_from([-30, 0, 0.5, 25, 400]))
    def the_server_is_down(self, minutes: float) -> None:
        async def act() -> None:
            await self.close()
            await self.clock.jump(minutes * MINUTE)
            await self.open()
            await self.loop.idle()

        self.run(act())
        self.it_is_now()

    @rule(failures=st.lists(st.booleans(), min_size=1, max_size=6))
    def the_store_fails(self, failures: list[bool]) -> None:
        """For a while: each failure costs a second, so nothing is missed by it."""
        self.store.failures = failures
        start = self.clock.now()
        self.run(self.clock.advance(21 * MINUTE))
        self.store.failures.clear()
        self.run(self.clock.advance(2))
        self.it_was(start)

    @rule()
    def the_company_rests_or_works(self) -> None:
        async def act(status: CompanyStatus) -> None:
            await self.runtime.ask(COMPANY, self.company_id, UpdateCompany(status=status))
            await self.loop.idle()

        self.is_resting = not self.is_resting
        self.run(act(CompanyStatus.PAUSED if self.is_resting else CompanyStatus.ACTIVE))
        self.it_is_now()

    @rule(change=st.sampled_from(["pause", "resume", "off", "on", "anew"]))
    def the_restless_routine_is_changed(self, change: str) -> None:
        async def act() -> None:
            routine = await self.runtime.system.state(ROUTINE, self.restless)
            assert routine is not None
            trigger_id = routine.triggers[0].id
            message: Any = {
                "pause": UpdateRoutine(status=RoutineStatus.PAUSED),
                "resume": UpdateRoutine(status=RoutineStatus.ACTIVE),
                "off": ChangeTrigger(trigger_id=trigger_id, is_active=False),
                "on": ChangeTrigger(trigger_id=trigger_id, is_active=True),
                "anew": ChangeTrigger(trigger_id=trigger_id, cron="*/20 * * * *"),
            }[change]
            await self.runtime.ask(ROUTINE, self.restless, message)
            await self.loop.idle()

        self.run(act())

    @invariant()
    def each_due_time_has_fired_once(self) -> None:
        patient, hasty, restless = [
            self.run(fired(self.runtime, routine)) for routine in (self.patient, self.hasty, self.restless)
        ]
        every = self.cron.newest(self.begin, self.latest, EVERY)
        assert [due for due, _ in patient] == every
        assert [due for due, _ in hasty if due in set(self.required)] == self.required
        assert {due for due, _ in hasty} <= self.allowed | set(self.required)
        for routine in (patient, hasty, restless):
            assert [due for due, count in Counter(due for due, _ in routine).items() if count > 1] == []
            assert all(due <= when for due, when in routine)

    def teardown(self) -> None:
        try:
            self.run(self.close())
        finally:
            self.runner.close()
            self.folder.cleanup()


TestLife = Life.TestCase
# The same lives each time; `make nightly` looks at others, and more of them.
LIVES = os.environ.get("LIVES")
TestLife.settings = hypothesis.settings(
    max_examples=int(LIVES or 40), stateful_step_count=25, deadline=None, derandomize=LIVES is None
)


# A process that is killed


async def test_a_server_that_is_killed_again_and_again_has_fired_once_for_each_minute(tmp_path: Path) -> None:
    moments = random.Random(10)
    server = ServerProcess(
        tmp_path,
        command=(sys.executable, "-m", "tests.hasty_server"),
        HASTY_SINCE=str(time.time()),
        OPENCOGNIT_ROUTINES__CATCH_UP_LIMIT=str(EVERY),
    )
    await server.start()
    async with aiohttp.ClientSession() as session:
        owner = await Api(session, server.url).somebody()
        company = await owner.company()
        agent = await owner.agent(company)
        # Several, so that hardly a moment is without a firing.
        routines = [await an_eager_routine(owner, company, agent) for _ in range(12)]
        end, kills = time.monotonic() + LONGEST, 0
        while kills < KILLS and time.monotonic() < end:
            await asyncio.sleep(moments.uniform(0, 0.4))
            await server.end()
            await server.start()
            kills += 1
        for routine in routines:
            await owner.patch(routine, {"status": "paused"})
        histories = [await everything(owner, f"{routine}/ausfuehrungen") for routine in routines]
        tasks = await everything(owner, f"/api/unternehmen/{company['id']}/aufgaben")
        await server.end()
    for history in histories:
        due_times = [execution["payload"]["faelligAm"] for execution in history][::-1]
        assert due_times == [after(due_times[0], number * MINUTE) for number in range(len(due_times))]
        assert len(due_times) > kills, "hardly anything was due between two kills"
    made = [(execution["aufgabeId"], execution["routineId"]) for history in histories for execution in history]
    assert sorted(made) == sorted((task["id"], task["routineId"]) for task in tasks)
    assert {(task["zugewiesenAn"], task["status"]) for task in tasks} == {(agent["id"], "todo")}
    print(f"{kills} kills, {len(tasks)} due times, each fired once")


async def an_eager_routine(owner: Api, company: dict[str, Any], agent: dict[str, Any]) -> str:
    """The path of a routine that is due each minute."""
    policies = {"catchUpPolicy": "catch_up", "concurrencyPolicy": "always_enqueue"}
    body = {"titel": "Report", "zugewiesenAn": agent["id"], **policies}
    routine = await owner.make(f"/api/unternehmen/{company['id']}/routinen", body)
    path = f"/api/routinen/{routine['id']}"
    await owner.make(f"{path}/triggers", {"kind": "schedule", "cronExpression": "* * * * *"})
    return path


async def everything(api: Api, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    rows: list[dict[str, Any]] = []
    following = f"{path}?limit=500"
    while following:
        page = await api.get(following)
        rows += page.json
        following = page.headers.get("Link", "").partition(">")[0].strip("<")
    return rows
