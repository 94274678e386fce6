"""How the server is and what happens on it: health, readiness, figures, draining, and the activity feed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.store.database import sqlite3
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, assert_error

Json = dict[str, Any]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(datetime(2026, 4, 5, 23, 50, tzinfo=UTC))


async def test_a_healthy_server_says_so_to_anyone(nobody: Api) -> None:
    answer = await nobody.get("/api/health")
    assert (answer.status, answer.json) == (200, {"status": "UP", "timestamp": "2026-04-05T23:50:00.000Z"})
    assert (await nobody.get("/api/system/ready")).json == {"ready": True}


async def test_a_draining_server_says_so_and_takes_no_writes(nobody: Api, owner: Api, runtime: Runtime) -> None:
    company = await owner.company()
    runtime.draining = True
    answer = await nobody.get("/api/health")
    assert (answer.status, answer.json["status"]) == (503, "DRAINING")
    for refused in (await nobody.get("/api/system/ready"), await owner.post("/api/unternehmen", {"name": "New"})):
        assert_error(refused, 503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) > 0
    assert (await owner.get(f"/api/unternehmen/{company['id']}")).json == company


async def test_a_server_whose_store_does_not_answer_is_up_but_not_ready(
    nobody: Api, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(runtime.queries._readers, "rows", broken)
    assert (await nobody.get("/api/health")).json["status"] == "UP"
    for path in ("/api/system/ready", "/api/system/status"):
        refused = await nobody.get(path)
        assert_error(refused, 503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) > 0
        assert "disk" not in refused.text


@pytest.mark.parametrize("path", ["/api/health", "/api/system/ready", "/api/system/status"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_how_the_server_is_can_only_be_asked(nobody: Api, path: str, method: str) -> None:
    answer = await nobody.call(method, path)
    assert_error(answer, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["Allow"]


async def test_a_bad_token_does_not_hide_how_the_server_is(nobody: Api) -> None:
    for path in ("/api/health", "/api/system/ready", "/api/system/status"):
        assert (await nobody.with_token("bad").get(path)).status == 200


async def test_whoever_hires_sees_the_adapters_and_what_each_can_do(nobody: Api, owner: Api) -> None:
    assert (await nobody.get("/api/system/adapters")).status == 401
    adapters = {one["name"]: one["faehigkeiten"] for one in (await owner.get("/api/system/adapters")).json}
    assert {"bash", "http", "claude", "openai", "codex-cli", "ceo", "scripted"} <= adapters.keys()
    assert adapters["claude"] == {"werkzeuge": True, "streaming": True, "kostenBekannt": True, "wiederholbar": True}
    assert adapters["bash"] == {"werkzeuge": False, "streaming": True, "kostenBekannt": False, "wiederholbar": False}


async def figures(nobody: Api) -> Json:
    return dict((await nobody.get("/api/system/status")).json)


async def test_the_figures_count_agents_tasks_and_todays_runs(
    nobody: Api, owner: Api, worker: ScriptedProvider, *, clock: ManualClock, follow: Any
) -> None:
    assert await figures(nobody) == {"aktiveAgenten": 0, "offeneAufgaben": 0, "heartbeatsHeute": 0}
    company = await owner.company()
    stream = await follow(owner)
    agents = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(3)]
    await owner.make(f"/api/experten/{agents[2]['id']}/pausieren")
    done = await owner.task(company, zugewiesenAn=agents[0]["id"])
    await stream.until("run_finished", aufgabeId=done["id"])
    await owner.task(company)
    assert await figures(nobody) == {"aktiveAgenten": 2, "offeneAufgaben": 1, "heartbeatsHeute": 1}
    await clock.advance(timedelta(minutes=20).total_seconds())
    assert (await figures(nobody))["heartbeatsHeute"] == 0
    assert len(worker.orders) == 1


async def test_the_figures_are_the_same_after_a_restart(nobody: Api, owner: Api, runtime: Runtime) -> None:
    company = await owner.company()
    for _ in range(3):
        await owner.task(company)
    await owner.agent(company)
    before = await runtime.status()
    await runtime.stop()
    async with Runtime(runtime.data, settings=runtime.settings, clock=ManualClock()) as again:
        assert await again.status() == before


async def test_the_figures_forget_what_is_over(nobody: Api, owner: Api) -> None:
    company = await owner.company()
    agent = await owner.agent(company)
    done, cancelled, deleted = [await owner.task(company) for _ in range(3)]
    assert await figures(nobody) == {"aktiveAgenten": 1, "offeneAufgaben": 3, "heartbeatsHeute": 0}
    await owner.patch(f"/api/aufgaben/{done['id']}", {"status": "done"})
    await owner.patch(f"/api/aufgaben/{cancelled['id']}", {"status": "cancelled"})
    await owner.delete(f"/api/aufgaben/{deleted['id']}")
    await owner.delete(f"/api/experten/{agent['id']}")
    assert await figures(nobody) == {"aktiveAgenten": 0, "offeneAufgaben": 0, "heartbeatsHeute": 0}


@pytest.mark.parametrize("path", ["/api/health", "/api/system/ready", "/api/system/status"])
async def test_every_answer_bears_its_request_and_is_kept_by_nobody(nobody: Api, path: str) -> None:
    first, second = await nobody.get(path), await nobody.get(path)
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"


def feed_of(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/aktivitaet"


async def followed(api: Api, url: str) -> list[Json]:
    """All entries, page after page as the `Link` leads."""
    found: list[Json] = []
    following: str | None = url
    while following is not None:
        page = await api.get(following)
        found += page.json
        link = page.headers.get("Link")
        following = link.partition(">")[0].removeprefix("<") if link else None
    return found


class TestActivity:
    @pytest.fixture
    async def company(self, owner: Api) -> Json:
        return await owner.company()

    async def test_tells_who_did_what_newest_first(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company, name="Ada")
        task = await owner.task(company, titel="Build it")
        await owner.make(f"/api/aufgaben/{task['id']}/kommentare", {"inhalt": "Hello"})
        feed = (await owner.get(feed_of(company))).json
        assert [entry["aktion"] for entry in feed] == [
            "task.commented",
            "task.created",
            "agent.created",
            "company.created",
        ]
        assert {(entry["akteurTyp"], entry["akteurId"], entry["akteurName"]) for entry in feed} == {
            ("board", owner.user["id"], "Owner")
        }
        assert (feed[1]["entitaetTyp"], feed[1]["entitaetId"]) == ("task", task["id"])
        assert (feed[2]["entitaetTyp"], feed[2]["entitaetId"]) == ("agent", agent["id"])
        assert "Build it" in feed[1]["text"]
        assert {entry["erstelltAm"] for entry in feed} == {"2026-04-05T23:50:00.000Z"}

    async def test_tells_what_changed(self, owner: Api, company: Json) -> None:
        await owner.patch(f"/api/unternehmen/{company['id']}", {"ziel": "Sell", "name": "Better"})
        newest = (await owner.get(feed_of(company))).json[0]
        assert (newest["aktion"], newest["details"]) == ("company.updated", {"fields": ["goal", "name"]})

    async def test_tells_of_members(self, owner: Api, company: Json) -> None:
        friend = await owner.somebody("Friend")
        members = f"/api/unternehmen/{company['id']}/mitglieder"
        await owner.make(members, {"benutzerId": friend.user["id"]})
        await owner.delete(f"{members}/{friend.user['id']}")
        feed = (await owner.get(feed_of(company))).json
        assert [entry["aktion"] for entry in feed[:2]] == ["company.member_removed", "company.member_added"]

    async def test_names_the_agent_that_did_it(self, owner: Api, company: Json) -> None:
        ada = await owner.agent(company, name="Ada")
        task = await owner.task(company, zugewiesenAn=ada["id"])
        await (await owner.agent_api(ada)).make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": ada["id"]})
        newest = (await owner.get(feed_of(company))).json[0]
        assert newest["aktion"] == "task.checked_out"
        assert (newest["akteurTyp"], newest["akteurId"], newest["akteurName"]) == ("agent", ada["id"], "Ada")

    async def test_is_sent_as_it_is_listed(self, owner: Api, company: Json, follow: Any) -> None:
        stream = await follow(owner)
        await owner.task(company)
        event = await stream.until("aktivitaet", aktion="task.created")
        newest = (await owner.get(feed_of(company))).json[0]
        assert {**event["data"], "unternehmenId": company["id"]} == {**newest, "unternehmenId": company["id"]}

    async def test_keeps_nothing_of_a_refused_request(self, owner: Api, company: Json) -> None:
        before = (await owner.get(feed_of(company))).json
        stale = {"If-Match": '"7"'}
        refused = await owner.patch(f"/api/unternehmen/{company['id']}", {"name": "X"}, headers=stale)
        assert_error(refused, 409, "VERSION_CONFLICT")
        assert (await owner.get(feed_of(company))).json == before

    async def test_is_paged_without_gap(self, owner: Api, company: Json) -> None:
        for _ in range(4):
            await owner.task(company)
        whole = await owner.get(feed_of(company))
        assert len(whole.json) == 5
        assert whole.headers["X-Total-Count"] == "5"
        assert await followed(owner, feed_of(company) + "?limit=2") == whole.json
        assert (await owner.get(feed_of(company) + "?offset=5")).json == []

    async def test_repeats_nothing_while_entries_are_added(self, owner: Api, company: Json) -> None:
        for _ in range(3):
            await owner.task(company)
        first = await owner.get(feed_of(company) + "?limit=2")
        await owner.task(company)
        rest = await followed(owner, first.headers["Link"].partition(">")[0].removeprefix("<"))
        seen = [entry["id"] for entry in first.json + rest]
        assert len(seen) == len(set(seen))

    async def test_is_each_companys_own(self, owner: Api, company: Json) -> None:
        other = await owner.company(name="Other")
        await owner.task(other)
        assert [entry["aktion"] for entry in (await owner.get(feed_of(company))).json] == ["company.created"]
        stranger = await owner.somebody()
        assert_error(await stranger.get(feed_of(company)), 404, "NOT_FOUND")
        assert_error(await stranger.with_token(None).get(feed_of(company)), 401, "NOT_AUTHENTICATED")

    async def test_takes_no_parameter_that_nobody_reads(self, owner: Api, company: Json) -> None:
        for query in ("seit=2026", "limit=501", "limit=0", "offset=-1", "limit=two"):
            assert_error(await owner.get(f"{feed_of(company)}?{query}"), 400, "VALIDATION_ERROR")
