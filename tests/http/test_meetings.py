"""Meetings over HTTP: who is asked, what they say, and that each ends, once."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opencognit.domain.kinds import MEETING
from opencognit.domain.meeting import AnswerMeeting
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error

Json = dict[str, Any]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
async def bob(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Bob", verbindungsTyp="scripted")


@pytest.fixture
async def silent(owner: Api, company: Json) -> Json:
    """An agent without an adapter: somebody speaks for it, or nobody."""
    return await owner.agent(company, name="Sid")


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/meetings"


@pytest.fixture(autouse=True)
def speaking(worker: ScriptedProvider) -> None:
    """Everyone says yes; whoever sums up counts the yeses."""
    worker.script = yes


async def yes(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
    question = order.conversation.messages[0] if order.conversation else ""
    if "Sum it up" in question:
        return Outcome(result=f"{question.count(': Yes')} say yes")
    return Outcome(result="Yes")


async def call(api: Api, path: str, organiser: Json, *participants: Json, **fields: Any) -> Json:
    body = {
        "titel": "Anvils?",
        "veranstalterExpertId": organiser["id"],
        "teilnehmerIds": [one["id"] for one in participants],
    }
    meeting: Json = await api.make(path, {**body, **fields})
    return meeting


async def current(api: Api, meeting: Json) -> Json:
    found: Json = (await api.get(f"/api/meetings/{meeting['id']}")).json
    return found


async def asked(api: Api, company: Json, meeting: Json, count: int) -> list[Json]:
    """The meeting's questions, as soon as there are so many."""
    found: list[Json] = []
    while len(found) < count:
        found = (await api.get(f"/api/unternehmen/{company['id']}/chat?threadId={meeting['id']}")).json
    return found


async def over(api: Api, meeting: Json) -> Json:
    """The meeting when it is over."""
    while (now := await current(api, meeting))["status"] == "running":
        pass
    return now


async def ended(follower: Follower, api: Api, meeting: Json) -> Json:
    await follower.until("meeting_updated", meetingId=meeting["id"], status="completed")
    return await current(api, meeting)


# A meeting that goes well


async def test_all_are_asked_and_the_organiser_sums_up(
    owner: Api, ada: Json, bob: Json, path: str, *, follower: Follower, worker: ScriptedProvider
) -> None:
    meeting = await call(owner, path, ada, ada, bob, beschreibung="Shall we sell them?")
    assert (meeting["status"], meeting["antworten"], meeting["ergebnis"]) == ("running", {}, None)
    done = await ended(follower, owner, meeting)
    assert done["antworten"] == {ada["id"]: "Yes", bob["id"]: "Yes"}
    assert (done["status"], done["ergebnis"]) == ("completed", "2 say yes")
    assert done["abgeschlossenAm"]
    asked = [order.conversation.messages[0] for order in worker.orders if order.conversation]
    assert len(asked) == 3
    assert all("Anvils?" in question and "Shall we sell them?" in question for question in asked)


async def test_a_meeting_is_told_of_when_it_is_called_answered_and_ended(
    owner: Api, ada: Json, bob: Json, path: str, follower: Follower
) -> None:
    meeting = await call(owner, path, ada, bob)
    created = (await follower.until("meeting_created"))["data"]
    assert (created["meetingId"], created["titel"], created["status"]) == (meeting["id"], "Anvils?", "running")
    assert (await follower.until("meeting_updated"))["data"]["status"] == "running"
    assert (await follower.until("meeting_updated"))["data"]["ergebnis"] == "1 say yes"


async def test_each_answer_is_a_run_of_its_own(owner: Api, ada: Json, bob: Json, path: str, follower: Follower) -> None:
    await ended(follower, owner, await call(owner, path, ada, bob))
    for agent in (ada, bob):
        await follower.until("agent_status", expertId=agent["id"], status="idle")
        [run] = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
        assert (run["aufgabeId"], run["status"]) == (None, "succeeded")


async def test_an_agent_calls_a_meeting_by_its_tool(
    owner: Api, company: Json, ada: Json, bob: Json, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def call_one(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.task_id is None:
            return await yes(order, toolbox)
        await toolbox.call_meeting(title="Anvils?", participants=("bob",), question="Sell them?")
        return Outcome(result="Asked")

    worker.script = call_one
    await owner.task(company, zugewiesenAn=ada["id"])
    created = (await follower.until("meeting_created"))["data"]
    done = await ended(follower, owner, {"id": created["meetingId"]})
    assert (done["veranstalterExpertId"], done["beschreibung"], done["ergebnis"]) == (
        ada["id"],
        "Sell them?",
        "1 say yes",
    )


async def test_no_meeting_is_called_from_within_one(
    owner: Api, ada: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def call_another(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await toolbox.call_meeting(title="Another?", participants=("Ada",), question="And so on?")
        return Outcome(result="Never")

    worker.script = call_another
    meeting = await call(owner, path, ada, bob)
    run = (await follower.until("run_finished", expertId=bob["id"]))["data"]
    assert (run["status"], run["fehler"]) == ("failed", "No meeting can be called from within one")
    assert (await owner.get(path)).headers["X-Total-Count"] == "1"
    assert (await current(owner, meeting))["antworten"] == {}


async def test_an_agent_calls_its_own_meeting_with_its_token(owner: Api, ada: Json, bob: Json, path: str) -> None:
    itself = await owner.agent_api(ada)
    meeting = await itself.make(path, {"titel": "Anvils?", "teilnehmerIds": [bob["id"]]})
    assert meeting["veranstalterExpertId"] == ada["id"]
    body = {"titel": "Anvils?", "veranstalterExpertId": bob["id"], "teilnehmerIds": [bob["id"]]}
    assert_error(await itself.post(path, body), 403, "FORBIDDEN")


# Answering by hand


async def test_a_participant_answers_with_its_token(
    owner: Api, ada: Json, silent: Json, path: str, follower: Follower
) -> None:
    meeting = await call(owner, path, ada, silent)
    itself = await owner.agent_api(silent)
    answered = await itself.make(f"/api/meetings/{meeting['id']}/message", {"nachricht": "Yes"})
    assert answered["antworten"] == {silent["id"]: "Yes"}
    assert (await ended(follower, owner, meeting))["ergebnis"] == "1 say yes"


async def test_a_person_answers_for_a_participant(
    owner: Api, ada: Json, silent: Json, path: str, follower: Follower
) -> None:
    meeting = await call(owner, path, ada, silent)
    message = f"/api/meetings/{meeting['id']}/message"
    assert_error(await owner.post(message, {"nachricht": "Yes"}), 400, "VALIDATION_ERROR")
    for other in (ada["id"], NO_ID):
        answer = await owner.post(message, {"nachricht": "Yes", "expertId": other})
        assert_error(answer, 400, "VALIDATION_ERROR")
    await owner.make(message, {"nachricht": "Yes", "expertId": silent["id"]})
    assert (await ended(follower, owner, meeting))["ergebnis"] == "1 say yes"


async def test_an_agent_answers_for_nobody_else(owner: Api, ada: Json, silent: Json, path: str) -> None:
    meeting = await call(owner, path, ada, silent)
    itself = await owner.agent_api(ada)
    body = {"nachricht": "Yes", "expertId": silent["id"]}
    assert_error(await itself.post(f"/api/meetings/{meeting['id']}/message", body), 403, "FORBIDDEN")


async def test_an_answer_that_is_told_twice_is_not_taken_for_the_summary(
    runtime: Runtime, owner: Api, company: Json, silent: Json, path: str
) -> None:
    meeting = await call(owner, path, silent, silent)
    [question] = await asked(owner, company, meeting, 1)
    answer = AnswerMeeting(agent_id=silent["id"], words="Yes", question_id=question["id"])
    for _ in range(2):
        await runtime.ask(MEETING, meeting["id"], answer)
    assert (await current(owner, meeting))["status"] == "running"
    [_, question] = await asked(owner, company, meeting, 2)
    answer = AnswerMeeting(agent_id=silent["id"], words="All say yes", question_id=question["id"])
    await runtime.ask(MEETING, meeting["id"], answer)
    assert (await current(owner, meeting))["ergebnis"] == "All say yes"


async def test_an_organiser_that_is_asked_twice_at_once_gives_the_summary(
    owner: Api, company: Json, ada: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def count(order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        return Outcome(result=f"The summary of {len(order.conversation.messages)}" if order.conversation else None)

    worker.script = count
    await owner.make(f"/api/experten/{ada['id']}/pausieren")
    meeting = await call(owner, path, ada, ada)
    await owner.make(f"/api/meetings/{meeting['id']}/message", {"nachricht": "Yes", "expertId": ada["id"]})
    await asked(owner, company, meeting, 2)
    await owner.make(f"/api/experten/{ada['id']}/fortsetzen")
    done = await ended(follower, owner, meeting)
    assert (done["antworten"], done["ergebnis"]) == ({ada["id"]: "Yes"}, "The summary of 2")


# Ending


@pytest.mark.parametrize(("verb", "status"), [("complete", "completed"), ("cancel", "cancelled")])
@pytest.mark.parametrize("second", ["complete", "cancel", "message"])
async def test_a_meeting_ends_once(
    owner: Api, ada: Json, silent: Json, path: str, *, verb: str, status: str, second: str
) -> None:
    meeting = await call(owner, path, ada, silent)
    done = await owner.make(f"/api/meetings/{meeting['id']}/{verb}")
    assert done["status"] == status
    body = {"nachricht": "Yes", "expertId": silent["id"]} if second == "message" else None
    assert_error(await owner.post(f"/api/meetings/{meeting['id']}/{second}", body), 409, "INVALID_STATUS")
    assert await current(owner, meeting) == done


async def test_the_board_gives_the_result_or_takes_what_is_there(
    owner: Api, ada: Json, silent: Json, path: str
) -> None:
    given, taken = [await call(owner, path, ada, silent, ada) for _ in range(2)]
    await owner.make(f"/api/meetings/{taken['id']}/message", {"nachricht": "Perhaps", "expertId": silent["id"]})
    done = await owner.make(f"/api/meetings/{given['id']}/complete", {"ergebnis": "Sell"})
    assert done["ergebnis"] == "Sell"
    done = await owner.make(f"/api/meetings/{taken['id']}/complete")
    assert "Sid: Perhaps" in done["ergebnis"]


async def test_a_participant_of_a_meeting_that_is_over_is_not_asked_any_more(
    owner: Api, ada: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    await owner.make(f"/api/experten/{bob['id']}/pausieren")
    meeting = await call(owner, path, ada, bob)
    await owner.make(f"/api/meetings/{meeting['id']}/cancel")
    await owner.make(f"/api/experten/{bob['id']}/fortsetzen")
    run = (await follower.until("run_finished", expertId=bob["id"]))["data"]
    assert (run["status"], run["fehler"]) == ("cancelled", "The meeting is over")
    assert worker.orders == []


async def test_a_participant_for_whom_somebody_answered_is_not_asked_any_more(
    owner: Api, ada: Json, bob: Json, silent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    await owner.make(f"/api/experten/{bob['id']}/pausieren")
    meeting = await call(owner, path, ada, bob, silent)
    await owner.make(f"/api/meetings/{meeting['id']}/message", {"nachricht": "No", "expertId": bob["id"]})
    await owner.make(f"/api/experten/{bob['id']}/fortsetzen")
    run = (await follower.until("run_finished", expertId=bob["id"]))["data"]
    assert (run["status"], run["fehler"]) == ("cancelled", "The meeting has this agent's answer")
    assert (await current(owner, meeting))["antworten"] == {bob["id"]: "No"}
    assert worker.orders == []


async def test_an_organiser_that_leaves_does_not_hang_the_meeting(
    owner: Api, company: Json, silent: Json, path: str, follower: Follower
) -> None:
    organiser = await owner.agent(company)
    meeting = await call(owner, path, organiser, silent)
    await owner.delete(f"/api/experten/{organiser['id']}")
    body = {"nachricht": "Yes", "expertId": silent["id"]}
    await owner.make(f"/api/meetings/{meeting['id']}/message", body)
    assert "Sid: Yes" in (await ended(follower, owner, meeting))["ergebnis"]


async def test_a_participant_that_leaves_is_not_waited_for(
    owner: Api, ada: Json, silent: Json, path: str, follower: Follower
) -> None:
    meeting = await call(owner, path, ada, ada, silent)
    await owner.delete(f"/api/experten/{silent['id']}")
    done = await ended(follower, owner, meeting)
    assert done["fehlend"] == {silent["id"]: "It has left the company."}
    assert done["ergebnis"] == "1 say yes"


async def test_a_participant_that_fails_for_good_is_not_waited_for(
    owner: Api, ada: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def without_bob(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.agent_name == "Bob":
            raise ProviderFailed("No key is set", transient=False)
        return await yes(order, toolbox)

    worker.script = without_bob
    meeting = await call(owner, path, ada, ada, bob)
    done = await ended(follower, owner, meeting)
    assert done["fehlend"] == {bob["id"]: "This could not be answered: No key is set"}
    assert done["ergebnis"] == "1 say yes"


async def test_without_its_organiser_a_meeting_ends_with_the_answers(
    owner: Api, ada: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def without_ada(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.agent_name == "Ada":
            raise ProviderFailed("No key is set", transient=False)
        return await yes(order, toolbox)

    worker.script = without_ada
    done = await ended(follower, owner, await call(owner, path, ada, bob))
    assert "Bob: Yes" in done["ergebnis"]


class TestTimeLimit:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_a_meeting_ends_with_what_is_there_when_its_time_is_over(
        self, owner: Api, ada: Json, bob: Json, silent: Json, path: str, *, clock: ManualClock, follower: Follower
    ) -> None:
        await owner.make(f"/api/experten/{bob['id']}/pausieren")
        meeting = await call(owner, path, ada, ada, bob, silent)
        await follower.until("meeting_updated", meetingId=meeting["id"])
        await clock.advance(3599)
        assert (await current(owner, meeting))["status"] == "running"
        await clock.advance(1)
        done = await ended(follower, owner, meeting)
        assert done["ergebnis"].startswith("The time limit was reached; 1 of 3 have answered.")
        assert "Ada: Yes" in done["ergebnis"]


async def test_a_restart_in_the_middle_of_a_meeting_goes_on_with_it(tmp_path: Path, settings: Settings) -> None:
    worker, clock = ScriptedProvider(), ManualClock()
    begun = asyncio.Event()

    async def hang(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    worker.script = hang
    async with aiohttp.ClientSession() as session:
        async with (
            Runtime(tmp_path, settings=settings, clock=clock, providers={"scripted": worker}) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
        ):
            owner = await Api(session, url).somebody("Owner")
            company = await owner.company()
            agents = [await owner.agent(company, verbindungsTyp="scripted") for _ in range(2)]
            path = f"/api/unternehmen/{company['id']}/meetings"
            answered = await call(owner, path, agents[0], agents[1])
            stuck = await call(owner, path, agents[0], await owner.agent(company))
            await asyncio.wait_for(begun.wait(), 5)
        worker.script = yes
        async with (
            Runtime(tmp_path, settings=settings, clock=clock, providers={"scripted": worker}) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
        ):
            again = Api(session, url, owner.token)
            done = await over(again, answered)
            assert (done["antworten"], done["ergebnis"]) == ({agents[1]["id"]: "Yes"}, "1 say yes")
            # Each was asked once, although the meeting asks again after a start.
            assert len((await again.get(f"/api/unternehmen/{company['id']}/chat?threadId={done['id']}")).json) == 2
            await clock.advance(3600)
            late = await over(again, stuck)
            assert late["ergebnis"] == "The time limit was reached; 0 of 1 have answered."


# Calling and reading


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("titel", ""),
        ("titel", None),
        ("veranstalterExpertId", NO_ID),
        ("veranstalterExpertId", "Ada"),
        ("veranstalterExpertId", None),
        ("teilnehmerIds", []),
        ("teilnehmerIds", [NO_ID]),
        ("teilnehmerIds", None),
        ("status", "completed"),
        ("ergebnis", "Yes"),
    ],
)
async def test_a_bad_field_of_a_call_is_refused_by_name(
    owner: Api, ada: Json, path: str, field: str, value: Any
) -> None:
    body = {"titel": "Anvils?", "veranstalterExpertId": ada["id"], "teilnehmerIds": [ada["id"]], field: value}
    answer = await owner.post(path, body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]
    assert (await owner.get(path)).json == []


async def test_a_retried_call_calls_once(owner: Api, ada: Json, silent: Json, path: str) -> None:
    body = {"titel": "Anvils?", "veranstalterExpertId": ada["id"], "teilnehmerIds": [silent["id"]]}
    answers = [await owner.make(path, body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await owner.get(path)).json == answers[:1]


async def test_meetings_are_listed_by_age_in_pages_and_by_status(
    owner: Api, ada: Json, silent: Json, path: str
) -> None:
    meetings = [await call(owner, path, ada, silent) for _ in range(3)]
    first = await owner.get(f"{path}?limit=2")
    assert first.json == meetings[:2]
    assert first.headers["X-Total-Count"] == "3"
    cancelled = await owner.make(f"/api/meetings/{meetings[0]['id']}/cancel")
    assert (await owner.get(f"{path}?status=cancelled")).json == [cancelled]
    assert (await owner.get(f"{path}?status=running,completed")).json == meetings[1:]
    assert_error(await owner.get(f"{path}?status=open"), 400, "VALIDATION_ERROR")


async def test_an_agent_sees_the_meetings_that_it_takes_part_in(
    owner: Api, company: Json, ada: Json, silent: Json, path: str
) -> None:
    other = await owner.agent(company)
    itself = await owner.agent_api(other)
    foreign = await call(owner, path, ada, silent, beschreibung=f"Not a matter of {other['id']}")
    own = await call(owner, path, ada, other)
    assert (await itself.get(path)).json == [own]
    for verb in ("", "/message", "/complete"):
        body = {"nachricht": "Yes"} if verb == "/message" else None
        answer = await itself.call("POST" if verb else "GET", f"/api/meetings/{foreign['id']}{verb}", body)
        assert_error(answer, 404, "NOT_FOUND")
    assert_error(await itself.post(f"/api/meetings/{own['id']}/complete"), 403, "FORBIDDEN")
