"""A whole company, from a goal to its being achieved, behind the real clients of two wire formats.

The goal is given to the orchestrator, which plans and delegates; one result is rejected by the critic, one call is
limited, one overloaded and one cut off in the middle of its reply, one tool call is malformed, one task fails three
times and is escalated, one waits for the board. In the end the ledger says to the micro-cent what the server has
charged, and for the reply that was cut off, whose charge nobody was told, at least as much.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.llm_server import Call, LlmServer, Refuse, Say, Turn, llm_server

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

MODEL = "house-model-1"
CENTS = {"input": Decimal("0.0003"), "cached": Decimal("0.00003"), "output": Decimal("0.0015")}
"""Of one token."""


class Story:
    """What the model says, turn by turn."""

    def __init__(self) -> None:
        self.drawings = 0
        self.told: set[str] = set()

    def once(self, what: str) -> bool:
        """Whether this is the first time."""
        is_new = what not in self.told
        self.told.add(what)
        return is_new

    async def __call__(self, turn: Turn) -> Say | Refuse:
        if turn.forced is not None:
            return self._verdict(turn)
        if turn.says("You are Otto"):
            return self._otto(turn)
        return self._ada(turn) if turn.says("You are Ada") else self._bob(turn)

    def _verdict(self, turn: Turn) -> Say:
        accepted = not (turn.says("Buy anvils") and self.once("rejected"))
        reasons = "It is good" if accepted else "It does not say why"
        return Say(calls=(Call(turn.forced or "", {"accepted": accepted, "reasons": reasons}),))

    def _otto(self, turn: Turn) -> Say:
        [task] = re.findall(r"<title>\n(.*)\n</title>", turn.messages[0])
        if len(turn.messages) > 1:
            return Say(text="Done.", calls=(Call("finish", {"result": f"{task}: seen to"}),))
        goal = re.search(r"Sell anvils \(\w+, (\d+) %, ([0-9a-f-]{36})\)", turn.messages[0])
        assert goal is not None
        if goal[1] == "100":
            return Say(calls=(Call("update_goal", {"goal": goal[2], "status": "achieved"}),))
        if turn.says("Draw the anvil"):
            return Say(calls=(Call("comment", {"text": "Ada, try it with a pencil."}),))
        steps = [
            {"key": "draw", "title": "Draw the anvil", "assignee": "Ada"},
            {"key": "copy", "title": "Write the copy", "assignee": "Bob", "after": ["draw"]},
            {"key": "ship", "title": "Ship the anvil", "assignee": "Bob", "after": ["copy"]},
        ]
        return Say(text="I plan.", calls=(Call("plan", {"tasks": steps}),))

    def _ada(self, _turn: Turn) -> Say | Refuse:
        if self.once("limited"):
            return Refuse(429, {"Retry-After": "0"})
        self.drawings += 1
        if self.drawings <= 3:
            return Say(text="")
        return Say(calls=(Call("finish", {"result": "An anvil, drawn"}),), cached_tokens=700)

    def _bob(self, turn: Turn) -> Say | Refuse:
        if self.once("overloaded"):
            return Refuse(529)
        if self.once("cut off"):
            return Say(text="I begin, and then", breaks_off=True)
        if turn.says("Ship the anvil"):
            if self.once("asked"):
                return Say(calls=(Call("ask_for_approval", {"title": "Ship it?", "description": "It is heavy."}),))
            return Say(calls=(Call("finish", {"result": "Shipped"}),))
        if self.once("malformed"):
            return Say(calls=(Call("finish", '{"result": '),))
        better = turn.says("It does not say why")
        return Say(calls=(Call("finish", {"result": "Buy anvils: they last" if better else "Buy anvils"}),))


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
async def models(story: Story) -> AsyncIterator[LlmServer]:
    async with llm_server(story) as server:
        yield server


@pytest.fixture
def settings(models: LlmServer) -> Settings:
    place = models.url.removeprefix("http://")
    return quick_settings(
        agents={"anthropic_base_url": models.url, "custom_allowed_addresses": [place]},
        work={"retry_delays_seconds": [0.01, 0.01, 0.01], "provider_backoff_seconds": 0.01},
    )


@pytest.fixture
async def admin(nobody: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    return await nobody.somebody("Admin")


def adapter(vendor: str, models: LlmServer) -> tuple[str, Json]:
    config: Json = {"modell": MODEL, "pruefModell": MODEL}
    return vendor, config if vendor == "claude" else config | {"basisUrl": f"{models.url}/v1", "apiKey": "sk-house"}


@pytest.mark.parametrize("vendor", ["claude", "custom"])
async def test_a_goal_is_planned_delegated_reviewed_healed_approved_and_achieved(
    vendor: str, admin: Api, runtime: Runtime, models: LlmServer, *, follow: Follow
) -> None:
    prices = {"input": 300, "cacheRead": 30, "cacheWrite": 375, "output": 1500}
    priced = await admin.call("PUT", "/api/einstellungen/model_prices", {"wert": {MODEL: prices}})
    assert priced.status == 200, priced
    company = await admin.company(budgetMonatCent=100_000)
    name, config = adapter(vendor, models)
    otto = await admin.agent(
        company, name="Otto", verbindungsTyp="ceo", verbindungsConfig={"anbieter": name, **config}, isOrchestrator=True
    )
    for worker in ("Ada", "Bob"):
        await admin.agent(company, name=worker, verbindungsTyp=name, verbindungsConfig=config, reportsTo=otto["id"])
    follower = await follow(admin)

    goal = {"titel": "Sell anvils", "status": "active", "eigentuemerExpertId": otto["id"]}
    await admin.make(f"/api/unternehmen/{company['id']}/ziele", goal)
    escalated = await follower.until("task_escalated")
    assert (escalated["data"]["taskTitel"], escalated["data"]["versuche"]) == ("Draw the anvil", 3)
    asked = await follower.until("approval_needed", titel="Ship it?")
    await admin.make(f"/api/genehmigungen/{asked['data']['genehmigungId']}/genehmigen")
    await follower.until("goal_achieved", zielTitel="Sell anvils")
    while runtime.system.runs.all():
        await admin.get("/api/health")

    tasks = (await admin.get(f"/api/unternehmen/{company['id']}/aufgaben")).json
    assert {task["status"] for task in tasks} == {"done"}
    results = {task["titel"]: task["ergebnis"] for task in tasks}
    assert results["Write the copy"] == "Buy anvils: they last"
    assert results["Ship the anvil"] == "Shipped"
    verbs = [entry["aktion"] for entry in (await admin.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json]
    assert verbs.count("critic.rejected") == 1
    ledger = (await admin.get(f"/api/unternehmen/{company['id']}")).json
    booked = [event["data"] for event in follower.seen if event["type"] == "kosten_updated"]
    [cut_off] = [Decimal(str(cost["kostenCent"])) for cost in booked if cost["geschaetzt"]]
    charged = sum(
        (new * CENTS["input"] + cached * CENTS["cached"] + written * CENTS["output"])
        for _, new, cached, written in models.charged
    )
    assert cut_off >= 1000 * CENTS["input"]
    spent = Decimal(str(ledger["verbrauchtMonatCent"]))
    assert (spent, ledger["reserviertMonatCent"]) == (charged + cut_off, 0)
    agents = (await admin.get(f"/api/unternehmen/{company['id']}/experten")).json
    assert sum(Decimal(str(agent["verbrauchtMonatCent"])) for agent in agents) == spent
