"""What an agent may do with its tools: what the board chooses, and what a run then meets."""

from typing import Any

import pytest

from opencognit.providers.agent_tools import TOOLS, call_tool, offered
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.testing import ScriptedProvider
from tests.builders import Api, assert_error

Json = dict[str, Any]


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, verbindungsTyp="scripted")


async def run(owner: Api, company: Json, agent: Json, **fields: Any) -> Json:
    """A task, as the agent has left it."""
    task = await owner.task(company, zugewiesenAn=agent["id"], **fields)
    return await left(owner, task)


async def left(owner: Api, task: Json) -> Json:
    while True:
        found: Json = (await owner.get(f"/api/aufgaben/{task['id']}")).json
        if found["status"] not in ("todo", "in_progress"):
            return found


async def decided(owner: Api, approval: Json, how: str, body: Json | None = None) -> None:
    """The board decides, and what follows from it has happened."""
    await owner.make(f"/api/genehmigungen/{approval['id']}/{how}", body)
    while (await owner.get(f"/api/genehmigungen/{approval['id']}")).json["folgenOffen"]:
        pass


def calling(worker: ScriptedProvider, *calls: tuple[str, Json]) -> list[str]:
    """Let the agent make these calls in each run; returns what it is told, as it comes."""
    told: list[str] = []

    async def script(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        for name, arguments in calls:
            answer = await call_tool(name, arguments, toolbox)
            told.append(answer.text)
            if answer.outcome is not None:
                return answer.outcome
        return Outcome(result="ended")

    worker.script = script
    return told


async def test_the_usual_permissions_go_with_the_role(owner: Api, company: Json, agent: Json) -> None:
    ceo = await owner.agent(company, isOrchestrator=True)
    mine = (await owner.get(f"/api/experten/{agent['id']}/permissions")).json
    its = (await owner.get(f"/api/experten/{ceo['id']}/permissions")).json
    assert {name for name in mine if mine[name] == "deny"} == {"plan", "goals", "hire", "report"}
    assert {name for name in its if its[name] != "allow"} == {"run_command"}
    assert mine["run_command"] == its["run_command"] == "ask"


async def test_what_is_chosen_is_answered_with_all_the_others(owner: Api, agent: Json) -> None:
    path = f"/api/experten/{agent['id']}/permissions"
    before = (await owner.get(path)).json
    answer = await owner.call("PUT", path, {"comment": "deny", "fetch_url": "ask"})
    assert answer.status == 200
    assert answer.json == before | {"comment": "deny", "fetch_url": "ask"}
    assert (await owner.get(path)).json == answer.json
    assert (await owner.call("PUT", path, {})).json == before


@pytest.mark.parametrize(
    ("field", "value"), [("comments", "allow"), ("comment", "yes"), ("comment", None), ("comment", {"a": 1})]
)
async def test_an_unknown_permission_or_value_is_refused(owner: Api, agent: Json, field: str, value: Any) -> None:
    answer = await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {field: value})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]


async def test_no_agent_changes_its_own_permissions(owner: Api, agent: Json) -> None:
    itself = await owner.agent_api(agent)
    path = f"/api/experten/{agent['id']}/permissions"
    assert_error(await itself.call("PUT", path, {"goals": "allow"}), 403, "FORBIDDEN")
    assert (await itself.get(path)).json["goals"] == "deny"


async def test_a_tool_without_permission_is_not_offered_and_refused_all_the_same(
    owner: Api, company: Json, agent: Json, worker: ScriptedProvider
) -> None:
    await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {"comment": "deny"})
    told = calling(worker, ("comment", {"text": "Hello"}))
    task = await run(owner, company, agent)
    assert "comment" not in {tool.name for tool in offered(worker.orders[0])}
    assert told == ["Refused: You have no permission for comment; the board decides about that"]
    assert [one["inhalt"] for one in (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json] == ["ended"]


def test_an_order_without_a_choice_is_offered_every_tool() -> None:
    from tests.providers.toolbox import order

    assert offered(order()) == TOOLS
    assert [tool.name for tool in offered(order(tools=frozenset({"comment"})))] == ["comment", "finish"]


class TestAsking:
    @pytest.fixture
    async def agent(self, owner: Api, company: Json) -> Json:
        agent = await owner.agent(company, verbindungsTyp="scripted")
        await owner.call("PUT", f"/api/experten/{agent['id']}/permissions", {"write_files": "ask"})
        return agent

    async def pending(self, owner: Api, company: Json) -> list[Json]:
        found: list[Json] = (await owner.get(f"/api/unternehmen/{company['id']}/genehmigungen")).json
        return found

    async def test_a_call_becomes_an_approval_and_the_task_waits(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider
    ) -> None:
        calling(worker, ("write_file", {"path": "a.txt", "content": "one"}))
        task = await run(owner, company, agent)
        [approval] = await self.pending(owner, company)
        assert task["status"] == "blocked"
        assert (approval["typ"], approval["angefordertVon"]) == ("agent_action", agent["id"])
        assert approval["payload"]["tool"] == "write_file"
        assert approval["payload"]["input"] == {"path": "a.txt", "content": "one"}

    async def test_a_yes_lets_exactly_this_call_through_once(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider
    ) -> None:
        write = ("write_file", {"path": "a.txt", "content": "one"})
        told = calling(worker, write, write)
        task = await run(owner, company, agent)
        [approval] = await self.pending(owner, company)
        await decided(owner, approval, "genehmigen")
        assert (await left(owner, task))["status"] == "blocked"
        assert [words.split(".")[0] for words in told] == [
            "The board is asked about this call",
            "a",
            "The board is asked about this call",
        ]
        assert len(await self.pending(owner, company)) == 1

    async def test_a_yes_is_worth_nothing_for_another_input(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider
    ) -> None:
        calling(worker, ("write_file", {"path": "a.txt", "content": "one"}))
        task = await run(owner, company, agent)
        [approval] = await self.pending(owner, company)
        told = calling(worker, ("write_file", {"path": "a.txt", "content": "two"}))
        await decided(owner, approval, "genehmigen")
        await left(owner, task)
        assert told == ["The board is asked about this call. Make it again when it has agreed."]

    async def test_a_no_is_told_with_its_reason(
        self, owner: Api, company: Json, agent: Json, worker: ScriptedProvider
    ) -> None:
        told = calling(worker, ("write_file", {"path": "a.txt", "content": "one"}))
        task = await run(owner, company, agent)
        [approval] = await self.pending(owner, company)
        await decided(owner, approval, "ablehnen", {"notiz": "Not there"})
        assert (await left(owner, task))["status"] == "done"
        assert told[-1] == "Refused: The board has said no to this call: Not there"
