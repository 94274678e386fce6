"""What is older than it is kept, or more than is kept: a batch of it at a time, the oldest first."""

from opencognit.domain.events import Activity
from opencognit.domain.message import decode
from opencognit.domain.retention import Kept
from opencognit.domain.run import Run
from opencognit.store.counting import Counting
from opencognit.store.reading import on_reader
from opencognit.store.tables import Companies, EventsGone

_ACTIVITY = f"FROM events WHERE company_id = ? AND type = '{Activity.type}'"
# Named, and with the words of the index, as SQLite would rather look at all of the company's events.
_PASSING = f"FROM events INDEXED BY events_passing WHERE company_id = ? AND type <> '{Activity.type}'"
_OUTPUT = "FROM runs INDEXED BY runs_output WHERE company_id = ? AND output_bytes > 0 AND ended_at IS NOT NULL"


class RetentionQueries(Counting):
    """The questions."""

    @on_reader
    def all_company_ids(self) -> list[str]:
        """Every company."""
        return self._column(Companies.select(Companies.id).order_by(Companies.seq))

    @on_reader
    def outlived_activity(self, company_id: str, kept: Kept, limit: int) -> list[int]:
        """Entries of a company's feed that are not kept, by their numbers."""
        with self._readers.database.atomic():
            number = sum(self._counts(company_id, "activity").values())
            return self._outlived_events(_ACTIVITY, company_id, kept, number, limit)

    @on_reader
    def outlived_events(self, company_id: str, kept: Kept, limit: int) -> list[int]:
        """A company's other events that are not kept, by their numbers."""
        with self._readers.database.atomic():
            ((number,),) = self._readers.rows(f"SELECT count(*) {_PASSING}", (company_id,))
            return self._outlived_events(_PASSING, company_id, kept, number, limit)

    def _outlived_events(self, which: str, company_id: str, kept: Kept, number: int, limit: int) -> list[int]:
        rows = self._readers.rows(
            f"SELECT seq, created_at {which} ORDER BY seq LIMIT ?",
            (company_id, limit),
        )
        return [seq for place, (seq, when) in enumerate(rows) if kept.outlives(when, number - place)]

    @on_reader
    def outlived_outputs(self, company_id: str, kept: Kept, limit: int) -> list[Run]:
        """A company's runs that are to be relieved of what they have said."""
        with self._readers.database.atomic():
            ((left,),) = self._readers.rows(f"SELECT coalesce(sum(output_bytes), 0) {_OUTPUT}", (company_id,))
            rows = self._readers.rows(
                f"SELECT ended_at, output_bytes, body {_OUTPUT} ORDER BY ended_at LIMIT ?",
                (company_id, limit),
            )
        runs = []
        for ended_at, size, body in rows:
            if kept.outlives(ended_at, left):
                runs.append(decode(body, Run))
            left -= size
        return runs

    @on_reader
    def companies_missing_events(self, seq: int) -> list[str]:
        """Companies of whose events after this one some are no longer there."""
        return self._column(EventsGone.select(EventsGone.company_id).where(EventsGone.seq > seq))

    @on_reader
    def newest_event(self) -> int:
        """The number of the newest event that ever was."""
        rows = self._readers.rows("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return rows[0][0] if rows else 0
