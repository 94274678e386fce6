"""The built-in adapters end to end: from hiring an agent over HTTP to the task that it has done, or has not."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from tests.aioresponses_shim import fake_wire
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.providers.anthropic_wire import MODEL, Wire, answered, text, use

Json = dict[str, Any]


class Agency:
    """A company, and what its agents do."""

    def __init__(self, owner: Api, company: Json, follower: Follower) -> None:
        self.owner = owner
        self.company = company
        self.follower = follower
        self.agent: Json = {}
        self.task: Json = {}

    async def hire(self, adapter: str, **config: Any) -> None:
        self.agent = await self.owner.agent(self.company, verbindungsTyp=adapter, verbindungsConfig=config)

    async def assign(self, **fields: Any) -> None:
        self.task = await self.owner.task(self.company, zugewiesenAn=self.agent["id"], **fields)

    async def ended(self) -> tuple[Json, Json]:
        """(run, task), when the agent is idle again."""
        end = await self.follower.until("run_finished", aufgabeId=self.task["id"])
        if (await self.owner.get(f"/api/experten/{self.agent['id']}")).json["status"] == "running":
            await self.follower.until("agent_status", after=end, expertId=self.agent["id"], status="idle")
        run = (await self.owner.get(f"/api/experten/{self.agent['id']}/laeufe")).json[0]
        return run, (await self.owner.get(f"/api/aufgaben/{self.task['id']}")).json

    async def cancel(self) -> None:
        """What the board does when a task is not wanted any more."""
        await self.owner.make(f"/api/aufgaben/{self.task['id']}/release", {"status": "cancelled"})

    async def assert_cancelled(self) -> None:
        run, task = await self.ended()
        assert (run["status"], run["fehler"]) == ("cancelled", "The run was cancelled")
        assert (task["status"], task["executionLockedBy"]) == ("cancelled", None)

    async def assert_failed(self, why: str, status: str = "failed") -> None:
        run, task = await self.ended()
        assert (run["status"], run["fehler"]) == (status, why)
        assert (task["status"], task["versuche"], task["executionLockedBy"]) == ("todo", 1, None)


@pytest.fixture
async def agency(owner: Api, follow: Callable[..., Awaitable[Follower]]) -> Agency:
    return Agency(owner, await owner.company(ziel="Sell anvils"), await follow(owner))


class TestBashSwitchedOff:
    async def test_it_is_refused_and_the_answer_says_which_setting_allows_it(self, owner: Api) -> None:
        company = await owner.company()
        body = {"name": "Ada", "rolle": "Engineer", "verbindungsTyp": "bash", "verbindungsConfig": {"befehl": "true"}}
        answer = await owner.post(f"/api/unternehmen/{company['id']}/experten", body)
        assert_error(answer, 400, "VALIDATION_ERROR")
        [problem] = answer.json["details"]
        assert problem["feld"] == "verbindungsTyp"
        assert "agents.bash_enabled" in problem["problem"]

    async def test_no_agent_can_be_turned_into_one(self, owner: Api) -> None:
        agent = await owner.agent(await owner.company(), verbindungsConfig={"befehl": "true"})
        assert_error(
            await owner.patch(f"/api/experten/{agent['id']}", {"verbindungsTyp": "bash"}), 400, "VALIDATION_ERROR"
        )

    async def test_an_agent_of_a_time_when_it_was_on_fails_and_says_why(self, tmp_path: Path) -> None:
        enabled = quick_settings(agents={"bash_enabled": True})
        async with Runtime(tmp_path, settings=enabled) as runtime:
            company = await runtime.create_company(name="Acme")
            config = {"befehl": "touch ran"}
            agent = await runtime.create_agent(
                company.id, name="Ada", role="Engineer", adapter="bash", adapter_config=config
            )
        async with Runtime(tmp_path, settings=quick_settings()) as runtime:
            task = await runtime.create_task(company.id, title="Task", assignee_id=agent.id)
            async for event in runtime.events(since=0):
                if event.type == "run_finished":
                    break
            found = await runtime.task(task.id)
            assert found is not None
            assert found.status == "todo"
            [comment] = (await runtime.queries.comments(task.id, 10, 0)).bodies
            assert "agents.bash_enabled" in json.loads(comment)["inhalt"]
        assert not (tmp_path / "agents" / company.id / agent.id / "ran").exists()


class TestBash:
    @pytest.fixture
    def settings(self, request: pytest.FixtureRequest) -> Settings:
        return quick_settings(agents={"bash_enabled": True}, work=getattr(request, "param", {}))

    @pytest.fixture
    async def pipe(self, runtime: Runtime, agency: Agency) -> AsyncIterator[asyncio.StreamReader]:
        """What a command's processes write to `pipe`; at its end, all of them are gone."""
        await agency.hire("bash", befehl="exec 3>pipe; echo begun >&3; sleep 600 & sleep 600")
        workspace = runtime.data / "agents" / agency.company["id"] / agency.agent["id"]
        workspace.mkdir(parents=True)
        os.mkfifo(workspace / "pipe")
        file = os.fdopen(os.open(workspace / "pipe", os.O_RDONLY | os.O_NONBLOCK))
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        yield reader
        transport.close()

    async def begin(self, agency: Agency, pipe: asyncio.StreamReader) -> None:
        await agency.assign()
        assert await asyncio.wait_for(pipe.readline(), 5) == b"begun\n"

    async def assert_all_processes_are_gone(self, pipe: asyncio.StreamReader) -> None:
        assert await asyncio.wait_for(pipe.read(), 5) == b""

    async def test_a_command_does_the_task_and_what_it_prints_is_the_result(self, agency: Agency) -> None:
        await agency.hire("bash", befehl='echo "looking" >&2; echo "I did: $OPENCOGNIT_TASK_TITLE"')
        await agency.assign(titel="$(touch run) `true`")
        run, task = await agency.ended()
        assert (task["status"], task["ergebnis"]) == ("done", "I did: $(touch run) `true`")
        assert (run["status"], run["fehler"], run["kostenCent"]) == ("succeeded", None, 0)
        assert "looking\n" in run["ausgabe"]

    async def test_a_command_is_given_the_task_on_its_input(self, agency: Agency) -> None:
        await agency.hire("bash", befehl="cat")
        await agency.assign(beschreibung="Blue, please")
        given = json.loads((await agency.ended())[1]["ergebnis"])
        assert (given["aufgabeId"], given["beschreibung"]) == (agency.task["id"], "Blue, please")
        assert given["unternehmen"]["ziel"] == "Sell anvils"

    async def test_what_an_agent_leaves_in_its_workspace_is_there_for_its_next_task(self, agency: Agency) -> None:
        await agency.hire("bash", befehl="echo x >> seen; wc -l < seen")
        results = []
        for _ in range(2):
            await agency.assign()
            results.append((await agency.ended())[1]["ergebnis"])
        assert results == ["1", "2"]

    async def test_a_status_that_is_not_0_is_a_failure(self, agency: Agency) -> None:
        await agency.hire("bash", befehl="echo sorry; exit 3")
        await agency.assign()
        await agency.assert_failed("The command ended with status 3")

    async def test_cancelling_ends_the_command_and_all_that_it_has_started(
        self, agency: Agency, pipe: asyncio.StreamReader
    ) -> None:
        await self.begin(agency, pipe)
        await agency.cancel()
        await self.assert_all_processes_are_gone(pipe)
        await agency.assert_cancelled()

    async def test_deleting_the_agent_ends_the_command(self, agency: Agency, pipe: asyncio.StreamReader) -> None:
        await self.begin(agency, pipe)
        await agency.owner.delete(f"/api/experten/{agency.agent['id']}")
        await self.assert_all_processes_are_gone(pipe)

    @pytest.mark.parametrize("settings", [{"run_time_limit_seconds": 0.5}], indirect=True)
    async def test_the_servers_time_limit_ends_the_command(self, agency: Agency, pipe: asyncio.StreamReader) -> None:
        await self.begin(agency, pipe)
        await self.assert_all_processes_are_gone(pipe)
        await agency.assert_failed("The time limit was reached", "timed_out")

    async def test_the_agents_own_time_limit_ends_the_command(self, agency: Agency, pipe: asyncio.StreamReader) -> None:
        config = {**agency.agent["verbindungsConfig"], "zeitlimitSek": 0.5}
        await agency.owner.patch(f"/api/experten/{agency.agent['id']}", {"verbindungsConfig": config})
        await self.begin(agency, pipe)
        await self.assert_all_processes_are_gone(pipe)
        await agency.assert_failed("The command was ended after its limit of 0.5 s")


class Service:
    """A web service that agents call."""

    def __init__(self) -> None:
        self.orders: asyncio.Queue[Json] = asyncio.Queue()
        self.headers: list[Any] = []
        self.answers: list[Any] = []
        self.cut = asyncio.Event()
        self.url = ""

    async def work(self, request: web.Request) -> web.Response:
        self.headers.append(request.headers)
        order = await request.json()
        self.orders.put_nowait(order)
        answer = self.answers.pop(0) if self.answers else 202
        if answer == "never":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cut.set()
                raise
        if callable(answer):
            answer = await answer(order)
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.json_response(answer)

    async def order(self) -> Json:
        return await asyncio.wait_for(self.orders.get(), 5)


class TestHttp:
    @pytest.fixture
    async def service(self) -> AsyncIterator[Service]:
        service, app = Service(), web.Application()
        app.router.add_post("/work", service.work)
        async with TestServer(app, host="127.0.0.1") as server:
            service.url = str(server.make_url("/work"))
            yield service

    @pytest.fixture
    def settings(self, request: pytest.FixtureRequest, service: Service) -> Settings:
        allowed = {"http_allowed_addresses": [urlsplit(service.url).netloc]}
        server = {"public_url": "https://board.example.com"}
        return quick_settings(agents=allowed, work=getattr(request, "param", {}), server=server)

    @pytest.fixture
    async def hired(self, agency: Agency, service: Service) -> Agency:
        await agency.hire("http", url=service.url, kopfzeilen={"Authorization": "Bearer secret"})
        return agency

    async def callback(self, agency: Agency, service: Service) -> tuple[Api, str]:
        """(caller, path) by which a run that waits can be answered."""
        await agency.assign()
        back = (await service.order())["rueckruf"]
        assert back["url"].startswith("https://board.example.com/api/laeufe/")
        return agency.owner.with_token(back["token"]), urlsplit(back["url"]).path

    async def test_a_service_answers_at_once_and_the_task_is_done(self, hired: Agency, service: Service) -> None:
        answer = {"ergebnis": "42", "kostenCent": 1.5, "usage": {"inputTokens": 7}, "modell": "theirs"}
        service.answers = [answer]
        await hired.assign(titel="Count")
        run, task = await hired.ended()
        assert (task["status"], task["ergebnis"]) == ("done", "42")
        assert (run["status"], run["kostenCent"], run["usage"]["inputTokens"]) == ("succeeded", 1.5, 7)
        order = await service.order()
        assert (order["titel"], order["agent"]["name"], order["runId"]) == ("Count", hired.agent["name"], run["id"])
        assert service.headers[0]["Idempotency-Key"]

    async def test_a_secret_header_is_sent_and_never_shown(self, hired: Agency, service: Service) -> None:
        service.answers = [{"ergebnis": "done"}]
        await hired.assign()
        await hired.ended()
        assert service.headers[0]["Authorization"] == "Bearer secret"
        assert "Bearer secret" not in (await hired.owner.get(f"/api/experten/{hired.agent['id']}")).text

    async def test_a_service_may_hand_in_for_review(self, hired: Agency, service: Service) -> None:
        service.answers = [{"ergebnis": "draft", "status": "in_review"}]
        await hired.assign()
        assert (await hired.ended())[1]["status"] == "in_review"

    async def test_a_service_calls_back_once(self, hired: Agency, service: Service) -> None:
        caller, path = await self.callback(hired, service)
        for token in ("wrong", None, hired.owner.token):
            refused = await hired.owner.with_token(token).post(path, {"ergebnis": "theirs"})
            assert_error(refused, 401, "NOT_AUTHENTICATED")
        assert await caller.make(path, {"ergebnis": "ours", "kostenCent": 2}) == {"success": True}
        run, task = await hired.ended()
        assert (task["status"], task["ergebnis"], run["kostenCent"]) == ("done", "ours", 2)
        assert_error(await caller.post(path, {"ergebnis": "again"}), 401, "NOT_AUTHENTICATED")
        assert (await hired.owner.get(f"/api/aufgaben/{task['id']}")).json == task

    async def test_of_two_call_backs_at_once_one_is_taken(self, hired: Agency, service: Service) -> None:
        caller, path = await self.callback(hired, service)
        answers = await asyncio.gather(*(caller.post(path, {"ergebnis": f"{number}"}) for number in range(5)))
        assert sorted(answer.status for answer in answers) == [200, 401, 401, 401, 401]
        [taken] = [number for number, answer in enumerate(answers) if answer.status == 200]
        assert (await hired.ended())[1]["ergebnis"] == f"{taken}"

    async def test_a_call_back_may_come_before_the_202(self, hired: Agency, service: Service) -> None:
        async def answer(order: Json) -> int:
            caller = hired.owner.with_token(order["rueckruf"]["token"])
            await caller.make(urlsplit(order["rueckruf"]["url"]).path, {"ergebnis": "early"})
            return 202

        service.answers = [answer]
        await hired.assign()
        assert (await hired.ended())[1]["ergebnis"] == "early"

    async def test_the_token_of_one_run_does_not_answer_another(self, hired: Agency, service: Service) -> None:
        caller, _ = await self.callback(hired, service)
        colleague = Agency(hired.owner, hired.company, hired.follower)
        await colleague.hire("http", url=service.url)
        _, path = await self.callback(colleague, service)
        assert_error(await caller.post(path, {"ergebnis": "x"}), 401, "NOT_AUTHENTICATED")

    async def test_a_call_back_may_tell_of_a_failure(self, hired: Agency, service: Service) -> None:
        caller, path = await self.callback(hired, service)
        await caller.make(path, {"fehler": "Out of paper"})
        await hired.assert_failed("Out of paper")

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (400, "The service answered with status 400"),
            (302, "The service answers with a redirect, which is not followed; give the final URL"),
            ({"fehler": "Out of paper"}, "Out of paper"),
        ],
    )
    async def test_an_answer_that_is_no_result_is_a_failure(
        self, hired: Agency, service: Service, answer: Any, why: str
    ) -> None:
        service.answers = [answer]
        await hired.assign()
        await hired.assert_failed(why)

    async def test_a_service_that_is_away_is_no_failed_attempt(self, hired: Agency, service: Service) -> None:
        service.answers = [500]
        await hired.assign()
        run, task = await hired.ended()
        assert (run["status"], run["fehler"]) == ("deferred", "The service answered with status 500")
        assert (task["status"], task["versuche"], task["executionLockedBy"]) == ("todo", 0, None)
        assert task["naechsterVersuchAm"] is not None

    async def test_cancelling_hangs_up(self, hired: Agency, service: Service) -> None:
        service.answers = ["never"]
        await hired.assign()
        await service.order()
        await hired.cancel()
        await hired.assert_cancelled()
        await asyncio.wait_for(service.cut.wait(), 5)

    async def test_cancelling_ends_the_wait_for_the_call_back(self, hired: Agency, service: Service) -> None:
        caller, path = await self.callback(hired, service)
        await hired.cancel()
        await hired.assert_cancelled()
        assert_error(await caller.post(path, {"ergebnis": "late"}), 401, "NOT_AUTHENTICATED")

    @pytest.mark.parametrize("settings", [{"run_time_limit_seconds": 0.5}], indirect=True)
    async def test_the_servers_time_limit_ends_the_wait_for_the_call_back(
        self, hired: Agency, service: Service
    ) -> None:
        caller, path = await self.callback(hired, service)
        await hired.assert_failed("The time limit was reached", "timed_out")
        assert_error(await caller.post(path, {"ergebnis": "late"}), 401, "NOT_AUTHENTICATED")

    @pytest.mark.parametrize("settings", [{"run_time_limit_seconds": 0.5}], indirect=True)
    async def test_the_servers_time_limit_hangs_up(self, hired: Agency, service: Service) -> None:
        service.answers = ["never"]
        await hired.assign()
        run, task = await hired.ended()
        # The connection has the same limit; whichever is noticed first.
        assert run["status"] in ("timed_out", "failed")
        assert (task["status"], task["versuche"], task["executionLockedBy"]) == ("todo", 1, None)
        await asyncio.wait_for(service.cut.wait(), 5)

    @pytest.mark.parametrize("answer", ["never", 202])
    async def test_the_agents_own_time_limit_ends_the_wait(self, agency: Agency, service: Service, answer: Any) -> None:
        await agency.hire("http", url=service.url, zeitlimitSek=0.2)
        service.answers = [answer]
        await agency.assign()
        await agency.assert_failed("The service did not answer in time")

    async def test_a_private_address_that_is_not_named_is_refused(self, owner: Api) -> None:
        body = {"name": "Ada", "rolle": "Engineer", "verbindungsTyp": "http", "verbindungsConfig": {}}
        body["verbindungsConfig"] = {"url": "http://127.0.0.1:1/work"}
        answer = await owner.post(f"/api/unternehmen/{(await owner.company())['id']}/experten", body)
        assert_error(answer, 400, "VALIDATION_ERROR")


class TestClaude:
    @pytest.fixture
    def settings(self, request: pytest.FixtureRequest) -> Settings:
        address = {"anthropic_base_url": "https://api.anthropic.test"}
        return quick_settings(agents=address, work={"critic": "off", **getattr(request, "param", {})})

    @pytest.fixture
    def wire(self, monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[Wire]:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        with fake_wire() as fake:
            # The calls of the test itself go to the server.
            fake._passthrough.append(url)
            yield Wire(fake)

    @pytest.fixture
    async def hired(self, wire: Wire, agency: Agency) -> Agency:
        await agency.hire("claude", modell=MODEL)
        return agency

    def hangs(self, wire: Wire) -> asyncio.Event:
        """The next call is never answered; set when it has been made."""
        called = asyncio.Event()

        async def never() -> None:
            called.set()
            await asyncio.Event().wait()

        wire.answers(before=never)
        return called

    async def test_a_model_works_step_by_step_and_its_cost_is_booked(self, hired: Agency, wire: Wire) -> None:
        wire.replies(text("I will say so."), use("comment", text="Begun"))
        wire.replies(use("finish", result="42"))
        await hired.assign(titel="Count")
        run, task = await hired.ended()
        assert (task["status"], task["ergebnis"]) == ("done", "42")
        assert (run["status"], run["ausgabe"]) == ("succeeded", "I will say so.")
        assert (run["usage"]["inputTokens"], run["usage"]["outputTokens"]) == (200, 20)
        agent = (await hired.owner.get(f"/api/experten/{hired.agent['id']}")).json
        assert agent["verbrauchtMonatCent"] == run["kostenCent"] > 0
        comments = (await hired.owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json
        assert [comment["inhalt"] for comment in comments] == ["Begun", "42"]
        assert {comment["autorExpertId"] for comment in comments} == {agent["id"]}

    async def test_the_model_is_told_the_task_and_called_with_the_servers_key(self, hired: Agency, wire: Wire) -> None:
        wire.replies(text("Done."), stop="end_turn")
        await hired.assign(titel="Count the anvils", beschreibung="Twice")
        assert (await hired.ended())[1]["ergebnis"] == "Done."
        [body], [headers] = wire.bodies, wire.headers
        assert (body["model"], headers["authorization"]) == (MODEL, "Bearer sk-ant-test")
        said = json.dumps([body["system"], body["messages"]])
        assert all(words in said for words in ("Count the anvils", "Twice", "Sell anvils", hired.agent["name"]))

    async def test_a_subtask_of_a_model_is_its_colleagues(self, hired: Agency, wire: Wire) -> None:
        colleague = await hired.owner.agent(hired.company, name="Bob")
        wire.replies(use("create_subtask", title="Count", assignee="Bob"))
        wire.replies(use("finish", result="Delegated"))
        await hired.assign()
        _, task = await hired.ended()
        path = f"/api/unternehmen/{hired.company['id']}/aufgaben?parentId={task['id']}"
        [subtask] = (await hired.owner.get(path)).json
        assert (subtask["titel"], subtask["zugewiesenAn"]) == ("Count", colleague["id"])
        assert subtask["erstelltVon"] == hired.agent["id"]

    async def test_a_question_to_the_board_blocks_the_task_until_it_is_answered(
        self, hired: Agency, wire: Wire
    ) -> None:
        wire.replies(use("ask_for_approval", title="Buy steel", description="For anvils"))
        await hired.assign()
        _, task = await hired.ended()
        assert (task["status"], task["executionLockedBy"]) == ("blocked", None)
        [approval] = (await hired.owner.get(f"/api/unternehmen/{hired.company['id']}/genehmigungen")).json
        assert approval["titel"] == "Buy steel"
        wire.replies(use("finish", result="Bought"))
        await hired.owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen", {})
        assert (await hired.ended())[1]["ergebnis"] == "Bought"

    async def test_pausing_ends_the_work_after_the_present_step(self, hired: Agency, wire: Wire) -> None:
        async def pause() -> None:
            await hired.owner.make(f"/api/experten/{hired.agent['id']}/pausieren")

        wire.answers(before=pause, body=answered([use("comment", text="Half done")]))
        await hired.assign()
        await hired.follower.until("run_finished", aufgabeId=hired.task["id"], status="succeeded")
        task = (await hired.owner.get(f"/api/aufgaben/{hired.task['id']}")).json
        assert (task["status"], task["executionLockedBy"]) == ("todo", None)
        wire.replies(use("finish", result="42"))
        await hired.owner.make(f"/api/experten/{hired.agent['id']}/fortsetzen")
        assert (await hired.ended())[1]["ergebnis"] == "42"
        assert "Half done" in json.dumps(wire.bodies[1]["messages"])

    async def test_cancelling_ends_the_call(self, hired: Agency, wire: Wire) -> None:
        called = self.hangs(wire)
        await hired.assign()
        await asyncio.wait_for(called.wait(), 5)
        await hired.cancel()
        await hired.assert_cancelled()

    async def test_what_was_spent_before_the_cancellation_is_booked(self, hired: Agency, wire: Wire) -> None:
        wire.replies(use("comment", text="Begun"))
        called = self.hangs(wire)
        await hired.assign()
        await asyncio.wait_for(called.wait(), 5)
        await hired.cancel()
        run, _ = await hired.ended()
        assert (run["status"], run["usage"]["inputTokens"]) == ("cancelled", 100)
        agent = (await hired.owner.get(f"/api/experten/{hired.agent['id']}")).json
        assert agent["verbrauchtMonatCent"] == run["kostenCent"] > 0

    @pytest.mark.parametrize("settings", [{"run_time_limit_seconds": 0.5}], indirect=True)
    async def test_the_time_limit_ends_the_call(self, hired: Agency, wire: Wire) -> None:
        self.hangs(wire)
        await hired.assign()
        run, task = await hired.ended()
        assert run["status"] in ("timed_out", "failed")
        assert (task["status"], task["versuche"], task["executionLockedBy"]) == ("todo", 1, None)

    async def test_a_refusal_by_anthropic_is_a_failure(self, hired: Agency, wire: Wire) -> None:
        wire.answers(status=401, body=json.dumps({"type": "error", "error": {"type": "x", "message": "bad key"}}))
        await hired.assign()
        run, task = await hired.ended()
        assert (run["status"], task["status"], task["versuche"]) == ("failed", "todo", 1)
        assert "sk-ant-test" not in run["fehler"]

    async def test_without_a_key_the_failure_says_what_to_set(
        self, hired: Agency, monkeypatch: pytest.MonkeyPatch, wire: Wire
    ) -> None:
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        await hired.assign()
        await hired.assert_failed(
            "No Anthropic API key is set; set anthropic_api_key, or start the server with ANTHROPIC_API_KEY"
        )
        assert wire.bodies == []
