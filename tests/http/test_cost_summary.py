"""The cost summary, against runs that really booked: exact to the micro-cent, by month, agent, model and day."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]

HOUR = 3600.0
DAY = 24 * HOUR


class Spender:
    """Makes the calls that it is told, one run each.

    Attributes:
        calls: what the calls of the next run cost.
    """

    def __init__(self) -> None:
        self.calls: list[Outcome] = []

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        for call in self.calls:

            async def make(call: Outcome = call) -> tuple[str, Outcome]:
                if call.cost_estimated:
                    raise ProviderFailed("no answer", transient=False, partial=call)
                return "reply", call

            await toolbox.metered(MeteredCall(provider_key="p", worst=call, make=make))
        return Outcome(result="done")


def call(cents: str, model: str | None = "m", *, estimated: bool = False, **tokens: int) -> Outcome:
    usage = TokenUsage(**tokens)
    return Outcome(cost_cents=Decimal(cents), usage=usage, model=model, cost_estimated=estimated)


@pytest.fixture
def spender(worker: ScriptedProvider) -> Spender:
    worker.script = spender = Spender()
    return spender


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(datetime(2026, 4, 5, 10, tzinfo=UTC))


async def summary(api: Api, company: Json, query: str = "") -> Json:
    """Numbers as they stand in the JSON, digit by digit."""
    answer = await api.get(f"/api/unternehmen/{company['id']}/kosten/zusammenfassung{query}")
    assert answer.status == 200, answer
    found: Json = msgspec.json.Decoder(float_hook=Decimal).decode(answer.text)
    return found


class Working:
    """A company in which agents spend."""

    def __init__(self, owner: Api, follower: Follower, spender: Spender) -> None:
        self.owner = owner
        self.follower = follower
        self.spender = spender

    async def hires(self, company: Json, **fields: Any) -> Json:
        return await self.owner.agent(company, verbindungsTyp="scripted", **fields)

    async def spends(self, company: Json, agent: Json, *calls: Outcome) -> None:
        """One run with these calls."""
        self.spender.calls = list(calls)
        task = await self.owner.task(company, zugewiesenAn=agent["id"])
        await self.follower.until("run_finished", aufgabeId=task["id"])
        await self.follower.until("agent_status", expertId=agent["id"], status="idle")


@pytest.fixture
def working(owner: Api, follower: Follower, spender: Spender) -> Working:
    return Working(owner, follower, spender)


def spent(days: list[Json]) -> dict[str, Any]:
    return {day["datum"]: day["kostenCent"] for day in days if day["kostenCent"]}


async def test_before_anything_was_spent_all_is_nothing(owner: Api, company: Json) -> None:
    found = await summary(owner, company)
    assert (found["monat"], found["gesamtVerbraucht"], found["gesamtProzent"]) == ("2026-04", 0, 0)
    assert (found["proExperte"], found["proModell"], spent(found["proTag"])) == ([], [], {})
    assert [day["datum"] for day in found["proTag"]] == [f"2026-04-{day:02}" for day in range(1, 31)]


async def test_what_was_booked_is_exact_to_the_micro_cent(owner: Api, company: Json, working: Working) -> None:
    agent = await working.hires(company)
    await working.spends(company, agent, *[call("0.000001")] * 3, call("0.1"), call("0.2"), call("12345678.000007"))
    found = await summary(owner, company)
    assert found["gesamtVerbraucht"] == Decimal("12345678.300010")
    assert found["proExperte"][0]["verbrauchtMonatCent"] == Decimal("12345678.300010")
    assert spent(found["proTag"]) == {"2026-04-05": Decimal("12345678.300010")}
    assert found["proModell"][0]["kostenCent"] == Decimal("12345678.300010")


async def test_an_agents_share_is_what_its_ledger_says(owner: Api, company: Json, working: Working) -> None:
    agent = await working.hires(company)
    await working.spends(company, agent, call("1.5"), call("2.25"))
    (line,) = (await summary(owner, company))["proExperte"]
    ledger = (await owner.get(f"/api/experten/{agent['id']}")).json
    assert float(line["verbrauchtMonatCent"]) == ledger["verbrauchtMonatCent"] == 3.75


async def test_agents_come_with_their_tokens_and_budgets_the_dearest_first(
    owner: Api, company: Json, working: Working
) -> None:
    cheap, dear, idle = [await working.hires(company, name=name, budgetMonatCent=30) for name in ("A", "B", "C")]
    await working.spends(company, cheap, call("1", input_tokens=5, output_tokens=7))
    await working.spends(company, dear, call("20", input_tokens=1, cache_read_tokens=2, cache_write_tokens=4))
    lines = (await summary(owner, company))["proExperte"]
    assert [line["id"] for line in lines] == [dear["id"], cheap["id"], idle["id"]]
    assert lines[0] == {
        "id": dear["id"],
        "name": "B",
        "status": "idle",
        "verbrauchtMonatCent": 20,
        "geschaetztCent": 0,
        "budgetMonatCent": 30,
        "prozent": Decimal("66.66"),
        "aufrufe": 1,
        "inputTokens": 7,
        "outputTokens": 0,
    }


async def test_models_are_told_apart_and_one_without_a_name_too(owner: Api, company: Json, working: Working) -> None:
    agent = await working.hires(company)
    await working.spends(company, agent, call("1", "small"), call("9", "large"), call("2", "small"), call("4", None))
    models = (await summary(owner, company))["proModell"]
    assert [(one["modell"], one["kostenCent"], one["aufrufe"]) for one in models] == [
        ("large", 9, 1),
        (None, 4, 1),
        ("small", 3, 2),
    ]


async def test_what_is_estimated_is_told_from_what_is_known(owner: Api, company: Json, working: Working) -> None:
    agent = await working.hires(company)
    await working.spends(company, agent, call("3"), call("10.5", estimated=True))
    found = await summary(owner, company)
    (line,), (model,) = found["proExperte"], found["proModell"]
    assert (found["gesamtVerbraucht"], found["gesamtGeschaetzt"]) == (Decimal("13.5"), Decimal("10.5"))
    assert line["geschaetztCent"] == model["geschaetztCent"] == Decimal("10.5")


async def test_the_companys_budget_is_what_the_percentage_is_of(owner: Api, working: Working) -> None:
    company = await owner.company(budgetMonatCent=300)
    await working.spends(company, await working.hires(company), call("100"))
    found = await summary(owner, company)
    assert (found["gesamtBudget"], found["gesamtProzent"]) == (300, Decimal("33.33"))


@pytest.mark.parametrize(
    ("zone", "left"),
    [
        ("UTC", 25 * DAY + 14 * HOUR),
        ("Europe/Berlin", 25 * DAY + 12 * HOUR),
        ("Asia/Kathmandu", 25 * DAY + 8.25 * HOUR),
    ],
)
async def test_a_month_ends_at_midnight_in_the_companys_time_zone(
    owner: Api, working: Working, *, clock: ManualClock, zone: str, left: float
) -> None:
    company = await owner.company(zeitzone=zone)
    agent = await working.hires(company)
    await clock.advance(left - 1)
    await working.spends(company, agent, call("1"))
    assert spent((await summary(owner, company))["proTag"]) == {"2026-04-30": 1}
    await clock.advance(1)
    await working.spends(company, agent, call("2"))
    found = await summary(owner, company)
    assert (found["monat"], found["gesamtVerbraucht"], spent(found["proTag"])) == ("2026-05", 2, {"2026-05-01": 2})
    assert (await summary(owner, company, "?monat=2026-04"))["gesamtVerbraucht"] == 1


async def test_a_company_that_moves_keeps_the_days_on_which_it_spent(
    owner: Api, working: Working, clock: ManualClock
) -> None:
    company = await owner.company(zeitzone="Pacific/Kiritimati")
    agent = await working.hires(company)
    await clock.advance(1 * HOUR)
    await working.spends(company, agent, call("1"))
    await owner.patch(f"/api/unternehmen/{company['id']}", {"zeitzone": "Pacific/Pago_Pago"})
    await working.spends(company, agent, call("2"))
    assert spent((await summary(owner, company))["proTag"]) == {"2026-04-06": 1, "2026-04-05": 2}


async def test_a_deleted_agents_costs_are_kept_under_its_name(owner: Api, company: Json, working: Working) -> None:
    gone, idle = await working.hires(company, name="Gone"), await working.hires(company)
    await working.spends(company, gone, call("7"))
    for agent in (gone, idle):
        await owner.delete(f"/api/experten/{agent['id']}")
    found = await summary(owner, company)
    (line,) = found["proExperte"]
    assert found["gesamtVerbraucht"] == 7
    assert (line["name"], line["status"], line["verbrauchtMonatCent"]) == ("Gone", "terminated", 7)


async def test_another_companys_costs_are_not_in_it(owner: Api, company: Json, working: Working) -> None:
    other = await owner.company()
    await working.spends(other, await working.hires(other), call("7"))
    found = await summary(owner, company)
    assert (found["gesamtVerbraucht"], found["proExperte"], found["proModell"]) == (0, [], [])


async def test_a_page_of_the_agents_is_chosen_and_the_sums_are_of_all(
    owner: Api, company: Json, working: Working
) -> None:
    agents = [await working.hires(company) for _ in range(4)]
    for cents, agent in zip("321", agents[:3], strict=True):
        await working.spends(company, agent, call(cents))
    for query, chosen in (
        ("limit=1&offset=1", agents[1:2]),
        ("limit=2&offset=2", agents[2:]),
        ("offset=3", agents[3:]),
    ):
        found = await summary(owner, company, f"?{query}")
        assert [line["id"] for line in found["proExperte"]] == [agent["id"] for agent in chosen], query
        assert found["gesamtVerbraucht"] == 6


@pytest.mark.parametrize("month", ["2026-13", "2026-4", "April", "", "0000-01", "2026-04-05"])
async def test_what_is_no_month_is_refused(owner: Api, company: Json, month: str) -> None:
    path = f"/api/unternehmen/{company['id']}/kosten/zusammenfassung"
    assert_error(await owner.get(f"{path}?monat={month}"), 400, "VALIDATION_ERROR")


async def test_an_erased_company_leaves_no_sums_behind(
    owner: Api, company: Json, working: Working, runtime: Any
) -> None:
    await working.spends(company, await working.hires(company), call("7"))
    state = await runtime.company(company["id"])
    assert (await owner.delete(f"/api/unternehmen/{company['id']}")).status == 200
    left = await runtime.queries.cost_summary(state, "2026-04", 100, 0)
    assert (left.spent_in_all, left.by_agent) == (0, ())
