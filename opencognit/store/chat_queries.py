"""What is asked about conversations and meetings."""

from typing import Any

import msgspec
import peewee

from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS
from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import ChatMessages, Meetings

MEETING_RUNS = peewee.Expression(Meetings.status, peewee.OP.EQ, peewee.SQL("'running'"))
"""Written out, so that SQLite uses the partial index."""

_OF_THE_TWO = "t.first_id = min(m.agent_id, m.sender_agent_id) AND t.second_id = max(m.agent_id, m.sender_agent_id)"


class ChatFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a chat history is narrowed to: what all of these agents took part in, and one thread."""

    agent_ids: tuple[str, ...] = ()
    thread_id: str | None = None


class ChatQueries(Reading):
    """The questions about conversations and meetings."""

    @on_reader
    def chat(self, company_id: str, wanted: ChatFilter, limit: int, offset: int) -> Page:
        """What was said in a company, oldest first."""
        query = ChatMessages.select().where(ChatMessages.company_id == company_id)
        for agent_id in wanted.agent_ids:
            # Two indexes, and then the order of the rows; with an "or", SQLite reads all of the company's chat.
            heard = ChatMessages.select(ChatMessages.seq).where(ChatMessages.agent_id == agent_id)
            said = ChatMessages.select(ChatMessages.seq).where(ChatMessages.sender_agent_id == agent_id)
            query = query.where(ChatMessages.seq.in_(heard | said))
        if wanted.thread_id is not None:
            query = query.where(ChatMessages.thread_id == wanted.thread_id)
        return self._page(query, ChatMessages, limit, offset)

    @on_reader
    def chat_message(self, message_id: str) -> bytes | None:
        """One message."""
        row = self._first(ChatMessages.select(ChatMessages.body).where(ChatMessages.id == message_id))
        return row[0] if row else None

    @on_reader
    def unread_by_board(self, company_id: str) -> list[tuple[str, int]]:
        """(agent, how many of its messages the board has not read), those with some."""
        return self._readers.rows(
            "SELECT agent_id, count(*) FROM chat_messages"
            " WHERE company_id = ? AND is_read = 0 AND recipient_id IS NULL GROUP BY agent_id ORDER BY agent_id",
            (company_id,),
        )

    @on_reader
    def unread_by_agent(self, agent_id: str, without: tuple[str, ...] = ()) -> int:
        """How many messages an agent has not read, beside these."""
        rows = self._readers.rows("SELECT id FROM chat_messages WHERE recipient_id = ? AND is_read = 0", (agent_id,))
        return len({row[0] for row in rows}.difference(without))

    @on_reader
    def chat_to_answer(self, agent_id: str, now: Instant, turns: int, limit: int) -> list[tuple[bytes, int]]:
        """(message, how often it was tried): what an agent could answer now, oldest first.

        What another agent wrote is left out where the two have written `turns` times to each other.
        """
        return self._readers.rows(
            f"SELECT m.body, m.attempts FROM chat_messages m LEFT JOIN talks t ON {_OF_THE_TWO}"  # noqa: S608
            " WHERE m.recipient_id = ?1 AND m.is_read = 0 AND (t.turns IS NULL OR t.turns < ?2)"
            " AND (m.next_attempt_at IS NULL OR m.next_attempt_at <= ?3) ORDER BY m.seq LIMIT ?4",
            (agent_id, turns, now, limit),
        )

    @on_reader
    def untold_talks(self, agent_id: str, turns: int) -> list[tuple[str, str]]:
        """(other agent, its name): whom an agent does not answer any more, which the board was not told."""
        return self._readers.rows(
            "SELECT DISTINCT a.id, a.name FROM chat_messages m JOIN agents a ON a.id = m.sender_agent_id"  # noqa: S608
            f" JOIN talks t ON {_OF_THE_TWO}"
            " WHERE m.recipient_id = ?1 AND m.is_read = 0 AND t.turns >= ?2 AND t.is_told = 0",
            (agent_id, turns),
        )

    @on_reader
    def next_chat_attempt(self, agent_id: str) -> Instant | None:
        """When an agent shall try again to answer."""
        rows = self._readers.rows(
            "SELECT min(next_attempt_at) FROM chat_messages WHERE recipient_id = ? AND is_read = 0", (agent_id,)
        )
        return rows[0][0] if rows else None

    @on_reader
    def not_answering(self, agent_id: str) -> list[str]:
        """The agents that have not read something that this one wrote."""
        return self._column(
            ChatMessages.select(ChatMessages.recipient_id)
            .where(
                ChatMessages.sender_agent_id == agent_id,
                ChatMessages.recipient_id.is_null(False),
                ~ChatMessages.is_read,
            )
            .distinct()
        )

    @on_reader
    def chat_between(self, agent_id: str, other_id: str | None, limit: int) -> list[bytes]:
        """The newest messages between an agent and another one, or the board; oldest first."""
        one, two = ChatMessages.agent_id, ChatMessages.sender_agent_id
        if other_id is None:
            between = (one == agent_id) & (two.is_null() | ChatMessages.recipient_id.is_null())
        else:
            between = ((one == agent_id) & (two == other_id)) | ((one == other_id) & (two == agent_id))
        query = ChatMessages.select(ChatMessages.body).where(between, ChatMessages.meeting_id.is_null())
        return self._column(query.order_by(ChatMessages.seq.desc()).limit(limit))[::-1]

    @on_reader
    def meetings(
        self, company_id: str, statuses: tuple[str, ...], agent_id: str | None, paging: tuple[int, int]
    ) -> Page:
        """A company's meetings; those of one agent, where it is named."""
        query = Meetings.select().where(Meetings.company_id == company_id)
        if statuses:
            query = query.where(Meetings.status.in_(statuses))
        if agent_id is not None:
            query = query.where(_takes_part(agent_id))
        return self._page(query, Meetings, *paging)

    @on_reader
    def running_meetings_of(self, agent_id: str) -> list[str]:
        """Meetings that go on and in which this agent takes part."""
        query: Any = Meetings.select(Meetings.id).where(MEETING_RUNS, _takes_part(agent_id))
        return self._column(query)

    @on_reader
    def running_meetings(self) -> list[str]:
        """Meetings that go on: they must be awake."""
        query: Any = Meetings.select(Meetings.id).where(MEETING_RUNS)
        return self._column(query)


def _takes_part(agent_id: str) -> Any:
    """Whether an agent has called a meeting or is asked in it."""
    body = Meetings.body.cast("TEXT")
    organiser = peewee.fn.json_extract(body, f"$.{FIELDS['organiser_id']}")
    participants = peewee.fn.json_extract(body, f"$.{FIELDS['participant_ids']}")
    return (organiser == agent_id) | (peewee.fn.instr(participants, agent_id) > 0)
