"""What the tests of routines share: giving them, firing them, and reading what became of it."""

import asyncio
from typing import Any

from tests.builders import Api, Follower

Json = dict[str, Any]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NO_ID = "00000000-0000-4000-8000-000000000000"


async def routine_of(api: Api, company: Json, **fields: Any) -> Json:
    made: Json = await api.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Report", **fields})
    return made


async def trigger_of(api: Api, routine: Json, kind: str, **fields: Any) -> Json:
    made: Json = await api.make(f"/api/routinen/{routine['id']}/triggers", {"kind": kind, **fields})
    return made


async def scheduled(api: Api, routine: Json, cron: str = "@hourly", **fields: Any) -> Json:
    return await trigger_of(api, routine, "schedule", cronExpression=cron, **fields)


async def fired(api: Api, routine: Json, **body: Any) -> Json:
    """The execution that firing by hand is answered with."""
    made: Json = await api.make(f"/api/routinen/{routine['id']}/trigger", body)
    return made


async def current(api: Api, routine: Json) -> Json:
    found: Json = (await api.get(f"/api/routinen/{routine['id']}")).json
    return found


async def history_of(api: Api, routine: Json) -> list[Json]:
    """Oldest first."""
    executions: list[Json] = (await api.get(f"/api/routinen/{routine['id']}/ausfuehrungen?limit=500")).json
    return executions[::-1]


async def history_with(api: Api, routine: Json, *statuses: str) -> list[Json]:
    """The history, as soon as these are the statuses in it: a firing becomes visible a moment after its time."""
    async with asyncio.timeout(5):
        while True:
            history = await history_of(api, routine)
            if [execution["status"] for execution in history] == list(statuses):
                return history


async def moved_on(api: Api, routine: Json, due: str | None) -> Json:
    """The routine, as soon as its first trigger waits for this due time."""
    async with asyncio.timeout(5):
        while True:
            found = await current(api, routine)
            if found["triggers"][0]["naechsterAusfuehrungAm"] == due:
                return found


async def task_ended(api: Api, execution: Json, status: str) -> None:
    """Move the execution's task by hand."""
    assert (await api.patch(f"/api/aufgaben/{execution['aufgabeId']}", {"status": status})).status == 200


async def ended(follower: Follower, execution: Json) -> Json:
    """The data of the event that tells of an execution's end."""
    data: Json = (await follower.until("routine_executed", ausfuehrungId=execution["id"]))["data"]
    return data
