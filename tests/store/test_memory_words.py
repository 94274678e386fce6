"""The full-text index of notes says what the table says, whatever is written, and whatever is refused."""

from pathlib import Path

import pytest

from opencognit.domain.memory import Memory
from opencognit.domain.message import decode
from opencognit.domain.records import CompanyErased, Forgotten, Recalled, Record, Unit
from opencognit.store.database import sqlite3
from opencognit.store.memory_queries import MOST_WORDS, match
from opencognit.store.store import Store
from tests.store.units import COMPANY_ID, NOW, founded, new_id, write

AGENT_ID = new_id()


def note(content: str, *, keywords: tuple[str, ...] = (), agent_id: str = AGENT_ID) -> Memory:
    return Memory(
        id=new_id(),
        company_id=COMPANY_ID,
        agent_id=agent_id,
        content=content,
        keywords=keywords,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def unit(*records: Record) -> Unit:
    return Unit(records=records, now=NOW)


async def found(store: Store, words: str, agent_id: str = AGENT_ID) -> list[str]:
    return [decode(body, Memory).content for body in (await store.queries.recalled(agent_id, words, 10)).bodies]


def check(path: Path) -> None:
    """SQLite itself compares the index with the table (fts5, "integrity-check" with rank 1)."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO memory_words (memory_words, rank) VALUES ('integrity-check', 1)")
    connection.close()


async def test_the_index_follows_every_change(store: Store, path: Path) -> None:
    tea, coffee = note("Tea at four", keywords=("cup",)), note("Coffee at five")
    await store.commit(unit(tea, coffee))
    assert await found(store, "cup") == ["Tea at four"]
    await store.commit(unit(Recalled(agent_id=AGENT_ID, memory_ids=(tea.id,), at=NOW)))
    check(path)
    changed = note("Water at six")
    await store.commit(unit(Memory(**{**_fields(changed), "id": tea.id})))
    assert (await found(store, "tea cup"), await found(store, "water")) == ([], ["Water at six"])
    check(path)
    await store.commit(unit(Forgotten(agent_id=AGENT_ID, memory_ids=(coffee.id,))))
    assert await found(store, "coffee water") == ["Water at six"]
    await store.commit(unit(Forgotten(agent_id=AGENT_ID)))
    assert await found(store, "coffee water") == []
    check(path)


async def test_a_company_takes_the_words_of_its_notes_along(store: Store, path: Path) -> None:
    await store.commit(unit(note("Tea at four")))
    await store.commit(unit(CompanyErased(COMPANY_ID)))
    check(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM memory_words WHERE memory_words MATCH 'tea'").fetchone() == (0,)
    connection.close()


async def test_a_refused_unit_leaves_no_words_behind(store: Store, path: Path) -> None:
    await store.commit(write(company := founded()))
    refused = write(company, before=None)
    with pytest.raises(Exception, match="exists already"):
        await store.commit(Unit(snapshot=refused.snapshot, records=(note("Tea at four"),), now=NOW))
    assert await found(store, "tea") == []
    check(path)


async def test_forgetting_reaches_no_other_agents_notes(store: Store) -> None:
    other = new_id()
    memory = note("Tea at four", agent_id=other)
    await store.commit(unit(memory, note("Tea at five")))
    await store.commit(unit(Forgotten(agent_id=AGENT_ID, memory_ids=(memory.id,)), Forgotten(agent_id=AGENT_ID)))
    assert await found(store, "tea", other) == ["Tea at four"]


async def test_those_that_go_are_those_of_no_use_for_longest(store: Store) -> None:
    notes = [note(text) for text in ("one", "two", "three")]
    await store.commit(unit(*notes))
    later = "2026-04-05T11:00:00.000Z"
    await store.commit(unit(Recalled(agent_id=AGENT_ID, memory_ids=(notes[0].id,), at=later)))  # type: ignore[arg-type]
    assert await store.queries.memories_beyond(AGENT_ID, 1) == [notes[2].id, notes[1].id]
    assert await store.queries.memories_beyond(AGENT_ID, 3) == []


def test_a_long_text_is_looked_for_by_its_first_words() -> None:
    words = [f"word{number}" for number in range(2 * MOST_WORDS)]
    assert match(" ".join(words + words)).count(" OR ") == MOST_WORDS - 1


def _fields(memory: Memory) -> dict[str, object]:
    return {name: getattr(memory, name) for name in memory.__struct_fields__}
