"""`docs/reference.md` has a row for all that a client meets, each with a test that is there.

That the tests show what the rows say is seen when they run: `tests/reference.py`.
"""

import ast
import inspect
import tomllib
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencognit.domain import errors
from opencognit.domain.errors import DomainError
from opencognit.domain.setting import KNOWN
from opencognit.http.server import ROUTES
from tests.house.source import ROOT, tree
from tests.reference import VALUES, Row, rows
from tests.seen import a_value, events

ROWS = list(rows())
BY_THING = {row.thing: row for row in ROWS}
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = tomllib.loads((Path(__file__).parent / "reference.toml").read_text("utf-8"))


def everything() -> Iterator[str]:
    """All that a client meets, as `tests/seen.py` names it."""
    yield "GET /ws"
    yield from (f"{route.method} {route.path}" for route in ROUTES)
    yield from (f"event {name}" for name in events())
    yield from (a_value(member) for kind in enumerations() for member in kind)
    yield from {
        f"{kind.code} {kind.status}"
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, DomainError)
    }
    yield from (f"setting {key}" for key in KNOWN)


@cache
def enumerations() -> set[type[Enum]]:
    """All enumerations in answers and events; and those of requests, where they are not a choice among such values."""
    told = _enumerations_of([*(route.element for route in ROUTES), *events().values()])
    asked = _enumerations_of([kind for route in ROUTES for kind in (route.body, route.query) if kind is not None])
    return told | {kind for kind in asked if not any({*kind} <= {*other} for other in told)}


def _enumerations_of(kinds: list[Any]) -> set[type[Enum]]:
    return set(_enumerations(msgspec.inspect.multi_type_info(kinds), set()))


def _enumerations(part: Any, passed: set[int]) -> Iterator[type[Enum]]:
    if isinstance(part, list | tuple):
        for one in part:
            yield from _enumerations(one, passed)
    elif isinstance(part, msgspec.inspect.EnumType):
        yield part.cls
    elif isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field) and id(part) not in passed:
        passed.add(id(part))
        yield from _enumerations([getattr(part, name) for name in part.__struct_fields__], passed)


def named(by: str) -> list[str]:
    """All that someone has named, in one list."""
    return [thing for things in NAMED[by].values() for thing in things]


def functions(file: str) -> set[str]:
    """The tests of a file, as pytest names them."""
    found = set()
    for node in tree(ROOT / file).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, _FUNCTION)}
        elif isinstance(node, _FUNCTION):
            found.add(node.name)
    return found


def test_everything_has_a_row() -> None:
    lacking = sorted(set(everything()) - BY_THING.keys())
    assert lacking == [], f"docs/reference.md lacks a row for: {', '.join(lacking)}"


def test_every_row_is_about_something() -> None:
    known = {*everything(), *NAMED["reference"]["statuses"]}
    unknown = sorted(thing for thing in BY_THING if thing not in known)
    assert unknown == [], f"docs/reference.md has rows for what is not there: {', '.join(unknown)}"


def test_nothing_has_two_rows() -> None:
    assert [thing for thing, count in Counter(row.thing for row in ROWS).items() if count > 1] == []


def test_every_enumeration_has_a_heading() -> None:
    assert {kind.__name__ for kind in enumerations()} == {kind.__name__ for kind in VALUES.values()}


@pytest.mark.parametrize("by", NAMED)
def test_what_was_promised_is_there(by: str) -> None:
    statuses = {f"status {route_status}" for route in ROUTES for route_status in route.statuses}
    statuses |= {f"status {thing.rpartition(' ')[2]}" for thing in everything() if thing.rpartition(" ")[2].isdigit()}
    gone = sorted(set(named(by)) - {*everything(), *statuses})
    assert gone == [], f"named by the {by}, and gone: {', '.join(gone)}"


def test_the_mark_says_what_the_reference_names() -> None:
    wrong = sorted({row.thing for row in ROWS if row.is_marked} ^ {*named("reference")})
    assert wrong == [], f"docs/reference.md and tests/house/reference.toml disagree about: {', '.join(wrong)}"


def test_only_what_is_never_sent_has_no_test() -> None:
    assert sorted(row.thing for row in ROWS if row.test is None) == sorted(NAMED["contract"]["never_sent"])


@pytest.mark.parametrize("row", [row for row in ROWS if row.test is not None], ids=lambda row: row.thing)
def test_a_row_names_a_test_that_is_there(row: Row) -> None:
    file, _, test = (row.test or "").partition("::")
    assert (ROOT / file).is_file(), f"There is no {file}"
    assert test in functions(file), f"There is no {test} in {file}"
