"""Meetings: calling them, answering in them, ending them."""

from typing import Final

import msgspec

from opencognit.domain.caller import Right
from opencognit.domain.chat import Words
from opencognit.domain.errors import Forbidden, NotFound, ValidationFailed
from opencognit.domain.kinds import MEETING
from opencognit.domain.meeting import (
    AnswerMeeting,
    CallMeeting,
    CancelMeeting,
    CompleteMeeting,
    Meeting,
    MeetingStatus,
)
from opencognit.domain.message import Id
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_COMPANY: Final = f"/api/{PATHS['companies']}/{{id}}/meetings"
ONE: Final = "/api/meetings/{id}"


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What is said; a person says for which participant."""

    words: Words
    agent_id: Id | None = None


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request) -> Listing:
    """The company's meetings; an agent sees those that it takes part in."""
    request.known_query("limit", "offset", "status")
    limit, offset = request.paging()
    words = tuple(word for word in request.query.get("status", "").split(",") if word)
    for word in words:
        if word not in list(MeetingStatus):
            raise ValidationFailed.of("status", f"{word!r} is not one of {', '.join(MeetingStatus)}")
    page = await request.runtime.queries.meetings(request.id, words, request.agent_id, (limit, offset))
    return Listing(page, limit, offset)


@routes.add("POST", OF_COMPANY, subject=Subject.COMPANY, right=Right.WORK, agents=Agents.COMPANY, status=201)
async def call(request: Request) -> Meeting:
    """Call a meeting; an agent calls its own."""
    message = await request.body(CallMeeting)
    if message.organiser_id is not None:
        request.act_as(message.organiser_id)
    return await request.create(MEETING, message)


@routes.add("GET", ONE, subject=Subject.MEETING, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Meeting:
    """One meeting."""
    return _seen(request)


@routes.add("POST", f"{ONE}/message", subject=Subject.MEETING, right=Right.WORK, agents=Agents.COMPANY)
async def answer(request: Request) -> Meeting:
    """Enter an answer: an agent its own, a person that of the participant whom they name."""
    _seen(request)
    body = await request.body(AnswerBody)
    agent_id = body.agent_id or request.agent_id
    if agent_id is None:
        raise ValidationFailed.of(FIELDS["agent_id"], "is required")
    request.act_as(agent_id)
    return await request.ask(MEETING, AnswerMeeting(agent_id=agent_id.lower(), words=body.words))


@routes.add("POST", f"{ONE}/complete", subject=Subject.MEETING, right=Right.WORK, agents=Agents.COMPANY)
async def complete(request: Request) -> Meeting:
    """End the meeting; of the agents, its organiser may."""
    if request.agent_id not in (None, _seen(request).organiser_id):
        raise Forbidden("Only its organiser ends a meeting")
    return await request.ask(MEETING, await request.body(CompleteMeeting))


@routes.add("POST", f"{ONE}/cancel", subject=Subject.MEETING, right=Right.WORK)
async def cancel(request: Request) -> Meeting:
    """End the meeting without a result."""
    return await request.ask(MEETING, CancelMeeting())


def _seen(request: Request) -> Meeting:
    """The meeting, unless an agent asks that takes no part in it."""
    meeting: Meeting = request.subject
    if request.agent_id is not None and not meeting.concerns(request.agent_id):
        raise NotFound("Meeting not found")
    return meeting
