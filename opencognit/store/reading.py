"""How a question is asked: on a thread of the reading pool, awaited, and answered with whole pages of stored JSON.

The questions themselves are in `queries.py` and the `*_queries.py` beside it, a file for each subject.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import peewee

from opencognit.domain.errors import StorageUnavailable
from opencognit.store.database import Readers, sqlite3

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q", bound="Reading")


class Page(msgspec.Struct, frozen=True):
    """A part of a list: its bodies in order, and how long the whole list is."""

    bodies: list[bytes]
    total: int
    older: int | None = None
    """Of a list read newest first: where the next page begins (`before`); None where there is none."""


def on_reader(
    question: Callable[Concatenate[Q, P], T],
) -> Callable[Concatenate[Q, P], Coroutine[Any, Any, T]]:
    """Let a question run on a reader's thread; it becomes awaitable.

    Raises:
        StorageUnavailable: the store cannot read.
    """

    @wraps(question)
    async def asked(self: Q, /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers.executor, lambda: question(self, *args, **kwargs))
        except (peewee.PeeweeException, sqlite3.Error) as error:
            raise StorageUnavailable("The store cannot read at the moment") from error

    return asked


class Reading:
    """What questions are made of. One object serves all threads."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def _column(self, query: Any) -> list[Any]:
        return [row[0] for row in query.tuples().execute(self._readers.database)]

    def _first(self, query: Any) -> Any:
        for row in query.limit(1).tuples().execute(self._readers.database):
            return row
        return None

    def _page(self, query: Any, table: Any, limit: int, offset: int) -> Page:
        database = self._readers.database
        # One transaction, so that the count and the rows tell of the same moment.
        with database.atomic():
            total = query.count(database)
            chosen = query.select(table.body).order_by(table.seq).limit(limit).offset(offset)
            return Page(self._column(chosen), total)

    def _newest(
        self,
        query: Any,
        table: Any,
        body: Any,
        *,
        limit: int,
        offset: int,
        before: int | None,
        count: Callable[[], int] | None = None,
    ) -> Page:
        """A page read newest first; `before` is the place at which the page before it ended, as rows come in on top.

        `count` says how many there are, where that is known without counting them.
        """
        database = self._readers.database
        with database.atomic():
            total = count() if count is not None else query.count(database)
            if before is not None:
                query = query.where(table.seq < before)
            chosen = query.select(table.seq, body).order_by(table.seq.desc()).limit(limit + 1).offset(offset)
            rows = list(chosen.tuples().execute(database))
        older = rows[limit - 1][0] if len(rows) > limit else None
        return Page([row[1] for row in rows[:limit]], total, older)
