"""Companies that are ready to begin: each is founded, rests, and works when it is made active."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.template_files import template_names
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.llm_server import Call, LlmServer, Say, Turn, llm_server

Json = dict[str, Any]
TEMPLATES = "/api/vorlagen"
ALL = ("content-studio", "research-desk", "software-team")


async def model(turn: Turn) -> Say:
    """Finishes whatever it is given, and accepts whatever it is shown."""
    if turn.forced is not None:
        return Say(calls=(Call(turn.forced, {"accepted": True, "reasons": "It is good"}),))
    return Say(calls=(Call("finish", {"result": "Here it is."}),))


@pytest.fixture
async def models() -> AsyncIterator[LlmServer]:
    async with llm_server(model) as server:
        yield server


@pytest.fixture
def settings(models: LlmServer) -> Settings:
    return quick_settings(agents={"anthropic_base_url": models.url})


async def founded(owner: Api, template: str, **wish: Any) -> Json:
    made: Json = await owner.make(f"{TEMPLATES}/{template}/unternehmen", wish)
    return made


async def exported(owner: Api, made: Json) -> Json:
    file: Json = (await owner.get(f"/api/unternehmen/{made['id']}/export")).json
    return file


async def test_the_templates_are_offered(owner: Api) -> None:
    offered = (await owner.get(TEMPLATES)).json
    assert tuple(template["name"] for template in offered) == ALL == template_names()
    for template in offered:
        assert template["titel"]
        assert template["beschreibung"]
        assert template["budgetMonatCent"] > 0
        assert "CEO" in {agent["rolle"] for agent in template["experten"]}
        assert template["ziele"]
        assert template["aufgaben"]
        assert template["routinen"]


@pytest.mark.parametrize("name", ALL)
async def test_a_template_is_founded_and_works_through_its_first_tasks(
    name: str, owner: Api, admin: Api, models: LlmServer, follow: Callable[..., Awaitable[Follower]]
) -> None:
    assert (await admin.call("PUT", "/api/einstellungen/anthropic_api_key", {"wert": "sk-key"})).status == 200
    made = await founded(owner, name, ziel="Rockets for everyone")
    tasks = (await owner.get(f"/api/unternehmen/{made['id']}/aufgaben")).json
    follower = await follow(owner)
    assert made["status"] == "paused"
    assert models.turns == []
    assert (await owner.patch(f"/api/unternehmen/{made['id']}", {"status": "active"})).status == 200
    for task in tasks:
        # In whatever order they end; each waits for those before it.
        if (await owner.get(f"/api/aufgaben/{task['id']}")).json["status"] != "done":
            await follower.until("task_completed", taskId=task["id"])
    assert models.turns[0].says("Rockets for everyone")
    assert models.turns[0].key == "sk-key"


@pytest.mark.parametrize("name", ALL)
async def test_a_template_is_whole(name: str, owner: Api) -> None:
    file = (await owner.get(f"{TEMPLATES}/{name}")).json
    (leader,) = [agent for agent in file["experten"] if agent.get("isOrchestrator")]
    for agent in file["experten"]:
        assert len(agent["systemPrompt"]) > 300, agent["name"]
        assert agent is leader or agent["reportsTo"]
    assert sum(agent["budgetMonatCent"] for agent in file["experten"]) >= file["unternehmen"]["budgetMonatCent"]
    for routine in file["routinen"]:
        named = set(re.findall(r"{{(\w+)}}", routine["titel"] + routine["beschreibung"]))
        assert named <= {"faelligAm", *routine.get("variablen", {})}
        assert routine["triggers"]


@pytest.mark.parametrize("name", ALL)
async def test_a_template_may_be_changed_and_imported(name: str, owner: Api) -> None:
    file = (await owner.get(f"{TEMPLATES}/{name}")).json
    file["unternehmen"]["name"] = "Mine"
    made = await owner.make("/api/unternehmen/import", file)
    assert made["name"] == "Mine"
    assert made["importiert"]["experten"] == len(file["experten"])


async def test_the_company_belongs_to_who_founds_it(owner: Api, admin: Api) -> None:
    made = await founded(owner, "software-team")
    (member,) = (await owner.get(f"/api/unternehmen/{made['id']}/mitglieder")).json
    assert (member["benutzerId"], member["rolle"]) == (owner.user["id"], "eigentuemer")
    stranger = await admin.somebody()
    assert_error(await stranger.get(f"/api/unternehmen/{made['id']}"), 404, "NOT_FOUND")


async def test_what_is_wished_wins(owner: Api) -> None:
    wish = {"name": "Acme", "ziel": None, "budgetMonatCent": 7, "waehrung": "EUR", "zeitzone": "Asia/Tokyo"}
    file = await exported(owner, await founded(owner, "software-team", **wish))
    company = file["unternehmen"]
    assert "ziel" not in company
    assert {name: company[name] for name in wish if name != "ziel"} == {k: v for k, v in wish.items() if k != "ziel"}
    assert company["beschreibung"].startswith("Plans, builds")
    zones = {trigger["timezone"] for routine in file["routinen"] for trigger in routine["triggers"]}
    assert zones == {"Asia/Tokyo"}


async def test_another_adapter_is_everybodys_and_the_leader_leads_on_it(owner: Api) -> None:
    config = {"modell": "gpt-5.4"}
    made = await founded(owner, "research-desk", verbindungsTyp="openai", verbindungsConfig=config)
    leader, *others = (await exported(owner, made))["experten"]
    assert (leader["verbindungsTyp"], leader["verbindungsConfig"]) == ("ceo", {**config, "anbieter": "openai"})
    assert leader["isOrchestrator"]
    assert {agent["verbindungsTyp"] for agent in others} == {"openai"}
    assert [agent["verbindungsConfig"] for agent in others] == [config] * len(others)


async def test_another_configuration_alone_keeps_the_adapter(owner: Api) -> None:
    made = await founded(owner, "research-desk", verbindungsConfig={"modell": "claude-opus-5"})
    leader, first, *_ = (await exported(owner, made))["experten"]
    assert leader["verbindungsConfig"] == {"modell": "claude-opus-5", "anbieter": "claude"}
    assert (first["verbindungsTyp"], first["verbindungsConfig"]) == ("claude", {"modell": "claude-opus-5"})


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"verbindungsTyp": "magic"}, "experten[1].verbindungsTyp"),
        ({"zeitzone": "Mars/Base"}, "unternehmen.zeitzone"),
        ({"budgetMonatCent": -1}, "budgetMonatCent"),
        ({"nme": "Acme"}, "nme"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_there(wish: Json, field: str, owner: Api) -> None:
    answer = await owner.post(f"{TEMPLATES}/software-team/unternehmen", wish)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert field in {detail["feld"] for detail in answer.json["details"]}
    assert (await owner.get("/api/unternehmen")).json == []


@pytest.mark.parametrize("name", ["nothing", "..%2Fconfig", "software-team.yaml"])
async def test_what_is_no_template_is_not_found(name: str, owner: Api) -> None:
    assert_error(await owner.get(f"{TEMPLATES}/{name}"), 404, "NOT_FOUND")
    assert_error(await owner.post(f"{TEMPLATES}/{name}/unternehmen", {}), 404, "NOT_FOUND")


async def test_a_program_uses_a_template(runtime: Runtime) -> None:
    (first, *_) = runtime.templates()
    made = await runtime.use_template(first.name)
    assert made.name == first.title == runtime.template(first.name).company.name
    assert made.imported.agents == len(first.agents)
