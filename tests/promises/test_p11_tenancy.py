"""P11: nobody sees or changes another company's anything.

The table below is checked against the route table of the server: a route without an entry fails.
"""

from typing import Any, NamedTuple

import pytest

from opencognit.http.route import Subject
from opencognit.http.server import ROUTES
from opencognit.settings import Settings
from tests.builders import Answer, Api
from tests.conftest import quick_settings

ALL = "observer member owner agent colleague"
PEOPLE = "observer member owner"
SIGNED_IN = "stranger foreign_agent " + ALL


class Expected(NamedTuple):
    """Who may use a route, and a body that is good."""

    may: str
    body: dict[str, Any] | None = None
    query: str = ""

    def names_a_company(self) -> bool:
        """Whether a company is named beside the path."""
        return "{company}" in f"{self.body}{self.query}"


TABLE = {
    "GET /api/health": Expected("anyone"),
    "GET /api/system/ready": Expected("anyone"),
    "GET /api/system/status": Expected("anyone"),
    "GET /api/system/adapters": Expected("stranger " + PEOPLE),
    "GET /api/openapi.json": Expected("anyone"),
    "GET /api/docs": Expected("anyone"),
    "POST /api/auth/registrieren": Expected("anyone"),
    "POST /api/auth/anmelden": Expected("anyone"),
    "POST /api/laeufe/{id}/rueckruf": Expected("anyone"),
    "POST /api/webhooks/routinen/{publicId}": Expected("anyone"),
    "POST /api/auth/abmelden": Expected(SIGNED_IN),
    "GET /api/auth/ich": Expected("stranger " + PEOPLE),
    "PUT /api/auth/passwort": Expected(
        "stranger " + PEOPLE, {"altesPasswort": "secret-password", "neuesPasswort": "another-password"}
    ),
    "GET /api/unternehmen": Expected(SIGNED_IN),
    "POST /api/unternehmen": Expected("stranger " + PEOPLE, {"name": "Mine"}),
    "GET /api/unternehmen/{id}/export": Expected("owner"),
    "POST /api/unternehmen/import": Expected(
        "stranger " + PEOPLE,
        {"format": "opencognit-company", "formatVersion": 1, "unternehmen": {"name": "Mine"}},
    ),
    "GET /api/vorlagen": Expected("stranger " + PEOPLE),
    "GET /api/vorlagen/{name}": Expected("stranger " + PEOPLE),
    "POST /api/vorlagen/{name}/unternehmen": Expected("stranger " + PEOPLE, {"name": "Mine"}),
    "GET /api/unternehmen/{id}": Expected(ALL),
    "PATCH /api/unternehmen/{id}": Expected("owner", {"name": "New"}),
    "DELETE /api/unternehmen/{id}": Expected("owner"),
    "POST /api/unternehmen/{id}/notaus": Expected("member owner"),
    "GET /api/unternehmen/{id}/aktivitaet": Expected(PEOPLE),
    "GET /api/unternehmen/{id}/ereignisse": Expected(ALL),
    "GET /api/unternehmen/{id}/dashboard": Expected(PEOPLE),
    "GET /api/unternehmen/{id}/kosten/zusammenfassung": Expected(PEOPLE),
    "GET /api/unternehmen/{id}/mitglieder": Expected(PEOPLE),
    "POST /api/unternehmen/{id}/mitglieder": Expected("owner", {"benutzerId": "{stranger}"}),
    "DELETE /api/unternehmen/{id}/mitglieder/{userId}": Expected("owner"),
    "GET /api/unternehmen/{id}/experten": Expected(PEOPLE),
    "POST /api/unternehmen/{id}/experten": Expected("member owner", {"name": "Eve", "rolle": "Spy"}),
    "POST /api/unternehmen/{id}/experten/import": Expected(
        "member owner", {"experten": [{"name": "Eve", "rolle": "Spy"}]}
    ),
    "GET /api/experten/{id}": Expected(PEOPLE + " agent"),
    "PATCH /api/experten/{id}": Expected("member owner", {"name": "Eve"}),
    "DELETE /api/experten/{id}": Expected("member owner"),
    "POST /api/experten/{id}/pausieren": Expected("member owner"),
    "POST /api/experten/{id}/fortsetzen": Expected("member owner"),
    "POST /api/experten/{id}/wakeup": Expected("member owner"),
    "GET /api/experten/{id}/inbox": Expected(PEOPLE + " agent"),
    "GET /api/experten/{id}/laeufe": Expected(PEOPLE + " agent"),
    "GET /api/experten/{id}/skills": Expected(PEOPLE + " agent"),
    "POST /api/experten/{id}/skills": Expected("member owner", {"name": "Lying"}),
    "DELETE /api/experten/{id}/skills/{skillId}": Expected("member owner"),
    "POST /api/experten/{id}/token": Expected("owner"),
    "DELETE /api/experten/{id}/token": Expected("owner"),
    "GET /api/unternehmen/{id}/aufgaben": Expected(ALL),
    "POST /api/unternehmen/{id}/aufgaben": Expected(
        "member owner agent colleague", {"titel": "T", "parentId": "{task}"}
    ),
    "GET /api/aufgaben/{id}": Expected(ALL),
    "PATCH /api/aufgaben/{id}": Expected("member owner", {"titel": "T"}),
    "DELETE /api/aufgaben/{id}": Expected("member owner"),
    "POST /api/aufgaben/{id}/checkout": Expected("member owner agent", {"expertId": "{agent}"}),
    "POST /api/aufgaben/{id}/release": Expected("member owner agent", {"expertId": "{agent}"}),
    "GET /api/aufgaben/{id}/kommentare": Expected(ALL),
    "POST /api/aufgaben/{id}/kommentare": Expected("member owner agent colleague", {"inhalt": "Hello"}),
    "GET /api/laeufe/{id}": Expected(ALL),
    "GET /api/unternehmen/{id}/genehmigungen": Expected(PEOPLE),
    "POST /api/unternehmen/{id}/genehmigungen": Expected("member owner agent colleague", {"titel": "May I?"}),
    "GET /api/experten/{id}/permissions": Expected(PEOPLE + " agent"),
    "PUT /api/experten/{id}/permissions": Expected("owner", {"comment": "deny"}),
    "GET /api/unternehmen/{id}/ziele": Expected(ALL),
    "POST /api/unternehmen/{id}/ziele": Expected("member owner", {"titel": "Grow"}),
    "GET /api/ziele/{id}": Expected(ALL),
    "PATCH /api/ziele/{id}": Expected("member owner", {"titel": "Shrink"}),
    "DELETE /api/ziele/{id}": Expected("member owner"),
    "POST /api/ziele/{id}/planen": Expected("member owner"),
    "GET /api/unternehmen/{id}/routinen": Expected(PEOPLE),
    "POST /api/unternehmen/{id}/routinen": Expected("member owner", {"titel": "Report"}),
    "GET /api/routinen/{id}": Expected(PEOPLE),
    "PATCH /api/routinen/{id}": Expected("member owner", {"titel": "Spy"}),
    "DELETE /api/routinen/{id}": Expected("member owner"),
    "POST /api/routinen/{id}/trigger": Expected("member owner"),
    "GET /api/routinen/{id}/ausfuehrungen": Expected(PEOPLE),
    "GET /api/routinen/{id}/triggers": Expected(PEOPLE),
    "POST /api/routinen/{id}/triggers": Expected("member owner", {"kind": "webhook"}),
    "PATCH /api/triggers/{id}": Expected("member owner", {"cronExpression": "@hourly"}),
    "DELETE /api/triggers/{id}": Expected("member owner"),
    "GET /api/unternehmen/{id}/abonnements": Expected("owner"),
    "POST /api/unternehmen/{id}/abonnements": Expected("owner", {"url": "http://127.0.0.1:9/"}),
    "GET /api/abonnements/{id}": Expected("owner"),
    "PATCH /api/abonnements/{id}": Expected("owner", {"url": "http://127.0.0.1:9/spy"}),
    "DELETE /api/abonnements/{id}": Expected("owner"),
    "POST /api/abonnements/{id}/geheimnis": Expected("owner"),
    "POST /api/abonnements/{id}/test": Expected("owner"),
    "GET /api/abonnements/{id}/zustellungen": Expected("owner"),
    "POST /api/abonnements/{id}/zustellungen/{deliveryId}/wiederholen": Expected("owner"),
    "GET /api/genehmigungen/{id}": Expected(ALL),
    "POST /api/genehmigungen/{id}/genehmigen": Expected("member owner"),
    "POST /api/genehmigungen/{id}/ablehnen": Expected("member owner"),
    "GET /api/einstellungen": Expected(PEOPLE, query="?unternehmenId={company}"),
    "PUT /api/einstellungen/{key}": Expected("owner", {"wert": "de", "unternehmenId": "{company}"}),
    "GET /api/unternehmen/{id}/chat": Expected(ALL),
    "POST /api/unternehmen/{id}/chat": Expected("member owner agent colleague", {"nachricht": "Hello"}),
    "POST /api/unternehmen/{id}/chat/gelesen": Expected("member owner agent", {"expertId": "{agent}"}),
    "GET /api/unternehmen/{id}/chat/ungelesen": Expected(ALL),
    "GET /api/unternehmen/{id}/meetings": Expected(ALL),
    "POST /api/unternehmen/{id}/meetings": Expected(
        "member owner agent",
        {"titel": "M", "veranstalterExpertId": "{agent}", "teilnehmerIds": ["{agent}"]},
    ),
    "GET /api/meetings/{id}": Expected(ALL),
    "POST /api/meetings/{id}/message": Expected("member owner agent", {"nachricht": "Yes", "expertId": "{agent}"}),
    "POST /api/meetings/{id}/complete": Expected("member owner agent"),
    "POST /api/meetings/{id}/cancel": Expected("member owner"),
    "POST /api/genehmigungen/{id}/ueberarbeiten": Expected("member owner"),
    # The board's question here was asked by the owner, so nobody else may ask it again or take it back.
    "POST /api/genehmigungen/{id}/zuruecknehmen": Expected("owner"),
    "POST /api/genehmigungen/{id}/erneut": Expected("owner"),
    "GET /api/experten/{id}/erinnerungen": Expected(PEOPLE + " agent"),
    "POST /api/experten/{id}/erinnerungen": Expected("member owner agent", {"inhalt": "Tea at four"}),
    "DELETE /api/experten/{id}/erinnerungen": Expected("member owner agent"),
    "GET /api/experten/{id}/erinnerungen/{memoryId}": Expected(PEOPLE + " agent"),
    "PATCH /api/experten/{id}/erinnerungen/{memoryId}": Expected("member owner agent", {"inhalt": "Tea at five"}),
    "DELETE /api/experten/{id}/erinnerungen/{memoryId}": Expected("member owner agent"),
}

BY_NAME = {f"{route.method} {route.path}": route for route in ROUTES}
CALLERS = ("nobody", "bad", "revoked", "stranger", "foreign_agent", *ALL.split())


@pytest.fixture
def settings() -> Settings:
    return quick_settings(webhooks={"allowed_addresses": ["127.0.0.1:9"]})


def test_every_route_has_an_entry() -> None:
    assert TABLE.keys() == BY_NAME.keys()


class World:
    """A company with everything in it, and everyone who could knock."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.callers: dict[str, Api] = {}

    async def found(self, admin: Api) -> "World":
        people = {name: await admin.somebody() for name in ("owner", "member", "observer", "stranger", "leaver")}
        owner, stranger = people["owner"], people["stranger"]
        company, theirs = await owner.company(), await stranger.company()
        for name, role in (("member", "mitglied"), ("observer", "beobachter"), ("leaver", "mitglied")):
            body = {"benutzerId": people[name].user["id"], "rolle": role}
            await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", body)
        agent = await owner.agent(company, verbindungsTyp="scripted")
        colleague = await owner.agent(company, isOrchestrator=True)
        ran = await owner.task(company, zugewiesenAn=agent["id"])
        task = await owner.task(company)
        skill = await owner.make(f"/api/experten/{agent['id']}/skills", {"name": "Reading"})
        memory = await owner.make(f"/api/experten/{agent['id']}/erinnerungen", {"inhalt": "Tea"})
        approval = await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?"})
        # The colleague has no adapter and does not answer, so the meeting goes on.
        called = {"titel": "M", "veranstalterExpertId": agent["id"], "teilnehmerIds": [agent["id"], colleague["id"]]}
        meeting = await owner.make(f"/api/unternehmen/{company['id']}/meetings", called)
        returned = await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?"})
        await owner.make(f"/api/genehmigungen/{returned['id']}/ueberarbeiten")
        goal = await owner.make(f"/api/unternehmen/{company['id']}/ziele", {"titel": "Grow"})
        routine = await owner.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Report"})
        daily = {"kind": "schedule", "cronExpression": "@daily"}
        trigger = await owner.make(f"/api/routinen/{routine['id']}/triggers", daily)
        # Nobody listens there.
        subscribing = {"url": "http://127.0.0.1:9/", "ereignisTypen": ["goal_achieved"]}
        subscription = await owner.make(f"/api/unternehmen/{company['id']}/abonnements", subscribing)
        delivery = await owner.make(f"/api/abonnements/{subscription['id']}/test")
        revoked = await admin.somebody()
        await revoked.make("/api/auth/abmelden")
        # The task is looked at first: lists read what is committed, which the task's own actor learns a moment later.
        while (await owner.get(f"/api/aufgaben/{ran['id']}")).json["status"] != "done":
            pass
        runs = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
        self.callers = {
            **people,
            "nobody": admin.with_token(None),
            "bad": admin.with_token("eyJhbGciOiJub25lIn0.e30."),
            "revoked": revoked,
            "agent": await owner.agent_api(agent),
            "colleague": await owner.agent_api(colleague),
            "foreign_agent": await stranger.agent_api(await stranger.agent(theirs)),
        }
        self.ids = {
            "company": company["id"],
            "agent": agent["id"],
            "task": task["id"],
            "skill": skill["id"],
            "memory": memory["id"],
            "returned": returned["id"],
            "approval": approval["id"],
            "meeting": meeting["id"],
            "run": next(run["id"] for run in runs if run["aufgabeId"]),
            "goal": goal["id"],
            "routine": routine["id"],
            "trigger": trigger["id"],
            "subscription": subscription["id"],
            "delivery": delivery["id"],
            "leaver": people["leaver"].user["id"],
            "stranger": stranger.user["id"],
        }
        return self

    async def knock(self, caller: str, name: str) -> Answer:
        route = BY_NAME[name]
        path = route.path.replace("{id}", self.ids.get(route.subject, self.ids["run"]))
        if path.endswith("/erneut"):
            path = path.replace(self.ids["approval"], self.ids["returned"])
        path = path.replace("{memoryId}", self.ids["memory"]).replace("{deliveryId}", self.ids["delivery"])
        path = path.replace("{skillId}", self.ids["skill"]).replace("{userId}", self.ids["leaver"])
        path = path.replace("{key}", "language").replace("{name}", "software-team")
        path += TABLE[name].query.format(**self.ids)
        body = {key: self._filled(value) for key, value in (TABLE[name].body or {}).items()}
        return await self.callers[caller].call(route.method, path, body or None)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return value.format(**self.ids) if isinstance(value, str) else value


@pytest.mark.parametrize("name", [name for name, expected in TABLE.items() if expected.may != "anyone"])
async def test_only_those_who_may_use_a_route(name: str, admin: Api) -> None:
    world = await World().found(admin)
    may = TABLE[name].may.split()
    in_path = BY_NAME[name].subject is not Subject.SIGNED_IN
    hidden_from = ("stranger", "foreign_agent") if in_path else ("stranger",) if TABLE[name].names_a_company() else ()
    refused = [caller for caller in CALLERS if caller not in may]
    for caller in refused:
        answer = await world.knock(caller, name)
        if caller in ("nobody", "bad", "revoked"):
            expected = (401, "NOT_AUTHENTICATED")
        elif caller in hidden_from:
            expected = (404, "NOT_FOUND")
        else:
            expected = (403, "FORBIDDEN")
        assert (answer.status, answer.json["code"]) == expected, (caller, answer)
    # One of those who may, after all the others: what they asked for must still be there.
    answer = await world.knock(may[-1], name)
    assert answer.status in (200, 201), (may[-1], answer)


@pytest.mark.parametrize("name", [name for name, expected in TABLE.items() if expected.may != "anyone"])
async def test_all_those_who_may_can_use_a_route(name: str, admin: Api) -> None:
    reading = name.startswith("GET")
    world = await World().found(admin)
    for caller in TABLE[name].may.split():
        answer = await world.knock(caller, name)
        assert answer.status in (200, 201), (caller, answer)
        if not reading:
            world = await World().found(admin)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("unternehmen/{company}/aufgaben", "zugewiesenAn"),
        ("unternehmen/{company}/aufgaben", "parentId"),
        ("unternehmen/{company}/aufgaben", "blockedBy"),
        ("unternehmen/{company}/aufgaben", "zielId"),
        ("unternehmen/{company}/ziele", "eigentuemerExpertId"),
        ("unternehmen/{company}/routinen", "zugewiesenAn"),
        ("routinen/{routine}/trigger", "triggerId"),
        ("unternehmen/{company}/experten", "reportsTo"),
        ("unternehmen/{company}/genehmigungen", "payload"),
        ("unternehmen/{company}/chat", "empfaengerId"),
        ("unternehmen/{company}/meetings", "veranstalterExpertId"),
        ("unternehmen/{company}/meetings", "teilnehmerIds"),
        ("aufgaben/{task}/checkout", "expertId"),
    ],
)
async def test_a_body_that_names_something_foreign_changes_nothing(path: str, field: str, admin: Api) -> None:
    owner, stranger = await admin.somebody(), await admin.somebody()
    ours, theirs = await owner.company(), await stranger.company()
    task, foreign_task = await owner.task(ours), await stranger.task(theirs)
    foreign_agent = await stranger.agent(theirs)
    routine = await owner.make(f"/api/unternehmen/{ours['id']}/routinen", {"titel": "Ours"})
    foreign_routine = await stranger.make(f"/api/unternehmen/{theirs['id']}/routinen", {"titel": "Theirs"})
    foreign_trigger = await stranger.make(f"/api/routinen/{foreign_routine['id']}/triggers", {"kind": "api"})
    foreign_goal = await stranger.make(f"/api/unternehmen/{theirs['id']}/ziele", {"titel": "Theirs"})
    foreign = {
        "zugewiesenAn": foreign_agent["id"],
        "parentId": foreign_task["id"],
        "blockedBy": [foreign_task["id"]],
        "reportsTo": foreign_agent["id"],
        "zielId": foreign_goal["id"],
        "triggerId": foreign_trigger["id"],
        "eigentuemerExpertId": foreign_agent["id"],
        "payload": {"aufgabeId": foreign_task["id"]},
        "expertId": foreign_agent["id"],
        "empfaengerId": foreign_agent["id"],
        "veranstalterExpertId": foreign_agent["id"],
        "teilnehmerIds": [foreign_agent["id"]],
    }[field]
    good: dict[str, Any] = {
        "expertId": {},
        "triggerId": {},
        "reportsTo": {"name": "N", "rolle": "R"},
        "empfaengerId": {"nachricht": "Hello"},
        "veranstalterExpertId": {"titel": "T", "teilnehmerIds": [(await owner.agent(ours))["id"]]},
        "teilnehmerIds": {"titel": "T", "veranstalterExpertId": (await owner.agent(ours))["id"]},
    }.get(field, {"titel": "T"})
    before = (await owner.get(f"/api/unternehmen/{ours['id']}/aktivitaet")).headers["X-Total-Count"]

    answer = await owner.post(
        "/api/" + path.format(company=ours["id"], task=task["id"], routine=routine["id"]), {**good, field: foreign}
    )

    assert answer.status in (400, 404), answer
    assert (await owner.get(f"/api/unternehmen/{ours['id']}/aktivitaet")).headers["X-Total-Count"] == before
    assert (await stranger.get(f"/api/aufgaben/{foreign_task['id']}")).json == foreign_task
    assert (await stranger.get(f"/api/experten/{foreign_agent['id']}")).json == foreign_agent


async def test_a_strangers_socket_receives_none_of_a_hundred_events(admin: Api, follow: Any) -> None:
    owner, stranger = await admin.somebody(), await admin.somebody()
    ours, theirs = await owner.company(), await stranger.company()
    follower, spy = await follow(owner), await follow(stranger)
    for _ in range(50):
        await owner.task(ours)
    last = await owner.task(ours, titel="The last")
    await follower.until("task_created", taskId=last["id"])
    assert len([event for event in follower.seen if event.get("unternehmenId") == ours["id"]]) >= 100

    own = await stranger.task(theirs)
    await spy.until("task_created", taskId=own["id"])
    assert {event["unternehmenId"] for event in spy.seen if "unternehmenId" in event} == {theirs["id"]}
