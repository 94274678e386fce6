"""`Idempotency-Key`: one effect and one answer, whoever retries when, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.domain.records import Unit
from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Answer, Api, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Started = Callable[[], AbstractAsyncContextManager[Api]]

DAY = 24 * 3600.0


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/aufgaben"


@pytest.fixture
def started(tmp_path: Path, settings: Settings) -> Started:
    """Start a server on the same folder, again and again; yields a caller without a token."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Api]:
        async with (
            Runtime(tmp_path / "again", settings=settings) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            yield Api(session, url)

    return start


async def keyed(api: Api, path: str, body: Any = None, key: str = "once", **options: Any) -> Answer:
    return await api.post(path, body, headers={"Idempotency-Key": key}, **options)


def is_again(answer: Answer) -> bool:
    return "Idempotency-Replayed" in answer.headers


def assert_same(first: Answer, again: Answer) -> None:
    assert first.status in (200, 201), first
    assert (again.status, again.text) == (first.status, first.text)
    assert (is_again(first), is_again(again)) == (False, True)


# Once


async def test_the_same_key_and_body_make_one_task_and_give_one_answer(owner: Api, path: str) -> None:
    first, *others = [await keyed(owner, path, {"titel": "One"}) for _ in range(4)]
    for again in others:
        assert_same(first, again)
    assert (await owner.get(path)).json == [first.json]


async def test_the_first_answer_is_given_although_the_task_has_changed_since(owner: Api, path: str) -> None:
    first = await keyed(owner, path, {"titel": "One"})
    await owner.patch(f"/api/aufgaben/{first.json['id']}", {"titel": "Two"})
    assert_same(first, await keyed(owner, path, {"titel": "One"}))
    await owner.delete(f"/api/aufgaben/{first.json['id']}")
    assert_same(first, await keyed(owner, path, {"titel": "One"}))
    assert (await owner.get(path)).json == []


async def test_the_answer_given_again_has_the_tag_of_the_first(owner: Api, path: str) -> None:
    first, again = [await keyed(owner, path, {"titel": "One"}) for _ in range(2)]
    assert again.headers.get("ETag") == first.headers["ETag"]


async def test_every_kind_of_post_is_done_once(owner: Api, company: Json, path: str) -> None:
    task, agent = await owner.task(company), await owner.agent(company)
    friend = await owner.somebody()
    of_company, of_task = f"/api/unternehmen/{company['id']}", f"/api/aufgaben/{task['id']}"
    posts: list[tuple[str, Json]] = [
        ("/api/unternehmen", {"name": "Second"}),
        (f"{of_company}/experten", {"name": "Ada", "rolle": "Engineer"}),
        (f"{of_company}/mitglieder", {"benutzerId": friend.user["id"]}),
        (f"{of_company}/genehmigungen", {"titel": "May I?"}),
        (f"/api/experten/{agent['id']}/skills", {"name": "Reading"}),
        (f"/api/experten/{agent['id']}/token", {}),
        (f"/api/experten/{agent['id']}/pausieren", {}),
        (f"/api/experten/{agent['id']}/fortsetzen", {}),
        (f"{of_task}/kommentare", {"inhalt": "Hello"}),
        (f"{of_task}/checkout", {"expertId": agent["id"]}),
        (f"{of_task}/release", {"expertId": agent["id"], "status": "done"}),
    ]
    for number, (where, body) in enumerate(posts):
        first, again = [await keyed(owner, where, body, key=f"key {number}") for _ in range(2)]
        assert_same(first, again)
    assert len((await owner.get("/api/unternehmen")).json) == 2
    assert len((await owner.get(f"{of_company}/genehmigungen")).json) == 1
    assert len((await owner.get(f"/api/experten/{agent['id']}/skills")).json) == 1
    assert len((await owner.get(f"{of_task}/kommentare")).json) == 1


async def test_a_retried_checkout_has_the_token_of_the_first(owner: Api, company: Json) -> None:
    task, agent = await owner.task(company), await owner.agent(company)
    where, body = f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]}
    first = await keyed(owner, where, body)
    assert_same(first, await keyed(owner, where, body))
    assert_error(await keyed(owner, where, body, key="another"), 409, "LOCKED")
    assert first.json["executionToken"] == 1


async def test_another_key_is_another_task(owner: Api, path: str) -> None:
    first, second = [await keyed(owner, path, {"titel": "One"}, key=key) for key in ("once", "Once")]
    assert (await owner.get(path)).json == [first.json, second.json]


# Another request


async def test_the_same_key_with_another_body_is_a_conflict(owner: Api, path: str) -> None:
    first = await keyed(owner, path, {"titel": "One"})
    assert_error(await keyed(owner, path, {"titel": "Two"}), 409, "IDEMPOTENCY_CONFLICT")
    assert (await owner.get(path)).json == [first.json]


async def test_the_same_key_at_another_path_is_a_conflict(owner: Api, company: Json, path: str) -> None:
    await keyed(owner, path, {"titel": "One"})
    other = f"/api/unternehmen/{company['id']}/genehmigungen"
    assert_error(await keyed(owner, other, {"titel": "One"}), 409, "IDEMPOTENCY_CONFLICT")


async def test_the_same_key_with_another_query_is_a_conflict(owner: Api, company: Json) -> None:
    task, agent = await owner.task(company), await owner.agent(company)
    where, body = f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]}
    assert (await keyed(owner, where, body)).status == 200
    assert_error(await keyed(owner, f"{where}?warteSek=1", body), 409, "IDEMPOTENCY_CONFLICT")


async def test_a_conflict_comes_before_the_body_is_looked_at(owner: Api, path: str) -> None:
    await keyed(owner, path, {"titel": "One"})
    assert_error(await keyed(owner, path, data=b"{"), 409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\u00a0", "\udcff"])
async def test_a_key_that_is_none_is_refused(owner: Api, path: str, key: str) -> None:
    answer = await keyed(owner, path, {"titel": "One"}, key=key)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert answer.json["details"][0]["feld"] == "Idempotency-Key"
    assert (await owner.get(path)).json == []


@pytest.mark.parametrize("key", ["x" * 255, "0", "' OR 1=1 --", "Schlüssel ✓"])
async def test_a_key_may_be_any_words(owner: Api, path: str, key: str) -> None:
    first, again = [await keyed(owner, path, {"titel": "One"}, key=key) for _ in range(2)]
    assert_same(first, again)


async def test_a_refusal_is_not_remembered(owner: Api, company: Json) -> None:
    blocker = await owner.task(company)
    task, agent = await owner.task(company, blockedBy=[blocker["id"]]), await owner.agent(company)
    where, body = f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]}
    assert_error(await keyed(owner, where, body), 409, "BLOCKED")
    await owner.patch(f"/api/aufgaben/{task['id']}", {"blockedBy": []})
    first = await keyed(owner, where, body)
    assert_same(first, await keyed(owner, where, body))


async def test_a_key_means_nothing_to_what_is_no_post(owner: Api, company: Json) -> None:
    task = await owner.task(company)
    for title in ("One", "Two"):
        answer = await owner.patch(f"/api/aufgaben/{task['id']}", {"titel": title}, headers={"Idempotency-Key": "once"})
        assert (answer.status, answer.json["titel"], is_again(answer)) == (200, title, False)


# At once


async def test_of_many_at_once_one_is_done_and_all_get_its_answer(owner: Api, path: str) -> None:
    answers = await asyncio.gather(*(keyed(owner, path, {"titel": "One"}) for _ in range(20)))
    assert {(answer.status, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert sum(is_again(answer) for answer in answers) == 19
    assert (await owner.get(path)).json == [answers[0].json]


async def test_of_different_bodies_at_once_one_is_done_and_the_others_are_conflicts(owner: Api, path: str) -> None:
    answers = await asyncio.gather(*(keyed(owner, path, {"titel": f"Task {number}"}) for number in range(8)))
    (first,) = [answer for answer in answers if answer.status == 201]
    for answer in answers:
        if answer is not first:
            assert_error(answer, 409, "IDEMPOTENCY_CONFLICT")
    assert (await owner.get(path)).json == [first.json]


class StalledStore:
    """The commits of a runtime, held back until they are let go."""

    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: asyncio.Queue[Unit] = asyncio.Queue()
        self.let_go = asyncio.Event()
        self._commit = runtime.store.commit
        monkeypatch.setattr(runtime.store, "commit", self._commit_late)

    async def _commit_late(self, unit: Unit) -> None:
        self.begun.put_nowait(unit)
        await self.let_go.wait()
        await self._commit(unit)


async def test_a_retry_after_a_lost_connection_is_done_once_although_the_first_is_still_under_way(
    owner: Api, path: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = StalledStore(runtime, monkeypatch)
    first = asyncio.ensure_future(keyed(owner, path, {"titel": "One"}))
    await stalled.begun.get()
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    retry = asyncio.ensure_future(keyed(owner, path, {"titel": "One"}))
    # Where the retry is let in before the first is done, this is its commit.
    waiting = asyncio.ensure_future(stalled.begun.get())
    await asyncio.wait([waiting], timeout=0.5)
    waiting.cancel()
    stalled.let_go.set()
    answer = await retry
    assert answer.status == 201, answer
    assert (await owner.get(path)).json == [answer.json]


class TestWhenTheStoreIsSlow:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(actors={"ask_deadline_seconds": 1.0})

    async def test_a_retry_after_a_503_is_done_once(
        self, owner: Api, path: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stalled = StalledStore(runtime, monkeypatch)
        assert_error(await keyed(owner, path, {"titel": "One"}), 503, "UNAVAILABLE")
        retry = asyncio.ensure_future(keyed(owner, path, {"titel": "One"}))
        for _ in range(2):
            await stalled.begun.get()
        stalled.let_go.set()
        answer = await retry
        assert answer.status == 201, answer
        assert (await owner.get(path)).json == [answer.json]


# Later


async def test_an_answer_outlives_a_restart(started: Started) -> None:
    first: Answer | None = None
    token: str | None = None
    path = ""
    for _ in range(3):
        async with started() as nobody:
            if first is None:
                api = await nobody.somebody()
                token, path = api.token, f"/api/unternehmen/{(await api.company())['id']}/aufgaben"
                first = await keyed(api, path, {"titel": "One"})
                continue
            api = nobody.with_token(token)
            assert_same(first, await keyed(api, path, {"titel": "One"}))
            assert_error(await keyed(api, path, {"titel": "Two"}), 409, "IDEMPOTENCY_CONFLICT")
            assert (await api.get(path)).json == [first.json]


class TestWithTime:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.mark.parametrize(("later", "tasks"), [(DAY - 1, 1), (DAY + 1, 2)])
    async def test_an_answer_is_kept_for_a_day(
        self, owner: Api, path: str, clock: ManualClock, later: float, tasks: int
    ) -> None:
        for _ in range(2):
            assert (await keyed(owner, path, {"titel": "One"})).status == 201
            await clock.advance(later)
        assert len((await owner.get(path)).json) == tasks

    async def test_a_key_whose_day_is_over_is_good_for_another_request(
        self, owner: Api, path: str, clock: ManualClock
    ) -> None:
        await keyed(owner, path, {"titel": "One"})
        await clock.advance(DAY)
        second = await keyed(owner, path, {"titel": "Two"})
        assert_same(second, await keyed(owner, path, {"titel": "Two"}))


# Whose


async def test_the_same_key_of_another_user_is_another_request(owner: Api, company: Json, path: str) -> None:
    friend = await owner.somebody()
    body = {"benutzerId": friend.user["id"], "rolle": "mitglied"}
    await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", body)
    answers = [await keyed(api, path, {"titel": title}) for api, title in ((owner, "Mine"), (friend, "Yours"))]
    assert [answer.status for answer in answers] == [201, 201]
    assert (await owner.get(path)).json == [answer.json for answer in answers]


async def test_a_stranger_with_the_same_key_and_body_learns_nothing(owner: Api, path: str) -> None:
    await keyed(owner, path, {"titel": "One"})
    assert_error(await keyed(await owner.somebody(), path, {"titel": "One"}), 404, "NOT_FOUND")
    assert_error(await keyed(owner.with_token(None), path, {"titel": "One"}), 401, "NOT_AUTHENTICATED")


async def test_a_member_put_out_is_not_given_the_answer_again(owner: Api, company: Json, path: str) -> None:
    friend = await owner.somebody()
    members = f"/api/unternehmen/{company['id']}/mitglieder"
    await owner.make(members, {"benutzerId": friend.user["id"], "rolle": "mitglied"})
    assert (await keyed(friend, path, {"titel": "One"})).status == 201
    await owner.delete(f"{members}/{friend.user['id']}")
    assert_error(await keyed(friend, path, {"titel": "One"}), 404, "NOT_FOUND")


async def test_two_people_who_register_with_the_same_key_do_not_meet(nobody: Api) -> None:
    for number in range(2):
        body = {"name": "New", "email": f"new{number}@example.com", "passwort": "secret-password"}
        assert (await keyed(nobody, "/api/auth/registrieren", body)).status == 201


async def test_a_users_key_is_the_same_from_another_sign_in(owner: Api, path: str) -> None:
    first = await keyed(owner, path, {"titel": "One"})
    body = {"email": owner.user["email"], "passwort": "secret-password"}
    again = owner.with_token((await owner.make("/api/auth/anmelden", body))["token"])
    assert_same(first, await keyed(again, path, {"titel": "One"}))


async def test_an_agents_key_is_not_its_owners(owner: Api, company: Json, path: str) -> None:
    task = await owner.task(company)
    ada = await owner.agent_api(await owner.agent(company))
    where, body = f"/api/aufgaben/{task['id']}/kommentare", {"inhalt": "Hello"}
    answers = [await keyed(api, where, body) for api in (owner, ada)]
    assert [answer.json["autorTyp"] for answer in answers] == ["board", "agent"]


# Secrets


def found_in(folder: Path, text: str) -> list[str]:
    """The files of a folder that hold this text in the clear."""
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_an_answer_that_holds_a_token_is_given_again_and_kept_sealed(
    owner: Api, company: Json, runtime: Runtime
) -> None:
    agent = await owner.agent(company)
    email = owner.user["email"]
    posts: list[tuple[str, Json]] = [
        (f"/api/experten/{agent['id']}/token", {}),
        ("/api/auth/anmelden", {"email": email, "passwort": "secret-password"}),
        ("/api/auth/registrieren", {"name": "New", "email": "new@example.com", "passwort": "secret-password"}),
    ]
    for where, body in posts:
        first, again = [await keyed(owner, where, body, key=where) for _ in range(2)]
        assert_same(first, again)
        assert again.headers.get("Set-Cookie") == first.headers.get("Set-Cookie")
        assert found_in(runtime.data, first.json["token"].rpartition(".")[2]) == []
    assert found_in(runtime.data, email), "the search finds what is in the clear"


async def test_a_sealed_answer_outlives_a_restart(started: Started) -> None:
    body = {"name": "New", "email": "new@example.com", "passwort": "secret-password"}
    answers = []
    for _ in range(2):
        async with started() as nobody:
            answers.append(await keyed(nobody, "/api/auth/registrieren", body))
            assert (await nobody.with_token(answers[0].json["token"]).get("/api/auth/ich")).status == 200
    assert_same(*answers)
