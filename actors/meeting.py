"""The `Meeting`: asks each participant, waits for all answers, has the organiser sum them up, and ends once.

A participant is asked by a message in its own conversation, and answers in a turn of its own. Who cannot answer is
noted; who does not answer in time is left out: the due time is in the snapshot, the timer only its reminder. Whom the
meeting has asked is not remembered but asked again after a restart: each such message has an id that follows from the
meeting and the agent, so that it is said once.
"""

from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.agent import AgentStatus
from opencognit.domain.caller import SYSTEM
from opencognit.domain.chat import SendChat
from opencognit.domain.errors import Duplicate, InvalidStatus, ValidationFailed
from opencognit.domain.events import MeetingCreated, MeetingUpdated
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, MEETING
from opencognit.domain.meeting import (
    TRANSITIONS,
    AnswerMeeting,
    CallMeeting,
    CancelMeeting,
    CompleteMeeting,
    ExcuseFromMeeting,
    MeetingDue,
    MeetingStatus,
)
from opencognit.domain.meeting import Meeting as State
from opencognit.domain.origin import Origin
from opencognit.domain.wire_names import FIELDS

MeetingMessage = CallMeeting | AnswerMeeting | ExcuseFromMeeting | CompleteMeeting | CancelMeeting | MeetingDue

LONGEST_QUESTION = 200_000
"""Characters; of many long answers the last are cut."""


class Meeting(PersistentActor[State]):
    """One meeting."""

    kind = MEETING
    protocol = MeetingMessage

    @override
    async def activated(self) -> None:
        """Set the timer, and ask those who were not asked before the process ended."""
        if self.state is not None and self.state.status is MeetingStatus.RUNNING:
            self.remind("due", self.state.due_at, MeetingDue())
            await self._ask_on()

    async def call_meeting(self, message: CallMeeting) -> State:
        """Call it, and ask all participants.

        Raises:
            ValidationFailed: there is no organiser, or one who is named is not an agent of this company.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        organiser = message.organiser_id or (self.asked_by.caller.id if self.is_by_agent() else None)
        if organiser is None:
            raise ValidationFailed.of(FIELDS["organiser_id"], "is required")
        await self._check_agent(company_id, organiser, FIELDS["organiser_id"])
        participants = tuple(dict.fromkeys(id_.lower() for id_ in message.participant_ids))
        for participant in participants:
            await self._check_agent(company_id, participant, FIELDS["participant_ids"])
        meeting = State(
            id=self.id,
            company_id=company_id,
            title=message.title,
            description=message.description,
            organiser_id=organiser.lower(),
            participant_ids=participants,
            due_at=after(self.now(), self.system.limits.meeting_time_limit),
        )
        activity = self.entry(company_id, "meeting.called", f"Called the meeting “{meeting.title}”")
        meeting = await self.persist(meeting, MeetingCreated.of(meeting), activity)
        self.remind("due", meeting.due_at, MeetingDue())
        await self._ask_on()
        return meeting

    async def answer_meeting(self, message: AnswerMeeting) -> State:
        """Enter an answer; once all are there, what the organiser says is the result.

        Raises:
            InvalidStatus: it is over.
            ValidationFailed: the agent does not take part.
        """
        meeting = self._running()
        to_summary = message.question_id in (None, self._question_id("result", message.agent_id))
        if to_summary and not meeting.outstanding() and message.agent_id == meeting.organiser_id:
            return await self._close(meeting, MeetingStatus.COMPLETED, message.words)
        if message.agent_id not in meeting.participant_ids:
            raise ValidationFailed.of(FIELDS["agent_id"], "does not take part in this meeting")
        missing = {id_: why for id_, why in meeting.missing.items() if id_ != message.agent_id}
        answers = {**meeting.answers, message.agent_id: message.words}
        return await self._go_on(replace(meeting, answers=answers, missing=missing))

    async def excuse_from_meeting(self, message: ExcuseFromMeeting) -> None:
        """Go on without an agent; without the organiser, end with the answers that are there."""
        meeting = self.state
        if meeting is None or meeting.status is not MeetingStatus.RUNNING:
            return
        if message.agent_id in meeting.outstanding():
            await self._go_on(replace(meeting, missing={**meeting.missing, message.agent_id: message.reason}))
        elif message.agent_id == meeting.organiser_id and not meeting.outstanding():
            text = await self._as_text(meeting)
            await self._close(
                meeting, MeetingStatus.COMPLETED, f"Nobody has summed this up: {message.reason}\n\n{text}"
            )

    async def complete_meeting(self, message: CompleteMeeting) -> State:
        """End it now.

        Raises:
            InvalidStatus: it is over.
        """
        meeting = self._running()
        result = message.result if message.result is not None else await self._as_text(meeting)
        return await self._close(meeting, MeetingStatus.COMPLETED, result)

    async def cancel_meeting(self, _message: CancelMeeting) -> State:
        """End it without a result.

        Raises:
            InvalidStatus: it is over.
        """
        return await self._close(self._running(), MeetingStatus.CANCELLED, None)

    async def meeting_due(self, _message: MeetingDue) -> None:
        """Its time is over: end it with what is there."""
        meeting = self.state
        if meeting is None or meeting.status is not MeetingStatus.RUNNING:
            return
        answered, asked = len(meeting.answers), len(meeting.participant_ids)
        head = f"The time limit was reached; {answered} of {asked} have answered."
        await self._close(meeting, MeetingStatus.COMPLETED, f"{head}\n\n{await self._as_text(meeting)}".strip())

    # Below: what the handlers share

    def _running(self) -> State:
        meeting = self.existing()
        if MeetingStatus.COMPLETED not in TRANSITIONS[meeting.status]:
            raise InvalidStatus(f"The meeting is {meeting.status}", details={"status": meeting.status})
        return meeting

    async def _check_agent(self, company_id: str, agent_id: str, field: str) -> None:
        agent = await self.system.state(AGENT, agent_id.lower())
        if agent is None or agent.company_id != company_id or agent.status is AgentStatus.TERMINATED:
            raise ValidationFailed.of(field, f"{agent_id} is not an agent of this company")

    async def _go_on(self, meeting: State) -> State:
        meeting = await self.persist(meeting, MeetingUpdated.of(meeting))
        if not meeting.outstanding():
            await self._ask_on()
        return meeting

    async def _close(self, meeting: State, status: MeetingStatus, result: str | None) -> State:
        meeting = replace(meeting, status=status, result=result, completed_at=self.now())
        activity = self.entry(meeting.company_id, f"meeting.{status}", f"The meeting “{meeting.title}” is {status}")
        meeting = await self.persist(meeting, MeetingUpdated.of(meeting), activity)
        self.remind("due", None, MeetingDue())
        return meeting

    async def _ask_on(self) -> None:
        """Ask whoever has to say something now; that they were asked before does no harm."""
        meeting = self.existing()
        head = f"Meeting: {meeting.title}\n\n{meeting.description or ''}".strip()
        if outstanding := meeting.outstanding():
            for agent_id in outstanding:
                self._ask(meeting, agent_id, "answer", f"{head}\n\nWhat do you say to this?")
            return
        organiser = await self.system.state(AGENT, meeting.organiser_id)
        if organiser is None or organiser.status is AgentStatus.TERMINATED:
            self.tell_self(ExcuseFromMeeting(agent_id=meeting.organiser_id, reason="The organiser has left."))
            return
        task = "All have answered. Sum it up: what is the result of this meeting?"
        self._ask(meeting, meeting.organiser_id, "result", f"{head}\n\n{task}\n\n{await self._as_text(meeting)}")

    def _ask(self, meeting: State, agent_id: str, what: str, words: str) -> None:
        ask = SendChat(
            words=words[:LONGEST_QUESTION],
            thread_id=meeting.id,
            meeting_id=meeting.id,
            message_id=self._question_id(what, agent_id),
        )
        caller = replace(SYSTEM, name=meeting.title)
        origin = Origin(caller=caller, company_id=meeting.company_id)
        self.system.tell(AGENT, agent_id, ask, origin=origin, internal=True)

    def _question_id(self, what: str, agent_id: str) -> str:
        return str(uuid5(UUID(self.id), f"{what}/{agent_id}"))

    async def _as_text(self, meeting: State) -> str:
        said: list[Any] = []
        for agent_id in meeting.participant_ids:
            agent = await self.system.state(AGENT, agent_id)
            name = agent.name if agent is not None else agent_id
            if agent_id in meeting.answers:
                said.append(f"{name}: {meeting.answers[agent_id]}")
            elif agent_id in meeting.missing:
                said.append(f"{name} has not answered. {meeting.missing[agent_id]}")
        return "\n\n".join(said)
