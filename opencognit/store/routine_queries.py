"""Questions about routines, their triggers, and what became of each firing."""

import peewee

from opencognit.domain.webhook import Webhook
from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import Executions, Routines, Tasks, Triggers, TriggerSecrets


class RoutineQueries(Reading):
    """The questions."""

    @on_reader
    def routines(self, company_id: str, statuses: tuple[str, ...], limit: int, offset: int) -> Page:
        """A company's routines; no statuses mean any."""
        query = Routines.select().where(Routines.company_id == company_id)
        if statuses:
            query = query.where(Routines.status.in_(statuses))
        return self._page(query, Routines, limit, offset)

    @on_reader
    def executions(self, routine_id: str, limit: int, offset: int, before: int | None) -> Page:
        """A routine's history, newest first."""
        query = Executions.select().where(Executions.routine_id == routine_id)
        return self._newest(query, Executions, Executions.body, limit=limit, offset=offset, before=before)

    @on_reader
    def has_execution(self, execution_id: str) -> bool:
        """Whether there is an execution of this id."""
        return self._first(Executions.select(Executions.seq).where(Executions.id == execution_id)) is not None

    @on_reader
    def open_execution(self, routine_id: str, task_id: str | None = None) -> bytes | None:
        """The newest execution with a task of its own, or that of the task named, whose end was not recorded."""
        query = Executions.select(Executions.body).where(
            Executions.routine_id == routine_id, Executions.ended_at.is_null(), Executions.status == "enqueued"
        )
        if task_id is not None:
            query = query.where(Executions.task_id == task_id)
        row = self._first(query.order_by(Executions.seq.desc()))
        return row[0] if row else None

    @on_reader
    def routine_of_trigger(self, trigger_id: str) -> str | None:
        """Which routine a trigger belongs to."""
        row = self._first(Triggers.select(Triggers.routine_id).where(Triggers.id == trigger_id))
        return row[0] if row else None

    @on_reader
    def webhook(self, public_id: str) -> Webhook | None:
        """The webhook of this public id, its secret sealed."""
        query = (
            Triggers.select(Triggers.id, Triggers.routine_id, Triggers.company_id, TriggerSecrets.sealed)
            .join(TriggerSecrets, on=(TriggerSecrets.trigger_id == Triggers.id))
            .where(Triggers.public_id == public_id)
        )
        for trigger_id, routine_id, company_id, sealed in query.tuples().execute(self._readers.database):
            return Webhook(trigger_id=trigger_id, routine_id=routine_id, company_id=company_id, secret=sealed)
        return None

    @on_reader
    def routines_with_due_time(self, company_id: str | None = None) -> list[str]:
        """Routines that must be awake, of one company or of all."""
        query = Routines.select(Routines.id).where(Routines.next_due_at.is_null(False))
        return self._column(query if company_id is None else query.where(Routines.company_id == company_id))

    @on_reader
    def executions_to_end(self) -> list[tuple[str, str]]:
        """(routine, task) where the task is over, but the routine was not told."""
        query = (
            Executions.select(Executions.routine_id, Executions.task_id)
            .join(Tasks, join_type=peewee.JOIN.LEFT_OUTER, on=(Tasks.id == Executions.task_id))
            .where(Executions.ended_at.is_null(), Tasks.id.is_null() | Tasks.status.in_(("done", "cancelled")))
            .distinct()
        )
        return list(query.tuples().execute(self._readers.database))
