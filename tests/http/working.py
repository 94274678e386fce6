"""What tests of healing share: reading over HTTP, the ends of runs, and moving the clock until something has come."""

from collections.abc import Awaitable, Callable
from typing import Any

from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.testing import ManualClock
from tests.builders import Api, Follower

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

MINUTE = 60
RETRIES = (300, 900)
"""Seconds between the three attempts."""


async def task_of(api: Api, task: Json) -> Json:
    found: Json = (await api.get(f"/api/aufgaben/{task['id']}")).json
    return found


async def runs_of(api: Api, agent: Json) -> list[Json]:
    """Oldest first."""
    runs: list[Json] = (await api.get(f"/api/experten/{agent['id']}/laeufe")).json
    return runs[::-1]


async def comments_of(api: Api, task: Json) -> list[str]:
    return [comment["inhalt"] for comment in (await api.get(f"/api/aufgaben/{task['id']}/kommentare")).json]


async def approvals_of(api: Api, company: Json) -> list[Json]:
    asked: list[Json] = (await api.get(f"/api/unternehmen/{company['id']}/genehmigungen")).json
    return asked


async def tasks_of(api: Api, company: Json, **wanted: str) -> list[Json]:
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    tasks: list[Json] = (await api.get(f"/api/unternehmen/{company['id']}/aufgaben?limit=500&{query}")).json
    return tasks


async def verbs_of(api: Api, company: Json) -> list[str]:
    """The verbs of the activity feed, oldest first."""
    feed = (await api.get(f"/api/unternehmen/{company['id']}/aktivitaet?limit=500")).json
    return [entry["aktion"] for entry in reversed(feed)]


async def run_ended(follower: Follower, **which: Any) -> None:
    """Wait for the end of a run that was handed in, and until its agent is idle again."""
    run = await follower.until("run_finished", **which)
    await follower.until("agent_status", after=run, expertId=run["data"]["expertId"], status="idle")


async def failed_three_times(task: Json, *, clock: ManualClock, follower: Follower) -> None:
    """Let a task that fails have its three attempts."""
    for delay in (*RETRIES, None):
        await run_ended(follower, aufgabeId=task["id"], status="failed")
        if delay is not None:
            await clock.advance(delay)


async def later(api: Api, company: Json, clock: ManualClock, seconds: float) -> None:
    """Time goes no faster than the store writes: what was to be written before is written."""
    await clock.advance(seconds)
    await api.patch(f"/api/unternehmen/{company['id']}", {"ziel": clock.now()})


def calling(make: Callable[[], Awaitable[str]], *, key: str = "acme/1") -> Callable[..., Awaitable[Outcome]]:
    """A script that makes one metered call, whose reply is the result."""

    async def make_once() -> tuple[str, Outcome]:
        return await make(), Outcome()

    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        return Outcome(result=await toolbox.metered(MeteredCall(provider_key=key, worst=Outcome(), make=make_once)))

    return script


def away(retry_after: float | None = None) -> ProviderFailed:
    """The provider's answer while it is away."""
    return ProviderFailed("429 Too Many Requests", transient=True, retry_after=retry_after)
