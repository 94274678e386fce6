"""Questions about goals, and about who could work towards them."""

from collections.abc import Iterable

import peewee

from opencognit.domain.wire_names import FIELDS
from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import Agents, Approvals, ApprovalsUsed, Goals, Tasks


class GoalQueries(Reading):
    """The questions."""

    @on_reader
    def goals(self, company_id: str, statuses: tuple[str, ...], limit: int, offset: int) -> Page:
        """A company's goals; no statuses mean any."""
        query = Goals.select().where(Goals.company_id == company_id)
        if statuses:
            query = query.where(Goals.status.in_(statuses))
        return self._page(query, Goals, limit, offset)

    @on_reader
    def goal_bodies(self, company_id: str, statuses: tuple[str, ...], limit: int) -> list[bytes]:
        """The oldest goals of a company with these statuses."""
        query = Goals.select(Goals.body).where(Goals.company_id == company_id, Goals.status.in_(statuses))
        return self._column(query.order_by(Goals.seq).limit(limit))

    @on_reader
    def goal_company(self, goal_id: str) -> str | None:
        """Whose goal it is."""
        row = self._first(Goals.select(Goals.company_id).where(Goals.id == goal_id))
        return row[0] if row else None

    @on_reader
    def goals_below(self, goal_id: str) -> list[str]:
        """The goals whose parent this is."""
        return self._column(Goals.select(Goals.id).where(Goals.parent_id == goal_id))

    @on_reader
    def goals_to_follow(self) -> list[str]:
        """Goals that are open or owe a task: what happened to their tasks before a stop may not have reached them."""
        return self._column(Goals.select(Goals.id).where(Goals.status.in_(("planned", "active")) | Goals.owes))

    @on_reader
    def lost_goals(self) -> list[tuple[str, str, str]]:
        """(`task_lock` or `goal`, its id, the goal that it names) where that goal is gone."""
        tasks = Tasks.select(peewee.Value("task_lock"), Tasks.id, Tasks.goal_id).where(
            Tasks.goal_id.is_null(False), Tasks.goal_id.not_in(Goals.select(Goals.id))
        )
        above = Goals.alias()
        goals = Goals.select(peewee.Value("goal"), Goals.id, Goals.parent_id).where(
            Goals.parent_id.is_null(False), Goals.parent_id.not_in(above.select(above.id))
        )
        return [row for query in (tasks, goals) for row in query.tuples().execute(self._readers.database)]

    @on_reader
    def tasks_of_goal(self, goal_id: str) -> list[str]:
        """The tasks that name this goal."""
        return self._column(Tasks.select(Tasks.id).where(Tasks.goal_id == goal_id))

    @on_reader
    def goal_tasks_counted(self, goal_id: str, without: Iterable[str]) -> tuple[int, int]:
        """(done, all) of a goal's tasks; cancelled ones and those `without` do not count."""
        query = Tasks.select(Tasks.status).where(
            Tasks.goal_id == goal_id, Tasks.status != "cancelled", Tasks.id.not_in(list(without))
        )
        statuses = self._column(query)
        return statuses.count("done"), len(statuses)

    @on_reader
    def orchestrators(self, company_id: str) -> list[str]:
        """A company's orchestrators, the first hired first."""
        flag = peewee.fn.json_extract(peewee.Cast(Agents.body, "TEXT"), f"$.{FIELDS['is_orchestrator']}")
        query = Agents.select(Agents.id).where(
            Agents.company_id == company_id, Agents.status != "terminated", flag == 1
        )
        return self._column(query.order_by(Agents.seq))

    @on_reader
    def workforce(self, company_id: str) -> list[tuple[bytes, int]]:
        """(body, how many unfinished tasks) of a company's agents, the first hired first."""
        load = Tasks.select(peewee.fn.COUNT(Tasks.seq)).where(
            Tasks.assignee_id == Agents.id,
            peewee.Expression(Tasks.status, peewee.OP.NOT_IN, peewee.SQL("('done', 'cancelled')")),
        )
        query = Agents.select(Agents.body, load.alias("load"))
        query = query.where(Agents.company_id == company_id, Agents.status != "terminated").order_by(Agents.seq)
        return list(query.tuples().execute(self._readers.database))

    @on_reader
    def task_lines(self, parent_id: str, limit: int) -> list[bytes]:
        """The newest tasks below this one."""
        query = Tasks.select(Tasks.body).where(Tasks.parent_id == parent_id).order_by(Tasks.seq.desc()).limit(limit)
        return self._column(query)[::-1]

    @on_reader
    def approval_of_call(
        self, company_id: str, agent_id: str, task_id: str, call: str
    ) -> tuple[str, str, str | None] | None:
        """(id, status, note) of the newest approval of exactly this call that was not used yet."""
        body = peewee.Cast(Approvals.body, "TEXT")
        payload = f"$.payload.{FIELDS['task_id']}"
        query = Approvals.select(
            Approvals.id, Approvals.status, peewee.fn.json_extract(body, f"$.{FIELDS['decision_note']}")
        ).where(
            Approvals.company_id == company_id,
            peewee.fn.json_extract(body, "$.payload.call") == call,
            peewee.fn.json_extract(body, payload) == task_id,
            peewee.fn.json_extract(body, f"$.{FIELDS['requested_by']}") == agent_id,
            Approvals.id.not_in(ApprovalsUsed.select(ApprovalsUsed.approval_id)),
        )
        row: tuple[str, str, str | None] | None = self._first(query.order_by(Approvals.seq.desc()))
        return row
