"""The tools of agents in a running company, called as a model calls them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.aioresponses_shim import fake_wire
from tests.builders import Api, assert_error
from tests.conftest import quick_settings
from tests.http.test_permissions import calling, left, run
from tests.providers.anthropic_wire import MODEL, Wire, use

Json = dict[str, Any]


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, verbindungsTyp="scripted")


@pytest.fixture
async def ceo(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Chief", verbindungsTyp="scripted", isOrchestrator=True)


# Tasks


async def test_a_call_with_a_wrong_input_is_refused_and_says_why(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider
) -> None:
    told = calling(worker, ("comment", {"texxt": "Hello"}), ("read_task", {"task": 5}), ("fly", {}))
    await run(owner, company, agent)
    assert "texxt" in told[0]
    assert "$.task" in told[1]
    assert told[2] == "There is no tool 'fly'."


async def test_an_agent_changes_only_what_lies_below_its_task(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider
) -> None:
    other = await owner.task(company)
    task = await owner.task(company)
    below = await owner.task(company, parentId=task["id"])
    deeper = await owner.task(company, parentId=below["id"])
    change = {"title": "Changed", "assignee": agent["name"], "blocked_by": [below["id"]], "status": "cancelled"}
    told = calling(
        worker, ("update_task", {"task": other["id"], **change}), ("update_task", {"task": deeper["id"], **change})
    )
    await owner.patch(f"/api/aufgaben/{task['id']}", {"zugewiesenAn": agent["id"]})
    await left(owner, task)
    assert told == [
        "Refused: You may change only tasks below the one that you work on",
        "The task is changed; it is cancelled.",
    ]
    changed = (await owner.get(f"/api/aufgaben/{deeper['id']}")).json
    assert (changed["titel"], changed["zugewiesenAn"], changed["blockedBy"]) == ("Changed", agent["id"], [below["id"]])
    assert (await owner.get(f"/api/aufgaben/{other['id']}")).json == other


# The orchestrator


async def test_a_plan_becomes_tasks_that_wait_for_each_other(
    owner: Api, company: Json, agent: Json, ceo: Json, worker: ScriptedProvider
) -> None:
    idle = await owner.agent(company, name="Idle", rolle="Painter")
    steps = [
        {"key": "build", "title": "Build", "assignee": idle["name"]},
        {"key": "paint", "title": "Paint", "skill": "engineer", "after": ["build"]},
    ]
    goal = await owner.make(f"/api/unternehmen/{company['id']}/ziele", {"titel": "A house"})
    told = calling(worker, ("plan", {"tasks": steps}))
    task = await run(owner, company, ceo, zielId=goal["id"])
    assert told[0].startswith("All tasks are created")
    below = (await owner.get(f"/api/unternehmen/{company['id']}/aufgaben?parentId={task['id']}")).json
    build, paint = below
    assert (build["titel"], build["status"], build["zugewiesenAn"]) == ("Build", "todo", idle["id"])
    assert (paint["titel"], paint["status"], paint["zugewiesenAn"]) == ("Paint", "blocked", agent["id"])
    assert paint["blockedBy"] == [build["id"]]
    assert {one["zielId"] for one in below} == {goal["id"]}
    await owner.patch(f"/api/aufgaben/{build['id']}", {"status": "done"})
    assert (await left(owner, paint))["status"] in ("done", "blocked")


@pytest.mark.parametrize(
    "steps",
    [
        [{"key": "a", "title": "A"}, {"key": "b", "title": "B", "assignee": "Nobody"}],
        [{"key": "a", "title": "A"}, {"key": "a", "title": "B"}],
        [{"key": "a", "title": "A"}, {"key": "b", "title": "B", "after": ["c"]}],
        [{"key": "a", "title": "A", "after": ["b"]}, {"key": "b", "title": "B", "after": ["a"]}],
        [{"key": "a", "title": "A"}, {"key": "b", "title": ""}],
    ],
)
async def test_of_a_plan_that_does_not_fit_together_nothing_is_created(
    owner: Api, company: Json, ceo: Json, worker: ScriptedProvider, steps: list[Json]
) -> None:
    told = calling(worker, ("plan", {"tasks": steps}))
    await run(owner, company, ceo)
    assert told[0].startswith(("Refused", "The input is not valid"))
    assert (await owner.get(f"/api/unternehmen/{company['id']}/aufgaben")).headers["X-Total-Count"] == "1"


async def test_an_orchestrator_sets_and_achieves_a_goal(
    owner: Api, company: Json, ceo: Json, worker: ScriptedProvider
) -> None:
    goal = await owner.make(f"/api/unternehmen/{company['id']}/ziele", {"titel": "Grow"})
    told = calling(
        worker,
        ("create_goal", {"title": "Grow more", "parent": goal["id"]}),
        ("update_goal", {"goal": goal["id"], "status": "achieved"}),
    )
    await run(owner, company, ceo)
    assert told[1] == "The goal is changed; it is achieved."
    first, second = (await owner.get(f"/api/unternehmen/{company['id']}/ziele")).json
    assert (first["status"], second["titel"], second["parentId"]) == ("achieved", "Grow more", goal["id"])


async def test_a_hire_is_a_question_to_the_board_in_wire_form(
    owner: Api, company: Json, ceo: Json, worker: ScriptedProvider
) -> None:
    calling(worker, ("hire", {"agent_name": "Bob", "role": "Painter", "reason": "Nobody paints"}))
    await run(owner, company, ceo)
    [approval] = (await owner.get(f"/api/unternehmen/{company['id']}/genehmigungen")).json
    assert approval["typ"] == "hire_expert"
    payload = approval["payload"]
    assert (payload["name"], payload["rolle"], payload["reportsTo"]) == ("Bob", "Painter", ceo["id"])
    hired = await owner.post(f"/api/unternehmen/{company['id']}/experten", payload)
    assert hired.status == 201
    assert len((await owner.get(f"/api/unternehmen/{company['id']}/experten")).json) == 2


@pytest.mark.parametrize(
    ("config", "adapter", "hired"),
    [
        ({"modell": "m", "apiKey": "sk-secret-of-the-chief-123456"}, "scripted", {"modell": "m"}),
        ({"anbieter": "claude", "modell": "m", "maxSchritte": 5}, "claude", {"modell": "m", "maxSchritte": 5}),
    ],
)
async def test_who_is_hired_works_as_its_superior_does_without_its_secrets(
    owner: Api, company: Json, worker: ScriptedProvider, *, config: Json, adapter: str, hired: Json
) -> None:
    chief = await owner.agent(company, verbindungsTyp="scripted", verbindungsConfig=config, isOrchestrator=True)
    calling(worker, ("hire", {"agent_name": "Bob", "role": "Painter", "reason": "Nobody paints"}))
    await run(owner, company, chief)
    [approval] = (await owner.get(f"/api/unternehmen/{company['id']}/genehmigungen")).json
    assert (approval["payload"]["verbindungsTyp"], approval["payload"]["verbindungsConfig"]) == (adapter, hired)


async def test_a_report_is_a_comment_and_an_activity(
    owner: Api, company: Json, ceo: Json, worker: ScriptedProvider
) -> None:
    calling(worker, ("report", {"text": "All is well"}))
    task = await run(owner, company, ceo)
    feed = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json
    [entry] = [entry for entry in feed if entry["aktion"] == "ceo.report"]
    assert (entry["text"], entry["akteurId"]) == ("All is well", ceo["id"])
    assert (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json[0]["inhalt"] == "All is well"


# Files


@pytest.fixture
async def workspace(runtime: Runtime, company: Json, agent: Json) -> Path:
    folder = runtime.data / "agents" / company["id"] / agent["id"]
    folder.mkdir(parents=True)
    return folder


async def test_a_file_that_was_written_can_be_read_and_is_listed(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, workspace: Path
) -> None:
    told = calling(
        worker,
        ("write_file", {"path": "notes/plan.md", "content": "long ago"}),
        ("write_file", {"path": "notes/plan.md", "content": "now"}),
        ("read_file", {"path": "notes/plan.md"}),
        ("list_files", {}),
    )
    await run(owner, company, agent)
    assert told[2:] == ["now", "notes/"]
    assert (workspace / "notes" / "plan.md").read_text() == "now"


@pytest.mark.parametrize("tool", ["read_file", "write_file", "list_files"])
@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret", "link", "folder-link/secret", "a\0b"])
async def test_no_path_leads_out_of_the_workspace(  # noqa: PLR0917 - fixtures, and both parameters
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, workspace: Path, tool: str, path: str
) -> None:
    secret = workspace.parent / "secret"
    secret.write_text("hidden")
    (workspace / "link").symlink_to(secret)
    (workspace / "folder-link").symlink_to(workspace.parent)
    told = calling(worker, (tool, {"path": path} | ({"content": "overwritten"} if tool == "write_file" else {})))
    await run(owner, company, agent)
    assert told[0].startswith("Refused")
    assert "hidden" not in told[0]
    assert secret.read_text() == "hidden"


async def test_what_is_no_text_of_a_sensible_length_is_not_read(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, workspace: Path
) -> None:
    (workspace / "binary").write_bytes(b"\x00\xff")
    (workspace / "zero").write_bytes(b"a\x00")
    (workspace / "large").write_text("x" * 200_001)
    names = ("binary", "zero", "large", "missing", ".")
    told = calling(worker, *(("read_file", {"path": name}) for name in names))
    await run(owner, company, agent)
    assert [words.startswith("Refused") for words in told] == [True] * len(names)


# Commands and pages


async def test_a_command_is_neither_offered_nor_run_where_commands_are_off(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider
) -> None:
    await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {"run_command": "allow"})
    told = calling(worker, ("run_command", {"command": "echo ran"}))
    await run(owner, company, agent)
    assert told[0].startswith("Refused: Commands are switched off")
    assert "run_command" not in (worker.orders[0].tools or ())


class TestCommands:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(agents={"bash_enabled": True, "commands_to_approve": [r"\brm\b"]})

    async def test_a_command_runs_in_the_workspace_with_a_clean_environment(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider, workspace: Path
    ) -> None:
        (workspace / "here").touch()
        await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {"run_command": "allow"})
        told = calling(worker, ("run_command", {"command": "ls; echo ${ANTHROPIC_API_KEY:-none}; exit 3"}))
        await run(owner, company, agent)
        assert told == ["here\nnone\nThe command ended with status 3"]

    async def test_a_delicate_command_is_asked_about_whatever_the_permission(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider
    ) -> None:
        await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {"run_command": "allow"})
        told = calling(worker, ("run_command", {"command": "rm -rf x"}))
        task = await run(owner, company, agent)
        assert (task["status"], told[0].split(".")[0]) == ("blocked", "The board is asked about this call")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/", "http://169.254.169.254/latest", "file:///etc/passwd", "nonsense", "http://u:p@x.org"],
)
async def test_a_page_that_must_not_be_reached_is_refused(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider, address: str
) -> None:
    told = calling(worker, ("fetch_url", {"url": address}))
    await run(owner, company, agent)
    assert told[0].startswith("Refused: url: ")


class TestPages:
    """From a server that the settings allow; what lies behind its redirects is checked anew."""

    @pytest.fixture
    async def site(self) -> AsyncIterator[str]:
        async def answer(request: web.Request) -> web.Response:
            match request.path:
                case "/text":
                    return web.Response(text="Hello")
                case "/long":
                    return web.Response(text="x" * 300_000)
                case "/image":
                    return web.Response(body=b"GIF", content_type="image/gif")
                case "/inside":
                    raise web.HTTPFound("http://127.0.0.2:1/")
                case "/moved":
                    raise web.HTTPFound("/text")
            raise web.HTTPFound("/loop")

        app = web.Application()
        app.router.add_get("/{path}", answer)
        async with TestServer(app, host="127.0.0.1") as server:
            yield str(server.make_url("/"))

    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(agents={"http_allowed_addresses": ["127.0.0.1"]})

    async def test_text_is_read_and_what_is_none_or_leads_inside_is_refused(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider, site: str
    ) -> None:
        paths = ("text", "moved", "long", "image", "inside", "loop")
        told = calling(worker, *(("fetch_url", {"url": site + path}) for path in paths))
        await run(owner, company, agent)
        assert told[:2] == ["Status 200\nHello"] * 2
        assert told[2].endswith("[cut after 200000 bytes]")
        assert [words.startswith("Refused: url: ") for words in told[3:]] == [True] * 3


async def test_the_ceo_adapter_leads_through_claude_and_makes_a_plan(owner: Api, tmp_path: Path) -> None:
    settings = quick_settings(agents={"anthropic_base_url": "https://api.anthropic.test"}, work={"critic": "off"})
    with fake_wire() as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
        wire = Wire(fake)
        wire.replies(use("plan", tasks=[{"key": "a", "title": "Build"}]))
        wire.replies(use("finish", result="Planned"))
        async with Runtime(tmp_path / "led", settings=settings) as led:
            company = await led.create_company(name="Acme")
            config = {"anbieter": "claude", "modell": MODEL}
            ceo = await led.create_agent(company.id, name="Ada", role="CEO", adapter="ceo", adapter_config=config)
            assert ceo.is_orchestrator
            task = await led.create_task(company.id, title="Plan", assignee_id=ceo.id)
            assert (await led.finished(task.id, within=10)).result == "Planned"
            assert len(await led.queries.task_lines(task.id, 10)) == 1
    assert "You lead this company" in wire.bodies[0]["system"][0]["text"]
    assert {"plan", "hire", "update_goal", "report"} <= {tool["name"] for tool in wire.bodies[0]["tools"]}


@pytest.mark.parametrize("config", [{}, {"anbieter": "ceo"}, {"anbieter": "bash"}, {"anbieter": "claude", "modell": 5}])
async def test_a_ceo_names_an_adapter_with_a_model(owner: Api, company: Json, config: Json) -> None:
    body = {"name": "Ada", "rolle": "CEO", "verbindungsTyp": "ceo", "verbindungsConfig": config}
    assert_error(await owner.post(f"/api/unternehmen/{company['id']}/experten", body), 400, "VALIDATION_ERROR")
