"""What is asked when a task does not go on by itself."""

from opencognit.store.reading import Reading, on_reader
from opencognit.store.tables import Agents, Runs, Tasks


class HealingQueries(Reading):
    """The questions."""

    @on_reader
    def escalated_tasks(self) -> list[str]:
        """Tasks that were brought to someone, or are about to be."""
        return self._column(Tasks.select(Tasks.id).where(Tasks.escalation_id.is_null(False)))

    @on_reader
    def staff(self, company_id: str) -> list[bytes]:
        """A company's agents without those that were deleted, oldest first."""
        query = Agents.select(Agents.body).where(Agents.company_id == company_id, Agents.status != "terminated")
        return self._column(query.order_by(Agents.seq))

    @on_reader
    def attempts_at(self, task_id: str, agent_id: str, limit: int) -> list[bytes]:
        """An agent's runs on a task, newest first."""
        query = Runs.select(Runs.body).where(
            Runs.agent_id == agent_id, Runs.task_id == task_id, Runs.ended_at.is_null(False)
        )
        return self._column(query.order_by(Runs.seq.desc()).limit(limit))
