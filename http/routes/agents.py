"""Agents: hiring, changing, pausing, their inbox, skills, heartbeats and tokens."""

from typing import Annotated

from aiohttp import web

from opencognit.domain.agent import (
    AddSkill,
    Agent,
    AgentToken,
    CreateAgent,
    DeleteAgent,
    PauseAgent,
    RemoveSkill,
    ResumeAgent,
    Skill,
    UpdateAgent,
    Wake,
)
from opencognit.domain.caller import CallerKind, CloseSessions, OpenSession, Right, Session
from opencognit.domain.errors import DependencyCycle, NotFound
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT
from opencognit.domain.message import Success, encode
from opencognit.domain.query import Backwards, Paging
from opencognit.domain.run import Run
from opencognit.domain.task import Inbox
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.answering import json_answer
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject, Written
from opencognit.store.reading import Page

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['agents']}"
ONE = f"/api/{PATHS['agents']}/{{id}}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ)
async def listing(request: Request[None, Paging]) -> Listing[Agent]:
    """The company's agents."""
    limit, offset = request.paging()
    return Listing(await request.runtime.queries.agents(request.id, limit, offset), limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    status=201,
    example={"name": "Ada", "role": "Engineer", "adapter": "claude", "heartbeat_on": True},
)
async def create(request: Request[CreateAgent]) -> Agent:
    """Hire an agent."""
    return await request.create(AGENT, await request.body())


@routes.add("GET", ONE, subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def details(request: Request) -> Agent:
    """One agent."""
    agent: Agent = request.subject
    return agent


@routes.add(
    "PATCH",
    ONE,
    subject=Subject.AGENT,
    right=Right.WORK,
    errors=(DependencyCycle,),
    example={"heartbeat_interval": 600, "budget_cents": 5000},
)
async def update(request: Request[UpdateAgent]) -> Agent:
    """Change the fields present."""
    return await request.ask(AGENT, await request.body())


@routes.add("DELETE", ONE, subject=Subject.AGENT, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Let the agent go: its run ends, its locks are free, its open tasks unassigned."""
    return await request.ask(AGENT, DeleteAgent())


@routes.add("POST", f"{ONE}/{PATHS['pause']}", subject=Subject.AGENT, right=Right.WORK)
async def pause(request: Request) -> Agent:
    """Let the step under way end, start nothing new."""
    return await request.ask(AGENT, PauseAgent())


@routes.add("POST", f"{ONE}/{PATHS['resume']}", subject=Subject.AGENT, right=Right.WORK)
async def resume(request: Request) -> Agent:
    """Work again, also after an error."""
    return await request.ask(AGENT, ResumeAgent())


@routes.add("POST", f"{ONE}/wakeup", subject=Subject.AGENT, right=Right.WORK)
async def wakeup(request: Request) -> Agent:
    """A heartbeat now."""
    return await request.ask(AGENT, Wake())


@routes.add("GET", f"{ONE}/inbox", subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def inbox(request: Request) -> Annotated[web.Response, Written(Inbox)]:
    """The agent's unfinished tasks in the order in which it takes them."""
    bodies = await request.runtime.queries.inbox(request.id)
    head = encode({FIELDS["agent_id"]: request.id, FIELDS["company_id"]: request.company_id})
    tasks = b",".join(bodies)
    return json_answer(b'%s,"inbox":[%s],"count":%d}' % (head[:-1], tasks, len(bodies)), status=200)


@routes.add("GET", f"{ONE}/{PATHS['runs']}", subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def runs(request: Request[None, Backwards]) -> Listing[Run]:
    """The agent's runs, newest first."""
    limit, offset = request.paging()
    page = await request.runtime.queries.runs(request.id, limit, offset, request.query.before)
    return Listing(page, limit, offset, newest_first=True)


@routes.add("GET", f"{ONE}/skills", subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def skills(request: Request[None, Paging]) -> Listing[Skill]:
    """What the agent knows."""
    limit, offset = request.paging()
    known: tuple[Skill, ...] = request.subject.skills
    bodies = [encode(skill) for skill in known[offset : offset + limit]]
    return Listing(Page(bodies, len(known)), limit, offset)


@routes.add(
    "POST",
    f"{ONE}/skills",
    subject=Subject.AGENT,
    right=Right.WORK,
    status=201,
    example={"name": "SQL", "content": "Use window functions.", "proficiency": 80},
)
async def add_skill(request: Request[AddSkill]) -> Skill:
    """Teach the agent something."""
    return await request.ask(AGENT, await request.body())


@routes.add("DELETE", ONE + "/skills/{skillId}", subject=Subject.AGENT, right=Right.WORK)
async def remove_skill(request: Request) -> Success:
    """Let the agent forget a skill."""
    return await request.ask(AGENT, RemoveSkill(skill_id=request.raw.match_info["skillId"].lower()))


@routes.add("POST", f"{ONE}/token", subject=Subject.AGENT, right=Right.OWN, status=201, secret=True)
async def issue_token(request: Request) -> AgentToken:
    """A token that acts as this agent; it is shown this once."""
    runtime, now = request.runtime, request.runtime.clock.now()
    lifetime = runtime.settings.accounts.agent_token_seconds
    session = Session(
        id=runtime.ids.new_id(),
        subject_id=request.id,
        kind=CallerKind.AGENT,
        company_id=request.company_id,
        expires_at=after(now, lifetime),
    )
    token = runtime.tokens.issue(
        session_id=session.id,
        subject_id=request.id,
        kind="agent",
        company_id=request.company_id,
        now=now,
        lifetime=lifetime,
    )
    issued = AgentToken(token=token, agent_id=request.id, expires_at=session.expires_at)
    await runtime.ask_accounts(OpenSession(session=session, reply=issued), origin=request.origin)
    return issued


@routes.add("DELETE", f"{ONE}/token", subject=Subject.AGENT, right=Right.OWN)
async def revoke_token(request: Request) -> Success:
    """Revoke all tokens of this agent.

    Raises:
        NotFound: it has none.
    """
    closed: list[Session] = await request.runtime.ask_accounts(
        CloseSessions(subject_id=request.id), origin=request.origin
    )
    if not closed:
        raise NotFound("The agent has no token")
    return Success()
