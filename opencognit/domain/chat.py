"""What people and agents say to each other.

A message lies in the conversation of one agent: the one that it is for, or, where it is for the board, the one that
wrote it. Who wrote it comes from the token. It is unread until the agent has answered it, or the board has seen it.
"""

from typing import Annotated, Final

import msgspec

from opencognit.domain.agent import Agent
from opencognit.domain.caller import CallerKind
from opencognit.domain.instants import Instant
from opencognit.domain.message import VISIBLE, Id, Message
from opencognit.domain.query import Paging
from opencognit.domain.run import Run
from opencognit.domain.wire_names import FIELDS

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000, pattern=VISIBLE)]
"""What is said: not blank, at most 20,000 characters."""

NO_ANSWER: Final = "NO_ANSWER"
"""What an agent says where no answer is wanted; then none is sent."""


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """One message. Without `recipient_id` it is for the board."""

    id: str
    company_id: str
    agent_id: str
    """Whose conversation it is in."""
    recipient_id: str | None
    sender_agent_id: str | None
    sender_type: CallerKind
    sender_name: str
    words: str
    is_read: bool = False
    thread_id: str | None = None
    meeting_id: str | None = None
    """The meeting that it invites to; the answer goes there."""
    created_at: Instant


class UnreadCount(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """How many messages in an agent's conversation the caller has not read."""

    agent_id: str
    unread: int


class SendChat(Message[ChatMessage], frozen=True, kw_only=True):
    """Say something to this agent; it is woken."""

    words: Words
    thread_id: Id | None = None
    meeting_id: Id | None = None
    message_id: Id | None = None
    """Said once however often it is sent, where the sender gives it an id."""


class TellBoard(Message[ChatMessage], frozen=True, kw_only=True):
    """Have this agent, which asks for it itself, say something to the board."""

    words: Words
    thread_id: Id | None = None


class MarkRead(Message[UnreadCount], frozen=True, kw_only=True):
    """The caller has read what this agent's conversation holds for them."""


class ResumeTalks(Message[None], frozen=True, kw_only=True):
    """Internal: a person wrote to this agent, or a task of its moved; its talks with other agents may go on."""


class EndTurn(Message[Agent], frozen=True, kw_only=True):
    """Internal: a run that answered messages is over."""

    run: Run
    read: tuple[str, ...] = ()
    """The messages that are dealt with."""
    tried: tuple[str, ...] = ()
    """Those that could not be answered and shall be tried again, not before `again_at`."""
    again_at: Instant | None = None
    reply: str | None = None
    """What the agent says to the board."""
    notice: str | None = None
    """What the runtime says to the board."""
    thread_id: str | None = None


class ChatBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What is said, and to whom."""

    words: Words
    recipient_id: Id | None = None
    thread_id: Id | None = None


class ReadBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """In whose conversation all is read; an agent's own by default."""

    agent_id: Id | None = None


class ChatQuery(Paging, frozen=True, kw_only=True):
    """Whose conversation, or which thread."""

    agent_id: str | None = None
    thread_id: str | None = None
