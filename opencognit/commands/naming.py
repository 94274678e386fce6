"""How people name things: by the id, by its beginning, or by the name, as long as that means one thing only."""

import re
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

import click

_ID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_BEGINNING: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]*")


class Identified(Protocol):
    """What has an id."""

    @property
    def id(self) -> str:
        """The id."""


R = TypeVar("R", bound=Identified)


def is_id(text: str) -> bool:
    """Whether this is a whole id."""
    return _ID.fullmatch(text) is not None


def is_beginning(text: str) -> bool:
    """Whether an id may begin like this."""
    return _BEGINNING.fullmatch(text) is not None


def names_one(text: str, rows: Iterable[R], *, get: Callable[[str], R], name: Callable[[R], str], what: str) -> R:
    """The one thing that this names.

    Args:
        text: what was written.
        rows: all that may be meant; not looked at where the id is written in full.
        get: reads the one of an id.
        name: the name of a row.
        what: what kind of thing it is, for the sentence that refuses.

    Raises:
        click.ClickException: it names none, or several.
    """
    if is_id(text):
        return get(text)
    found = list(rows)
    named = [row for row in found if name(row).casefold() == text.casefold()]
    if not named and is_beginning(text):
        named = [row for row in found if row.id.startswith(text.lower())]
    if not named:
        raise click.ClickException(f"There is no {what} “{text}”.")
    if len(named) > 1:
        ids = ", ".join(row.id for row in named[:5])
        raise click.ClickException(f"“{text}” names more than one {what}: write the id ({ids}).")
    return named[0]
