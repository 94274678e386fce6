"""Comments on tasks: who said what, in which order, and whom a mention wakes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.testing import ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def task(owner: Api, company: Json) -> Json:
    return await owner.task(company)


@pytest.fixture
async def path(task: Json) -> str:
    return f"/api/aufgaben/{task['id']}/kommentare"


async def idle_with_work(api: Api, company: Json, name: str) -> Json:
    """An agent that could take a task, but was not woken for it: somebody gave the task's lock back."""
    agent = await api.agent(company, name=name, verbindungsTyp="scripted")
    task = await api.task(company)
    await api.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    await api.make(f"/api/aufgaben/{task['id']}/release", {"expertId": agent["id"]})
    return agent


# What is kept


async def test_a_comment_has_its_author_from_the_token(owner: Api, task: Json, path: str) -> None:
    answer = await owner.post(path, {"inhalt": "Looks good"})
    expected = {
        "aufgabeId": task["id"],
        "autorTyp": "board",
        "autorExpertId": None,
        "autorName": "Owner",
        "inhalt": "Looks good",
    }
    assert answer.status == 201
    assert {name: answer.json[name] for name in expected} == expected
    assert (await owner.get(path)).json == [answer.json]


async def test_an_agents_comment_is_recorded_as_the_agents(owner: Api, company: Json, path: str) -> None:
    agent = await owner.agent(company, name="Ada")
    said = await (await owner.agent_api(agent)).make(path, {"inhalt": "Done"})
    assert (said["autorTyp"], said["autorExpertId"], said["autorName"]) == ("agent", agent["id"], "Ada")


@pytest.mark.parametrize("field", ["autorTyp", "autorExpertId", "autorName", "aufgabeId", "text"])
async def test_a_comment_cannot_say_who_wrote_it(owner: Api, path: str, field: str) -> None:
    answer = await owner.post(path, {"inhalt": "Hello", field: "board"})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert answer.json["details"][0]["feld"] == field


@pytest.mark.parametrize("body", [{}, {"inhalt": ""}, {"inhalt": " \n"}, {"inhalt": None}, {"inhalt": 5}, []])
async def test_a_comment_without_words_is_refused(owner: Api, path: str, body: Any) -> None:
    assert_error(await owner.post(path, body), 400, "VALIDATION_ERROR")
    assert (await owner.get(path)).json == []


async def test_a_body_that_is_not_json_is_refused(owner: Api, path: str) -> None:
    json = {"Content-Type": "application/json"}
    assert_error(await owner.post(path, data=b"{", headers=json), 400, "VALIDATION_ERROR")
    assert_error(
        await owner.post(path, data=b"{}", headers={"Content-Type": "text/xml"}), 415, "UNSUPPORTED_MEDIA_TYPE"
    )


async def test_a_retried_comment_is_said_once(owner: Api, path: str) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [await owner.make(path, {"inhalt": "Hello"}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]
    assert_error(await owner.post(path, {"inhalt": "Bye"}, headers=key), 409, "IDEMPOTENCY_CONFLICT")


async def test_a_comment_leaves_the_task_as_it_was(owner: Api, task: Json, path: str) -> None:
    await owner.make(path, {"inhalt": "Hello"})
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json == task


async def test_a_comment_stands_in_the_activity_feed(
    owner: Api, company: Json, task: Json, path: str, follow: Follow
) -> None:
    follower = await follow(owner)
    await owner.make(path, {"inhalt": "Hello"})
    entry = (await follower.until("aktivitaet", aktion="task.commented"))["data"]
    assert (entry["entitaetId"], entry["akteurName"]) == (task["id"], "Owner")


# Reading


async def test_comments_are_listed_oldest_first_in_pages(owner: Api, path: str) -> None:
    said = [await owner.make(path, {"inhalt": word}) for word in ("one", "two", "three")]
    first, second = await owner.get(f"{path}?limit=2"), await owner.get(f"{path}?limit=2&offset=2")
    assert first.json + second.json == said
    assert first.headers["X-Total-Count"] == "3"
    assert first.headers["Link"] == f'<{path}?limit=2&offset=2>; rel="next"'
    assert "Link" not in second.headers


async def test_comments_of_another_task_are_not_listed(owner: Api, company: Json, path: str) -> None:
    other = await owner.task(company)
    await owner.make(f"/api/aufgaben/{other['id']}/kommentare", {"inhalt": "Elsewhere"})
    assert (await owner.get(path)).json == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "limit=x", "autor=me"])
async def test_a_bad_page_of_comments_is_refused(owner: Api, path: str, query: str) -> None:
    assert_error(await owner.get(f"{path}?{query}"), 400, "VALIDATION_ERROR")


# Who may


@pytest.mark.parametrize("task_id", [NO_ID, "nonsense"])
async def test_an_unknown_task_has_no_comments(owner: Api, task_id: str) -> None:
    path = f"/api/aufgaben/{task_id}/kommentare"
    assert_error(await owner.get(path), 404, "NOT_FOUND")
    assert_error(await owner.post(path, {"inhalt": "Hello"}), 404, "NOT_FOUND")


async def test_a_deleted_tasks_comments_are_gone(owner: Api, task: Json, path: str) -> None:
    await owner.make(path, {"inhalt": "Hello"})
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert_error(await owner.get(path), 404, "NOT_FOUND")


async def test_a_stranger_and_a_foreign_agent_find_no_comments(owner: Api, path: str) -> None:
    foreign = await owner.agent_api(await owner.agent(await owner.company()))
    for caller in (await owner.somebody(), foreign):
        assert_error(await caller.get(path), 404, "NOT_FOUND")
        assert_error(await caller.post(path, {"inhalt": "Hello"}), 404, "NOT_FOUND")


async def test_an_observer_reads_but_does_not_speak(owner: Api, company: Json, path: str) -> None:
    observer = await owner.somebody()
    member = {"benutzerId": observer.user["id"], "rolle": "beobachter"}
    await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", member)
    assert (await observer.get(path)).status == 200
    assert_error(await observer.post(path, {"inhalt": "Hello"}), 403, "FORBIDDEN")


async def test_without_a_token_nobody_reads_or_speaks(nobody: Api, path: str) -> None:
    assert_error(await nobody.get(path), 401, "NOT_AUTHENTICATED")
    assert_error(await nobody.post(path, {"inhalt": "Hello"}), 401, "NOT_AUTHENTICATED")


# Mentions


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ada", "@Ada please"),
        ("Ada", "over to @ada, then."),
        ("Ada", "(@ADA)"),
        ("Ada Lovelace", "ask @Ada Lovelace!"),
        ("Jörg Groß", "@jörg groß: bitte"),
        ("Groß", "@Groß bitte"),
        ("Max Groß", "@Max Groß2 is not him, but @Max Groß is"),
    ],
)
async def test_a_mention_wakes_the_agent(
    owner: Api, company: Json, path: str, *, follow: Follow, name: str, words: str
) -> None:
    agent = await idle_with_work(owner, company, name)
    follower = await follow(owner)
    await owner.make(path, {"inhalt": words})
    assert (await follower.until("run_started"))["data"]["expertId"] == agent["id"]


@pytest.mark.parametrize("words", ["Ada @Bo", "@Adam @Bo", "@ Ada @Bo", "@Ada2 @Bo"])
async def test_only_a_mention_by_name_wakes(
    owner: Api, company: Json, path: str, *, follow: Follow, worker: ScriptedProvider, words: str
) -> None:
    await idle_with_work(owner, company, "Ada")
    bo = await idle_with_work(owner, company, "Bo")
    follower = await follow(owner)
    await owner.make(path, {"inhalt": words})
    await follower.until("agent_status", expertId=bo["id"], status="idle")
    assert [order.agent_name for order in worker.orders] == ["Bo"]


async def test_the_longest_name_that_fits_is_the_one_that_is_meant(
    owner: Api, company: Json, path: str, follow: Follow, worker: ScriptedProvider
) -> None:
    await idle_with_work(owner, company, "Ada")
    longer = await idle_with_work(owner, company, "Ada Lovelace")
    follower = await follow(owner)
    await owner.make(path, {"inhalt": "@Ada Lovelace, please"})
    await follower.until("agent_status", expertId=longer["id"], status="idle")
    assert [order.agent_name for order in worker.orders] == ["Ada Lovelace"]


async def test_an_agents_own_words_never_wake_it(
    owner: Api, company: Json, path: str, follow: Follow, worker: ScriptedProvider
) -> None:
    ada, bo = await idle_with_work(owner, company, "Ada"), await idle_with_work(owner, company, "Bo")
    follower = await follow(owner)
    await (await owner.agent_api(ada)).make(path, {"inhalt": "I, @Ada, ask @Bo"})
    await follower.until("agent_status", expertId=bo["id"], status="idle")
    assert [order.agent_name for order in worker.orders] == ["Bo"]


async def test_a_paused_agent_is_not_woken_by_a_mention(
    owner: Api, company: Json, path: str, follow: Follow, worker: ScriptedProvider
) -> None:
    ada, bo = await idle_with_work(owner, company, "Ada"), await idle_with_work(owner, company, "Bo")
    await owner.make(f"/api/experten/{ada['id']}/pausieren")
    follower = await follow(owner)
    await owner.make(path, {"inhalt": "@Ada @Bo"})
    await follower.until("agent_status", expertId=bo["id"], status="idle")
    assert [order.agent_name for order in worker.orders] == ["Bo"]


async def test_an_agent_of_another_company_is_not_woken(
    owner: Api, company: Json, path: str, follow: Follow, worker: ScriptedProvider
) -> None:
    await idle_with_work(owner, await owner.company(), "Ada")
    bo = await idle_with_work(owner, company, "Bo")
    follower = await follow(owner)
    await owner.make(path, {"inhalt": "@Ada @Bo"})
    await follower.until("agent_status", expertId=bo["id"], status="idle")
    assert [order.agent_name for order in worker.orders] == ["Bo"]


async def test_an_agent_reads_the_comments_at_work(
    owner: Api, company: Json, task: Json, path: str, *, follow: Follow, worker: ScriptedProvider
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    await owner.make(path, {"inhalt": "Mind the gap"})
    follower = await follow(owner)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"zugewiesenAn": agent["id"]})
    await follower.until("task_completed", taskId=task["id"])
    assert worker.orders[0].comments == ("Owner: Mind the gap",)
