"""What an agent remembers: notes that it writes for itself, found again by their words."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.message import VISIBLE, Entity, Message, Success
from opencognit.domain.query import Paging
from opencognit.domain.wire_names import FIELDS

Note = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000, pattern=VISIBLE)]
"""What is remembered: at most 10,000 bytes of UTF-8, which its actor checks."""

Keyword = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=VISIBLE)]

LARGEST = 10_000
"""Bytes of a note."""


class Memory(Entity, frozen=True, kw_only=True):
    """A note as clients see it."""

    company_id: str
    agent_id: str
    content: str
    keywords: tuple[str, ...] = ()


class Remember(Message[Memory], frozen=True, kw_only=True):
    """Note something down."""

    content: Note
    keywords: Annotated[tuple[Keyword, ...], msgspec.Meta(max_length=20)] = ()


class ChangeMemory(Message[Memory], frozen=True, kw_only=True):
    """Change a note."""

    memory_id: str
    expected_version: int | None = None
    """The version that the note must have; None for any."""
    content: Note | UnsetType = UNSET
    keywords: Annotated[tuple[Keyword, ...], msgspec.Meta(max_length=20)] | UnsetType = UNSET


class ForgetMemory(Message[Success], frozen=True, kw_only=True):
    """Forget one note, or all."""

    memory_id: str | None = None
    expected_version: int | None = None


class NoteRecall(Message[None], frozen=True, kw_only=True):
    """Internal: these notes were of use just now, so they are not the first to go."""

    memory_ids: tuple[str, ...]


class MemoryBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What is changed of a note."""

    content: Note | UnsetType = UNSET
    keywords: Annotated[tuple[Keyword, ...], msgspec.Meta(max_length=20)] | UnsetType = UNSET


class MemoryQuery(Paging, frozen=True, kw_only=True):
    """Which notes."""

    q: str | None = None
    """Words to look for."""
