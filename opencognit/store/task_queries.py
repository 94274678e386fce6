"""Lists of tasks.

A list by status, priority or neither is put together from cells: the tasks of one status and one rank, each in order by
an index. SQLite merges them and stops at the page's end, so the page costs the same however many tasks there are; how
many there are in all is kept as a count for each cell.

A list by assignee, goal or parent reads all of its tasks by an index. One by words alone reads all of the company's.
"""

from itertools import product
from typing import Any

import msgspec

from opencognit.domain.task import RANK, TaskStatus
from opencognit.store.counting import Counting
from opencognit.store.reading import Page, on_reader

_CELL = "SELECT seq FROM tasks WHERE company_id = ? AND status = ? AND rank = ?"


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of tasks is narrowed to; None and empty mean any."""

    statuses: tuple[str, ...] = ()
    assignee_id: str | None = None
    priorities: tuple[int, ...] = ()
    goal_id: str | None = None
    parent_id: str | None = None
    words: tuple[str, ...] = ()

    def is_by_cells(self) -> bool:
        """Whether nothing but status and priority matters."""
        return self.assignee_id is self.goal_id is self.parent_id is None and not self.words


class TaskQueries(Counting):
    """The questions."""

    @on_reader
    def tasks(self, company_id: str, wanted: TaskFilter, limit: int, offset: int) -> Page:
        """A company's tasks."""
        if wanted.is_by_cells():
            return self._tasks_of_cells(company_id, wanted, limit, offset)
        where, parameters = _conditions(company_id, wanted)
        with self._readers.database.atomic():
            ((total,),) = self._readers.rows(f"SELECT count(*) FROM tasks WHERE {where}", parameters)  # noqa: S608
            bodies = self._readers.rows(
                f"SELECT body FROM tasks WHERE {where} ORDER BY seq LIMIT ? OFFSET ?",  # noqa: S608
                (*parameters, limit, offset),
            )
        return Page([body for (body,) in bodies], total)

    def _tasks_of_cells(self, company_id: str, wanted: TaskFilter, limit: int, offset: int) -> Page:
        cells = list(product(set(wanted.statuses) or TaskStatus, set(wanted.priorities) or RANK.values()))
        parameters: tuple[Any, ...]
        if len(cells) == len(TaskStatus) * len(RANK):
            chosen, parameters = "SELECT seq FROM tasks WHERE company_id = ?", (company_id,)
        else:
            chosen = " UNION ALL ".join([_CELL] * len(cells))
            parameters = tuple(value for cell in cells for value in (company_id, *cell))
        with self._readers.database.atomic():
            counts = self._counts(company_id, "task")
            bodies = self._readers.rows(
                f"SELECT body FROM tasks WHERE seq IN ({chosen} ORDER BY seq LIMIT ? OFFSET ?) ORDER BY seq",  # noqa: S608
                (*parameters, limit, offset),
            )
        return Page([body for (body,) in bodies], sum(counts.get(f"{status}/{rank}", 0) for status, rank in cells))


def _conditions(company_id: str, wanted: TaskFilter) -> tuple[str, tuple[Any, ...]]:
    """What a filter asks for, and its parameters."""
    named = {"assignee_id": wanted.assignee_id, "goal_id": wanted.goal_id, "parent_id": wanted.parent_id}
    narrow = {column: value for column, value in named.items() if value is not None}
    # With the plus sign, indexes of the whole company are not looked at where there is a narrower one.
    conditions = ["+company_id = ?" if narrow else "company_id = ?", *(f"{column} = ?" for column in narrow)]
    for column, values in (("status", wanted.statuses), ("rank", wanted.priorities)):
        if values:
            conditions.append(f"+{column} IN ({', '.join('?' * len(values))})")
    conditions += ["instr(words, ?) > 0"] * len(wanted.words)
    words = (word.casefold() for word in wanted.words)
    return " AND ".join(conditions), (company_id, *narrow.values(), *wanted.statuses, *wanted.priorities, *words)
