"""The dashboard: its figures are those of what it counts, whatever happened before."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from opencognit.providers.port import MeteredCall, Outcome, Toolbox, WorkOrder
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower

Json = dict[str, Any]

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(datetime(2026, 4, 5, 10, tzinfo=UTC))


async def dashboard(api: Api, company: Json) -> Json:
    answer = await api.get(f"/api/unternehmen/{company['id']}/dashboard")
    assert answer.status == 200, answer
    found: Json = answer.json
    return found


async def moved(api: Api, task: Json, status: str) -> None:
    answer = await api.patch(f"/api/aufgaben/{task['id']}", {"status": status})
    assert answer.status == 200, answer


async def test_a_new_companys_figures_are_all_nothing(owner: Api, company: Json) -> None:
    found = await dashboard(owner, company)
    assert found["unternehmen"] == company
    assert set(found["experten"].values()) == {0}
    assert found["aufgaben"] == {
        "gesamt": 0,
        "offen": 0,
        "inBearbeitung": 0,
        "erledigt": 0,
        "blockiert": 0,
        "completedPerDay": [0] * 14,
    }
    assert found["kosten"] == {"gesamtVerbraucht": 0, "gesamtGeschaetzt": 0, "gesamtBudget": 0, "prozent": 0}
    assert (found["zyklen"], found["pendingApprovals"]) == ({"total": 0, "succeeded": 0, "failed": 0}, 0)
    assert (found["alleExperten"], found["aktiveZiele"]) == ([], [])


async def test_tasks_are_counted_as_they_move(owner: Api, company: Json) -> None:
    agent = await owner.agent(company)
    for status in ("done", "cancelled", "todo", "in_review"):
        await moved(owner, await owner.task(company, zugewiesenAn=agent["id"]), status)
    held = await owner.task(company, zugewiesenAn=agent["id"])
    await owner.make(f"/api/aufgaben/{held['id']}/checkout", {"expertId": agent["id"]})
    await owner.task(company, blockedBy=[held["id"]])
    gone = await owner.task(company, prioritaet="low")
    await owner.patch(f"/api/aufgaben/{gone['id']}", {"prioritaet": "high"})
    await owner.delete(f"/api/aufgaben/{gone['id']}")
    figures = (await dashboard(owner, company))["aufgaben"]
    figures.pop("completedPerDay")
    assert figures == {"gesamt": 6, "offen": 4, "inBearbeitung": 1, "erledigt": 1, "blockiert": 1}


@pytest.mark.parametrize(("zone", "to_midnight"), [("UTC", 14), ("America/New_York", 18), ("Asia/Kathmandu", 8.25)])
async def test_completed_tasks_count_on_the_days_of_the_companys_time_zone(
    owner: Api, clock: ManualClock, zone: str, to_midnight: float
) -> None:
    company = await owner.company(zeitzone=zone)
    tasks = [await owner.task(company) for _ in range(3)]
    await clock.advance(to_midnight * HOUR - 1)
    await moved(owner, tasks[0], "done")
    await clock.advance(1)
    await moved(owner, tasks[1], "done")
    await moved(owner, tasks[2], "done")
    assert (await dashboard(owner, company))["aufgaben"]["completedPerDay"] == [0] * 12 + [1, 2]
    await clock.advance(12 * DAY)
    assert (await dashboard(owner, company))["aufgaben"]["completedPerDay"] == [1, 2] + [0] * 12
    await clock.advance(1 * DAY)
    assert (await dashboard(owner, company))["aufgaben"]["completedPerDay"] == [2] + [0] * 13


async def test_a_task_that_is_opened_again_was_not_completed(owner: Api, company: Json) -> None:
    again, gone = await owner.task(company), await owner.task(company)
    for task in (again, gone):
        await moved(owner, task, "done")
    assert (await dashboard(owner, company))["aufgaben"]["completedPerDay"][-1] == 2
    await moved(owner, again, "todo")
    await owner.delete(f"/api/aufgaben/{gone['id']}")
    assert (await dashboard(owner, company))["aufgaben"]["completedPerDay"] == [0] * 14


async def test_agents_are_counted_by_what_they_do(owner: Api, company: Json) -> None:
    _idle, paused, gone = [await owner.agent(company) for _ in range(3)]
    await owner.make(f"/api/experten/{paused['id']}/pausieren")
    await owner.delete(f"/api/experten/{gone['id']}")
    assert (await dashboard(owner, company))["experten"] == {
        "gesamt": 2,
        "aktiv": 1,
        "idle": 1,
        "running": 0,
        "paused": 1,
        "error": 0,
    }


async def test_agents_are_shown_in_short(owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada", budgetMonatCent=50, systemPrompt="secret of the house")
    gone = await owner.agent(company)
    await owner.delete(f"/api/experten/{gone['id']}")
    (line,) = (await dashboard(owner, company))["alleExperten"]
    assert (line["id"], line["name"], line["status"], line["budgetMonatCent"]) == (agent["id"], "Ada", "idle", 50)
    assert "systemPrompt" not in line


async def test_runs_and_costs_are_those_that_were_booked(
    owner: Api, follower: Follower, worker: ScriptedProvider
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        paid = Outcome(cost_cents=Decimal("12.000001"), model="m", cost_estimated=order.title == "guess")

        async def make() -> tuple[str, Outcome]:
            return "reply", paid

        await toolbox.metered(MeteredCall(provider_key="p", worst=paid, make=make))
        if order.title == "fail":
            raise RuntimeError("broken")
        return Outcome(result="done")

    worker.script = script
    company = await owner.company(budgetMonatCent=100)
    agent = await owner.agent(company, verbindungsTyp="scripted")
    for title in ("work", "guess", "fail"):
        task = await owner.task(company, titel=title, zugewiesenAn=agent["id"])
        await follower.until("run_finished", aufgabeId=task["id"])
        await follower.until("agent_status", expertId=agent["id"], status="idle")
    found = await dashboard(owner, company)
    assert found["zyklen"] == {"total": 3, "succeeded": 2, "failed": 1}
    assert found["kosten"] == {
        "gesamtVerbraucht": 36.000003,
        "gesamtGeschaetzt": 12.000001,
        "gesamtBudget": 100,
        "prozent": 36,
    }
    assert found["alleExperten"][0]["verbrauchtMonatCent"] == 36.000003


async def test_a_new_month_has_cost_nothing_yet(
    owner: Api, follower: Follower, worker: ScriptedProvider, clock: ManualClock
) -> None:
    async def script(_order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        return Outcome(result="done", cost_cents=Decimal(5))

    worker.script = script
    company = await owner.company()
    agent = await owner.agent(company, verbindungsTyp="scripted")
    await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("run_finished")
    assert (await dashboard(owner, company))["kosten"]["gesamtVerbraucht"] == 5
    await clock.advance(26 * DAY)
    found = await dashboard(owner, company)
    assert found["kosten"]["gesamtVerbraucht"] == found["alleExperten"][0]["verbrauchtMonatCent"] == 0


async def test_it_shows_open_questions_active_goals_and_what_happened_last(owner: Api, company: Json) -> None:
    open_one, decided = [
        await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?"}) for _ in range(2)
    ]
    await owner.make(f"/api/genehmigungen/{decided['id']}/genehmigen", {})
    goals = f"/api/unternehmen/{company['id']}/ziele"
    await owner.make(goals, {"titel": "Later"})
    active = await owner.make(goals, {"titel": "Now", "status": "active"})
    found = await dashboard(owner, company)
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet?limit=20")).json
    assert open_one["status"] == "pending"
    assert (found["pendingApprovals"], found["aktiveZiele"]) == (1, [active])
    assert found["letzteAktivitaet"] == feed != []


async def test_another_companys_figures_are_not_in_it(owner: Api, company: Json) -> None:
    other = await owner.company()
    before = await dashboard(owner, other)
    await owner.agent(company)
    await moved(owner, await owner.task(company), "done")
    assert await dashboard(owner, other) == before


async def test_it_takes_no_parameters(owner: Api, company: Json) -> None:
    assert (await owner.get(f"/api/unternehmen/{company['id']}/dashboard?monat=2026-04")).status == 400
