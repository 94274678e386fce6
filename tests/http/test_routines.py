"""Routines over HTTP: given, changed, fired by hand and by their schedules, and followed to the end of their tasks."""

from typing import Any

import pytest

from opencognit.testing import ManualClock
from tests.builders import Api, Follower

Json = dict[str, Any]
HOUR = 3600.0


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/routinen"


async def test_a_schedule_gives_the_agent_a_task_and_tells_when_it_is_done(
    owner: Api, company: Json, path: str, clock: ManualClock, follower: Follower
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    routine = await owner.make(path, {"titel": "Report", "zugewiesenAn": agent["id"]})
    trigger = await owner.make(
        f"/api/routinen/{routine['id']}/triggers", {"kind": "schedule", "cronExpression": "@hourly"}
    )
    assert trigger["naechsterAusfuehrungAm"] == "2026-04-05T11:00:00.000Z"
    await clock.advance(HOUR)
    done = (await follower.until("task_completed"))["data"]
    ended = (await follower.until("routine_executed"))["data"]
    [execution] = (await owner.get(f"/api/routinen/{routine['id']}/ausfuehrungen")).json
    assert execution["status"] == "completed"
    assert (execution["aufgabeId"], ended["ausfuehrungId"]) == (done["taskId"], execution["id"])
