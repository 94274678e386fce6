"""The client against a real server: what it sends, and what it makes of the answers."""

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from opencognit.client import Client, ServerUnreachable, UnexpectedAnswer
from opencognit.client.retries import Retries
from opencognit.domain.agent import AgentStatus
from opencognit.domain.approval import ApprovalStatus
from opencognit.domain.caller import CompanyRole
from opencognit.domain.company import CompanyStatus
from opencognit.domain.errors import (
    InvalidCredentials,
    NotAuthenticated,
    NotFound,
    TaskLocked,
    ValidationFailed,
    VersionConflict,
)
from opencognit.domain.message import encode
from opencognit.domain.permission import Grant, Permission
from opencognit.domain.routine import TriggerKind
from opencognit.domain.task import Priority, TaskStatus
from tests.builders import Api
from tests.server_process import free_port

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_company_is_built_and_works(client: Client) -> None:
    company = await client.companies.create(name="Acme", budget_cents=5000)
    agent = await client.agents.create(company.id, name="Ada", role="Engineer")
    task = await client.tasks.create(company.id, title="Build it", assignee_id=agent.id, priority=Priority.HIGH)
    held = await client.tasks.checkout(task.id, agent_id=agent.id, lease=60)
    done = await client.tasks.release(task.id, agent_id=agent.id, status=TaskStatus.DONE, result="It stands.")
    assert (held.locked_by, held.lock_token) == (agent.id, 1)
    assert (done.status, done.result) == (TaskStatus.DONE, "It stands.")
    assert [one.id async for one in client.tasks.list(company.id, status=(TaskStatus.DONE,))] == [task.id]
    assert [one.id async for one in client.tasks.list(company.id, status=(TaskStatus.TODO, TaskStatus.BACKLOG))] == []
    assert (await client.companies.dashboard(company.id)).tasks.done == 1


async def test_changes_name_only_what_they_change(client: Client) -> None:
    company = await client.companies.create(name="Acme", description="Rockets")
    changed = await client.companies.update(company.id, status=CompanyStatus.PAUSED)
    assert (changed.description, changed.status) == ("Rockets", CompanyStatus.PAUSED)
    cleared = await client.companies.update(company.id, description=None)
    assert (cleared.description, cleared.status) == (None, CompanyStatus.PAUSED)


async def test_a_change_of_a_version_that_has_passed_is_refused(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    changed = await client.companies.at(company.version).update(company.id, name="Other")
    assert changed.name == "Other"
    with pytest.raises(VersionConflict):
        await client.companies.at(company.version).update(company.id, name="Third")


async def test_a_list_of_many_pages_is_gone_through_to_its_end(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    made = [(await client.tasks.create(company.id, title=f"Task {number}")).id for number in range(250)]
    assert [task.id async for task in client.tasks.list(company.id)] == made
    assert [task.id async for task in client.tasks.list(company.id, limit=7, offset=240)] == made[240:]


async def test_a_list_that_is_read_newest_first_is_gone_through_to_its_end(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    for number in range(24):
        await client.tasks.create(company.id, title=f"Task {number}")
    entries = [entry async for entry in client.companies.activity(company.id, limit=5)]
    assert "Task 23" in entries[0].text
    assert len({entry.id for entry in entries}) == len(entries) == 25


async def test_a_refusal_is_the_error_that_the_server_raised(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    ada = await client.agents.create(company.id, name="Ada", role="Engineer")
    bob = await client.agents.create(company.id, name="Bob", role="Engineer")
    task = await client.tasks.create(company.id, title="Build it")
    await client.tasks.checkout(task.id, agent_id=ada.id, run_id="one")
    await client.tasks.update(task.id, title="Built")
    with pytest.raises(TaskLocked) as refused:
        await client.tasks.checkout(task.id, agent_id=bob.id)
    assert (refused.value.code, refused.value.status) == ("LOCKED", 409)
    assert isinstance(refused.value.details, dict)
    assert refused.value.details["lockedBy"] == ada.id
    assert "calls the request" in refused.value.__notes__[0]


async def test_what_cannot_be_is_refused_by_name(client: Client) -> None:
    with pytest.raises(ValidationFailed, match="name"):
        await client.companies.create(name="")
    with pytest.raises(NotFound):
        await client.tasks.get(NOBODY)


async def test_an_id_cannot_reach_another_path(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    for path in ("/dashboard", "?x=y", "/dashboard#z", "/../../system/status"):
        with pytest.raises(NotFound):
            await client.companies.get(company.id + path)


async def test_who_signs_in_goes_on_as_themselves(url: str, owner: Api) -> None:
    async with Client(url) as client:
        with pytest.raises(NotAuthenticated):
            await client.auth.me()
        with pytest.raises(InvalidCredentials):
            await client.auth.sign_in(email=owner.user["email"], password="wrong-password")
        signed_in = await client.auth.sign_in(email=owner.user["email"], password="secret-password")
        client.token = signed_in.token
        assert (await client.auth.me()) == signed_in.user
        await client.auth.sign_out()
        with pytest.raises(NotAuthenticated):
            await client.auth.me()


async def test_the_raw_answer_is_the_servers_own_json(client: Client, owner: Api) -> None:
    company = await client.companies.create(name="Acme")
    task = await client.tasks.create(company.id, title="Build it")
    wire = (await owner.get(f"/api/aufgaben/{task.id}")).text.encode()
    assert await client.tasks.get.raw(task.id) == wire == encode(task)
    assert [row async for row in client.tasks.list.raw(company.id)] == [wire]


async def test_an_agents_life_is_told_in_full(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    agent = await client.agents.create(company.id, name="Ada", role="Engineer")
    skill = await client.agents.add_skill(agent.id, name="SQL", proficiency=80)
    assert [one.name async for one in client.agents.skills(agent.id)] == ["SQL"]
    assert (await client.agents.remove_skill(agent.id, skill.id)).success
    assert (await client.agents.pause(agent.id)).status is AgentStatus.PAUSED
    assert (await client.agents.resume(agent.id)).status is AgentStatus.IDLE
    chosen = await client.agents.choose_permissions(agent.id, run_command=Grant.DENY)
    assert chosen[Permission.RUN_COMMAND] is Grant.DENY
    assert await client.agents.permissions(agent.id) == chosen
    assert (await client.agents.inbox(agent.id)).inbox == ()
    note = await client.memories.create(agent.id, content="The customer is called at noon.")
    assert (await client.memories.update(agent.id, note.id, keywords=("customer",))).keywords == ("customer",)
    assert [one.id async for one in client.memories.list(agent.id, q="customer")] == [note.id]


async def test_the_board_decides_chats_and_sets_goals(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    agent = await client.agents.create(company.id, name="Ada", role="Engineer")
    asked = await client.approvals.create(company.id, title="Buy a domain")
    assert [one.id async for one in client.approvals.list(company.id)] == [asked.id]
    assert (await client.approvals.approve(asked.id, note="Go ahead.")).status is ApprovalStatus.APPROVED
    assert [one async for one in client.approvals.list(company.id)] == []
    said = await client.chat.send(company.id, words="How is it going?", recipient_id=agent.id)
    assert [one.id async for one in client.chat.list(company.id, agent_id=agent.id)] == [said.id]
    goal = await client.goals.create(company.id, title="A hundred customers")
    assert (await client.goals.update(goal.id, progress=40)).progress == 40
    meeting = await client.meetings.call(
        company.id, title="Which colour?", organiser_id=agent.id, participant_ids=(agent.id,)
    )
    answered = await client.meetings.answer(meeting.id, words="Red.", agent_id=agent.id)
    assert answered.answers == {agent.id: "Red."}


async def test_a_routine_is_made_fired_and_followed(client: Client) -> None:
    company = await client.companies.create(name="Acme")
    routine = await client.routines.create(company.id, title="Report on {{shop}}", variables={"shop": "Berlin"})
    trigger = await client.routines.create_trigger(routine.id, kind=TriggerKind.SCHEDULE, cron="@daily")
    assert (await client.routines.update_trigger(trigger.id, is_active=False)).is_active is False
    execution = await client.routines.fire(routine.id, payload={"shop": "Cologne"})
    assert [one.id async for one in client.routines.executions(routine.id)] == [execution.id]
    assert (await client.tasks.get(execution.task_id or "")).title == "Report on Cologne"


async def test_settings_members_and_costs_are_reached(client: Client, owner: Api, admin: Api) -> None:
    company = await client.companies.create(name="Acme")
    await client.settings.change("language", value="en", company_id=company.id)
    assert await client.settings.all(company_id=company.id) == {"language": "en"}
    await client.companies.add_member(company.id, email=admin.user["email"], role=CompanyRole.OBSERVER)
    roles = {member.user_id: member.role async for member in client.companies.members(company.id)}
    assert roles[admin.user["id"]] is CompanyRole.OBSERVER
    assert (await client.companies.costs(company.id, month="2026-04")).spent_in_all == 0
    assert (await client.system.health()).status == "UP"
    assert "claude" in {adapter.name for adapter in await client.system.adapters()}


async def test_an_agents_token_acts_as_the_agent(url: str, client: Client) -> None:
    company = await client.companies.create(name="Acme")
    agent = await client.agents.create(company.id, name="Ada", role="Engineer")
    task = await client.tasks.create(company.id, title="Build it", assignee_id=agent.id)
    issued = await client.agents.issue_token(agent.id)
    async with Client(url, issued.token) as itself:
        comment = await itself.tasks.comment(task.id, content="On it.")
    assert comment.author_agent_id == agent.id


async def test_nobody_listening_is_said_in_a_sentence() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}", retries=Retries(tries=2, shortest=0.01)) as client:
        with pytest.raises(ServerUnreachable, match=r"cannot be reached: Connection refused"):
            await client.system.status()


@pytest.mark.parametrize("url", ["localhost:3201", "ftp://localhost", "http://", ""])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a server"):
        Client(url)


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        await Client("http://localhost").system.status()


@pytest.mark.parametrize(
    ("status", "body", "sentence"), [(200, "[1, 2]", "not what was asked for"), (404, "<html>", "none of OpenCognit's")]
)
async def test_an_answer_of_another_program_is_told_from_one_of_ours(status: int, body: str, sentence: str) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body)

    async with RawTestServer(answer) as other, Client(str(other.make_url("/"))) as client:
        with pytest.raises(UnexpectedAnswer, match=sentence):
            await client.system.status()
