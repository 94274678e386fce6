"""Meetings: calling them, answering in them, ending them."""

from typing import Final

from opencognit.domain.caller import Right
from opencognit.domain.errors import Forbidden, InvalidStatus, NotFound, ValidationFailed
from opencognit.domain.kinds import MEETING
from opencognit.domain.meeting import (
    AnswerBody,
    AnswerMeeting,
    CallMeeting,
    CancelMeeting,
    CompleteMeeting,
    Meeting,
    MeetingQuery,
)
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import EXAMPLE_ID, Agents, Routes, Subject

routes = Routes()

OF_COMPANY: Final = f"/api/{PATHS['companies']}/{{id}}/meetings"
ONE: Final = "/api/meetings/{id}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request[None, MeetingQuery]) -> Listing[Meeting]:
    """The company's meetings; an agent sees those that it takes part in."""
    limit, offset = request.paging()
    page = await request.runtime.queries.meetings(request.id, request.query.status, request.agent_id, (limit, offset))
    return Listing(page, limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
    example={"title": "Which colour?", "participant_ids": [EXAMPLE_ID]},
)
async def call(request: Request[CallMeeting]) -> Meeting:
    """Call a meeting; an agent calls its own."""
    message = await request.body()
    if message.organiser_id is not None:
        request.act_as(message.organiser_id)
    return await request.create(MEETING, message)


@routes.add("GET", ONE, subject=Subject.MEETING, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Meeting:
    """One meeting."""
    return _seen(request)


@routes.add(
    "POST",
    f"{ONE}/message",
    subject=Subject.MEETING,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(InvalidStatus,),
    example={"words": "Red.", "agent_id": EXAMPLE_ID},
)
async def answer(request: Request[AnswerBody]) -> Meeting:
    """Enter an answer: an agent its own, a person that of the participant whom they name."""
    _seen(request)
    body = await request.body()
    agent_id = body.agent_id or request.agent_id
    if agent_id is None:
        raise ValidationFailed.of(FIELDS["agent_id"], "is required")
    request.act_as(agent_id)
    return await request.ask(MEETING, AnswerMeeting(agent_id=agent_id.lower(), words=body.words))


@routes.add(
    "POST",
    f"{ONE}/complete",
    subject=Subject.MEETING,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(InvalidStatus,),
    example={"result": "Red it is."},
)
async def complete(request: Request[CompleteMeeting]) -> Meeting:
    """End the meeting; of the agents, its organiser may."""
    if request.agent_id not in (None, _seen(request).organiser_id):
        raise Forbidden("Only its organiser ends a meeting")
    return await request.ask(MEETING, await request.body())


@routes.add("POST", f"{ONE}/cancel", subject=Subject.MEETING, right=Right.WORK, errors=(InvalidStatus,))
async def cancel(request: Request) -> Meeting:
    """End the meeting without a result."""
    return await request.ask(MEETING, CancelMeeting())


def _seen(request: Request) -> Meeting:
    """The meeting, unless an agent asks that takes no part in it."""
    meeting: Meeting = request.subject
    if request.agent_id is not None and not meeting.concerns(request.agent_id):
        raise NotFound("Meeting not found")
    return meeting
