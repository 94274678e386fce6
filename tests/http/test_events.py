"""Every event but those of tasks: what a client does over HTTP that causes it, and exactly what it tells."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from opencognit.domain.events import Event
from opencognit.domain.run import TokenUsage
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.settings import Settings
from opencognit.testing import Script, ScriptedProvider
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.sockets import Follow, Json, told

WorkOn = Callable[[Script], Awaitable[Json]]


@pytest.fixture
def settings() -> Settings:
    """One failure is one too many."""
    return quick_settings(work={"retry_delays_seconds": [0.0]})


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    """One who takes tasks by REST alone: it has no adapter."""
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def task(owner: Api, company: Json, agent: Json) -> Json:
    return await owner.task(company, titel="Build it", zugewiesenAn=agent["id"])


@pytest.fixture
async def follower(owner: Api, company: Json, follow: Follow) -> Follower:
    """Follows everything from before the agent and the task."""
    return await follow(owner)


@pytest.fixture
async def approvals(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/genehmigungen"


@pytest.fixture
async def work_on(owner: Api, company: Json, worker: ScriptedProvider) -> WorkOn:
    """Give an agent that works by this script a task."""
    agent = await owner.agent(company, verbindungsTyp="scripted")

    async def work(script: Script) -> Json:
        worker.script = script
        return await owner.task(company, zugewiesenAn=agent["id"])

    return work


async def costly(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
    usage = TokenUsage(input_tokens=7, output_tokens=3, cache_read_tokens=2, cache_write_tokens=1)
    if order.title == "Hopeless":
        return await failing(order, _toolbox)
    return Outcome(result="Built", usage=usage, cost_cents=Decimal("1.25"), model="claude-opus-4-5")


async def failing(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
    return Outcome(error="It cannot be built")


# Agents


async def test_agent_status_tells_of_a_pause(owner: Api, company: Json, follower: Follower, agent: Json) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    assert await told(follower, "agent_status") == {
        "unternehmenId": company["id"],
        "expertId": agent["id"],
        "name": "Ada",
        "status": "paused",
        "vorher": "idle",
        "aufgabeId": None,
    }


async def test_agent_status_tells_of_a_resumption(owner: Api, follower: Follower, agent: Json) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    changed = await told(follower, "agent_status", status="idle")
    assert (changed["vorher"], changed["status"]) == ("paused", "idle")


async def test_agent_status_tells_of_a_run_with_its_task(owner: Api, company: Json, follower: Follower) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    changes = [await told(follower, "agent_status") for _ in range(2)]
    assert [(change["vorher"], change["status"], change["aufgabeId"]) for change in changes] == [
        ("idle", "running", task["id"]),
        ("running", "idle", task["id"]),
    ]


async def test_pausing_a_paused_agent_tells_nothing(owner: Api, follower: Follower, agent: Json) -> None:
    for action in ("pausieren", "pausieren", "fortsetzen"):
        await owner.make(f"/api/experten/{agent['id']}/{action}")
    assert [(await told(follower, "agent_status"))["status"] for _ in range(2)] == ["paused", "idle"]


async def test_expert_deleted_tells_who_left(owner: Api, company: Json, follower: Follower, agent: Json) -> None:
    await owner.delete(f"/api/experten/{agent['id']}")
    assert await told(follower, "expert_deleted") == {
        "unternehmenId": company["id"],
        "id": agent["id"],
        "name": "Ada",
    }


# Runs and costs


async def test_run_started_tells_what_is_worked_on(
    work_on: WorkOn, follower: Follower, worker: ScriptedProvider
) -> None:
    task = await work_on(costly)
    started = await told(follower, "run_started")
    await told(follower, "run_finished")
    assert started == {
        "unternehmenId": task["unternehmenId"],
        "runId": worker.orders[0].run_id,
        "expertId": task["zugewiesenAn"],
        "aufgabeId": task["id"],
        "quelle": "assignment",
    }


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        (costly, {"status": "succeeded", "kostenCent": 1.25, "fehler": None}),
        (failing, {"status": "failed", "kostenCent": 0, "fehler": "It cannot be built"}),
    ],
)
async def test_run_finished_tells_how_it_ended(
    work_on: WorkOn, follower: Follower, worker: ScriptedProvider, script: Script, ending: Json
) -> None:
    task = await work_on(script)
    assert await told(follower, "run_finished") == {
        "unternehmenId": task["unternehmenId"],
        "runId": worker.orders[0].run_id,
        "expertId": task["zugewiesenAn"],
        "aufgabeId": task["id"],
        **ending,
    }


async def test_kosten_updated_tells_what_was_booked_and_what_the_month_has_cost(
    work_on: WorkOn, follower: Follower
) -> None:
    first = await work_on(costly)
    assert await told(follower, "kosten_updated") == {
        "unternehmenId": first["unternehmenId"],
        "expertId": first["zugewiesenAn"],
        "aufgabeId": first["id"],
        "modell": "claude-opus-4-5",
        "inputTokens": 10,
        "outputTokens": 3,
        "kostenCent": 1.25,
        "verbrauchtMonatCent": 1.25,
        "geschaetzt": False,
    }
    await work_on(costly)
    assert (await told(follower, "kosten_updated"))["verbrauchtMonatCent"] == 2.5


# Approvals


async def test_approval_needed_tells_what_is_asked(
    owner: Api, company: Json, follower: Follower, approvals: str
) -> None:
    approval = await owner.make(approvals, {"titel": "Buy a boat", "typ": "approve_strategy"})
    assert await told(follower, "approval_needed") == {
        "unternehmenId": company["id"],
        "genehmigungId": approval["id"],
        "typ": "approve_strategy",
        "titel": "Buy a boat",
        "angefordertVon": owner.user["id"],
    }


@pytest.mark.parametrize(("word", "status"), [("genehmigen", "approved"), ("ablehnen", "rejected")])
async def test_approval_updated_tells_the_decision(
    owner: Api, follower: Follower, approvals: str, word: str, status: str
) -> None:
    approval = await owner.make(approvals, {"titel": "Buy a boat"})
    await owner.make(f"/api/genehmigungen/{approval['id']}/{word}", {"notiz": "For the sea"})
    assert await told(follower, "approval_updated") == {
        "unternehmenId": approval["unternehmenId"],
        "genehmigungId": approval["id"],
        "status": status,
        "notiz": "For the sea",
    }


# The activity feed


async def test_aktivitaet_tells_the_entry_that_the_feed_shows(
    owner: Api, company: Json, follower: Follower, agent: Json, task: Json
) -> None:
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"], "runId": "run-1"})
    entry = await told(follower, "aktivitaet", aktion="task.checked_out")
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    assert entry == feed[0]
    assert entry == {
        "unternehmenId": company["id"],
        "id": entry["id"],
        "akteurTyp": "board",
        "akteurId": owner.user["id"],
        "akteurName": "Owner",
        "aktion": "task.checked_out",
        "entitaetTyp": "task",
        "entitaetId": task["id"],
        "text": "Ada took the task “Build it”",
        "details": {"runId": "run-1"},
        "erstelltAm": entry["erstelltAm"],
    }


async def test_aktivitaet_tells_that_an_agent_did_it(owner: Api, follower: Follower, agent: Json, task: Json) -> None:
    itself = await owner.agent_api(agent)
    await itself.make(f"/api/aufgaben/{task['id']}/kommentare", {"inhalt": "I begin"})
    entry = await told(follower, "aktivitaet", aktion="task.commented")
    assert (entry["akteurTyp"], entry["akteurId"], entry["akteurName"]) == ("agent", agent["id"], "Ada")


# All of them


def kinds_of(event: type[Event]) -> set[str]:
    own = {event.type} if "type" in vars(event) else set()
    return own.union(*(kinds_of(kind) for kind in event.__subclasses__()))


async def live_a_whole_life(owner: Api, company: Json, follower: Follower) -> None:
    """All that can happen in a company."""
    agent = await owner.agent(company, verbindungsTyp="scripted", budgetMonatCent=1)
    first = await owner.task(company, zugewiesenAn=agent["id"])
    await told(follower, "task_completed", taskId=first["id"])
    blocker = await owner.task(company)
    waiting = await owner.task(company, blockedBy=[blocker["id"]])
    for status in ("todo", "done"):
        await owner.patch(f"/api/aufgaben/{blocker['id']}", {"status": status})
    await told(follower, "tasks_unblocked")
    await owner.delete(f"/api/aufgaben/{waiting['id']}")
    approval = await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "Buy a boat"})
    await owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen")
    speaker = await owner.agent(company, verbindungsTyp="scripted")
    body = {"titel": "Boats?", "veranstalterExpertId": speaker["id"], "teilnehmerIds": [speaker["id"]]}
    meeting = await owner.make(f"/api/unternehmen/{company['id']}/meetings", body)
    await told(follower, "meeting_updated", meetingId=meeting["id"], status="completed")
    await owner.make(f"/api/unternehmen/{company['id']}/ziele", {"titel": "Grow", "fortschritt": 100})
    routine = await owner.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Row"})
    execution = await owner.make(f"/api/routinen/{routine['id']}/trigger")
    await owner.patch(f"/api/aufgaben/{execution['aufgabeId']}", {"status": "done"})
    await told(follower, "routine_executed", ausfuehrungId=execution["id"])
    hopeless = await owner.task(company, titel="Hopeless", zugewiesenAn=speaker["id"])
    await told(follower, "task_escalated", taskId=hopeless["id"])
    await owner.make(f"/api/unternehmen/{company['id']}/experten/import", [{"name": agent["id"], "rolle": "Rower"}])
    await owner.delete(f"/api/experten/{agent['id']}")


async def test_a_companys_life_sends_every_event_that_there_is(
    owner: Api, company: Json, follower: Follower, worker: ScriptedProvider
) -> None:
    worker.script = costly
    await live_a_whole_life(owner, company, follower)
    await told(follower, "aktivitaet", aktion="agent.deleted")
    assert {message["type"] for message in follower.seen if "data" in message} == kinds_of(Event)


async def test_the_only_companys_events_are_numbered_without_a_gap_and_in_order(
    owner: Api, company: Json, follow: Follow, worker: ScriptedProvider
) -> None:
    worker.script = costly
    followers = [await follow(owner) for _ in range(3)]
    await asyncio.gather(*(live_a_whole_life(owner, company, each) for each in followers))
    last = (await follow(owner)).seen[-1]["seq"]
    events: list[Json] = []
    reader = await follow(owner, since=0)
    while not events or events[-1]["seq"] < last:
        events.append(await reader.next())
    assert [event["seq"] for event in events] == list(range(1, last + 1))
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
