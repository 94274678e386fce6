"""What commands print: tables and cards for people, and the server's own JSON for programs.

What agents have written is shown without its control characters: it must not be able to move the reader's cursor.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeVar

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from opencognit.client.calls import understood
from opencognit.domain.instants import Instant, moment

R = TypeVar("R")

Columns = Mapping[str, Callable[[R], object]]
"""The title of each column, and what stands in it."""

COLOURS: Final = {
    **dict.fromkeys(("running", "in_progress", "active", "enqueued"), "cyan"),
    **dict.fromkeys(("done", "approved", "completed", "succeeded", "achieved"), "green"),
    **dict.fromkeys(("paused", "blocked", "in_review", "pending", "skipped", "revision_requested"), "yellow"),
    **dict.fromkeys(("error", "failed", "rejected", "timed_out", "critical"), "red"),
}
"""Of words that say how something stands."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ANY_WIDTH: Final = 100_000


def console() -> Console:
    """Standard output; where it is no terminal, lines are as long as they are."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _ANY_WIDTH, highlight=False)


def print_parts(*parts: RenderableType) -> None:
    """Print tables, cards and lines; no line ends with blanks, so that they can be cut and compared."""
    screen = console()
    with screen.capture() as captured:
        screen.print(*parts, sep="\n")
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def plain(value: object) -> str:
    """A value as people read it, on whatever terminal."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value.value if isinstance(value, Enum) else value)
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def coloured(value: object) -> Text:
    """The same in its colour, if it says how something stands."""
    text = plain(value)
    return Text(text, style=COLOURS.get(text, ""))


def when(instant: Instant | None) -> str | None:
    """A time as the reader's clock shows it."""
    return None if instant is None else moment(instant).astimezone().strftime("%Y-%m-%d %H:%M")


def money(cents: Decimal | int, currency: str = "") -> str:
    """An amount of cents, to the cent; what is less is not hidden."""
    amount = Decimal(cents) / 100
    exact = amount if 0 < amount < Decimal("0.01") else amount.quantize(Decimal("0.01"))
    return f"{exact:f} {currency}".strip()


def table(rows: Iterable[R], columns: Columns[R]) -> Table:
    """A table of rows."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        made.add_column(title, overflow="fold")
    for row in rows:
        made.add_row(*(coloured(of(row)) for of in columns.values()))
    return made


def card(fields: Mapping[str, object]) -> Table:
    """One thing, with a line for each of its fields; those that say nothing are left out."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in fields.items():
        if value is not None:
            made.add_row(name, coloured(value))
    return made


class Output:
    """Where a command's answer goes.

    Args:
        as_json: print the wire's JSON, exactly as it came.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, kind: type[R], bodies: Iterable[bytes], columns: Columns[R], *, nothing: str) -> None:
        """A list: its rows in a table, or the sentence that there are none."""
        if self.as_json:
            click.echo(b"[" + b",".join(bodies) + b"]")
            return
        rows = [understood(body, kind) for body in bodies]
        if rows:
            print_parts(table(rows, columns))
        else:
            click.echo(nothing)

    def one(self, kind: type[R], body: bytes, fields: Callable[[R], Mapping[str, object]]) -> None:
        """One thing on a card."""
        if self.as_json:
            click.echo(body)
        else:
            print_parts(card(fields(understood(body, kind))))

    def done(self, kind: type[R], body: bytes, sentence: Callable[[R], str]) -> None:
        """What was done, in a sentence."""
        click.echo(body if self.as_json else plain(sentence(understood(body, kind))))

    def line(self, *words: Any) -> None:
        """A line for people; programs are told nothing."""
        if not self.as_json:
            click.echo("  ".join(plain(word) for word in words))
