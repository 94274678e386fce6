"""What people and agents say to each other."""

from typing import Final

from opencognit.domain.caller import Right
from opencognit.domain.chat import (
    ChatBody,
    ChatMessage,
    ChatQuery,
    MarkRead,
    ReadBody,
    SendChat,
    TellBoard,
    UnreadCount,
)
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.kinds import AGENT
from opencognit.domain.message import encode
from opencognit.domain.query import Paging
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import EXAMPLE_ID, Agents, Routes, Subject
from opencognit.store.chat_queries import ChatFilter
from opencognit.store.reading import Page

routes = Routes()

OF_COMPANY: Final = f"/api/{PATHS['companies']}/{{id}}/chat"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def history(request: Request[None, ChatQuery]) -> Listing[ChatMessage]:
    """What was said, oldest first; an agent sees what it took part in."""
    limit, offset = request.paging()
    named = (request.agent_id, request.query.agent_id)
    wanted = ChatFilter(
        agent_ids=tuple(agent_id.lower() for agent_id in named if agent_id is not None),
        thread_id=request.query.thread_id,
    )
    return Listing(await request.runtime.queries.chat(request.id, wanted, limit, offset), limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
    example={"words": "How is it going?"},
)
async def send(request: Request[ChatBody]) -> ChatMessage:
    """Say something: to an agent, or, without one, a person to the orchestrator and an agent to the board."""
    body = await request.body()
    if body.recipient_id is None and request.agent_id is not None:
        tell = TellBoard(words=body.words, thread_id=body.thread_id)
        return await request.ask(AGENT, tell, entity_id=request.agent_id)
    recipient = body.recipient_id.lower() if body.recipient_id else await _orchestrator(request)
    if await request.runtime.agent(recipient) is None:
        raise ValidationFailed.of(FIELDS["recipient_id"], "is not an agent of this company")
    return await request.ask(AGENT, SendChat(words=body.words, thread_id=body.thread_id), entity_id=recipient)


@routes.add(
    "POST",
    f"{OF_COMPANY}/{PATHS['read']}",
    subject=Subject.COMPANY,
    right=Right.WORK,
    agents=Agents.COMPANY,
    example={"agent_id": EXAMPLE_ID},
)
async def mark_read(request: Request[ReadBody]) -> UnreadCount:
    """The board has read what an agent wrote to it, or an agent what was written to it."""
    body = await request.body()
    agent_id = body.agent_id or request.agent_id
    if agent_id is None:
        raise ValidationFailed.of(FIELDS["agent_id"], "is required")
    request.act_as(agent_id)
    agent = await request.runtime.agent(agent_id.lower())
    if agent is None or agent.company_id != request.id:
        raise ValidationFailed.of(FIELDS["agent_id"], "is not an agent of this company")
    return await request.ask(AGENT, MarkRead(), entity_id=agent.id)


@routes.add(
    "GET",
    f"{OF_COMPANY}/{PATHS['unread']}",
    subject=Subject.COMPANY,
    right=Right.READ,
    agents=Agents.COMPANY,
)
async def unread(request: Request[None, Paging]) -> Listing[UnreadCount]:
    """How many messages the caller has not read, for each conversation with some."""
    limit, offset = request.paging()
    queries = request.runtime.queries
    if request.agent_id is not None:
        count = await queries.unread_by_agent(request.agent_id)
        counts = [(request.agent_id, count)] if count else []
    else:
        counts = await queries.unread_by_board(request.id)
    bodies = [encode(UnreadCount(agent_id=id_, unread=count)) for id_, count in counts[offset : offset + limit]]
    return Listing(Page(bodies, len(counts)), limit, offset)


async def _orchestrator(request: Request) -> str:
    for agent_id in await request.runtime.queries.orchestrators(request.id):
        return agent_id
    raise ValidationFailed.of(FIELDS["recipient_id"], "is required: the company has no orchestrator")
