"""Budgets and limits, seen from outside: what is refused, who stops, what is told, and what lets work go on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.budget import Ledger, Reservation, ReserveBudget, SettleCost
from opencognit.domain.company import Company, UpdateCompany
from opencognit.domain.kinds import AGENT, COMPANY
from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]

HOUR = 3600.0
DAY = 24 * HOUR


def outcome(cents: str, tokens: int = 0) -> Outcome:
    return Outcome(cost_cents=Decimal(cents), usage=TokenUsage(output_tokens=tokens), model="m")


class Spender:
    """A script that makes metered calls, and counts those that were made.

    Attributes:
        worst, cost: of each call.
        calls: how many each run makes.
        make: what a call does instead of answering at once.
    """

    def __init__(self) -> None:
        self.worst = outcome("10", tokens=100)
        self.cost = outcome("10", tokens=100)
        self.calls = 1
        self.made = 0
        self.make: Callable[[], Awaitable[tuple[str, Outcome]]] = self._answer

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        for _ in range(self.calls):
            await toolbox.metered(MeteredCall(provider_key="p", worst=self.worst, make=self._made))
        return Outcome(result="done")

    async def _made(self) -> tuple[str, Outcome]:
        self.made += 1
        return await self.make()

    async def _answer(self) -> tuple[str, Outcome]:
        return "reply", self.cost


@pytest.fixture
def spender(worker: ScriptedProvider) -> Spender:
    worker.script = spender = Spender()
    return spender


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(datetime(2026, 4, 5, 10, tzinfo=UTC))


async def now(api: Api, one: Json) -> Json:
    kinds = {"prioritaet": "aufgaben", "rolle": "experten", "waehrung": "unternehmen"}
    kind = next(path for field, path in kinds.items() if field in one)
    found: Json = (await api.get(f"/api/{kind}/{one['id']}")).json
    return found


async def hired(api: Api, company: Json, **fields: Any) -> Json:
    return await api.agent(company, verbindungsTyp="scripted", **fields)


async def run_ends(follower: Follower) -> Json:
    data: Json = (await follower.until("run_finished"))["data"]
    return data


async def patched(api: Api, one: Json, **fields: Any) -> Json:
    kind = "experten" if "rolle" in one else "unternehmen"
    answer = await api.patch(f"/api/{kind}/{one['id']}", fields)
    assert answer.status == 200, answer
    found: Json = answer.json
    return found


def warnings(follower: Follower) -> list[Json]:
    return [message["data"] for message in follower.seen if message["type"] == "budget_warning"]


class TestAgentsBudget:
    async def test_a_call_that_it_does_not_cover_is_not_made(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=25)
        spender.calls = 3
        task = await owner.task(company, zugewiesenAn=agent["id"])
        run = await run_ends(follower)
        agent, task = await now(owner, agent), await now(owner, task)
        assert (spender.made, run["status"]) == (2, "deferred")
        assert (task["status"], task["versuche"], task["executionLockedBy"]) == ("todo", 0, None)
        assert (agent["status"], agent["pausiertVon"]) == ("paused", "budget")
        assert "budget of 25 cents" in agent["letzterFehler"]
        assert (agent["verbrauchtMonatCent"], agent["reserviertMonatCent"]) == (20, 0)
        assert agent["pausiertBis"] == "2026-05-01T00:00:00.000Z"

    async def test_the_last_error_outlives_the_end_of_the_run(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=5)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        while (current := await now(owner, agent))["aktuelleAufgabeId"] is not None:
            pass
        assert "budget" in current["letzterFehler"]

    async def test_a_higher_budget_lets_it_go_on(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=5)
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        await patched(owner, agent, budgetMonatCent=100)
        await follower.until("task_completed", taskId=task["id"])
        assert (await now(owner, agent))["verbrauchtMonatCent"] == 10

    async def test_no_limit_is_0(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company()
        agent = await hired(owner, company)
        spender.calls = 20
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("task_completed", taskId=task["id"])
        assert ((await now(owner, agent))["verbrauchtMonatCent"], warnings(follower)) == (200, [])

    async def test_the_next_month_lets_it_go_on(
        self, owner: Api, follower: Follower, spender: Spender, clock: ManualClock
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=10)
        first, second = [await owner.task(company, zugewiesenAn=agent["id"]) for _ in range(2)]
        await follower.until("agent_status", status="paused")
        await run_ends(follower)
        await clock.advance(25 * DAY + 15 * HOUR)
        await follower.until("task_completed", taskId=second["id"])
        assert (await now(owner, agent))["verbrauchtMonatCent"] == 10
        assert (await now(owner, first))["status"] == "done"

    async def test_a_persons_pause_is_not_ended_by_a_budget(
        self, owner: Api, follower: Follower, spender: Spender, clock: ManualClock
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=5)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        await owner.make(f"/api/experten/{agent['id']}/pausieren")
        await patched(owner, agent, budgetMonatCent=100)
        await clock.advance(26 * DAY)
        agent = await now(owner, agent)
        assert (agent["status"], agent["pausiertVon"], spender.made) == ("paused", "board", 0)

    async def test_resumed_by_hand_it_stops_again_at_once(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=10)
        await owner.task(company, zugewiesenAn=agent["id"])
        await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("agent_status", status="paused")
        await run_ends(follower)
        await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
        await follower.until("agent_status", status="paused")
        assert ((await now(owner, agent))["pausiertVon"], spender.made) == ("budget", 1)

    async def test_a_cost_that_comes_with_the_answer_is_booked_and_stops_it_then(
        self, owner: Api, follower: Follower, worker: ScriptedProvider
    ) -> None:
        async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            return Outcome(result="done", cost_cents=Decimal(30))

        worker.script = script
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=25)
        await owner.task(company, zugewiesenAn=agent["id"])
        waiting = await owner.task(company, zugewiesenAn=agent["id"])
        assert (await run_ends(follower))["status"] == "succeeded"
        await owner.make(f"/api/experten/{agent['id']}/wakeup")
        agent = await now(owner, agent)
        assert (agent["verbrauchtMonatCent"], agent["status"]) == (30, "paused")
        assert ((await now(owner, waiting))["status"], len(worker.orders)) == ("todo", 1)


class TestCompanysBudget:
    async def test_it_stops_all_its_agents(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company(budgetMonatCent=15)
        agents = [await hired(owner, company) for _ in range(2)]
        await owner.task(company, zugewiesenAn=agents[0]["id"])
        await run_ends(follower)
        waiting = await owner.task(company, zugewiesenAn=agents[1]["id"])
        assert (await run_ends(follower))["status"] == "deferred"
        await follower.until("agent_status", expertId=agents[1]["id"], status="idle")
        company, waiting = await now(owner, company), await now(owner, waiting)
        assert (company["status"], company["pausiertVon"], company["verbrauchtMonatCent"]) == ("paused", "budget", 10)
        assert (waiting["status"], spender.made) == ("todo", 1)
        assert (await now(owner, agents[1]))["status"] == "idle"

    async def test_a_higher_budget_lets_it_go_on(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company(budgetMonatCent=5)
        agent = await hired(owner, company)
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        company = await patched(owner, company, budgetMonatCent=50)
        assert (company["status"], company["pausiertVon"]) == ("active", None)
        await follower.until("task_completed", taskId=task["id"])

    @pytest.mark.parametrize(
        ("zone", "left"), [("UTC", 14 * HOUR), ("Europe/Berlin", 12 * HOUR), ("Pacific/Kiritimati", 0)]
    )
    async def test_the_next_month_there_lets_it_go_on(
        self, owner: Api, follower: Follower, spender: Spender, *, clock: ManualClock, zone: str, left: float
    ) -> None:
        company = await owner.company(budgetMonatCent=10, zeitzone=zone)
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        waiting = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("aktivitaet", aktion="company.paused")
        await run_ends(follower)
        await clock.advance(25 * DAY + left - 1)
        assert (await now(owner, company))["status"] == "paused"
        await clock.advance(1)
        await follower.until("task_completed", taskId=waiting["id"])
        assert (await now(owner, agent))["verbrauchtMonatCent"] == 10

    async def test_a_persons_pause_is_not_ended_by_the_next_month(
        self, owner: Api, follower: Follower, spender: Spender, *, clock: ManualClock, runtime: Runtime
    ) -> None:
        company = await owner.company(budgetMonatCent=10)
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("aktivitaet", aktion="company.paused")
        await patched(owner, company, status="paused")
        rolled = asyncio.ensure_future(anext(runtime.system.watch(kind="company")))
        await asyncio.sleep(0)
        await clock.advance(26 * DAY)
        await asyncio.wait_for(rolled, 5)
        company = await now(owner, company)
        assert (company["status"], company["verbrauchtMonatCent"], company["pausiertVon"]) == ("paused", 0, "board")

    async def test_nobody_makes_it_work_while_nothing_is_left(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company(budgetMonatCent=10)
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("aktivitaet", aktion="company.paused")
        answer = await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
        assert_error(answer, 409, "BUDGET_EXHAUSTED")
        assert (await patched(owner, company, status="active", budgetMonatCent=20))["status"] == "active"

    async def test_the_agent_keeps_nothing_reserved_that_the_company_refused(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company(budgetMonatCent=100)
        agent = await hired(owner, company, budgetMonatCent=5)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        held = [(await now(owner, one))["reserviertMonatCent"] for one in (company, agent)]
        assert (held, (await now(owner, company))["status"]) == ([0, 0], "active")

    async def test_a_call_waits_while_what_is_left_is_held_by_another(
        self, owner: Api, follower: Follower, spender: Spender, clock: ManualClock
    ) -> None:
        company = await owner.company(budgetMonatCent=15)
        agents = [await hired(owner, company) for _ in range(2)]
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slow() -> tuple[str, Outcome]:
            begun.set()
            await may_end.wait()
            return "reply", outcome("2")

        spender.make = slow
        tasks = [await owner.task(company, zugewiesenAn=agent["id"]) for agent in agents]
        await asyncio.wait_for(begun.wait(), 5)
        for task in tasks:
            await follower.until("run_started", aufgabeId=task["id"])
        assert spender.made == 1
        may_end.set()
        assert (await run_ends(follower))["status"] == "succeeded"
        async with asyncio.timeout(20):
            while {(await now(owner, task))["status"] for task in tasks} != {"done"}:
                await clock.advance(1)
        assert (await now(owner, company))["verbrauchtMonatCent"] == 4

    @pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe"])
    async def test_a_time_zone_that_is_none_is_refused(self, owner: Api, zone: str) -> None:
        answer = await owner.post("/api/unternehmen", {"name": "Acme", "zeitzone": zone})
        assert_error(answer, 400, "VALIDATION_ERROR")
        company = await owner.company()
        answer = await owner.patch(f"/api/unternehmen/{company['id']}", {"zeitzone": zone})
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert answer.json["details"][0]["feld"] == "zeitzone"


def dead_call(agent_id: str) -> Reservation:
    """What a call of a run that is dead has reserved."""
    return Reservation(
        id="call",
        agent_id=agent_id,
        run_id="dead",
        task_id=None,
        cost_cents=Decimal(7),
        usage=TokenUsage(),
        model=None,
    )


async def settled(runtime: Runtime, company: Company) -> Company:
    """The company as soon as it holds no reservation; that may be before anyone can watch."""
    found = await runtime.company(company.id)
    while found is None or found.reservations:
        await asyncio.sleep(0.01)
        found = await runtime.company(company.id)
    return found


class TestDowntime:
    async def test_a_month_that_ended_while_the_server_was_down_is_over_after_it(
        self, tmp_path: Path, worker: ScriptedProvider, spender: Spender
    ) -> None:
        clock = ManualClock()
        options = {"settings": quick_settings(), "clock": clock, "providers": {"scripted": worker}}
        async with Runtime(tmp_path / "own", **options) as runtime:
            company = await runtime.create_company(name="Acme", budget_cents=10)
            agents = [
                await runtime.create_agent(company.id, name="A", role="R", adapter="scripted", budget_cents=cents)
                for cents in (0, 5)
            ]
            first = await runtime.create_task(company.id, title="T", assignee_id=agents[0].id)
            await runtime.finished(first.id, within=5)
            waiting = await runtime.create_task(company.id, title="T", assignee_id=agents[0].id)
        clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
        async with Runtime(tmp_path / "own", **{**options, "clock": clock}) as runtime:
            await runtime.finished(waiting.id, within=5)
            found = await runtime.company(company.id)
            assert found is not None
            assert (found.spent_cents, found.budget_month) == (10, "2026-05")

    @pytest.mark.parametrize(("agent_holds", "spent"), [(True, 7), (False, 0)])
    async def test_what_a_dead_run_has_reserved_is_settled_in_both_ledgers(
        self, tmp_path: Path, *, agent_holds: bool, spent: int
    ) -> None:
        """Without the agent's reservation the call was never made: it comes second."""
        async with Runtime(tmp_path / "own", settings=quick_settings()) as runtime:
            company = await runtime.create_company(name="Acme", budget_cents=10)
            agent = await runtime.create_agent(company.id, name="A", role="R")
            held = dead_call(agent.id)
            await runtime.ask(COMPANY, company.id, ReserveBudget(reservation=held))
            if agent_holds:
                await runtime.ask(AGENT, agent.id, ReserveBudget(reservation=held))
        async with Runtime(tmp_path / "own", settings=quick_settings()) as runtime, asyncio.timeout(5):
            ledgers: list[Any] = [held]
            while not all(isinstance(one, Ledger) and not one.reservations for one in ledgers):
                await asyncio.sleep(0.01)
                ledgers = [await runtime.company(company.id), await runtime.agent(agent.id)]
        assert [(one.spent_cents, one.reserved_cents) for one in ledgers] == [(spent, 0), (spent, 0)]

    async def test_a_stop_in_the_middle_of_a_call_ends_in_time_and_the_call_counts_as_spent(
        self, tmp_path: Path, spender: Spender, worker: ScriptedProvider
    ) -> None:
        begun = asyncio.Event()

        async def hang() -> tuple[str, Outcome]:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                # Cleaning up takes longer than the server has.
                await asyncio.sleep(60)
            raise AssertionError

        spender.make = hang
        settings = quick_settings(server={"grace_seconds": 0})
        options: Json = {"settings": settings, "providers": {"scripted": worker}}
        async with asyncio.timeout(10), Runtime(tmp_path / "own", **options) as runtime:
            company = await runtime.create_company(name="Acme", budget_cents=10)
            agent = await runtime.create_agent(company.id, name="A", role="R", adapter="scripted")
            await runtime.create_task(company.id, title="T", assignee_id=agent.id)
            await begun.wait()
        async with asyncio.timeout(10), Runtime(tmp_path / "own", **options) as runtime:
            assert (await settled(runtime, company)).spent_cents == 10

    async def test_what_the_agent_has_booked_reaches_the_company(self, tmp_path: Path) -> None:
        async with Runtime(tmp_path / "own", settings=quick_settings()) as runtime:
            company = await runtime.create_company(name="Acme", budget_cents=10)
            agent = await runtime.create_agent(company.id, name="A", role="R")
            held = dead_call(agent.id)
            for kind, one in ((COMPANY, company.id), (AGENT, agent.id)):
                await runtime.ask(kind, one, ReserveBudget(reservation=held))
            await runtime.ask(AGENT, agent.id, SettleCost(reservation_id="call", cost_cents=Decimal(3)))
        async with Runtime(tmp_path / "own", settings=quick_settings()) as runtime, asyncio.timeout(5):
            found = await settled(runtime, company)
        assert (found.spent_cents, found.reserved_cents) == (3, 0)

    async def test_a_time_zone_further_west_gives_no_budget_twice(
        self, tmp_path: Path, worker: ScriptedProvider, spender: Spender
    ) -> None:
        clock = ManualClock(datetime(2026, 4, 30, 12, tzinfo=UTC))
        options: Any = {"settings": quick_settings(), "clock": clock, "providers": {"scripted": worker}}
        async with Runtime(tmp_path / "own", **options) as runtime:
            company = await runtime.create_company(name="A", budget_cents=15, time_zone="Pacific/Kiritimati")
            agent = await runtime.create_agent(company.id, name="A", role="R", adapter="scripted")
            task = await runtime.create_task(company.id, title="T", assignee_id=agent.id)
            await runtime.finished(task.id, within=5)
            await runtime.ask(COMPANY, company.id, UpdateCompany(time_zone="UTC"))
            rolled = asyncio.ensure_future(anext(runtime.system.watch(kind="company")))
            await asyncio.sleep(0)
            await clock.advance(13 * HOUR)
            found: Any = (await asyncio.wait_for(rolled, 5)).state
        assert (found.budget_month, found.spent_cents) == ("2026-05", 10)
        assert found.month_ends_at == "2026-06-01T00:00:00.000Z"


class TestOutcomes:
    @pytest.mark.parametrize(
        ("ending", "spent"),
        [
            (ProviderFailed("down", transient=False), 0),
            (ProviderFailed("cut", transient=False, partial=outcome("3")), 3),
            (ProviderFailed("lies", transient=False, partial=outcome("-3")), 10),
            (RuntimeError("broken"), 10),
            (outcome("4"), 4),
            (outcome("0.0000001"), 0.000001),
            (outcome("NaN"), 10),
            (outcome("-5"), 10),
            (outcome("1e30"), 10),
            (outcome("1", tokens=-1), 10),
        ],
    )
    async def test_each_is_booked_as_what_is_known_of_it(
        self, owner: Api, follower: Follower, spender: Spender, *, ending: Any, spent: float
    ) -> None:
        async def make() -> tuple[str, Outcome]:
            if isinstance(ending, Exception):
                raise ending
            return "reply", ending

        spender.make = make
        company = await owner.company()
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        run = await run_ends(follower)
        ledgers = [await now(owner, one) for one in (agent, company)]
        assert [one["verbrauchtMonatCent"] for one in ledgers] == [spent, spent]
        assert [one["reserviertMonatCent"] for one in ledgers] == [0, 0]
        assert run["kostenCent"] == spent

    @pytest.mark.parametrize("worst", ["NaN", "-1", "Infinity"])
    async def test_a_call_that_does_not_know_its_most_is_not_made(
        self, owner: Api, follower: Follower, spender: Spender, worst: str
    ) -> None:
        spender.worst = outcome(worst)
        company = await owner.company()
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        assert ((await run_ends(follower))["status"], spender.made) == ("failed", 0)

    @pytest.mark.parametrize("cost", ["NaN", "-1", "1e30"])
    async def test_a_cost_that_cannot_be_never_enters_with_an_answer(
        self, owner: Api, follower: Follower, worker: ScriptedProvider, cost: str
    ) -> None:
        async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            return Outcome(result="done", cost_cents=Decimal(cost))

        worker.script = script
        company = await owner.company()
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        assert (await run_ends(follower))["status"] == "failed"
        assert [(await now(owner, one))["verbrauchtMonatCent"] for one in (agent, company)] == [0, 0]

    async def test_a_call_that_is_cut_off_counts_as_spent_at_its_most(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        begun = asyncio.Event()

        async def hang() -> tuple[str, Outcome]:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        spender.make = hang
        company = await owner.company()
        agent = await hired(owner, company)
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await asyncio.wait_for(begun.wait(), 5)
        held = [(await now(owner, one))["reserviertMonatCent"] for one in (agent, company)]
        await owner.make(f"/api/aufgaben/{task['id']}/release", {})
        run = await run_ends(follower)
        assert (held, run["status"], run["kostenCent"]) == ([10, 10], "cancelled", 10)
        assert [(await now(owner, one))["verbrauchtMonatCent"] for one in (agent, company)] == [10, 10]


class TestWarnings:
    async def test_80_and_100_percent_are_told_once_each(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company(budgetMonatCent=1000)
        agent = await hired(owner, company, budgetMonatCent=100)
        spender.calls = 10
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        about = {"unternehmenId": company["id"], "expertId": agent["id"], "budgetCent": 100}
        assert warnings(follower) == [
            {**about, "prozent": 80, "verbrauchtCent": 80, "pausiert": False},
            {**about, "prozent": 100, "verbrauchtCent": 100, "pausiert": True},
        ]

    async def test_the_companys_name_no_agent(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company(budgetMonatCent=100)
        agent = await hired(owner, company)
        spender.calls = 11
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        told = [(data["expertId"], data["prozent"], data["pausiert"]) for data in warnings(follower)]
        assert told == [(None, 80, False), (None, 100, True)]

    async def test_a_rest_that_covers_no_call_is_as_good_as_none(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=95)
        spender.calls = 10
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        assert [(data["prozent"], data["verbrauchtCent"]) for data in warnings(follower)] == [(80, 80), (100, 90)]

    async def test_a_budget_that_is_lowered_beneath_what_is_spent_stops_the_agent(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company, budgetMonatCent=100)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        await patched(owner, agent, budgetMonatCent=9)
        await follower.until("aktivitaet", aktion="agent.paused")
        assert [data["prozent"] for data in warnings(follower)] == [80, 100]

    async def test_a_budget_that_is_lowered_beneath_what_is_spent_stops_the_company(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        company = await patched(owner, company, budgetMonatCent=9)
        assert company == await now(owner, company)
        assert (company["status"], company["pausiertVon"]) == ("paused", "budget")


class TestLimits:
    @pytest.mark.parametrize(("kind", "most", "made"), [("cent", 25, 2), ("tokens", 350, 3), ("runs", 1, 5)])
    async def test_it_stops_the_agent_before_it_is_passed(
        self, owner: Api, follower: Follower, spender: Spender, *, kind: str, most: int, made: int
    ) -> None:
        company = await owner.company()
        limits = [{"art": kind, "zeitraum": "day", "hoechstens": most}]
        agent = await hired(owner, company, limits=limits)
        assert agent["limits"] == limits
        spender.calls = 5
        for _ in range(2):
            await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("agent_status", status="paused")
        agent = await now(owner, agent)
        assert (spender.made, agent["pausiertVon"]) == (made, "budget")
        assert agent["pausiertBis"] == "2026-04-06T00:00:00.000Z"
        assert f"limit of {most}" in agent["letzterFehler"]

    @pytest.mark.parametrize(
        ("period", "wait"),
        [("5h", 5 * HOUR), ("day", 14 * HOUR), ("week", 14 * HOUR), ("month", 25 * DAY + 14 * HOUR)],
    )
    @pytest.mark.parametrize(("kind", "most"), [("cent", 10), ("tokens", 100), ("runs", 1)])
    async def test_it_ends_with_its_time(
        self, owner: Api, follower: Follower, spender: Spender,
        *, clock: ManualClock, kind: str, most: int, period: str, wait: float,
    ) -> None:  # fmt: skip
        company = await owner.company()
        limit = {"art": kind, "zeitraum": period, "hoechstens": most}
        agent = await hired(owner, company, limits=[limit])
        await owner.task(company, zugewiesenAn=agent["id"])
        waiting = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("agent_status", status="paused")
        await clock.advance(wait - 1)
        assert (await now(owner, agent))["status"] == "paused"
        await clock.advance(1)
        await follower.until("task_completed", taskId=waiting["id"])

    async def test_without_it_the_agent_goes_on(self, owner: Api, follower: Follower, spender: Spender) -> None:
        company = await owner.company()
        limit = {"art": "cent", "zeitraum": "month", "hoechstens": 5}
        agent = await hired(owner, company, limits=[limit])
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("agent_status", status="paused")
        await patched(owner, agent, limits=[])
        await follower.until("task_completed", taskId=task["id"])

    async def test_an_agent_has_one_of_each_kind_for_each_time(self, owner: Api) -> None:
        limits = [
            {"art": kind, "zeitraum": period, "hoechstens": 5}
            for kind in ("cent", "tokens", "runs")
            for period in ("month", "week", "day", "5h")
        ]
        agent = await hired(owner, await owner.company(), limits=limits)
        assert (await now(owner, agent))["limits"] == limits

    @pytest.mark.parametrize(
        "limit",
        [
            {"art": "euro", "zeitraum": "day", "hoechstens": 1},
            {"art": "cent", "zeitraum": "year", "hoechstens": 1},
            {"art": "cent", "zeitraum": "day", "hoechstens": 0},
            {"art": "cent", "zeitraum": "day", "hoechstens": "10abc"},
            {"art": "cent", "zeitraum": "day"},
            {"art": "cent", "zeitraum": "day", "hoechstens": 1, "more": 1},
            "cent",
        ],
    )
    async def test_one_that_cannot_be_is_refused(self, owner: Api, limit: Any) -> None:
        company = await owner.company()
        body = {"name": "A", "rolle": "R", "limits": [limit]}
        assert_error(await owner.post(f"/api/unternehmen/{company['id']}/experten", body), 400, "VALIDATION_ERROR")


class TestCostlyRuns:
    async def test_the_board_is_warned_of_one_once_while_it_works(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company)
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        spender.calls = 8
        costly = await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        entries = [message["data"] for message in follower.seen if message["type"] == "aktivitaet"]
        told = [entry for entry in entries if entry["aktion"] == "agent.run_costly"]
        assert [entry["details"]["taskId"] for entry in told] == [costly["id"]]
        assert "60.00 cents so far; its runs usually cost 10.00" in told[0]["text"]
        assert [entry["aktion"] for entry in entries].index("agent.run_costly") < len(entries) - 1

    async def test_the_first_run_is_compared_with_nothing(
        self, owner: Api, follower: Follower, spender: Spender
    ) -> None:
        company = await owner.company()
        agent = await hired(owner, company)
        spender.calls = 30
        await owner.task(company, zugewiesenAn=agent["id"])
        await run_ends(follower)
        actions = {message["data"].get("aktion") for message in follower.seen if message["type"] == "aktivitaet"}
        assert "agent.run_costly" not in actions


class TestAgentsThemselves:
    async def test_nothing_an_agent_calls_changes_a_budget(self, owner: Api) -> None:
        company = await owner.company(budgetMonatCent=100)
        agent = await hired(owner, company, budgetMonatCent=10)
        itself = await owner.agent_api(agent)
        limits: Json = {"limits": []}
        for path, body in (
            (f"/api/experten/{agent['id']}", {"budgetMonatCent": 0}),
            (f"/api/experten/{agent['id']}", limits),
            (f"/api/unternehmen/{company['id']}", {"budgetMonatCent": 0}),
            (f"/api/unternehmen/{company['id']}", {"zeitzone": "Pacific/Kiritimati"}),
        ):
            assert_error(await itself.patch(path, body), 403, "FORBIDDEN")
        assert_error(await itself.post(f"/api/experten/{agent['id']}/fortsetzen"), 403, "FORBIDDEN")
        assert [(await now(owner, one))["budgetMonatCent"] for one in (company, agent)] == [100, 10]

    @pytest.mark.parametrize("field", ["verbrauchtMonatCent", "reserviertMonatCent", "pausiertVon", "budgetMonat"])
    async def test_nobody_writes_the_ledger(self, owner: Api, field: str) -> None:
        company = await owner.company()
        agent = await hired(owner, company)
        for path in (f"/api/experten/{agent['id']}", f"/api/unternehmen/{company['id']}"):
            assert_error(await owner.patch(path, {field: 0}), 400, "VALIDATION_ERROR")
