"""Questions about what agents remember: lists, and recall by words, the nearest first (SQLite FTS5, bm25)."""

import re
from typing import Final

from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import Memories

MOST_WORDS: Final = 64
"""Words of a text that are looked for; a task's description may be long."""

_WORD = re.compile(r"\w+")


class MemoryQueries(Reading):
    """Notes of one agent."""

    @on_reader
    def memories(self, agent_id: str, limit: int, offset: int) -> Page:
        """An agent's notes, oldest first."""
        return self._page(Memories.select().where(Memories.agent_id == agent_id), Memories, limit, offset)

    @on_reader
    def memory(self, agent_id: str, memory_id: str) -> bytes | None:
        """One note of an agent."""
        row = self._first(Memories.select(Memories.body).where(Memories.agent_id == agent_id, Memories.id == memory_id))
        return row[0] if row else None

    @on_reader
    def memories_beyond(self, agent_id: str, kept: int) -> list[str]:
        """The notes that go when only so many may stay: those that were of no use for longest."""
        query = Memories.select(Memories.id).where(Memories.agent_id == agent_id)
        return self._column(query.order_by(Memories.recalled_at.desc(), Memories.seq.desc()).limit(-1).offset(kept))

    @on_reader
    def recalled(self, agent_id: str, text: str, limit: int, offset: int = 0) -> Page:
        """The notes that have any word of a text, nearest first."""
        words = match(text)
        if not words:
            return Page([], 0)
        wanted = f'agent_id : "{agent_id}" AND words : ({words})'
        source = "FROM memory_words JOIN memories ON memories.seq = memory_words.rowid WHERE memory_words MATCH ?"
        with self._readers.database.atomic():
            ((total,),) = self._readers.rows(f"SELECT count(*) {source} AND memories.agent_id = ?", (wanted, agent_id))
            rows = self._readers.rows(
                f"SELECT body {source} AND memories.agent_id = ?"
                " ORDER BY bm25(memory_words, 0.0, 1.0), memories.seq DESC LIMIT ? OFFSET ?",
                (wanted, agent_id, limit, offset),
            )
        return Page([row[0] for row in rows], total)


def match(text: str) -> str:
    """A text's words as an FTS5 expression. Each is a quoted string, so nothing of the text is syntax."""
    words = dict.fromkeys(word.casefold() for word in _WORD.findall(text))
    return " OR ".join(f'"{word}"' for word in list(words)[:MOST_WORDS])
