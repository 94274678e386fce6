"""What a test has seen of the server: which routes answered, which events came, which values and refusals were in them.

Each thing is named as `docs/reference.md` names it, so that a test which a row of that page names is held to it.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from opencognit.domain.events import KINDS, Event, RunOutput
from opencognit.http.route import Route

Json = dict[str, Any]

SEEN: set[str] = set()
"""All that the test which runs now has seen."""


def a_value(member: Enum) -> str:
    """The name of a member of an enumeration: `TaskStatus done`."""
    return f"{type(member).__name__} {member.value}"


def events() -> dict[str, type[Event] | type[RunOutput]]:
    """What is sent on `/ws` about a company, by its type on the wire."""
    return {RunOutput.type: RunOutput, **KINDS}


def saw_answer(route: Route, path: str, status: int, json: Any) -> None:
    """An answer at a route."""
    if status not in route.statuses:
        return
    SEEN.add(f"{route.method} {route.path}")
    if route.resource == "settings":
        SEEN.add(f"setting {path.partition('?')[0].rpartition('/')[2]}")
    _saw_values(json, list[route.element] if route.is_list else route.element)  # type: ignore[name-defined]


def saw_refusal(status: int, json: Any) -> None:
    """The status of an answer, and its code if it is a refusal."""
    SEEN.add(f"status {status}")
    if isinstance(json, dict) and "code" in json:
        SEEN.add(f"{json['code']} {status}")


def saw_message(message: Json) -> None:
    """A message of the WebSocket, or of a stream of events."""
    SEEN.add("GET /ws")
    SEEN.add(f"event {message['type']}")
    if (kind := events().get(message["type"])) is not None:
        _saw_values(message["data"], kind)


def _saw_values(json: Any, kind: Any) -> None:
    try:
        SEEN.update(map(a_value, _members(msgspec.convert(json, kind))))
    except (msgspec.ValidationError, TypeError):
        # Not all that is answered is a struct of ours: a page, or nothing.
        return


def _members(value: Any) -> Iterator[Enum]:
    """Every member of an enumeration in it, however deep."""
    if isinstance(value, Enum):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _members(pair)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _members(one)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _members(getattr(value, name))
