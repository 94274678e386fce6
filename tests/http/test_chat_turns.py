"""What an agent does with messages: it answers each, knowing what was said, and never twice at once."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.domain.chat import EndTurn, SendChat
from opencognit.domain.errors import DomainError, ValidationFailed
from opencognit.domain.kinds import AGENT
from opencognit.domain.message import decode
from opencognit.domain.origin import Origin
from opencognit.domain.run import Run, TokenUsage
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.server_process import ServerProcess

Json = dict[str, Any]
Turn = Callable[[WorkOrder, Toolbox], Awaitable[Outcome]]


@pytest.fixture
async def company(owner: Api) -> Json:
    return await owner.company(ziel="Sell anvils")


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


@pytest.fixture
async def path(company: Json) -> str:
    return f"/api/unternehmen/{company['id']}/chat"


class Says:
    """A script: what each agent says, by its name; `wait` holds all of it back."""

    def __init__(self, worker: ScriptedProvider, **answers: Outcome | Exception | str | None) -> None:
        self.answers = answers
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.at_once = 0
        self.most_at_once = 0
        worker.script = self

    async def __call__(self, order: WorkOrder, _toolbox: Toolbox) -> Outcome:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.set()
        try:
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        answer = self.answers.get(order.agent_name, "Hello!")
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Outcome) else Outcome(result=answer)


async def write(api: Api, path: str, agent: Json, text: str = "Hi", **fields: Any) -> Json:
    sent: Json = await api.make(path, {"nachricht": text, "empfaengerId": agent["id"], **fields})
    return sent


async def answered(follower: Follower, agent: Json) -> Json:
    """What the agent says next."""
    event = await follower.until("chat_message", vonExpertId=agent["id"])
    said: Json = event["data"]
    return said


async def is_over(runtime: Runtime, api: Api, agent: Json) -> Json:
    """The agent after its heartbeat, with all that was told it at the end handled."""
    while (heartbeat := runtime.system.runs.of_agent(agent["id"])) is not None:
        await asyncio.wait_for(heartbeat.ended(), 5)
        await api.patch(f"/api/experten/{agent['id']}", {})
    found: Json = (await api.get(f"/api/experten/{agent['id']}")).json
    return found


async def runs_of(api: Api, agent: Json) -> list[Json]:
    """Oldest first."""
    runs: list[Json] = (await api.get(f"/api/experten/{agent['id']}/laeufe")).json
    return runs[::-1]


async def texts(api: Api, path: str) -> list[str]:
    return [message["nachricht"] for message in (await api.get(path)).json]


# A turn


async def test_a_message_to_an_agent_is_answered(
    owner: Api, agent: Json, path: str, follower: Follower, worker: ScriptedProvider
) -> None:
    Says(worker)
    await write(owner, path, agent)
    answer = await answered(follower, agent)
    assert (answer["nachricht"], answer["expertId"], answer["empfaengerId"]) == ("Hello!", agent["id"], None)
    assert (answer["absenderTyp"], answer["absenderName"], answer["gelesen"]) == ("agent", "Ada", False)
    [question, kept] = (await owner.get(path)).json
    assert question["gelesen"]
    assert kept == answer


async def test_an_answer_stays_in_the_thread_of_its_question(
    owner: Api, agent: Json, path: str, follower: Follower
) -> None:
    thread = "00000000-0000-4000-8000-000000000001"
    await write(owner, path, agent, threadId=thread)
    assert (await answered(follower, agent))["threadId"] == thread
    assert len((await owner.get(f"{path}?threadId={thread}")).json) == 2


async def test_the_agent_knows_what_was_said_its_company_and_its_tasks(
    owner: Api, company: Json, agent: Json, path: str, *, follower: Follower, worker: ScriptedProvider
) -> None:
    Says(worker)
    task = await owner.task(company, titel="Build it")
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
    for text in ("One", "Two"):
        await write(owner, path, agent, text)
        await answered(follower, agent)
    order = worker.orders[-1]
    assert (order.task_id, order.company_goal) == (None, "Sell anvils")
    assert order.conversation is not None
    assert order.conversation.partner == "Owner"
    assert order.conversation.earlier == ("Owner: One", "Ada: Hello!")
    assert order.conversation.messages == ("Owner: Two",)
    assert order.conversation.open_tasks == (f"Build it (in_progress, id {task['id']})",)


async def test_a_turn_is_a_run_without_a_task_whose_cost_is_booked(
    runtime: Runtime, owner: Api, agent: Json, path: str, *, follower: Follower, worker: ScriptedProvider
) -> None:
    used = Outcome(result="Hello!", usage=TokenUsage(input_tokens=7), cost_cents=Decimal("1.5"), output="thinking")
    Says(worker, Ada=used)
    await write(owner, path, agent)
    started = (await follower.until("run_started"))["data"]
    await follower.until("run_finished", runId=started["runId"])
    [run] = await runs_of(owner, agent)
    assert (run["aufgabeId"], run["quelle"], run["status"]) == (None, "callback", "succeeded")
    assert (run["kostenCent"], run["usage"]["inputTokens"], run["ausgabe"]) == (1.5, 7, "thinking")
    now = await is_over(runtime, owner, agent)
    assert (now["status"], now["verbrauchtMonatCent"], now["nachrichtenCount"]) == ("idle", 1.5, 0)


async def test_an_agent_without_an_adapter_keeps_its_messages_for_whoever_has_its_token(
    owner: Api, company: Json, path: str, worker: ScriptedProvider
) -> None:
    agent = await owner.agent(company)
    sent = await write(owner, path, agent)
    itself = await owner.agent_api(agent)
    assert (await itself.get(path)).json == [sent]
    await itself.make(path, {"nachricht": "By hand"})
    assert worker.orders == []


async def test_messages_that_wait_are_answered_together(
    runtime: Runtime, owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    says = Says(worker)
    says.go_on.clear()
    await write(owner, path, agent, "One")
    await asyncio.wait_for(says.begun.wait(), 5)
    await asyncio.gather(*(write(owner, path, agent, text) for text in ("Two", "Three", "Four")))
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 4
    says.go_on.set()
    for _ in range(2):
        await answered(follower, agent)
    await is_over(runtime, owner, agent)
    given = [order.conversation.messages for order in worker.orders if order.conversation]
    assert [len(messages) for messages in given] == [1, 3]
    assert says.most_at_once == 1


async def test_a_message_during_a_task_waits_until_the_run_ends(
    owner: Api, company: Json, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    says = Says(worker)
    says.go_on.clear()
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await asyncio.wait_for(says.begun.wait(), 5)
    await write(owner, path, agent)
    says.go_on.set()
    await follower.until("task_completed", taskId=task["id"])
    await answered(follower, agent)
    assert says.most_at_once == 1


async def test_people_are_answered_before_the_next_task(
    runtime: Runtime, owner: Api, company: Json, agent: Json, path: str, *, worker: ScriptedProvider
) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await owner.task(company, zugewiesenAn=agent["id"], titel="Build it")
    await write(owner, path, agent)
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    while len(worker.orders) < 2:
        await is_over(runtime, owner, agent)
    assert [order.title for order in worker.orders] == ["Answer Owner", "Build it"]


async def test_each_who_wrote_gets_an_answer_of_their_own(
    owner: Api, company: Json, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    bob = await owner.agent(company, name="Bob")
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await write(owner, path, agent, "One")
    await write(await owner.agent_api(bob), path, agent, "Two")
    await write(owner, path, agent, "Three")
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    assert [(await answered(follower, agent))["empfaengerId"] for _ in range(2)] == [None, bob["id"]]
    given = [order.conversation.messages for order in worker.orders if order.conversation]
    assert given == [("Owner: One", "Owner: Three"), ("Bob: Two",)]


async def test_a_paused_agent_answers_when_it_is_resumed(
    owner: Api, agent: Json, path: str, worker: ScriptedProvider, follower: Follower
) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await write(owner, path, agent)
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 1
    assert worker.orders == []
    await owner.make(f"/api/experten/{agent['id']}/fortsetzen")
    await answered(follower, agent)


async def test_a_paused_companys_agents_answer_when_it_is_active_again(
    owner: Api, company: Json, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "paused"})
    await write(owner, path, agent)
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "active"})
    await answered(follower, agent)
    assert len(worker.orders) == 1


# However a turn ends


async def paused(owner: Api, agent: Json) -> None:
    await owner.make(f"/api/experten/{agent['id']}/pausieren")


async def deleted(owner: Api, agent: Json) -> None:
    await owner.delete(f"/api/experten/{agent['id']}")


async def nothing(_owner: Api, _agent: Json) -> None:
    """It goes on by itself."""


ENDS = {
    "succeeds": (nothing, "Hello!", "succeeded"),
    "says nothing": (nothing, None, "succeeded"),
    "fails": (nothing, Outcome(error="No"), "failed"),
    "crashes": (nothing, RuntimeError("unexpected"), "failed"),
    "exits": (nothing, SystemExit("unexpected"), "failed"),
    "cancels itself": (nothing, asyncio.CancelledError(), "failed"),
    "is refused": (nothing, ProviderFailed("No key", transient=False), "failed"),
    "gives back": (nothing, Outcome(status="todo"), "succeeded"),
    "is paused": (paused, Outcome(status="todo"), "cancelled"),
    "is deleted": (deleted, "Hello!", "cancelled"),
}


@pytest.mark.parametrize("how", ENDS)
async def test_after_any_end_of_a_turn_nothing_stays_behind(
    runtime: Runtime, owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, how: str
) -> None:
    act, answer, status = ENDS[how]
    says = Says(worker, Ada=answer)  # type: ignore[arg-type]
    says.go_on.clear()
    await write(owner, path, agent)
    await asyncio.wait_for(says.begun.wait(), 5)
    heartbeat = runtime.system.runs.of_agent(agent["id"])
    assert heartbeat is not None
    run_id = heartbeat.run_id
    await act(owner, agent)
    says.go_on.set()
    now = await is_over(runtime, owner, agent)
    run = (await owner.get(f"/api/laeufe/{run_id}")).json
    assert (run["status"], bool(run["beendetAm"])) == (status, True)
    assert now.get("status") != "running"
    assert runtime.system.runs.all() == []


async def test_an_agent_that_has_nothing_to_say_is_reported(
    owner: Api, agent: Json, path: str, worker: ScriptedProvider, follower: Follower
) -> None:
    Says(worker, Ada=None)
    await write(owner, path, agent)
    notice = (await follower.until("chat_message", absenderTyp="system"))["data"]
    assert (notice["expertId"], notice["empfaengerId"]) == (agent["id"], None)


async def test_what_cannot_be_helped_is_said_at_once(
    runtime: Runtime, owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    Says(worker, Ada=ProviderFailed("No key is set", transient=False))
    await write(owner, path, agent)
    notice = (await follower.until("chat_message", absenderTyp="system"))["data"]
    assert notice["nachricht"] == "This could not be answered: No key is set"
    now = await is_over(runtime, owner, agent)
    assert (now["status"], now["nachrichtenCount"], now["letzterFehler"]) == ("idle", 0, "No key is set")
    assert len(worker.orders) == 1


class TestRetries:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def ended(
        self, runtime: Runtime, owner: Api, agent: Json, follower: Follower
    ) -> Callable[[], Awaitable[Json]]:
        """Wait for the end of the next run; the agent afterwards."""

        async def next_run() -> Json:
            await follower.until("run_finished")
            return await is_over(runtime, owner, agent)

        return next_run

    async def test_a_failing_provider_is_tried_again_and_then_reported(
        self, owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, clock: ManualClock, ended: Any
    ) -> None:
        Says(worker, Ada=ProviderFailed("Overloaded", transient=True))
        await write(owner, path, agent)
        for tries, pause in ((1, 5), (2, 30)):
            assert (await ended())["nachrichtenCount"] == 1
            await clock.advance(pause - 1)
            assert len(worker.orders) == tries
            await clock.advance(1)
        assert (await ended())["nachrichtenCount"] == 0
        assert await texts(owner, path) == ["Hi", "This could not be answered: Overloaded"]
        await clock.advance(3600)
        assert len(worker.orders) == 3
        assert [run["versuch"] for run in await runs_of(owner, agent)] == [1, 2, 3]

    async def test_a_provider_that_recovers_answers(
        self, owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, clock: ManualClock, ended: Any
    ) -> None:
        says = Says(worker, Ada=ProviderFailed("Overloaded", transient=True, retry_after=60))
        await write(owner, path, agent)
        await ended()
        says.answers = {"Ada": "Here I am"}
        await clock.advance(59)
        assert len(worker.orders) == 1
        await clock.advance(1)
        await ended()
        assert await texts(owner, path) == ["Hi", "Here I am"]


async def test_a_restart_in_the_middle_of_a_turn_answers_it_afterwards(tmp_path: Path, settings: Settings) -> None:
    worker = ScriptedProvider()
    says = Says(worker)
    says.go_on.clear()
    async with aiohttp.ClientSession() as session:
        async with (
            Runtime(tmp_path, settings=settings, providers={"scripted": worker}) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
        ):
            owner = await Api(session, url).somebody("Owner")
            company = await owner.company()
            agent = await owner.agent(company, name="Ada", verbindungsTyp="scripted")
            path = f"/api/unternehmen/{company['id']}/chat"
            await write(owner, path, agent)
            await asyncio.wait_for(says.begun.wait(), 5)
        says.go_on.set()
        async with (
            Runtime(tmp_path, settings=settings, providers={"scripted": worker}) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
        ):
            again = Api(session, url, owner.token)
            # Nobody asks for the agent: it must be woken by the start alone.
            while len(await texts(again, path)) < 2:
                pass
            await is_over(runtime, again, agent)
            assert await texts(again, path) == ["Hi", "Hello!"]
            assert [run["status"] for run in await runs_of(again, agent)] == ["cancelled", "succeeded"]


async def test_an_end_that_is_told_twice_is_said_once(
    runtime: Runtime, owner: Api, agent: Json, path: str, *, follower: Follower
) -> None:
    await write(owner, path, agent)
    await answered(follower, agent)
    await is_over(runtime, owner, agent)
    [run] = await runs_of(owner, agent)
    ended = decode((await owner.get(f"/api/laeufe/{run['id']}")).text.encode(), Run)
    await runtime.ask(AGENT, agent["id"], EndTurn(run=ended, reply="Once more"))
    assert "Once more" not in await texts(owner, path)


async def test_a_message_with_an_id_is_said_once(runtime: Runtime, owner: Api, company: Json, path: str) -> None:
    agent = await owner.agent(company)
    send = SendChat(words="Once", message_id="00000000-0000-4000-8000-000000000001")
    for _ in range(2):
        await runtime.ask(AGENT, agent["id"], send, origin=Origin(company_id=company["id"]))
    assert await texts(owner, path) == ["Once"]
    assert (await owner.get(f"/api/experten/{agent['id']}")).json["nachrichtenCount"] == 1


async def test_no_other_agent_reads_the_run_of_a_turn(
    owner: Api, company: Json, agent: Json, path: str, follower: Follower
) -> None:
    await write(owner, path, agent)
    run = (await follower.until("run_started"))["data"]
    one = f"/api/laeufe/{run['runId']}"
    assert_error(await (await owner.agent_api(await owner.agent(company))).get(one), 404, "NOT_FOUND")
    assert (await (await owner.agent_api(agent)).get(one)).status == 200


async def test_after_kill_9_in_the_middle_of_a_turn_it_is_answered_once(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def work(_request: web.Request) -> web.Response:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return web.json_response({"ergebnis": "Here I am"})

    app = web.Application()
    app.router.add_post("/work", work)
    async with TestServer(app, host="127.0.0.1") as service, aiohttp.ClientSession() as session:
        allowed = json.dumps([f"127.0.0.1:{service.port}"])
        async with ServerProcess(tmp_path, OPENCOGNIT_AGENTS__HTTP_ALLOWED_ADDRESSES=allowed) as server:
            owner = await Api(session, server.url).somebody()
            config = {"verbindungsTyp": "http", "verbindungsConfig": {"url": str(service.make_url("/work"))}}
            company = await owner.company()
            agent = await owner.agent(company, **config)
            path = f"/api/unternehmen/{company['id']}/chat"
            await write(owner, path, agent)
            await asyncio.wait_for(asked.wait(), 10)
            await server.end(signal.SIGKILL)
            await server.start()
            socket = await session.ws_connect(f"{server.url}/ws?token={owner.token}")
            follower = Follower(socket)
            await socket.send_json({"type": "subscribe", "since": 0})
            await answered(follower, agent)
            assert await texts(owner, path) == ["Hi", "Here I am"]
            assert [run["status"] for run in await runs_of(owner, agent)] == ["failed", "succeeded"]
            found = (await owner.get(f"/api/experten/{agent['id']}")).json
            assert (found["status"], found["nachrichtenCount"]) == ("idle", 0)
            await socket.close()


# What an agent may do in a turn


async def test_an_agent_creates_a_task_and_asks_the_board_in_a_turn(
    owner: Api, company: Json, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def act(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        if order.conversation is None:
            return Outcome(result="done")
        await toolbox.create_subtask(title="Build it", description=None, assignee="Ada")
        await toolbox.request_approval(title="May I?", description="It costs")
        return Outcome(status="blocked")

    worker.script = act
    await write(owner, path, agent, "Build it")
    assert (await answered(follower, agent))["nachricht"] == "I have asked the board for its approval."
    [task] = (await owner.get(f"/api/unternehmen/{company['id']}/aufgaben")).json
    assert (task["titel"], task["erstelltVon"], task["parentId"]) == ("Build it", agent["id"], None)
    [asked] = (await owner.get(f"/api/unternehmen/{company['id']}/genehmigungen")).json
    assert (asked["angefordertVon"], asked["payload"]) == (agent["id"], {})
    await follower.until("task_completed", taskId=task["id"])


async def test_there_is_no_task_to_comment_on_in_a_turn(
    owner: Api, agent: Json, path: str, worker: ScriptedProvider, follower: Follower
) -> None:
    async def comment(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        try:
            await toolbox.comment("Hello")
        except DomainError as error:
            return Outcome(result=error.message)
        return Outcome(result="Commented")

    worker.script = comment
    await write(owner, path, agent)
    assert "no task to comment on" in (await answered(follower, agent))["nachricht"]


@pytest.mark.parametrize("to", ["Ada", "Nobody", ""])
async def test_a_message_to_nobody_is_refused_to_the_agent(
    owner: Api, agent: Json, path: str, *, worker: ScriptedProvider, follower: Follower, to: str
) -> None:
    async def send(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        try:
            await toolbox.send_message(to=to, text="Hello")
        except ValidationFailed:
            return Outcome(result="Refused")
        return Outcome(result="Sent")

    worker.script = send
    await write(owner, path, agent)
    assert (await answered(follower, agent))["nachricht"] == "Refused"
    assert await texts(owner, path) == ["Hi", "Refused"]


async def test_an_agent_tells_the_board_during_a_task(
    owner: Api, company: Json, agent: Json, *, worker: ScriptedProvider, follower: Follower
) -> None:
    async def tell(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await toolbox.send_message(to="board", text="I have begun")
        return Outcome(result="done")

    worker.script = tell
    await owner.task(company, zugewiesenAn=agent["id"])
    said = await answered(follower, agent)
    assert (said["nachricht"], said["empfaengerId"]) == ("I have begun", None)


# Agents among themselves


class TestTalks:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"talk_turns": 4})

    @pytest.fixture
    async def bob(self, owner: Api, company: Json) -> Json:
        return await owner.agent(company, name="Bob", verbindungsTyp="scripted")

    async def begin(self, owner: Api, path: str, agent: Json, worker: ScriptedProvider) -> None:
        """Have Ada write to Bob, and both answer each other for ever."""

        async def chatter(order: WorkOrder, toolbox: Toolbox) -> Outcome:
            if order.conversation and order.conversation.partner == "Owner":
                await toolbox.send_message(to="bob", text="Hello Bob")
                return Outcome(result="I have asked Bob")
            return Outcome(result=f"{order.agent_name} has heard you")

        worker.script = chatter
        await write(owner, path, agent, "Ask Bob")

    async def between(self, owner: Api, path: str) -> list[Json]:
        return [one for one in (await owner.get(path)).json if one["vonExpertId"] and one["empfaengerId"]]

    async def test_two_agents_write_to_each_other_by_their_tool(
        self, owner: Api, agent: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
    ) -> None:
        await self.begin(owner, path, agent, worker)
        first = (await follower.until("chat_message", vonExpertId=agent["id"], empfaengerId=bob["id"]))["data"]
        assert (first["nachricht"], first["expertId"], first["absenderName"]) == ("Hello Bob", bob["id"], "Ada")
        second = (await follower.until("chat_message", vonExpertId=bob["id"]))["data"]
        assert (second["nachricht"], second["empfaengerId"]) == ("Bob has heard you", agent["id"])

    async def test_a_conversation_without_progress_pauses_and_tells_the_board(
        self, runtime: Runtime, owner: Api, agent: Json, bob: Json, path: str, *, worker: Any, follower: Follower
    ) -> None:
        await self.begin(owner, path, agent, worker)
        entry = (await follower.until("aktivitaet", aktion="chat.paused"))["data"]
        assert set(entry["details"]["agentIds"]) == {agent["id"], bob["id"]}
        for one in (agent, bob):
            await is_over(runtime, owner, one)
        assert len(await self.between(owner, path)) == 4
        # Neither a heartbeat nor another wake-up goes round it.
        orders = len(worker.orders)
        for one in (agent, bob):
            await owner.make(f"/api/experten/{one['id']}/wakeup")
            await is_over(runtime, owner, one)
        assert len(worker.orders) == orders
        notices = [one for one in (await owner.get(path)).json if one["absenderTyp"] == "system"]
        assert [notice["empfaengerId"] for notice in notices] == [None]

    async def test_a_persons_word_lets_it_go_on(
        self, owner: Api, agent: Json, bob: Json, path: str, *, worker: ScriptedProvider, follower: Follower
    ) -> None:
        await self.begin(owner, path, agent, worker)
        await follower.until("aktivitaet", aktion="chat.paused")
        await write(owner, path, bob, "Go on")
        await follower.until("aktivitaet", aktion="chat.paused")
        assert len(await self.between(owner, path)) > 4

    async def test_a_task_that_moves_lets_it_go_on(
        self, owner: Api, company: Json, agent: Json, bob: Json, path: str, *, worker: Any, follower: Follower
    ) -> None:
        await self.begin(owner, path, agent, worker)
        await follower.until("aktivitaet", aktion="chat.paused")
        await owner.task(company, zugewiesenAn=bob["id"])
        await follower.until("aktivitaet", aktion="chat.paused")
        assert len(await self.between(owner, path)) == 8

    async def test_a_conversation_stays_paused_over_a_restart(self, tmp_path: Path, settings: Settings) -> None:
        worker = ScriptedProvider()
        async with aiohttp.ClientSession() as session:
            async with (
                Runtime(tmp_path, settings=settings, providers={"scripted": worker}) as runtime,
                listening(runtime, host="127.0.0.1", port=0) as url,
            ):
                owner = await Api(session, url).somebody("Owner")
                company = await owner.company()
                agents = [await owner.agent(company, name=name, verbindungsTyp="scripted") for name in ("Ada", "Bob")]
                path = f"/api/unternehmen/{company['id']}/chat"
                await self.begin(owner, path, agents[0], worker)
                while len(await self.between(owner, path)) < 4:
                    await asyncio.gather(*(is_over(runtime, owner, agent) for agent in agents))
            orders = len(worker.orders)
            async with (
                Runtime(tmp_path, settings=settings, providers={"scripted": worker}) as runtime,
                listening(runtime, host="127.0.0.1", port=0) as url,
            ):
                again = Api(session, url, owner.token)
                for agent in agents:
                    await again.make(f"/api/experten/{agent['id']}/wakeup")
                    await is_over(runtime, again, agent)
                assert len(await self.between(again, path)) == 4
                assert len(worker.orders) == orders

    async def test_an_agents_own_words_do_not_wake_it(
        self, runtime: Runtime, owner: Api, agent: Json, path: str, worker: ScriptedProvider
    ) -> None:
        itself = await owner.agent_api(agent)
        await itself.make(path, {"nachricht": "I think"})
        await is_over(runtime, owner, agent)
        assert worker.orders == []

    async def test_a_colleague_whose_message_wants_no_answer_gets_none(
        self, runtime: Runtime, owner: Api, agent: Json, bob: Json, path: str, *, worker: ScriptedProvider
    ) -> None:
        Says(worker, Ada="NO_ANSWER")
        await write(await owner.agent_api(bob), path, agent, "Thanks")
        while not worker.orders:
            await is_over(runtime, owner, agent)
        await is_over(runtime, owner, agent)
        assert await texts(owner, path) == ["Thanks"]
