"""Chat over HTTP: writing, the history, and what is unread."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.domain.events import ChatMessageSent
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def colleague(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Bob")


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/chat"


async def write(api: Api, path: str, agent: Json, text: str = "Hi", **fields: Any) -> Json:
    sent: Json = await api.make(path, {"nachricht": text, "empfaengerId": agent["id"], **fields})
    return sent


# Writing


async def test_a_message_bears_who_wrote_it_and_to_whom(owner: Api, company: Json, agent: Json, path: str) -> None:
    answer = await owner.post(path, {"nachricht": "Hi", "empfaengerId": agent["id"], "threadId": NO_ID})
    expected = {
        "unternehmenId": company["id"],
        "expertId": agent["id"],
        "empfaengerId": agent["id"],
        "vonExpertId": None,
        "absenderTyp": "board",
        "absenderName": "Owner",
        "nachricht": "Hi",
        "gelesen": False,
        "threadId": NO_ID,
    }
    assert answer.status == 201
    assert {name: answer.json[name] for name in expected} == expected
    assert (await owner.get(path)).json == [answer.json]


async def test_a_message_is_told_to_those_who_follow(owner: Api, agent: Json, path: str, follow: Follow) -> None:
    follower = await follow(owner)
    sent = await write(owner, path, agent)
    event = await follower.until("chat_message")
    assert {name: event["data"][name] for name in sent} == sent


async def test_an_agent_writes_as_itself_to_a_colleague_and_to_the_board(
    owner: Api, agent: Json, colleague: Json, path: str
) -> None:
    itself = await owner.agent_api(agent)
    to_colleague = await write(itself, path, colleague)
    to_board = await itself.make(path, {"nachricht": "Done"})
    assert (to_colleague["vonExpertId"], to_colleague["absenderTyp"]) == (agent["id"], "agent")
    assert (to_colleague["expertId"], to_colleague["empfaengerId"]) == (colleague["id"], colleague["id"])
    assert (to_board["vonExpertId"], to_board["absenderName"]) == (agent["id"], "Ada")
    assert (to_board["expertId"], to_board["empfaengerId"]) == (agent["id"], None)


async def test_without_a_recipient_the_orchestrator_gets_it(owner: Api, company: Json, path: str) -> None:
    orchestrator = await owner.agent(company, isOrchestrator=True)
    await owner.agent(company, verbindungsConfig={"isOrchestrator": True})
    sent = await owner.make(path, {"nachricht": "Hi"})
    assert sent["empfaengerId"] == orchestrator["id"]


async def test_without_a_recipient_and_an_orchestrator_it_is_refused(owner: Api, company: Json, path: str) -> None:
    await owner.agent(company, verbindungsConfig={"isOrchestrator": True})
    gone = await owner.agent(company, isOrchestrator=True)
    await owner.delete(f"/api/experten/{gone['id']}")
    assert_error(await owner.post(path, {"nachricht": "Hi"}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nachricht", ""),
        ("nachricht", " \n"),
        ("nachricht", None),
        ("nachricht", 5),
        ("nachricht", "x" * 20_001),
        ("empfaengerId", "Ada"),
        ("empfaengerId", NO_ID),
        ("threadId", "x"),
        ("vonExpertId", NO_ID),
        ("absenderTyp", "agent"),
        ("meetingId", NO_ID),
    ],
)
async def test_a_bad_field_is_refused_by_name(owner: Api, agent: Json, path: str, field: str, value: Any) -> None:
    answer = await owner.post(path, {"nachricht": "Hi", "empfaengerId": agent["id"], field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]
    assert (await owner.get(path)).json == []


async def test_an_agent_cannot_write_to_itself(owner: Api, agent: Json, path: str) -> None:
    itself = await owner.agent_api(agent)
    answer = await itself.post(path, {"nachricht": "Hi", "empfaengerId": agent["id"]})
    assert_error(answer, 400, "VALIDATION_ERROR")


async def test_a_deleted_agent_gets_no_message_and_its_history_stays(owner: Api, agent: Json, path: str) -> None:
    sent = await write(owner, path, agent)
    await owner.delete(f"/api/experten/{agent['id']}")
    answer = await owner.post(path, {"nachricht": "Hi", "empfaengerId": agent["id"]})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert (await owner.get(f"{path}?expertId={agent['id']}")).json == [sent]


async def test_a_retried_message_is_sent_once(owner: Api, agent: Json, path: str) -> None:
    body, key = {"nachricht": "Hi", "empfaengerId": agent["id"]}, {"Idempotency-Key": "once"}
    answers = [await owner.make(path, body, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]


# Reading


async def test_the_history_is_in_the_order_of_writing_in_pages(owner: Api, agent: Json, path: str) -> None:
    sent = [await write(owner, path, agent, text) for text in ("one", "two", "three")]
    first = await owner.get(f"{path}?limit=2")
    await write(owner, path, agent, "four")
    second = await owner.get(first.headers["Link"].partition(">")[0][1:])
    assert first.json + second.json[:1] == sent
    assert first.headers["X-Total-Count"] == "3"


async def test_the_history_can_be_narrowed_to_an_agent_and_a_thread(
    owner: Api, agent: Json, colleague: Json, path: str
) -> None:
    itself = await owner.agent_api(agent)
    to_ada = await write(owner, path, agent)
    to_bob = await write(owner, path, colleague, threadId=NO_ID)
    between = await write(itself, path, colleague)
    assert (await owner.get(f"{path}?expertId={agent['id']}")).json == [to_ada, between]
    assert (await owner.get(f"{path}?expertId={colleague['id']}")).json == [to_bob, between]
    assert (await owner.get(f"{path}?threadId={NO_ID}")).json == [to_bob]


async def test_an_agent_sees_only_what_it_took_part_in(owner: Api, agent: Json, colleague: Json, path: str) -> None:
    itself = await owner.agent_api(agent)
    to_ada = await write(owner, path, agent)
    await write(owner, path, colleague)
    between = await write(itself, path, colleague)
    assert (await itself.get(path)).json == [to_ada, between]
    assert (await itself.get(f"{path}?expertId={colleague['id']}")).json == [between]


async def test_an_agents_socket_hears_only_what_it_takes_part_in(
    owner: Api, agent: Json, colleague: Json, path: str, follow: Follow
) -> None:
    follower = await follow(await owner.agent_api(agent))
    await write(owner, path, colleague, "A secret")
    await write(owner, path, agent, "The last")
    await follower.until("chat_message", nachricht="The last")
    seen = [event["data"]["nachricht"] for event in follower.seen if event["type"] == ChatMessageSent.type]
    assert seen == ["The last"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "agent=x"])
async def test_a_bad_history_query_is_refused(owner: Api, path: str, query: str) -> None:
    assert_error(await owner.get(f"{path}?{query}"), 400, "VALIDATION_ERROR")


# What is unread


async def test_the_board_sees_how_much_is_unread_and_marks_it_read(
    owner: Api, agent: Json, colleague: Json, path: str
) -> None:
    itself, other = await owner.agent_api(agent), await owner.agent_api(colleague)
    for text in ("one", 'two "gelesen":false'):
        await itself.make(path, {"nachricht": text})
    await other.make(path, {"nachricht": "three"})
    counts = (await owner.get(f"{path}/ungelesen")).json
    assert {count["expertId"]: count["ungelesen"] for count in counts} == {agent["id"]: 2, colleague["id"]: 1}
    read = await owner.make(f"{path}/gelesen", {"expertId": agent["id"]})
    assert read == {"expertId": agent["id"], "ungelesen": 0}
    assert [count["expertId"] for count in (await owner.get(f"{path}/ungelesen")).json] == [colleague["id"]]
    history = (await owner.get(path)).json
    assert [message["gelesen"] for message in history] == [True, True, False]
    assert history[1]["nachricht"] == 'two "gelesen":false'


async def test_an_agent_counts_and_reads_what_is_written_to_it(
    owner: Api, agent: Json, colleague: Json, path: str
) -> None:
    itself = await owner.agent_api(agent)
    await write(owner, path, agent)
    await write(await owner.agent_api(colleague), path, agent)
    await itself.make(path, {"nachricht": "Its own do not count"})
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 2
    assert (await itself.get(f"{path}/ungelesen")).json == [{"expertId": agent["id"], "ungelesen": 2}]
    await itself.make(f"{path}/gelesen")
    assert (await itself.get(f"{path}/ungelesen")).json == []
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 0
    assert (await owner.get(f"{path}/ungelesen")).json == [{"expertId": agent["id"], "ungelesen": 1}]


@pytest.mark.parametrize("body", [{}, {"expertId": NO_ID}, {"expertId": "x"}, {"alle": True}])
async def test_what_nobody_wrote_cannot_be_read(owner: Api, path: str, body: Json) -> None:
    assert_error(await owner.post(f"{path}/gelesen", body), 400, "VALIDATION_ERROR")


async def test_another_companys_agent_cannot_be_read(owner: Api, path: str) -> None:
    foreign = await owner.agent(await owner.company())
    answer = await owner.post(f"{path}/gelesen", {"expertId": foreign["id"]})
    assert_error(answer, 400, "VALIDATION_ERROR")


async def test_a_companys_chat_goes_with_it(owner: Api, company: Json, agent: Json, path: str) -> None:
    await write(owner, path, agent)
    assert (await owner.delete(f"/api/unternehmen/{company['id']}")).status == 200
    assert_error(await owner.get(path), 404, "NOT_FOUND")
