"""Approvals that are sent back and asked again, taken back, or left behind by an agent that is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.actors.persistent_actor import Look
from opencognit.domain.agent import DeleteAgent
from opencognit.domain.approval import Approval, RequestApproval
from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.kinds import AGENT, APPROVAL
from opencognit.domain.origin import Origin
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def itself(owner: Api, ada: Json) -> Api:
    return await owner.agent_api(ada)


async def asked(api: Api, company: Json, **fields: Any) -> Json:
    return dict(await api.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?", **fields}))


async def sent_back(owner: Api, approval: Json, note: str = "Cheaper") -> Json:
    return dict(await owner.make(f"/api/genehmigungen/{approval['id']}/ueberarbeiten", {"notiz": note}))


async def settled(api: Api, approval: Json) -> Json:
    async with asyncio.timeout(20):
        while (found := (await api.get(f"/api/genehmigungen/{approval['id']}")).json)["folgenOffen"]:
            pass
    return dict(found)


# Sent back and asked again


async def test_what_was_sent_back_waits_for_the_asker(owner: Api, company: Json) -> None:
    returned = await sent_back(owner, await asked(owner, company))
    assert (returned["status"], returned["entscheidungsnotiz"]) == ("revision_requested", "Cheaper")
    assert returned["entschiedenVon"] == owner.user["id"]
    for verb in ("genehmigen", "ablehnen", "ueberarbeiten"):
        answer = await owner.post(f"/api/genehmigungen/{returned['id']}/{verb}")
        assert_error(answer, 409, "ALREADY_DECIDED")


async def test_asking_again_keeps_the_earlier_rounds(owner: Api, company: Json, itself: Api) -> None:
    approval = await asked(itself, company, beschreibung="100 EUR", payload={"n": 1})
    returned = await sent_back(owner, approval)
    body = {"titel": "May I now?", "beschreibung": "50 EUR", "payload": {"n": 2}}
    again = await itself.make(f"/api/genehmigungen/{approval['id']}/erneut", body)
    assert again.items() >= (body | {"status": "pending", "entscheidungsnotiz": None, "entschiedenVon": None}).items()
    assert again["runden"] == [
        {
            "titel": "May I?",
            "beschreibung": "100 EUR",
            "payload": {"n": 1},
            "notiz": "Cheaper",
            "entschiedenVon": owner.user["id"],
            "entschiedenAm": returned["entschiedenAm"],
        }
    ]
    assert (await owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen"))["status"] == "approved"


async def test_asking_again_tells_the_board(owner: Api, company: Json, follow: Follow) -> None:
    approval = await asked(owner, company)
    await sent_back(owner, approval)
    follower = await follow(owner)
    await owner.make(f"/api/genehmigungen/{approval['id']}/erneut", {"titel": "And now?"})
    await follower.until("approval_needed", genehmigungId=approval["id"], titel="And now?")
    await follower.until("approval_updated", genehmigungId=approval["id"], status="pending")


async def test_what_is_asked_again_is_checked_anew(owner: Api, company: Json) -> None:
    approval = await asked(owner, company, typ="budget_change", payload={"budgetMonatCent": 5})
    returned = await sent_back(owner, approval)
    answer = await owner.post(f"/api/genehmigungen/{approval['id']}/erneut", {"payload": {"budgetMonatCent": "x"}})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert (await owner.get(f"/api/genehmigungen/{approval['id']}")).json == returned


async def test_only_what_was_sent_back_is_asked_again(owner: Api, company: Json) -> None:
    approval = await asked(owner, company)
    answer = await owner.post(f"/api/genehmigungen/{approval['id']}/erneut", {"titel": "And now?"})
    assert_error(answer, 409, "INVALID_STATUS")


async def test_only_the_asker_asks_again_or_takes_back(owner: Api, company: Json, itself: Api) -> None:
    colleague = await owner.agent_api(await owner.agent(company))
    approval = await asked(itself, company)
    returned = await sent_back(owner, approval)
    await settled(owner, approval)
    for other in (owner, colleague):
        for verb in ("erneut", "zuruecknehmen"):
            assert_error(await other.post(f"/api/genehmigungen/{returned['id']}/{verb}"), 403, "FORBIDDEN")


async def test_an_agent_does_not_send_back(owner: Api, company: Json, itself: Api) -> None:
    approval = await asked(owner, company)
    assert_error(await itself.post(f"/api/genehmigungen/{approval['id']}/ueberarbeiten"), 403, "FORBIDDEN")


async def test_an_agent_asks_again_with_the_note_and_goes_on(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    async def ask_twice(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if not order.comments:
            await toolbox.request_approval(title="May I?", description="100 EUR")
            return Outcome(result="asked", status="blocked")
        told = order.comments[-1]
        if "sent back" in told:
            approval_id = told.rpartition("approval ")[2].rstrip(".")
            await toolbox.request_approval(title="And now?", description="50 EUR", revises=approval_id)
            return Outcome(result="asked again", status="blocked")
        return Outcome(result=told)

    worker.script = ask_twice
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    approval_id = (await follower.until("approval_needed", titel="May I?"))["data"]["genehmigungId"]
    await follower.until("run_finished")
    await owner.make(f"/api/genehmigungen/{approval_id}/ueberarbeiten", {"notiz": "Cheaper"})
    again = (await follower.until("approval_needed", titel="And now?"))["data"]
    assert again["genehmigungId"] == approval_id
    await follower.until("run_finished")
    assert "Cheaper" in worker.orders[1].comments[-1]
    await owner.make(f"/api/genehmigungen/{approval_id}/genehmigen")
    done = (await follower.until("task_completed", taskId=task["id"]))["data"]
    assert done["ergebnis"] == "Owner: “And now?” was approved"


async def test_an_agent_cannot_revise_what_another_has_asked(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    returned = await sent_back(owner, await asked(owner, company))

    async def meddle(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await toolbox.request_approval(title="Mine", description="x", revises=returned["id"])
        return Outcome(result="done")

    worker.script = meddle
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner)
    await owner.task(company, zugewiesenAn=agent["id"])
    assert (await follower.until("run_finished"))["data"]["status"] == "failed"
    assert (await owner.get(f"/api/genehmigungen/{returned['id']}")).json == returned


# Taken back


async def test_the_asker_takes_back_what_nobody_has_decided(owner: Api, company: Json, itself: Api) -> None:
    approval = await asked(itself, company)
    assert (await itself.make(f"/api/genehmigungen/{approval['id']}/zuruecknehmen"))["status"] == "cancelled"
    for caller, verb in ((owner, "genehmigen"), (itself, "zuruecknehmen")):
        assert_error(await caller.post(f"/api/genehmigungen/{approval['id']}/{verb}"), 409, "ALREADY_DECIDED")


@pytest.mark.parametrize("verb", ["genehmigen", "ablehnen", "ueberarbeiten", "zuruecknehmen"])
async def test_a_task_that_waits_is_free_after_every_answer(owner: Api, company: Json, itself: Api, verb: str) -> None:
    task = await owner.task(company)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "blocked"})
    approval = await asked(itself, company, payload={"aufgabeId": task["id"]})
    caller = itself if verb == "zuruecknehmen" else owner
    await caller.make(f"/api/genehmigungen/{approval['id']}/{verb}")
    await settled(owner, approval)
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json["status"] == "todo"
    comments = (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json
    assert len(comments) == 1


# Whoever asked is woken


class TestWithOneTaskForEachHeartbeat:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"tasks_per_heartbeat": 1})

    @pytest.mark.parametrize("verb", ["genehmigen", "ablehnen", "ueberarbeiten"])
    async def test_an_answer_about_no_task_wakes_the_agent_that_asked(
        self, owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow, verb: str
    ) -> None:
        """It is at work when the answer comes, so the heartbeat after this one tells what woke it."""
        agent = await owner.agent(company)
        itself = await owner.agent_api(agent)

        async def ask_and_see(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
            if order.title == "first":
                approval = await asked(itself, company)
                await owner.make(f"/api/genehmigungen/{approval['id']}/{verb}")
                await settled(owner, approval)
            return Outcome(result="done")

        worker.script = ask_and_see
        follower = await follow(owner)
        for title in ("first", "second"):
            await owner.task(company, titel=title, zugewiesenAn=agent["id"])
        await owner.patch(f"/api/experten/{agent['id']}", {"verbindungsTyp": "scripted"})
        await follower.until("run_finished")
        await follower.until("run_finished")
        runs = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
        assert [run["quelle"] for run in runs] == ["callback", "assignment"]


async def test_an_agent_with_tools_is_told_the_answer_about_no_task_and_acts_on_it(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    told: list[str] = []

    async def assign(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.conversation is not None:
            told.extend(order.conversation.messages)
            await toolbox.update_task(waiting["id"], {"assignee": agent["name"]})
        return Outcome(result="Thank you")

    worker.script = assign
    waiting = await owner.task(company, titel="Paint the shop")
    await owner.patch(f"/api/experten/{agent['id']}", {"isOrchestrator": True})
    follower = await follow(owner)
    approval = await asked(await owner.agent_api(agent), company, titel="A holiday?")
    await owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen", {"notiz": "but only one day"})
    await follower.until("task_completed", taskId=waiting["id"])
    assert told == ["Owner: “A holiday?” was approved: but only one day"]
    chat = (await owner.get(f"/api/unternehmen/{company['id']}/chat")).json
    assert [message["nachricht"] for message in chat] == ["“A holiday?” was approved: but only one day", "Thank you"]


# Those who are gone


async def test_what_a_deleted_agent_asked_is_cancelled(owner: Api, company: Json, ada: Json, itself: Api) -> None:
    task = await owner.task(company, zugewiesenAn=ada["id"])
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "blocked"})
    decided = await asked(itself, company)
    decided = await owner.make(f"/api/genehmigungen/{decided['id']}/genehmigen")
    waiting = await asked(itself, company, payload={"aufgabeId": task["id"]})
    others = await asked(owner, company)
    await owner.delete(f"/api/experten/{ada['id']}")
    async with asyncio.timeout(20):
        while (await owner.get(f"/api/genehmigungen/{waiting['id']}")).json["status"] != "cancelled":
            pass
    await settled(owner, waiting)
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json["status"] == "todo"
    assert (await settled(owner, decided))["status"] == "approved"
    assert (await owner.get(f"/api/genehmigungen/{others['id']}")).json == others


async def test_what_a_deleted_agent_asked_is_cancelled_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends after the agent is gone and before its approvals are told."""

    async def none_found(*_arguments: object) -> list[str]:
        return []

    async with Runtime(tmp_path, settings=quick_settings()) as runtime:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="Engineer")
        caller = Caller(kind=CallerKind.AGENT, id=agent.id, name="Ada", company_id=company.id)
        origin = Origin(caller=caller, company_id=company.id)
        approval = await runtime.system.create(APPROVAL, RequestApproval(title="May I?"), origin=origin)
        monkeypatch.setattr(runtime.queries, "open_approvals_by", none_found)
        await runtime.ask(AGENT, agent.id, DeleteAgent())
    async with Runtime(tmp_path, settings=quick_settings()) as runtime:
        # In its mailbox, behind what it is told at the start.
        state = await runtime.ask(APPROVAL, approval.id, Look())
        assert isinstance(state, Approval)
        assert state.status == "cancelled"


async def test_a_deleted_companys_approvals_are_gone(owner: Api, company: Json, itself: Api) -> None:
    approval = await asked(itself, company)
    await owner.delete(f"/api/unternehmen/{company['id']}")
    assert_error(await owner.get(f"/api/genehmigungen/{approval['id']}"), 404, "NOT_FOUND")
