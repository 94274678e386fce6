"""Agents over HTTP: hiring, changing, reporting lines, the inbox, skills, secrets, tokens and leaving."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Answer, Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"
KEY = "sk-ant-api03-abcdefghijklmnop3xyz"
WEB = "https://worker.example.com/do"
HOUR = 3600.0


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


async def hired(api: Api, company: Json, **fields: Any) -> Answer:
    body = {"name": "Ada", "rolle": "Engineer", **fields}
    return await api.post(f"/api/unternehmen/{company['id']}/experten", body)


async def changed(api: Api, agent: Json, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return await api.patch(f"/api/experten/{agent['id']}", fields, headers=headers or {})


def fields_of(answer: Answer) -> list[str]:
    return [detail["feld"] for detail in answer.json["details"]]


# Hiring


async def test_a_new_agent_is_idle_and_has_the_documented_defaults(owner: Api, company: Json) -> None:
    answer = await hired(owner, company)
    expected = {
        "unternehmenId": company["id"],
        "status": "idle",
        "reportsTo": None,
        "skills": [],
        "verbindungsTyp": None,
        "verbindungsConfig": {},
        "budgetMonatCent": 0,
        "verbrauchtMonatCent": 0,
        "reserviertMonatCent": 0,
        "zyklusAktiv": False,
        "zyklusIntervallSek": 300,
        "naechsterZyklus": None,
        "aktuelleAufgabeId": None,
        "letzterFehler": None,
        "nachrichtenCount": 0,
    }
    assert answer.status == 201
    assert {name: answer.json[name] for name in expected} == expected
    assert answer.headers["ETag"] == f'"{answer.json["version"]}"'


async def test_a_new_agent_has_what_it_was_hired_with(owner: Api, company: Json) -> None:
    wanted = {
        "name": "Bo",
        "rolle": "CEO",
        "titel": "Chief",
        "faehigkeiten": "plans",
        "verbindungsTyp": "scripted",
        "verbindungsConfig": {"model": "m"},
        "budgetMonatCent": 500,
        "zyklusAktiv": True,
        "zyklusIntervallSek": 5,
        "isOrchestrator": True,
        "systemPrompt": "Be brief",
    }
    made = (await hired(owner, company, **wanted)).json
    kept = (await owner.get(f"/api/experten/{made['id']}")).json
    assert {name: kept[name] for name in wanted} == wanted
    assert kept["naechsterZyklus"] > kept["erstelltAm"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", None),
        ("name", "x" * 201),
        ("rolle", 5),
        ("budgetMonatCent", -1),
        ("budgetMonatCent", "10abc"),
        ("budgetMonatCent", 1.5),
        ("zyklusIntervallSek", 4),
        ("zyklusAktiv", "yes"),
        ("reportsTo", "nobody"),
        ("reportsTo", NO_ID),
        ("verbindungsConfig", []),
        ("verbindungsTyp", "telepathy"),
        ("status", "running"),
        ("verbrauchtMonatCent", 0),
        ("naem", "Ada"),
    ],
)
async def test_a_bad_field_is_refused_by_name_on_hiring_and_on_change(
    owner: Api, company: Json, agent: Json, field: str, value: Any
) -> None:
    for answer in (await hired(owner, company, **{field: value}), await changed(owner, agent, **{field: value})):
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert fields_of(answer) == [field]
    assert (await owner.get(f"/api/experten/{agent['id']}")).json == agent


@pytest.mark.parametrize("field", ["name", "rolle"])
async def test_what_hiring_needs_is_named_when_it_is_missing(owner: Api, company: Json, field: str) -> None:
    body = {"name": "Ada", "rolle": "Engineer"}
    del body[field]
    answer = await owner.post(f"/api/unternehmen/{company['id']}/experten", body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == [field]


async def test_agents_are_listed_by_age_in_pages(owner: Api, company: Json) -> None:
    agents = [await owner.agent(company) for _ in range(3)]
    path = f"/api/unternehmen/{company['id']}/experten"
    first, second = await owner.get(f"{path}?limit=2"), await owner.get(f"{path}?limit=2&offset=2")
    assert first.json + second.json == agents
    assert first.headers["X-Total-Count"] == "3"
    assert first.headers["Link"] == f'<{path}?limit=2&offset=2>; rel="next"'
    assert "Link" not in second.headers


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=-1", "limit=x", "offset=-1", "limit=1.5", "status=x"])
async def test_a_bad_page_of_agents_is_refused(owner: Api, company: Json, query: str) -> None:
    assert_error(await owner.get(f"/api/unternehmen/{company['id']}/experten?{query}"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("agent_id", [NO_ID, "nonsense"])
async def test_an_unknown_agent_is_not_found(owner: Api, company: Json, agent_id: str) -> None:
    path = f"/api/experten/{agent_id}"
    for answer in (
        await owner.get(path),
        await owner.patch(path, {"name": "Eve"}),
        await owner.delete(path),
        await owner.post(f"{path}/wakeup"),
        await owner.get(f"{path}/inbox"),
    ):
        assert_error(answer, 404, "NOT_FOUND")


async def test_an_agent_that_has_not_changed_is_answered_304(owner: Api, agent: Json) -> None:
    tag = f'"{agent["version"]}"'
    answer = await owner.get(f"/api/experten/{agent['id']}", headers={"If-None-Match": tag})
    assert (answer.status, answer.text, answer.headers["ETag"]) == (304, "", tag)


# Changing


async def test_a_change_touches_only_what_it_names(owner: Api, agent: Json) -> None:
    after = (await changed(owner, agent, titel="Lead", budgetMonatCent=7)).json
    touched = {"titel": "Lead", "budgetMonatCent": 7}
    assert after == agent | touched | {"version": agent["version"] + 1, "aktualisiertAm": after["aktualisiertAm"]}


async def test_null_clears_every_optional_field(owner: Api, company: Json, agent: Json) -> None:
    optional = {
        "titel": "T",
        "reportsTo": agent["id"],
        "faehigkeiten": "F",
        "verbindungsTyp": "scripted",
        "avatar": "A",
        "avatarFarbe": "B",
        "systemPrompt": "S",
    }
    full = (await hired(owner, company, **optional)).json
    after = (await changed(owner, full, **dict.fromkeys(optional))).json
    assert {name: after[name] for name in optional} == dict.fromkeys(optional)


@pytest.mark.parametrize("field", ["name", "rolle", "budgetMonatCent", "zyklusAktiv", "zyklusIntervallSek"])
async def test_null_does_not_clear_what_an_agent_needs(owner: Api, agent: Json, field: str) -> None:
    assert_error(await changed(owner, agent, **{field: None}), 400, "VALIDATION_ERROR")


async def test_a_change_of_an_older_version_is_refused(owner: Api, agent: Json) -> None:
    seen = {"If-Match": f'"{agent["version"]}"'}
    assert (await changed(owner, agent, seen, titel="First")).status == 200
    assert_error(await changed(owner, agent, seen, titel="Second"), 409, "VERSION_CONFLICT")
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["titel"] == "First"


async def test_a_malformed_if_match_is_refused(owner: Api, agent: Json) -> None:
    assert_error(await changed(owner, agent, {"If-Match": "newest"}, titel="T"), 400, "VALIDATION_ERROR")


async def test_switching_the_heartbeat_off_clears_its_next_time(owner: Api, company: Json) -> None:
    agent = await owner.agent(company, zyklusAktiv=True)
    assert (await changed(owner, agent, zyklusAktiv=False)).json["naechsterZyklus"] is None


async def test_a_paused_agent_has_no_next_heartbeat_whatever_is_changed(owner: Api, agent: Json) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    assert (await changed(owner, agent, zyklusAktiv=True)).json["naechsterZyklus"] is None
    resumed = await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    assert resumed["naechsterZyklus"] > resumed["aktualisiertAm"]


# Reporting lines


async def test_an_agent_cannot_report_to_one_that_reports_to_it(owner: Api, company: Json, agent: Json) -> None:
    middle = await owner.agent(company, reportsTo=agent["id"])
    lowest = await owner.agent(company, reportsTo=middle["id"])
    assert_error(await changed(owner, agent, reportsTo=lowest["id"]), 409, "DEPENDENCY_CYCLE")
    assert (await owner.get(f"/api/experten/{agent['id']}")).json == agent


async def test_an_agent_cannot_report_to_itself(owner: Api, agent: Json) -> None:
    assert_error(await changed(owner, agent, reportsTo=agent["id"]), 409, "DEPENDENCY_CYCLE")


async def test_of_two_lines_that_close_a_circle_together_one_is_drawn(owner: Api, company: Json) -> None:
    one, other = await owner.agent(company), await owner.agent(company)
    answers = await asyncio.gather(
        changed(owner, one, reportsTo=other["id"]), changed(owner, other, reportsTo=one["id"])
    )
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_nobody_reports_to_another_companys_agent(owner: Api, agent: Json) -> None:
    other = await owner.company()
    foreign = await owner.agent(other)
    assert_error(await changed(owner, agent, reportsTo=foreign["id"]), 400, "VALIDATION_ERROR")
    assert_error(await hired(owner, other, reportsTo=agent["id"]), 400, "VALIDATION_ERROR")


# Adapters and their secrets


@pytest.mark.parametrize("config", [{}, {"url": 5}, {"url": WEB, "colour": "red"}, {"url": "http://127.0.0.1/"}])
async def test_a_configuration_that_its_adapter_cannot_use_is_refused(
    owner: Api, company: Json, agent: Json, config: Json
) -> None:
    for answer in (
        await hired(owner, company, verbindungsTyp="http", verbindungsConfig=config),
        await changed(owner, agent, verbindungsTyp="http", verbindungsConfig=config),
    ):
        assert_error(answer, 400, "VALIDATION_ERROR")


async def test_an_adapter_must_fit_the_configuration_that_is_there(owner: Api, company: Json) -> None:
    agent = (await hired(owner, company, verbindungsConfig={"colour": "red"})).json
    assert_error(await changed(owner, agent, verbindungsTyp="http"), 400, "VALIDATION_ERROR")


@pytest.fixture
async def keeper(owner: Api, company: Json) -> Json:
    """An agent with a secret."""
    config = {"apiKey": KEY, "model": "m", "headers": {"Authorization": "Bearer x"}}
    return await owner.agent(company, verbindungsTyp="scripted", verbindungsConfig=config)


async def test_secrets_come_back_masked_everywhere(owner: Api, company: Json, keeper: Json) -> None:
    config = {"apiKey": "sk-ant-…3xyz", "model": "m", "headers": {"Authorization": "••••••••"}}
    listed = (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json
    answers = [keeper, listed[0], (await changed(owner, keeper, titel="T")).json]
    assert [answer["verbindungsConfig"] for answer in answers] == [config] * 3


async def test_a_masked_secret_that_is_sent_back_stays_as_it_was(
    owner: Api, worker: ScriptedProvider, follow: Follow, keeper: Json
) -> None:
    follower = await follow(owner)
    await changed(owner, keeper, verbindungsConfig=keeper["verbindungsConfig"] | {"model": "other"})
    task = await owner.task({"id": keeper["unternehmenId"]}, zugewiesenAn=keeper["id"])
    await follower.until("task_completed", taskId=task["id"])
    assert worker.orders[0].config == {"apiKey": KEY, "model": "other", "headers": {"Authorization": "Bearer x"}}


async def test_a_mask_that_stands_for_nothing_known_is_refused(owner: Api, keeper: Json) -> None:
    elsewhere = keeper["verbindungsConfig"] | {"baseUrl": "https://thief.example.com"}
    assert_error(await changed(owner, keeper, verbindungsConfig=elsewhere), 400, "VALIDATION_ERROR")
    assert_error(await changed(owner, keeper, verbindungsConfig={"token": "••••••••"}), 400, "VALIDATION_ERROR")


# Skills


async def test_a_skill_is_learnt_listed_and_forgotten(owner: Api, agent: Json) -> None:
    path = f"/api/experten/{agent['id']}/skills"
    wanted = {"name": "SQL", "beschreibung": "asks tables", "inhalt": "# How", "proficiency": 100}
    answer = await owner.post(path, wanted)
    assert (answer.status, answer.json) == (201, wanted | {"id": answer.json["id"]})
    assert (await owner.get(path)).json == (await owner.get(f"/api/experten/{agent['id']}")).json["skills"]
    assert (await owner.delete(f"{path}/{answer.json['id']}")).json == {"success": True}
    assert (await owner.get(path)).json == []


async def test_skills_are_listed_in_pages(owner: Api, agent: Json) -> None:
    path = f"/api/experten/{agent['id']}/skills"
    skills = [await owner.make(path, {"name": name}) for name in ("one", "two", "three")]
    page = await owner.get(f"{path}?limit=1&offset=1")
    assert page.json == [skills[1]]
    assert page.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", 1), ("proficiency", 101), ("proficiency", -1), ("proficiency", "good"), ("level", 1)],
)
async def test_a_bad_skill_is_refused_by_field(owner: Api, agent: Json, field: str, value: Any) -> None:
    answer = await owner.post(f"/api/experten/{agent['id']}/skills", {"name": "SQL", field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert fields_of(answer) == [field]


async def test_a_skill_that_it_does_not_have_cannot_be_forgotten(owner: Api, agent: Json) -> None:
    assert_error(await owner.delete(f"/api/experten/{agent['id']}/skills/{NO_ID}"), 404, "NOT_FOUND")


async def test_an_agent_is_given_its_skills_at_work(
    owner: Api, company: Json, worker: ScriptedProvider, follow: Follow
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    await owner.make(f"/api/experten/{agent['id']}/skills", {"name": "SQL", "inhalt": "join on ids"})
    follower = await follow(owner)
    await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("task_completed")
    assert "join on ids" in worker.orders[0].skills[0]


# Tokens


class TestTokens:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(accounts={"agent_token_seconds": HOUR})

    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_a_token_acts_as_its_agent_until_it_expires(
        self, owner: Api, agent: Json, clock: ManualClock
    ) -> None:
        answer = await owner.post(f"/api/experten/{agent['id']}/token")
        assert (answer.status, answer.json["expertId"]) == (201, agent["id"])
        itself = owner.with_token(answer.json["token"])
        await clock.advance(HOUR - 1)
        assert (await itself.get(f"/api/experten/{agent['id']}")).json == agent
        await clock.advance(1)
        assert_error(await itself.get(f"/api/experten/{agent['id']}"), 401, "NOT_AUTHENTICATED")
        assert answer.json["gueltigBis"] == clock.now()

    async def test_revoking_ends_all_of_an_agents_tokens(self, owner: Api, agent: Json) -> None:
        path = f"/api/experten/{agent['id']}"
        tokens = [await owner.agent_api(agent), await owner.agent_api(agent)]
        assert (await owner.delete(f"{path}/token")).json == {"success": True}
        for itself in tokens:
            assert_error(await itself.get(path), 401, "NOT_AUTHENTICATED")
        assert_error(await owner.delete(f"{path}/token"), 404, "NOT_FOUND")

    async def test_revoking_leaves_other_agents_tokens(self, owner: Api, company: Json, agent: Json) -> None:
        other = await owner.agent(company)
        others = await owner.agent_api(other)
        await owner.agent_api(agent)
        await owner.delete(f"/api/experten/{agent['id']}/token")
        assert (await others.get(f"/api/experten/{other['id']}")).status == 200

    async def test_a_retried_request_gives_the_same_token(self, owner: Api, agent: Json) -> None:
        path, key = f"/api/experten/{agent['id']}/token", {"Idempotency-Key": "once"}
        assert await owner.make(path, headers=key) == await owner.make(path, headers=key)

    async def test_a_member_cannot_make_or_revoke_a_token(self, owner: Api, company: Json, agent: Json) -> None:
        member = await owner.somebody()
        await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", {"benutzerId": member.user["id"]})
        path = f"/api/experten/{agent['id']}/token"
        assert_error(await member.post(path), 403, "FORBIDDEN")
        assert_error(await member.delete(path), 403, "FORBIDDEN")

    async def test_an_agent_sees_itself_but_no_other_agent(self, owner: Api, company: Json, agent: Json) -> None:
        other, itself = await owner.agent(company), await owner.agent_api(agent)
        for part in ("", "/inbox", "/skills", "/laeufe"):
            assert (await itself.get(f"/api/experten/{agent['id']}{part}")).status == 200
            assert_error(await itself.get(f"/api/experten/{other['id']}{part}"), 403, "FORBIDDEN")

    async def test_an_agent_cannot_change_its_own_configuration(self, owner: Api, company: Json, agent: Json) -> None:
        itself, path = await owner.agent_api(agent), f"/api/experten/{agent['id']}"
        for answer in (await itself.patch(path, {"name": "Root"}), await itself.delete(path)):
            assert_error(answer, 403, "FORBIDDEN")
        for verb in ("pausieren", "fortsetzen", "wakeup", "skills", "token"):
            assert_error(await itself.post(f"{path}/{verb}", {"name": "Root"}), 403, "FORBIDDEN")
        assert_error(await hired(itself, company), 403, "FORBIDDEN")
        assert (await owner.get(path)).json == agent
