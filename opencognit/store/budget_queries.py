"""What is asked of the ledger's rows: sums over a time, what runs usually cost, and what must be awake for budgets."""

import msgspec

from opencognit.domain.instants import Instant
from opencognit.store.reading import Reading, on_reader
from opencognit.store.tables import Companies


class Used(msgspec.Struct, frozen=True):
    """What an agent has used since some moment."""

    micro_cents: int
    tokens: int
    oldest: Instant | None
    """The first of the bookings, or runs, that were counted."""
    runs: int


class BudgetQueries(Reading):
    """The questions of budgets and limits."""

    @on_reader
    def used_since(self, agent_id: str, since: Instant) -> Used:
        """What an agent's calls have used since then; one range of an index, whatever lies before it."""
        ((micro_cents, tokens, oldest),) = self._readers.rows(
            "SELECT coalesce(sum(micro_cents), 0),"
            " coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0), min(created_at)"
            " FROM costs WHERE agent_id = ? AND created_at > ?",
            (agent_id, since),
        )
        return Used(micro_cents, tokens, oldest, 0)

    @on_reader
    def runs_since(self, agent_id: str, since: Instant) -> Used:
        """How many runs an agent has begun since then."""
        ((runs, oldest),) = self._readers.rows(
            "SELECT count(*), min(started_at) FROM runs WHERE agent_id = ? AND started_at > ?", (agent_id, since)
        )
        return Used(0, 0, oldest, runs)

    @on_reader
    def costs_of_runs(self, agent_id: str, limit: int) -> list[int]:
        """What each of an agent's last ended runs has cost, in micro-cents; those that cost nothing are left out."""
        rows = self._readers.rows(
            "SELECT (SELECT sum(micro_cents) FROM costs WHERE run_id = r.id)"
            " FROM (SELECT id FROM runs WHERE agent_id = ? AND ended_at IS NOT NULL ORDER BY seq DESC LIMIT ?) r",
            (agent_id, limit),
        )
        return [cost for (cost,) in rows if cost]

    @on_reader
    def cost_of_call(self, reservation_id: str) -> int | None:
        """What was booked for a reservation, in micro-cents; None if nothing was."""
        rows = self._readers.rows("SELECT micro_cents FROM costs WHERE id = ?", (reservation_id,))
        return rows[0][0] if rows else None

    @on_reader
    def cost_of_run(self, run_id: str) -> int:
        """What was booked for a run, in micro-cents."""
        ((cost,),) = self._readers.rows("SELECT coalesce(sum(micro_cents), 0) FROM costs WHERE run_id = ?", (run_id,))
        return int(cost)

    @on_reader
    def companies_with_month(self) -> list[str]:
        """Companies whose month must be ended at its time."""
        return self._column(Companies.select(Companies.id).where(Companies.month_ends_at.is_null(False)))
