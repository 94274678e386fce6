"""What is asked about the sessions of command-line agents."""

from opencognit.domain.coding_session import CodingSession
from opencognit.domain.message import decode
from opencognit.store.reading import Reading, on_reader
from opencognit.store.tables import CodingSessions


class CodingSessionQueries(Reading):
    """The questions."""

    @on_reader
    def coding_session(self, agent_id: str, task_id: str) -> CodingSession | None:
        """The session in which an agent has worked on a task before."""
        query = CodingSessions.select(CodingSessions.body).where(
            CodingSessions.agent_id == agent_id, CodingSessions.task_id == task_id
        )
        row = self._first(query)
        return decode(bytes(row[0]), CodingSession) if row else None
