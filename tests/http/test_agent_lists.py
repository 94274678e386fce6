"""Lists of agents: all are hired, or none."""

import io
from typing import Any

import pytest

from opencognit.testing import ManualClock
from tests.builders import Answer, Api, Follower, assert_error

STAFF = {
    "experten": [
        {"name": "Grace", "rolle": "Engineer", "reportsTo": "Ada", "skills": [{"name": "SQL", "inhalt": "Joins."}]},
        {"name": "Ada", "rolle": "CEO", "isOrchestrator": True, "budgetMonatCent": 5000},
        {"name": "Alan", "rolle": "Engineer", "reportsTo": "Grace", "zyklusIntervallSek": 60},
    ]
}
YAML = """
experten:
  - name: Grace
    rolle: Engineer
    reportsTo: Ada
    systemPrompt: |
      You write
      short programs.
  - {name: Ada, rolle: CEO, budgetMonatCent: 5000}
"""


def path_of(company: dict[str, Any]) -> str:
    return f"/api/unternehmen/{company['id']}/experten/import"


async def names_in(owner: Api, company: dict[str, Any]) -> list[str]:
    return [agent["name"] for agent in (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json]


def problems(answer: Answer) -> set[tuple[str, str]]:
    assert_error(answer, 400, "VALIDATION_ERROR")
    return {(detail["feld"], detail["problem"]) for detail in answer.json["details"]}


async def test_agents_are_hired_with_reporting_lines_by_name(owner: Api, company: dict[str, Any]) -> None:
    report = await owner.make(path_of(company), STAFF)
    assert (report["anzahl"], report["fehler"]) == (3, [])
    grace, ada, alan = report["experten"]
    assert report["expertIds"] == [grace["id"], ada["id"], alan["id"]]
    assert (grace["reportsTo"], ada["reportsTo"], alan["reportsTo"]) == (ada["id"], None, grace["id"])
    assert (ada["budgetMonatCent"], ada["isOrchestrator"], alan["zyklusIntervallSek"]) == (5000, True, 60)
    assert [skill["inhalt"] for skill in grace["skills"]] == ["Joins."]
    for agent in report["experten"]:
        assert (await owner.get(f"/api/experten/{agent['id']}")).json == agent
    assert await names_in(owner, company) == ["Grace", "Ada", "Alan"]


async def test_a_list_may_stand_alone(owner: Api, company: dict[str, Any]) -> None:
    assert (await owner.make(path_of(company), STAFF["experten"]))["anzahl"] == 3


async def test_yaml_says_the_same_as_json(owner: Api, company: dict[str, Any]) -> None:
    answer = await owner.post(path_of(company), data=YAML, headers={"Content-Type": "application/yaml"})
    grace, ada = answer.json["experten"]
    assert (grace["reportsTo"], grace["systemPrompt"]) == (ada["id"], "You write\nshort programs.\n")


@pytest.mark.parametrize("by", ["name", "id"])
async def test_an_agent_may_report_to_one_of_the_company(by: str, owner: Api, company: dict[str, Any]) -> None:
    boss = await owner.agent(company, name="Boss")
    rows = [{"name": "Ada", "rolle": "Engineer", "reportsTo": boss[by]}]
    assert (await owner.make(path_of(company), rows))["experten"][0]["reportsTo"] == boss["id"]


async def test_all_problems_are_told_and_nobody_is_hired(owner: Api, company: dict[str, Any]) -> None:
    await owner.agent(company, name="Boss")
    rows = [
        {"name": "Ada", "rolle": "Engineer", "reportsTo": "Nobody"},
        {"name": "Ada", "rolle": "Engineer"},
        {"name": "Alan", "rolle": "Engineer", "verbindungsTyp": "magic"},
        {"name": "Boss", "rolle": "Engineer"},
        {"name": "Grace", "rolle": "Engineer"},
    ]
    found = problems(await owner.post(path_of(company), rows))
    assert {field for field, _ in found} == {
        *("experten[0].reportsTo", "experten[0].name", "experten[1].name"),
        *("experten[2].verbindungsTyp", "experten[3].name"),
    }
    assert await names_in(owner, company) == ["Boss"]


async def test_each_agent_of_the_wrong_form_is_named(owner: Api, company: dict[str, Any]) -> None:
    rows = [{"name": "Ada"}, {"name": "Grace", "rolle": "Engineer"}, {"name": 5, "rolle": "Engineer"}, {"nme": "x"}, 7]
    found = dict(problems(await owner.post(path_of(company), rows)))
    assert found.keys() == {"experten[0].rolle", "experten[2].name", "experten[3].nme", "experten[4]"}
    assert found["experten[0].rolle"] == "is required"


async def test_lines_that_go_round_in_a_circle_are_refused(owner: Api, company: dict[str, Any]) -> None:
    lines = {"A": "B", "B": "C", "C": "A", "D": "A"}
    rows = [{"name": name, "rolle": "R", "reportsTo": superior} for name, superior in lines.items()]
    ((field, problem),) = problems(await owner.post(path_of(company), rows))
    assert field == "experten[0].reportsTo"
    assert problem == "goes round in a circle: A → B → C → A"


async def test_an_agent_that_reports_to_itself_is_refused(owner: Api, company: dict[str, Any]) -> None:
    answer = await owner.post(path_of(company), [{"name": "A", "rolle": "R", "reportsTo": "A"}])
    assert problems(answer) == {("experten[0].reportsTo", "goes round in a circle: A → A")}


async def test_a_superior_whose_name_several_bear_is_refused(owner: Api, company: dict[str, Any]) -> None:
    for _ in range(2):
        await owner.agent(company, name="Boss")
    answer = await owner.post(path_of(company), [{"name": "A", "rolle": "R", "reportsTo": "Boss"}])
    assert problems(answer) == {("experten[0].reportsTo", "is the name of several agents; give an id")}


async def test_a_superior_of_another_company_is_nobody(owner: Api, admin: Api, company: dict[str, Any]) -> None:
    stranger = await admin.somebody()
    theirs = await stranger.agent(await stranger.company(), name="Theirs")
    for superior in ("Theirs", theirs["id"]):
        answer = await owner.post(path_of(company), [{"name": "A", "rolle": "R", "reportsTo": superior}])
        assert problems(answer) == {("experten[0].reportsTo", "is nobody of the list or the company")}


async def test_an_import_is_told_of_in_an_event_and_in_the_feed(
    owner: Api, company: dict[str, Any], follower: Follower
) -> None:
    report = await owner.make(path_of(company), STAFF)
    event = await follower.until("agents_imported")
    assert event["data"] == {
        "unternehmenId": company["id"],
        "anzahl": 3,
        "expertIds": report["expertIds"],
        "fehler": [],
    }
    entry = await follower.until("aktivitaet", aktion="company.agents_imported")
    assert entry["data"]["details"] == {"agentIds": report["expertIds"]}


async def test_a_refused_import_is_told_of_with_its_problems(
    owner: Api, company: dict[str, Any], follower: Follower
) -> None:
    answer = await owner.post(path_of(company), [{"name": "A", "rolle": "R", "reportsTo": "B"}])
    event = await follower.until("agents_imported")
    assert (event["data"]["anzahl"], event["data"]["expertIds"]) == (0, [])
    assert event["data"]["fehler"] == answer.json["details"]


async def test_secrets_are_masked_as_when_hiring_singly(owner: Api, company: dict[str, Any]) -> None:
    config = {"basisUrl": "https://models.example.com/v1", "modell": "m", "apiKey": "sk-canary-0123456789-abcdef"}
    rows = [{"name": "A", "rolle": "R", "verbindungsTyp": "custom", "verbindungsConfig": config}]
    report = await owner.make(path_of(company), rows)
    (agent,) = report["experten"]
    assert agent["verbindungsConfig"]["apiKey"] == "sk-cana…cdef"
    # A mask may be sent back where it stands for a secret that is kept.
    same = {"verbindungsConfig": {**agent["verbindungsConfig"], "modell": "other"}}
    assert (await owner.patch(f"/api/experten/{agent['id']}", same)).status == 200


async def test_an_adapter_that_leads_makes_an_orchestrator(owner: Api, company: dict[str, Any]) -> None:
    rows = [{"name": "A", "rolle": "R", "verbindungsTyp": "ceo", "verbindungsConfig": {"anbieter": "claude"}}]
    assert (await owner.make(path_of(company), rows))["experten"][0]["isOrchestrator"] is True


async def test_the_same_import_with_the_same_key_has_one_effect(owner: Api, company: dict[str, Any]) -> None:
    first = await owner.post(path_of(company), STAFF, headers={"Idempotency-Key": "once"})
    again = await owner.post(path_of(company), STAFF, headers={"Idempotency-Key": "once"})
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await names_in(owner, company) == ["Grace", "Ada", "Alan"]


class TestYaml:
    """What YAML may not do here."""

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: &a [x]\nb: *a\n", "YAML with anchors and aliases is not read"),
            ("- !!python/object/apply:os.system [id]\n", "YAML with tags is not read"),
            ("- {name: a\n", "The body is not valid YAML: did not find expected ',' or '}', line 2"),
            ("\x00", "The body is not valid YAML"),
            ("- " * 100 + "x", "YAML has at most 32 levels"),
            ("- {name: A, rolle: R}\n" * 60_000, "YAML has at most 1048576 bytes; send JSON"),
        ],
    )
    async def test_what_is_not_plain_yaml_is_refused(
        self, text: str, problem: str, owner: Api, company: dict[str, Any]
    ) -> None:
        body, headers = io.BytesIO(text.encode()), {"Content-Type": "application/yaml"}
        answer = await owner.post(path_of(company), data=body, headers=headers)
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert answer.json["fehler"] == problem

    async def test_plain_words_are_texts(self, owner: Api, company: dict[str, Any]) -> None:
        rows = "- {name: no, rolle: 2026-04-05, titel: 12:30}"
        answer = await owner.post(path_of(company), data=rows, headers={"Content-Type": "text/yaml"})
        (agent,) = answer.json["experten"]
        assert (agent["name"], agent["rolle"], agent["titel"]) == ("no", "2026-04-05", "12:30")

    async def test_other_routes_do_not_read_it(self, owner: Api) -> None:
        answer = await owner.post("/api/unternehmen", data="name: A", headers={"Content-Type": "application/yaml"})
        assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


class TestHeartbeats:
    """What is hired with a heartbeat has one."""

    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_the_timer_of_an_imported_agent_runs(
        self, owner: Api, company: dict[str, Any], clock: ManualClock
    ) -> None:
        rows = [{"name": "A", "rolle": "R", "zyklusAktiv": True, "zyklusIntervallSek": 60}]
        (agent,) = (await owner.make(path_of(company), rows))["experten"]
        due = agent["naechsterZyklus"]
        await clock.advance(61)
        # The list reads what is stored and wakes nobody.
        while (beaten := await self._stored(owner, company))["letzterZyklus"] is None:
            pass
        assert beaten["letzterZyklus"] >= due

    async def _stored(self, owner: Api, company: dict[str, Any]) -> dict[str, Any]:
        (agent,) = (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json
        return agent
