"""`?warteSek=`: waiting for a lock, first come first served."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.domain.kinds import TASK_LOCK
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock
from tests.builders import Answer, Api, assert_error

Json = dict[str, Any]
Waiting = Callable[..., Awaitable["asyncio.Task[Answer]"]]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company)


@pytest.fixture
async def task(owner: Api, company: Json, ada: Json) -> Json:
    """Held by Ada's run `first`."""
    task = await owner.task(company)
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": ada["id"], "runId": "first"})
    return task


@pytest.fixture
def waiting(owner: Api, task: Json, ada: Json, runtime: Runtime) -> Waiting:
    """Ask for the task, and return as soon as the server has the request in line."""

    async def wait(run: str, *, seconds: float = 30, agent: Json = ada) -> "asyncio.Task[Answer]":
        path = f"/api/aufgaben/{task['id']}/checkout?warteSek={seconds:g}"
        before = length(runtime, task)
        asking = asyncio.ensure_future(owner.post(path, {"expertId": agent["id"], "runId": run}))
        async with asyncio.timeout(5):
            while length(runtime, task) == before and not asking.done():  # noqa: ASYNC110 - the line tells nobody
                await asyncio.sleep(0)
        return asking

    return wait


def length(runtime: Runtime, task: Json) -> int:
    """How many stand in line."""
    actor: Any = next(one for one in runtime.system.live() if (one.kind, one.id) == (TASK_LOCK, task["id"]))
    return len(actor._queue._waiters) if actor._queue is not None else 0


async def give_back(owner: Api, task: Json, **fields: Any) -> None:
    await owner.make(f"/api/aufgaben/{task['id']}/release", fields)


async def answered(asking: "asyncio.Task[Answer]") -> Answer:
    async with asyncio.timeout(5):
        return await asking


async def test_a_free_lock_is_given_at_once(owner: Api, task: Json, ada: Json) -> None:
    await give_back(owner, task)
    answer = await owner.post(f"/api/aufgaben/{task['id']}/checkout?warteSek=60", {"expertId": ada["id"]})
    assert answer.status == 200


async def test_those_who_wait_get_it_in_the_order_in_which_they_came(owner: Api, task: Json, waiting: Waiting) -> None:
    line = [await waiting(f"run {number}") for number in range(4)]
    for number, asking in enumerate(line):
        assert not asking.done()
        await give_back(owner, task)
        answer = await answered(asking)
        assert (answer.status, answer.json["executionRunId"], answer.json["executionToken"]) == (
            200,
            f"run {number}",
            number + 2,
        )


async def test_nobody_who_comes_later_overtakes_them(owner: Api, task: Json, ada: Json, waiting: Waiting) -> None:
    first = await waiting("patient")
    hasty = await owner.post(f"/api/aufgaben/{task['id']}/checkout", {"expertId": ada["id"], "runId": "hasty"})
    assert_error(hasty, 409, "LOCKED")
    await give_back(owner, task)
    assert (await answered(first)).status == 200


async def test_whoever_has_waited_long_enough_is_told_who_has_it(
    task: Json, ada: Json, waiting: Waiting, clock: ManualClock
) -> None:
    asking = await waiting("patient", seconds=10)
    await clock.advance(9)
    assert not asking.done()
    await clock.advance(2)
    answer = await answered(asking)
    assert_error(answer, 409, "LOCKED")
    assert answer.json["details"]["runId"] == "first"


async def test_a_lease_that_runs_out_serves_the_line(
    owner: Api, task: Json, ada: Json, *, waiting: Waiting, clock: ManualClock
) -> None:
    renewal = {"expertId": ada["id"], "runId": "first", "leaseSek": 20}
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", renewal)
    asking = await waiting("patient", seconds=60)
    await clock.advance(20)
    assert (await answered(asking)).json["executionRunId"] == "patient"


async def test_one_who_hangs_up_is_passed_over(owner: Api, task: Json, waiting: Waiting) -> None:
    gone, stays = await waiting("gone"), await waiting("stays")
    gone.cancel()
    await asyncio.wait([gone])
    await give_back(owner, task)
    assert (await answered(stays)).json["executionRunId"] == "stays"


@pytest.mark.parametrize(("status", "code"), [("done", "INVALID_STATUS"), ("cancelled", "INVALID_STATUS")])
async def test_when_the_task_is_over_all_are_told(
    owner: Api, task: Json, waiting: Waiting, status: str, code: str
) -> None:
    line = [await waiting(f"run {number}") for number in range(3)]
    await give_back(owner, task, status=status)
    for asking in line:
        assert_error(await answered(asking), 409, code)


async def test_when_the_task_is_deleted_all_are_told(owner: Api, task: Json, waiting: Waiting) -> None:
    line = [await waiting(f"run {number}") for number in range(3)]
    await owner.delete(f"/api/aufgaben/{task['id']}")
    for asking in line:
        assert (await answered(asking)).status in (404, 503)


async def test_an_agent_that_was_paused_meanwhile_loses_its_turn(
    owner: Api, company: Json, task: Json, waiting: Waiting
) -> None:
    await owner.patch(f"/api/aufgaben/{task['id']}", {"titel": "Same"})
    asking = await waiting("paused")
    later = await waiting("later")
    ada = (await owner.get(f"/api/aufgaben/{task['id']}")).json["executionLockedBy"]
    await owner.make(f"/api/experten/{ada}/pausieren")
    await give_back(owner, task)
    for one in (asking, later):
        assert_error(await answered(one), 403, "AGENT_PAUSED")


@pytest.mark.parametrize("seconds", ["-1", "61", "soon", "", "nan", "1e1", "0x5"])
async def test_a_wait_that_is_no_number_of_seconds_up_to_a_minute_is_refused(
    owner: Api, task: Json, ada: Json, seconds: str
) -> None:
    path = f"/api/aufgaben/{task['id']}/checkout?warteSek={seconds}"
    assert_error(await owner.post(path, {"expertId": ada["id"]}), 400, "VALIDATION_ERROR")
