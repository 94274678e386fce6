"""The activity feed."""

from opencognit.domain.events import Activity
from opencognit.store.counting import Counting
from opencognit.store.reading import Page, on_reader


class ActivityQueries(Counting):
    """The questions."""

    @on_reader
    def activity(self, company_id: str, limit: int, offset: int, before: int | None) -> Page:
        """The activity feed, newest first; `before` is the place at which the page before it ended."""
        with self._readers.database.atomic():
            total = sum(self._counts(company_id, "activity").values())
            rows = self._readers.rows(
                "SELECT seq, data FROM events WHERE company_id = ? AND type = ? AND seq < ?"
                " ORDER BY seq DESC LIMIT ? OFFSET ?",
                (company_id, Activity.type, 2**63 - 1 if before is None else before, limit + 1, offset),
            )
        older = rows[limit - 1][0] if len(rows) > limit else None
        return Page([data for _, data in rows[:limit]], total, older)
