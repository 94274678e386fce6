"""Canaries: secrets that are told to the server, and are then looked for wherever something can be read."""

import base64
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.builders import Answer, Api

CORE = 24
"""Characters that are looked for: the middle of a secret, which no mask shows."""


class Canary(NamedTuple):
    """A secret, and the part of it that nobody may see."""

    name: str
    value: str
    core: bytes

    @classmethod
    def made(cls, name: str, prefix: str = "sk-canary-") -> "Canary":
        """A new one, as people make them up."""
        core = uuid.uuid4().hex[:CORE]
        return cls(name, f"{prefix}{core}-tail", core.encode())

    @classmethod
    def given(cls, name: str, value: str) -> "Canary":
        """One that the server has made."""
        end = len(value) - 8
        return cls(name, value, value[end - CORE : end].encode())

    def forms(self) -> Iterator[bytes]:
        """As it is, in hex, and in base64 wherever in a longer text it may stand."""
        yield self.core
        yield self.core.hex().encode()
        for before in range(3):
            # Without its ends, which depend on what stands beside it.
            yield base64.b64encode(b"-" * before + self.core)[4:-4]


class Place(NamedTuple):
    """Something that can be read."""

    name: str
    content: bytes


def found(canaries: Iterable[Canary], places: Iterable[Place]) -> list[tuple[str, str]]:
    """(canary, place) for each canary in each place."""
    return sorted(
        (canary.name, place.name)
        for place in places
        for canary in canaries
        if any(form in place.content for form in canary.forms())
    )


def files_in(folder: Path) -> list[Place]:
    """Every file below it, but for the keys, which are secret themselves."""
    return [
        Place(f"{folder.name}/{file.relative_to(folder)}", file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.parent.name != "keys"
    ]


def recorded_answers(patch: pytest.MonkeyPatch) -> list[Place]:
    """Every answer that any client of the test gets from now on, headers included; ids in its path are `{id}`."""
    answers: list[Place] = []
    call = Api.call

    async def recording(api: Api, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        answer = await call(api, method, path, body, **options)
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", path.partition("?")[0])
        answers.append(Place(f"{method} {name}", f"{answer.headers}\n{answer.text}".encode()))
        return answer

    patch.setattr(Api, "call", recording)
    return answers
