"""Approvals over HTTP: asking the board, its one decision, and what follows from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.testing import ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"
DECISIONS = [("genehmigen", "approved"), ("ablehnen", "rejected")]


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/genehmigungen"


@pytest.fixture
async def approval(owner: Api, path: str) -> Json:
    made: Json = await owner.make(path, {"titel": "Buy a boat"})
    return made


async def current(api: Api, approval: Json) -> Json:
    found: Json = (await api.get(f"/api/genehmigungen/{approval['id']}")).json
    return found


# Asking


async def test_a_request_is_pending_until_it_is_decided(owner: Api, company: Json, path: str) -> None:
    wanted = {
        "titel": "Buy a boat",
        "beschreibung": "A small one",
        "typ": "budget_change",
        "payload": {"budgetMonatCent": 5},
    }
    answer = await owner.post(path, wanted)
    expected = wanted | {
        "unternehmenId": company["id"],
        "angefordertVon": owner.user["id"],
        "status": "pending",
        "entscheidungsnotiz": None,
        "entschiedenVon": None,
        "entschiedenAm": None,
    }
    assert answer.status == 201
    assert {name: answer.json[name] for name in expected} == expected
    assert await current(owner, answer.json) == answer.json


async def test_a_request_tells_the_board(owner: Api, path: str, follow: Follow) -> None:
    follower = await follow(owner)
    approval = await owner.make(path, {"titel": "Buy a boat"})
    event = await follower.until("approval_needed", genehmigungId=approval["id"])
    assert (event["data"]["titel"], event["data"]["angefordertVon"]) == ("Buy a boat", owner.user["id"])
    assert event["data"]["typ"] == "agent_action"


async def test_an_agents_request_is_recorded_as_the_agents(owner: Api, company: Json, path: str) -> None:
    agent = await owner.agent(company)
    itself = await owner.agent_api(agent)
    asked = await itself.make(path, {"titel": "May I?"})
    assert asked["angefordertVon"] == agent["id"]
    assert await current(itself, asked) == asked


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("titel", ""),
        ("titel", None),
        ("titel", 5),
        ("typ", "wish"),
        ("payload", []),
        ("payload", None),
        ("angefordertVon", NO_ID),
        ("status", "approved"),
        ("tittel", "x"),
    ],
)
async def test_a_bad_field_of_a_request_is_refused_by_name(owner: Api, path: str, field: str, value: Any) -> None:
    answer = await owner.post(path, {"titel": "Buy a boat", field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]


async def test_a_request_about_a_task_that_is_not_the_companys_is_refused(owner: Api, path: str) -> None:
    foreign = await owner.task(await owner.company())
    for task_id in (foreign["id"], NO_ID, "nonsense", 5, {"id": 5}):
        answer = await owner.post(path, {"titel": "Buy a boat", "payload": {"aufgabeId": task_id}})
        assert_error(answer, 400, "VALIDATION_ERROR")


async def test_a_retried_request_asks_once(owner: Api, path: str) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [await owner.make(path, {"titel": "Buy a boat"}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]


# Reading


async def test_the_list_shows_open_requests_and_others_by_status(owner: Api, path: str) -> None:
    waiting, yes, no = [await owner.make(path, {"titel": title}) for title in ("wait", "yes", "no")]
    yes = await owner.make(f"/api/genehmigungen/{yes['id']}/genehmigen")
    no = await owner.make(f"/api/genehmigungen/{no['id']}/ablehnen")
    assert (await owner.get(path)).json == [waiting]
    assert (await owner.get(f"{path}?status=approved")).json == [yes]
    assert (await owner.get(f"{path}?status=rejected,pending")).json == [waiting, no]
    assert (await owner.get(f"{path}?status=cancelled")).json == []


async def test_requests_are_listed_by_age_in_pages(owner: Api, path: str) -> None:
    asked = [await owner.make(path, {"titel": title}) for title in ("one", "two", "three")]
    first = await owner.get(f"{path}?status=pending&limit=2")
    second = await owner.get(f"{path}?status=pending&limit=2&offset=2")
    assert first.json + second.json == asked
    assert first.headers["X-Total-Count"] == "3"
    assert first.headers["Link"] == f'<{path}?status=pending&limit=2&offset=2>; rel="next"'
    assert "Link" not in second.headers


@pytest.mark.parametrize("query", ["status=open", "status=pending,x", "limit=0", "limit=501", "offset=-1", "typ=x"])
async def test_a_bad_list_query_is_refused(owner: Api, path: str, query: str) -> None:
    assert_error(await owner.get(f"{path}?{query}"), 400, "VALIDATION_ERROR")


async def test_an_approval_that_has_not_changed_is_answered_304(owner: Api, approval: Json) -> None:
    one = f"/api/genehmigungen/{approval['id']}"
    tag = (await owner.get(one)).headers["ETag"]
    assert (await owner.get(one, headers={"If-None-Match": tag})).status == 304
    await owner.make(f"{one}/genehmigen")
    assert (await owner.get(one, headers={"If-None-Match": tag})).status == 200


# Deciding


@pytest.mark.parametrize(("verb", "status"), DECISIONS)
async def test_a_decision_is_kept_with_who_made_it_and_why(
    owner: Api, approval: Json, follow: Follow, verb: str, status: str
) -> None:
    follower = await follow(owner)
    decided = await owner.make(f"/api/genehmigungen/{approval['id']}/{verb}", {"notiz": "Because"})
    assert (decided["status"], decided["entscheidungsnotiz"]) == (status, "Because")
    assert (decided["entschiedenVon"], decided["version"]) == (owner.user["id"], approval["version"] + 1)
    assert decided["entschiedenAm"] >= approval["erstelltAm"]
    assert await current(owner, approval) == decided
    assert (await follower.until("approval_updated", genehmigungId=approval["id"]))["data"]["status"] == status


@pytest.mark.parametrize(("verb", "status"), DECISIONS)
@pytest.mark.parametrize("second", ["genehmigen", "ablehnen"])
async def test_a_second_decision_is_refused_and_changes_nothing(
    owner: Api, approval: Json, verb: str, status: str, second: str
) -> None:
    decided = await owner.make(f"/api/genehmigungen/{approval['id']}/{verb}")
    answer = await owner.post(f"/api/genehmigungen/{approval['id']}/{second}", {"notiz": "No, wait"})
    assert_error(answer, 409, "ALREADY_DECIDED")
    assert answer.json["details"] == {"status": status}
    assert await current(owner, approval) == decided


async def test_of_concurrent_decisions_exactly_one_wins(owner: Api, admin: Api, approval: Json, follow: Follow) -> None:
    follower = await follow(owner)
    path = f"/api/genehmigungen/{approval['id']}"
    answers = await asyncio.gather(
        *(caller.post(f"{path}/{verb}") for _ in range(5) for caller in (owner, admin) for verb, _ in DECISIONS)
    )
    winners = [answer.json for answer in answers if answer.status == 200]
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert winners == [await current(owner, approval)]
    await owner.make("/api/unternehmen", {"name": "A mark in the log"})
    await follower.until("aktivitaet", aktion="company.created")
    assert [event["type"] for event in follower.seen].count("approval_updated") == 1


async def test_a_retried_decision_gives_the_first_answer(owner: Api, approval: Json) -> None:
    path, key = f"/api/genehmigungen/{approval['id']}/genehmigen", {"Idempotency-Key": "once"}
    assert await owner.make(path, headers=key) == await owner.make(path, headers=key)


@pytest.mark.parametrize("body", [{"notiz": 5}, {"note": "x"}, {"entschiedenVon": NO_ID}, {"status": "approved"}, []])
async def test_a_bad_decision_is_refused_and_decides_nothing(owner: Api, approval: Json, body: Any) -> None:
    for verb, _ in DECISIONS:
        assert_error(await owner.post(f"/api/genehmigungen/{approval['id']}/{verb}", body), 400, "VALIDATION_ERROR")
    assert await current(owner, approval) == approval


# Who may


@pytest.mark.parametrize("approval_id", [NO_ID, "nonsense"])
async def test_an_unknown_approval_is_not_found(owner: Api, approval_id: str) -> None:
    path = f"/api/genehmigungen/{approval_id}"
    for answer in (
        await owner.get(path),
        await owner.post(f"{path}/genehmigen"),
        await owner.post(f"{path}/ablehnen"),
    ):
        assert_error(answer, 404, "NOT_FOUND")


async def test_an_agent_does_not_decide_or_list_what_the_board_is_asked(
    owner: Api, company: Json, path: str, approval: Json
) -> None:
    itself = await owner.agent_api(await owner.agent(company))
    for verb, _ in DECISIONS:
        assert_error(await itself.post(f"/api/genehmigungen/{approval['id']}/{verb}"), 403, "FORBIDDEN")
    assert_error(await itself.get(path), 403, "FORBIDDEN")
    assert await current(owner, approval) == approval


async def test_a_stranger_does_not_learn_of_an_approval(owner: Api, path: str, approval: Json) -> None:
    foreign = await owner.agent_api(await owner.agent(await owner.company()))
    for caller in (await owner.somebody(), foreign):
        assert_error(await caller.get(path), 404, "NOT_FOUND")
        assert_error(await caller.get(f"/api/genehmigungen/{approval['id']}"), 404, "NOT_FOUND")
        assert_error(await caller.post(f"/api/genehmigungen/{approval['id']}/genehmigen"), 404, "NOT_FOUND")


# What follows


@pytest.mark.parametrize(("verb", "status"), DECISIONS)
async def test_a_task_that_waits_goes_on_with_the_decision(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow, verb: str, status: str
) -> None:
    async def ask_first(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if not order.comments:
            await toolbox.request_approval(title="May I?", description="It costs")
            return Outcome(result="waits", status="blocked")
        return Outcome(result=order.comments[-1])

    worker.script = ask_first
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    asked = (await follower.until("approval_needed", angefordertVon=agent["id"]))["data"]
    await follower.until("run_finished")
    await owner.make(f"/api/genehmigungen/{asked['genehmigungId']}/{verb}", {"notiz": "Because"})
    done = (await follower.until("task_completed", taskId=task["id"]))["data"]
    assert done["ergebnis"] == f"Owner: “May I?” was {status}: Because"


async def test_a_decision_about_a_task_that_is_gone_still_stands(owner: Api, company: Json, path: str) -> None:
    task = await owner.task(company)
    asked = await owner.make(path, {"titel": "May I?", "payload": {"aufgabeId": task["id"]}})
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert (await owner.make(f"/api/genehmigungen/{asked['id']}/genehmigen"))["status"] == "approved"


async def test_a_decision_during_the_run_that_asked_resumes_the_task(
    owner: Api, company: Json, worker: ScriptedProvider, follow: Follow
) -> None:
    decided = asyncio.Event()

    async def ask_first(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.title == "asks" and not order.comments:
            await toolbox.request_approval(title="May I?", description="It costs")
            await decided.wait()
            return Outcome(result="waits", status="blocked")
        return Outcome(result="done")

    worker.script = ask_first
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner)
    task = await owner.task(company, titel="asks", zugewiesenAn=agent["id"])
    asked = (await follower.until("approval_needed", angefordertVon=agent["id"]))["data"]
    await owner.make(f"/api/genehmigungen/{asked['genehmigungId']}/genehmigen")
    decided.set()
    await follower.until("run_finished", aufgabeId=task["id"])
    # The agent takes its oldest task first, so the waiting one would be done before this one.
    later = await owner.task(company, titel="later", zugewiesenAn=agent["id"])
    await follower.until("task_completed", taskId=later["id"])
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json["status"] == "done"
