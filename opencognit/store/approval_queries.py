"""Questions about approvals."""

import peewee

from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import Agents, Approvals

# Written out, not bound: SQLite uses the partial indexes only where it can see the same words in the query.
_OPEN = peewee.SQL("status IN ('pending', 'revision_requested')")
_DUE = peewee.SQL("(expires_at IS NOT NULL OR follow_up)")


class ApprovalQueries(Reading):
    """Lists of approvals, and those with something due."""

    @on_reader
    def approvals(self, company_id: str, statuses: tuple[str, ...], limit: int, offset: int) -> Page:
        """A company's approvals."""
        query = Approvals.select().where(Approvals.company_id == company_id, Approvals.status.in_(statuses))
        return self._page(query, Approvals, limit, offset)

    @on_reader
    def approvals_due(self) -> list[str]:
        """Approvals that expire some time, or from which something follows that is not done yet."""
        return self._column(Approvals.select(Approvals.id).where(_DUE))

    @on_reader
    def open_approvals_by(self, agent_id: str) -> list[str]:
        """What an agent has asked and nobody has decided."""
        return self._column(Approvals.select(Approvals.id).where(Approvals.requested_by == agent_id, _OPEN))

    @on_reader
    def open_approvals_of_the_gone(self) -> list[str]:
        """Open approvals whose asking agent was deleted, but which were not told."""
        gone = Agents.select(Agents.id).where(Agents.status == "terminated")
        return self._column(Approvals.select(Approvals.id).where(Approvals.requested_by.in_(gone), _OPEN))
