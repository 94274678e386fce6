"""Runs and what begins and ends them: wake-ups, the inbox, pauses, cancellations, an agent's leaving, call-backs."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from opencognit.domain.run import TokenUsage
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.testing import ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


class Gate:
    """A script whose work ends when it is let go, and can be waited for."""

    def __init__(self, worker: ScriptedProvider) -> None:
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()
        self.cut = asyncio.Event()
        worker.script = self

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        self.begun.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cut.set()
            raise
        return Outcome(status="todo") if toolbox.stopping() else Outcome(result="done")


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
def gate(worker: ScriptedProvider) -> Gate:
    return Gate(worker)


@pytest.fixture
async def at_work(owner: Api, company: Json, agent: Json, gate: Gate) -> Json:
    """The task that the agent is working on, until the gate is opened."""
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await asyncio.wait_for(gate.begun.wait(), 5)
    return await current(owner, task)


async def current(api: Api, task: Json) -> Json:
    found: Json = (await api.get(f"/api/aufgaben/{task['id']}")).json
    return found


async def runs_of(api: Api, agent: Json) -> list[Json]:
    runs: list[Json] = (await api.get(f"/api/experten/{agent['id']}/laeufe")).json
    return runs


async def given_back(api: Api, company: Json, agent: Json) -> Json:
    """A task that the agent could take, but was not woken for."""
    task = await api.task(company)
    await api.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    await api.make(f"/api/aufgaben/{task['id']}/release", {"expertId": agent["id"]})
    return task


# The record


async def test_a_finished_run_tells_what_was_done_and_what_it_cost(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, follow: Follow
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        usage = TokenUsage(input_tokens=7, output_tokens=3, cache_read_tokens=2)
        return Outcome(result="done", output="thinking", usage=usage, cost_cents=Decimal("1.25"), model="m")

    worker.script = script
    follower = await follow(owner)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    ended = (await follower.until("run_finished", aufgabeId=task["id"]))["data"]
    run = (await owner.get(f"/api/laeufe/{ended['runId']}")).json
    expected = {
        "id": worker.orders[0].run_id,
        "expertId": agent["id"],
        "aufgabeId": task["id"],
        "quelle": "assignment",
        "status": "succeeded",
        "versuch": 1,
        "usage": {"inputTokens": 7, "outputTokens": 3, "cacheReadTokens": 2, "cacheWriteTokens": 0},
        "kostenCent": 1.25,
        "ausgabe": "thinking",
        "fehler": None,
    }
    assert {name: run[name] for name in expected} == expected
    assert run["beendetAm"] >= run["gestartetAm"]
    assert await runs_of(owner, agent) == [run]
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["verbrauchtMonatCent"] == 1.25


async def test_a_run_under_way_can_be_read(owner: Api, agent: Json, at_work: Json, gate: Gate) -> None:
    run = (await owner.get(f"/api/laeufe/{at_work['executionRunId']}")).json
    assert (run["status"], run["aufgabeId"], run["beendetAm"]) == ("running", at_work["id"], None)
    itself = (await owner.get(f"/api/experten/{agent['id']}")).json
    assert (itself["status"], itself["aktuelleAufgabeId"]) == ("running", at_work["id"])


@pytest.mark.parametrize("how", ["reported", "crashed"])
async def test_a_failed_run_says_why_and_the_agent_is_idle_again(
    owner: Api, company: Json, agent: Json, *, worker: ScriptedProvider, follow: Follow, how: str
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if how == "crashed":
            raise RuntimeError("secret detail")
        return Outcome(error="No such file")

    worker.script = script
    follower = await follow(owner)
    await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("agent_status", expertId=agent["id"], status="idle")
    [run] = await runs_of(owner, agent)
    why = {"reported": "No such file", "crashed": "The adapter failed: RuntimeError"}[how]
    assert (run["status"], run["fehler"]) == ("failed", why)
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["letzterFehler"] == why


async def test_runs_are_listed_newest_first_in_pages(owner: Api, company: Json, agent: Json, follow: Follow) -> None:
    follower = await follow(owner)
    for _ in range(3):
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await follower.until("task_completed", taskId=task["id"])
    path = f"/api/experten/{agent['id']}/laeufe"
    first = await owner.get(f"{path}?limit=2")
    second = await owner.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    ids = [run["id"] for run in first.json + second.json]
    started = [event["data"]["runId"] for event in follower.seen if event["type"] == "run_started"]
    assert ids == started[::-1]
    assert first.headers["X-Total-Count"] == "3"
    assert "Link" not in second.headers
    assert (await owner.get(f"{path}?limit=2&offset=2")).json == second.json


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "status=failed"])
async def test_a_bad_page_of_runs_is_refused(owner: Api, agent: Json, query: str) -> None:
    assert_error(await owner.get(f"/api/experten/{agent['id']}/laeufe?{query}"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("run_id", [NO_ID, "nonsense"])
async def test_an_unknown_run_is_not_found(owner: Api, run_id: str) -> None:
    assert_error(await owner.get(f"/api/laeufe/{run_id}"), 404, "NOT_FOUND")


async def test_a_run_is_for_its_company_only(owner: Api, company: Json, agent: Json, at_work: Json) -> None:
    path = f"/api/laeufe/{at_work['executionRunId']}"
    colleague = await owner.agent_api(await owner.agent(company))
    foreign = await owner.agent_api(await owner.agent(await owner.company()))
    assert (await colleague.get(path)).status == 200
    for stranger in (foreign, await owner.somebody()):
        assert_error(await stranger.get(path), 404, "NOT_FOUND")


# The inbox and wake-ups


async def test_the_inbox_is_in_the_order_of_priority_due_date_and_age(owner: Api, company: Json) -> None:
    agent = await owner.agent(company)
    wanted: list[Json] = [
        {"prioritaet": "critical"},
        {"prioritaet": "medium", "faelligAm": "2026-02-01"},
        {"prioritaet": "medium", "faelligAm": "2026-02-02"},
        {"prioritaet": "medium"},
        {"prioritaet": "low", "faelligAm": "2026-01-01"},
        {"prioritaet": "low"},
    ]
    tasks = [await owner.task(company, zugewiesenAn=agent["id"], **fields) for fields in reversed(wanted)]
    young = await owner.task(company, zugewiesenAn=agent["id"], prioritaet="low")
    done = await owner.task(company, zugewiesenAn=agent["id"])
    await owner.patch(f"/api/aufgaben/{done['id']}", {"status": "done"})
    await owner.task(company)
    inbox = (await owner.get(f"/api/experten/{agent['id']}/inbox")).json
    assert inbox == {
        "expertId": agent["id"],
        "unternehmenId": company["id"],
        "inbox": [*reversed(tasks), young],
        "count": 7,
    }


async def test_a_wakeup_begins_a_heartbeat(owner: Api, company: Json, agent: Json, follow: Follow) -> None:
    task = await given_back(owner, company, agent)
    follower = await follow(owner)
    assert (await owner.make(f"/api/experten/{agent['id']}/wakeup"))["id"] == agent["id"]
    begun = (await follower.until("run_started"))["data"]
    assert (begun["aufgabeId"], begun["quelle"]) == (task["id"], "manual")


async def test_a_wakeup_without_work_changes_nothing(owner: Api, agent: Json) -> None:
    assert await owner.make(f"/api/experten/{agent['id']}/wakeup") == agent
    assert await runs_of(owner, agent) == []


# Pausing


async def test_a_paused_agent_starts_nothing_until_it_is_resumed(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, follow: Follow
) -> None:
    follower = await follow(owner)
    paused = await owner.make(f"/api/experten/{agent['id']}/pausieren")
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await owner.make(f"/api/experten/{agent['id']}/wakeup")
    other = await owner.agent(company, verbindungsTyp="scripted")
    await owner.task(company, zugewiesenAn=other["id"])
    await follower.until("agent_status", expertId=other["id"], status="idle")
    assert (paused["status"], [order.agent_id for order in worker.orders]) == ("paused", [other["id"]])
    assert (await owner.make(f"/api/experten/{agent['id']}/fortsetzen"))["status"] == "idle"
    await follower.until("task_completed", taskId=task["id"])


async def test_pausing_twice_and_resuming_twice_changes_nothing_more(owner: Api, agent: Json) -> None:
    for verb in ("pausieren", "fortsetzen"):
        path = f"/api/experten/{agent['id']}/{verb}"
        assert await owner.make(path) == await owner.make(path)


async def test_a_paused_agent_does_not_check_out(owner: Api, company: Json, agent: Json) -> None:
    task = await owner.task(company)
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    answer = await owner.post(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    assert_error(answer, 403, "AGENT_PAUSED")
    assert await current(owner, task) == task


async def test_pausing_lets_the_step_end_and_gives_the_lock_back(
    owner: Api, agent: Json, at_work: Json, gate: Gate, follow: Follow
) -> None:
    follower = await follow(owner)
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    assert (await current(owner, at_work))["executionLockedBy"] == agent["id"]
    assert not gate.cut.is_set()
    gate.opened.set()
    await follower.until("run_finished", runId=at_work["executionRunId"], status="succeeded")
    task = await current(owner, at_work)
    assert (task["status"], task["executionLockedBy"], task["zugewiesenAn"]) == ("todo", None, agent["id"])
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["status"] == "paused"


async def test_an_agent_that_is_resumed_before_its_step_has_ended_goes_on(
    owner: Api, agent: Json, at_work: Json, gate: Gate, follow: Follow
) -> None:
    follower = await follow(owner)
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    gate.opened.set()
    await follower.until("run_finished", runId=at_work["executionRunId"])
    await follower.until("task_completed", taskId=at_work["id"])


async def test_pausing_stops_the_heartbeats_timer(owner: Api, company: Json) -> None:
    agent = await owner.agent(company, zyklusAktiv=True)
    assert (await owner.make(f"/api/experten/{agent['id']}/pausieren"))["naechsterZyklus"] is None
    assert (await owner.make(f"/api/experten/{agent['id']}/fortsetzen"))["naechsterZyklus"] is not None


# Cancelled from outside


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/aufgaben/{task}/release"),
        ("DELETE", "/api/aufgaben/{task}"),
        ("DELETE", "/api/experten/{agent}"),
        ("DELETE", "/api/unternehmen/{company}"),
    ],
)
async def test_a_run_whose_task_is_taken_away_is_cut(
    owner: Api, at_work: Json, *, gate: Gate, method: str, path: str
) -> None:
    ids = {"task": at_work["id"], "agent": at_work["zugewiesenAn"], "company": at_work["unternehmenId"]}
    assert (await owner.call(method, path.format(**ids))).status == 200
    await asyncio.wait_for(gate.cut.wait(), 5)


@pytest.mark.parametrize("how", ["release", "delete"])
async def test_a_cancelled_run_is_recorded_as_cancelled(
    owner: Api, agent: Json, at_work: Json, follow: Follow, how: str
) -> None:
    follower = await follow(owner)
    path = f"/api/aufgaben/{at_work['id']}"
    await (owner.post(f"{path}/release", {"status": "cancelled"}) if how == "release" else owner.delete(path))
    await follower.until("agent_status", expertId=agent["id"], status="idle")
    run = (await owner.get(f"/api/laeufe/{at_work['executionRunId']}")).json
    assert (run["status"], run["beendetAm"] is not None) == ("cancelled", True)


# Leaving


async def test_a_deleted_agent_is_gone_and_its_token_with_it(
    owner: Api, company: Json, agent: Json, follow: Follow
) -> None:
    follower, itself = await follow(owner), await owner.agent_api(agent)
    path = f"/api/experten/{agent['id']}"
    assert (await owner.delete(path)).json == {"success": True}
    assert_error(await owner.get(path), 404, "NOT_FOUND")
    assert_error(await owner.delete(path), 404, "NOT_FOUND")
    assert_error(await itself.get(path), 401, "NOT_AUTHENTICATED")
    assert (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json == []
    assert (await follower.until("expert_deleted"))["data"]["id"] == agent["id"]


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}, {"If-Match": "{version}"}])
async def test_a_deleted_agents_open_tasks_are_unassigned_and_unlocked(
    owner: Api, agent: Json, at_work: Json, company: Json, headers: dict[str, str]
) -> None:
    waiting = await owner.task(company, zugewiesenAn=agent["id"])
    tag = (await owner.get(f"/api/experten/{agent['id']}")).headers["ETag"]
    seen = {name: value.replace("{version}", tag) for name, value in headers.items()}
    assert (await owner.delete(f"/api/experten/{agent['id']}", headers=seen)).status == 200
    for task in (await current(owner, at_work), await current(owner, waiting)):
        assert (task["status"], task["zugewiesenAn"], task["executionLockedBy"]) == ("todo", None, None)


async def test_deleting_an_older_version_of_an_agent_is_refused(owner: Api, agent: Json) -> None:
    answer = await owner.delete(f"/api/experten/{agent['id']}", headers={"If-Match": '"999"'})
    assert_error(answer, 409, "VERSION_CONFLICT")
    assert (await owner.get(f"/api/experten/{agent['id']}")).json == agent


async def test_what_a_deleted_agent_did_is_kept(owner: Api, company: Json, agent: Json, follow: Follow) -> None:
    follower = await follow(owner)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("agent_status", expertId=agent["id"], status="idle")
    [run] = await runs_of(owner, agent)
    await owner.delete(f"/api/experten/{agent['id']}")
    assert (await owner.get(f"/api/laeufe/{run['id']}")).json == run
    assert (await current(owner, task))["zugewiesenAn"] == agent["id"]


async def test_nothing_is_assigned_to_a_deleted_agent(owner: Api, company: Json, agent: Json) -> None:
    await owner.delete(f"/api/experten/{agent['id']}")
    body = {"titel": "Too late", "zugewiesenAn": agent["id"]}
    assert_error(await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", body), 400, "VALIDATION_ERROR")


# Call-backs


@pytest.fixture
async def answered_later(owner: Api, company: Json, agent: Json, worker: ScriptedProvider) -> tuple[str, str]:
    """(path, token) at which a run waits for its answer."""
    opened: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        callback = toolbox.open_callback()
        opened.set_result((f"/api/laeufe/{order.run_id}/rueckruf", callback.token))
        return Outcome(result=(await callback.answer())["ergebnis"])

    worker.script = script
    await owner.task(company, zugewiesenAn=agent["id"])
    return await asyncio.wait_for(opened, 5)


async def test_a_run_is_answered_once_with_its_own_token(
    owner: Api, follow: Follow, answered_later: tuple[str, str]
) -> None:
    path, token = answered_later
    follower, caller = await follow(owner), owner.with_token(token)
    for stranger in (owner, owner.with_token(None), owner.with_token("x")):
        assert_error(await stranger.post(path, {"ergebnis": "theirs"}), 401, "NOT_AUTHENTICATED")
    assert await caller.make(path, {"ergebnis": "ours"}) == {"success": True}
    assert (await follower.until("task_completed"))["data"]["ergebnis"] == "ours"
    assert_error(await caller.post(path, {"ergebnis": "again"}), 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("body", [{}, {"ergebnis": 5}, {"ergebnis": "x", "kostenCent": -1}, {"result": "x"}, []])
async def test_a_malformed_answer_does_not_use_the_token_up(
    owner: Api, answered_later: tuple[str, str], body: Any
) -> None:
    path, token = answered_later
    assert_error(await owner.with_token(token).post(path, body), 400, "VALIDATION_ERROR")
    assert (await owner.with_token(token).post(path, {"ergebnis": "ours"})).status == 200


async def test_an_unknown_run_waits_for_no_answer(owner: Api, answered_later: tuple[str, str]) -> None:
    for run_id in (NO_ID, "nonsense"):
        answer = await owner.with_token(answered_later[1]).post(f"/api/laeufe/{run_id}/rueckruf", {"ergebnis": "x"})
        assert_error(answer, 401, "NOT_AUTHENTICATED")
