"""A meeting: a question that several agents answer, each for itself, and that the organiser sums up."""

from enum import StrEnum
from typing import Annotated

import msgspec

from opencognit.domain.chat import Words
from opencognit.domain.instants import Instant
from opencognit.domain.message import Entity, Id, Message, Name, Text
from opencognit.domain.query import Paging
from opencognit.domain.wire_names import FIELDS

LARGEST = 50
"""Participants at most: each is a run."""


class MeetingStatus(StrEnum):
    """Whether it still goes on, and how it ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


TRANSITIONS = {
    MeetingStatus.RUNNING: frozenset({MeetingStatus.COMPLETED, MeetingStatus.CANCELLED}),
    MeetingStatus.COMPLETED: frozenset[MeetingStatus](),
    MeetingStatus.CANCELLED: frozenset[MeetingStatus](),
}
"""Which status may follow which."""


class Meeting(Entity, frozen=True, kw_only=True):
    """A meeting as clients see it."""

    company_id: str
    title: str
    description: str | None = None
    organiser_id: str
    participant_ids: tuple[str, ...]
    answers: dict[str, str] = {}
    missing: dict[str, str] = {}
    """Participants who will not answer, each with the reason."""
    status: MeetingStatus = MeetingStatus.RUNNING
    result: str | None = None
    due_at: Instant | None = None
    """When it ends with what is there."""
    completed_at: Instant | None = None

    def outstanding(self) -> tuple[str, ...]:
        """Participants whose answer is still waited for; without any, the organiser sums up."""
        return tuple(id_ for id_ in self.participant_ids if id_ not in self.answers and id_ not in self.missing)

    def waits_for(self, agent_id: str) -> bool:
        """Whether the agent has to say something now: its answer, or the summary."""
        outstanding = self.outstanding()
        return agent_id in outstanding if outstanding else agent_id == self.organiser_id

    def concerns(self, agent_id: str) -> bool:
        """Whether the agent takes part in it."""
        return agent_id == self.organiser_id or agent_id in self.participant_ids


class CallMeeting(Message[Meeting], frozen=True, kw_only=True):
    """Call a meeting. An agent calls its own."""

    title: Name
    description: Text | None = None
    organiser_id: Id | None = None
    participant_ids: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=LARGEST)]


class AnswerMeeting(Message[Meeting], frozen=True, kw_only=True):
    """Enter what an agent says: its answer or, when all have answered, the organiser's summary."""

    agent_id: str
    words: Words
    question_id: str | None = None
    """The message that asked for it, where there was one."""


class ExcuseFromMeeting(Message[None], frozen=True, kw_only=True):
    """Internal: this agent will say nothing."""

    agent_id: str
    reason: str


class CompleteMeeting(Message[Meeting], frozen=True, kw_only=True):
    """End it with this result, or with the answers that are there."""

    result: Text | None = None


class CancelMeeting(Message[Meeting], frozen=True, kw_only=True):
    """End it without a result."""


class MeetingDue(Message[None], frozen=True, kw_only=True):
    """Internal: its time is over."""


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What is said; a person says for which participant."""

    words: Words
    agent_id: Id | None = None


class MeetingQuery(Paging, frozen=True, kw_only=True):
    """Which meetings."""

    status: tuple[MeetingStatus, ...] = ()
