"""What the board approves is carried out, exactly once, also when the server is killed on the way."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.builders import Api, assert_error
from tests.server_process import ServerProcess

Json = dict[str, Any]
GRACE: Json = {"name": "Grace", "rolle": "Engineer", "budgetMonatCent": 700}
NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


async def asked(api: Api, company: Json, kind: str, payload: Json) -> Json:
    body = {"titel": "May I?", "typ": kind, "payload": payload}
    return dict(await api.make(f"/api/unternehmen/{company['id']}/genehmigungen", body))


async def decide(api: Api, approval: Json, verb: str = "genehmigen") -> Json:
    """The decision, and then the approval when all that follows from it is done."""
    await api.make(f"/api/genehmigungen/{approval['id']}/{verb}")
    return await settled(api, approval)


async def settled(api: Api, approval: Json) -> Json:
    async with asyncio.timeout(20):
        while (found := (await api.get(f"/api/genehmigungen/{approval['id']}")).json)["folgenOffen"]:
            pass
    return dict(found)


async def names(api: Api, company: Json) -> list[str]:
    return [agent["name"] for agent in (await api.get(f"/api/unternehmen/{company['id']}/experten")).json]


async def said(api: Api, task: Json) -> list[str]:
    return [comment["inhalt"] for comment in (await api.get(f"/api/aufgaben/{task['id']}/kommentare")).json]


# Hiring


async def test_an_approved_hiring_hires_the_agent_that_the_approval_names(owner: Api, company: Json) -> None:
    approval = await asked(owner, company, "hire_expert", GRACE)
    assert await names(owner, company) == []
    done = await decide(owner, approval)
    hired = (await owner.get(f"/api/experten/{done['ergebnis']['expertId']}")).json
    assert hired.items() >= GRACE.items()
    assert (done["ausfuehrungsfehler"], done["status"]) == (None, "approved")
    assert done["ausgefuehrtAm"] >= done["entschiedenAm"]


async def test_the_decision_already_says_which_agent_will_be_hired(owner: Api, company: Json) -> None:
    approval = await asked(owner, company, "hire_expert", GRACE)
    decided = await owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen")
    assert decided["folgenOffen"] is True
    assert decided["ergebnis"] == (await settled(owner, approval))["ergebnis"]


@pytest.mark.parametrize("verb", ["ablehnen", "ueberarbeiten", "zuruecknehmen"])
async def test_what_is_not_approved_is_not_carried_out(owner: Api, company: Json, verb: str) -> None:
    hiring = await asked(owner, company, "hire_expert", GRACE)
    budget = await asked(owner, company, "budget_change", {"budgetMonatCent": 5})
    for approval in (hiring, budget):
        done = await decide(owner, approval, verb)
        assert (done["ausgefuehrtAm"], done["ergebnis"]) == (None, None)
    assert await names(owner, company) == []
    assert (await owner.get(f"/api/unternehmen/{company['id']}")).json["budgetMonatCent"] == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rolle": None}, "payload.rolle"),
        ({"name": ""}, "payload.name"),
        ({"salary": 5}, "payload.salary"),
        ({"reportsTo": NO_ID}, "payload.reportsTo"),
        ({"verbindungsTyp": "telepathy"}, "verbindungsTyp"),
        ({"verbindungsTyp": "http", "verbindungsConfig": {}}, None),
        ({"verbindungsConfig": {"api_key": "sk-canary-1234567890"}}, "payload.verbindungsConfig"),
        ({"zyklusIntervallSek": 1}, "payload.zyklusIntervallSek"),
    ],
)
async def test_a_hiring_that_could_not_be_carried_out_is_not_asked_for(
    owner: Api, company: Json, changes: Json, field: str | None
) -> None:
    body = {"titel": "May I?", "typ": "hire_expert", "payload": GRACE | changes}
    answer = await owner.post(f"/api/unternehmen/{company['id']}/genehmigungen", body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert field is None or [detail["feld"] for detail in answer.json["details"]] == [field]
    assert "canary" not in answer.text


async def test_a_hiring_without_a_role_names_the_missing_field(owner: Api, company: Json) -> None:
    body = {"titel": "May I?", "typ": "hire_expert", "payload": {"name": "Grace"}}
    answer = await owner.post(f"/api/unternehmen/{company['id']}/genehmigungen", body)
    assert [detail["feld"] for detail in answer.json["details"]] == ["payload.rolle"]


async def test_the_board_sees_why_a_hiring_could_not_be_carried_out(owner: Api, company: Json, ada: Json) -> None:
    task = await owner.task(company)
    payload = {**GRACE, "reportsTo": ada["id"], "aufgabeId": task["id"]}
    approval = await asked(owner, company, "hire_expert", payload)
    await owner.delete(f"/api/experten/{ada['id']}")
    done = await decide(owner, approval)
    assert done["status"] == "approved"
    assert "reportsTo" in done["ausfuehrungsfehler"]
    assert (done["ausgefuehrtAm"], done["ergebnis"]) == (None, None)
    assert await names(owner, company) == []
    (told,) = await said(owner, task)
    assert done["ausfuehrungsfehler"] in told
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    assert "approval.not_carried_out" in [entry["aktion"] for entry in feed]


async def test_an_agent_is_told_who_was_hired_for_it(owner: Api, company: Json, ada: Json) -> None:
    task = await owner.task(company, zugewiesenAn=ada["id"])
    itself = await owner.agent_api(ada)
    approval = await asked(itself, company, "hire_expert", {**GRACE, "aufgabeId": task["id"]})
    done = await decide(owner, approval)
    (told,) = await said(owner, task)
    assert done["ergebnis"]["expertId"] in told


# Budgets


async def test_an_approved_change_of_budget_is_made(owner: Api, company: Json, ada: Json) -> None:
    itself = await owner.agent_api(ada)
    of_agent = await asked(itself, company, "budget_change", {"expertId": ada["id"], "budgetMonatCent": 900})
    of_company = await asked(itself, company, "budget_change", {"budgetMonatCent": 5000})
    assert (await owner.get(f"/api/experten/{ada['id']}")).json["budgetMonatCent"] == 0
    for approval in (of_agent, of_company):
        assert (await decide(owner, approval))["ausgefuehrtAm"] is not None
    assert (await owner.get(f"/api/experten/{ada['id']}")).json["budgetMonatCent"] == 900
    assert (await owner.get(f"/api/unternehmen/{company['id']}")).json["budgetMonatCent"] == 5000


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "payload.budgetMonatCent"),
        ({"budgetMonatCent": -1}, "payload.budgetMonatCent"),
        ({"budgetMonatCent": "10abc"}, "payload.budgetMonatCent"),
        ({"budgetMonatCent": 1, "expertId": NO_ID}, "payload.expertId"),
        ({"budgetMonatCent": 1, "name": "x"}, "payload.name"),
    ],
)
async def test_a_change_of_budget_that_cannot_be_is_not_asked_for(
    owner: Api, company: Json, payload: Json, field: str
) -> None:
    body = {"titel": "May I?", "typ": "budget_change", "payload": payload}
    answer = await owner.post(f"/api/unternehmen/{company['id']}/genehmigungen", body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]


async def test_a_budget_of_an_agent_of_another_company_is_not_asked_for(owner: Api, company: Json) -> None:
    foreign = await owner.agent(await owner.company())
    payload = {"budgetMonatCent": 1, "expertId": foreign["id"]}
    body = {"titel": "May I?", "typ": "budget_change", "payload": payload}
    assert_error(await owner.post(f"/api/unternehmen/{company['id']}/genehmigungen", body), 400, "VALIDATION_ERROR")


async def test_the_board_sees_that_the_agent_of_a_budget_has_left(owner: Api, company: Json, ada: Json) -> None:
    approval = await asked(owner, company, "budget_change", {"budgetMonatCent": 1, "expertId": ada["id"]})
    await owner.delete(f"/api/experten/{ada['id']}")
    done = await decide(owner, approval)
    assert "expertId" in done["ausfuehrungsfehler"]


async def test_of_the_other_kinds_nothing_is_carried_out(owner: Api, company: Json) -> None:
    for kind in ("approve_strategy", "agent_action"):
        done = await decide(owner, await asked(owner, company, kind, {"anything": 1}))
        assert (done["status"], done["ausgefuehrtAm"], done["ergebnis"]) == ("approved", None, None)


# A kill at any line between the decision and its end

DIE = """
import os
from opencognit.actors import approval
from opencognit.actors.approval import Approval
def dying_after(step):
    async def last(*arguments):
        await step(*arguments)
        os._exit(9)
    return last
async def die(*arguments):
    os._exit(9)
"""
MAIN = "from opencognit.cli import main\nmain(prog_name='opencognit')"
KILLS = {
    "before it is carried out": "approval.carry_out = die",
    "before that is kept": "approval.carry_out = dying_after(approval.carry_out)",
    "before the task is told": "Approval._tell_task = die",
    "before the end is kept": "Approval._tell_task = dying_after(Approval._tell_task)",
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
async def test_what_was_approved_is_carried_out_once_across_a_kill(tmp_path: Path, kill: str) -> None:
    async with aiohttp.ClientSession() as session:
        dying = ServerProcess(tmp_path, command=(sys.executable, "-c", f"{DIE}\n{kill}\n{MAIN}"))
        async with dying:
            api = await Api(session, dying.url).somebody()
            company = await api.company()
            task = await api.task(company)
            await api.patch(f"/api/aufgaben/{task['id']}", {"status": "blocked"})
            approval = await asked(api, company, "hire_expert", {**GRACE, "aufgabeId": task["id"]})
            with suppress(aiohttp.ClientError):  # the answer may be lost; the decision is not
                await api.post(f"/api/genehmigungen/{approval['id']}/genehmigen")
            assert await dying.died() == 9
        async with ServerProcess(tmp_path) as server:
            api = Api(session, server.url, api.token)
            # The task, which waits, is looked at first: to look at the approval would wake that one.
            async with asyncio.timeout(20):
                while (await api.get(f"/api/aufgaben/{task['id']}")).json["status"] != "todo":
                    pass
            done = await settled(api, approval)
            hired = (await api.get(f"/api/unternehmen/{company['id']}/experten")).json
            assert [agent["id"] for agent in hired] == [done["ergebnis"]["expertId"]]
            assert len(await said(api, task)) == 1
            assert (done["status"], done["ausfuehrungsfehler"]) == ("approved", None)
            assert_error(await api.post(f"/api/genehmigungen/{approval['id']}/ablehnen"), 409, "ALREADY_DECIDED")


async def test_a_budget_that_was_changed_before_a_kill_is_not_changed_again(tmp_path: Path) -> None:
    """The change was made; only that it was made was not yet kept."""
    made = KILLS["before that is kept"]
    async with aiohttp.ClientSession() as session:
        dying = ServerProcess(tmp_path, command=(sys.executable, "-c", f"{DIE}\n{made}\n{MAIN}"))
        async with dying:
            api = await Api(session, dying.url).somebody()
            company = await api.company()
            approval = await asked(api, company, "budget_change", {"budgetMonatCent": 500})
            with suppress(aiohttp.ClientError):
                await api.post(f"/api/genehmigungen/{approval['id']}/genehmigen")
            await dying.died()
        async with ServerProcess(tmp_path) as server:
            api = Api(session, server.url, api.token)
            done = await settled(api, approval)
            assert done["ausgefuehrtAm"] is not None
            found = (await api.get(f"/api/unternehmen/{company['id']}")).json
            # Founded is version 1, and the one change is version 2.
            assert (found["budgetMonatCent"], found["version"]) == (500, 2)
