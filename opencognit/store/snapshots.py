"""Which table keeps which actor's snapshots, and the columns that lists filter and sort by."""

from collections.abc import Callable
from typing import Any, Final

from opencognit.domain.agent import Agent
from opencognit.domain.approval import OPEN, Approval
from opencognit.domain.company import Company
from opencognit.domain.goal import Goal
from opencognit.domain.meeting import Meeting
from opencognit.domain.message import encode
from opencognit.domain.records import Snapshot
from opencognit.domain.routine import Routine
from opencognit.domain.setting import Settings
from opencognit.domain.subscription import Subscription
from opencognit.domain.task import RANK, Task


class Shelf:
    """Where the snapshots of one kind of actor lie.

    Args:
        table: the table.
        columns: what lists filter and sort by, beside the body.
        values: these columns of a state.

    Attributes:
        select: reads one body by its id.
    """

    def __init__(self, table: str, columns: tuple[str, ...], values: Callable[[Any], tuple[Any, ...]]) -> None:
        self._table = table
        self._columns = columns
        self._values = values
        names = (*columns, "body", "version", "id")
        self.select = f"SELECT body FROM {table} WHERE id = ?"  # noqa: S608 - names come from this file
        self._insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        self._delete = f"DELETE FROM {table} WHERE id = ? AND version = ?"  # noqa: S608
        self._updates: dict[tuple[str, ...], str] = {}

    def statement(self, snapshot: Snapshot) -> tuple[str, tuple[Any, ...]]:
        """What writes this snapshot, if the row is as it was before; its parameters."""
        before, entity = snapshot.before, snapshot.entity
        if entity is None:
            return self._delete, (snapshot.id, before.version if before is not None else 0)
        if before is None:
            return self._insert, (*self._values(entity), encode(entity), entity.version, snapshot.id)
        changed = [
            (column, value)
            for column, old, value in zip(self._columns, self._values(before), self._values(entity), strict=True)
            if value != old
        ]
        return self._update(tuple(column for column, _ in changed)), (
            *(value for _, value in changed),
            encode(entity),
            entity.version,
            snapshot.id,
            before.version,
        )

    def _update(self, columns: tuple[str, ...]) -> str:
        """Names the changed columns only: SQLite rewrites the indexes of all that are named."""
        sql = self._updates.get(columns)
        if sql is None:
            assignments = ", ".join(f"{column} = ?" for column in (*columns, "body", "version"))
            sql = f"UPDATE {self._table} SET {assignments} WHERE id = ? AND version = ?"  # noqa: S608
            self._updates[columns] = sql
        return sql


def _agent(agent: Agent) -> tuple[Any, ...]:
    return (
        agent.company_id,
        agent.name,
        agent.status,
        agent.reports_to,
        agent.adapter,
        agent.next_heartbeat if agent.heartbeat_on else None,
        agent.resumes_at,
    )


def _task(task: Task) -> tuple[Any, ...]:
    return (
        task.company_id,
        task.status,
        RANK[task.priority],
        task.assignee_id,
        task.goal_id,
        task.parent_id,
        task.due_at,
        task.waits_until,
        task.lock_expires_at,
        f"{task.title}\n{task.description or ''}".casefold(),
        task.escalation.id if task.escalation is not None else None,
        task.completed_at,
    )


def _approval(approval: Approval) -> tuple[Any, ...]:
    return (
        approval.company_id,
        approval.status,
        approval.requested_by,
        approval.expires_at if approval.status in OPEN else None,
        approval.follow_up,
    )


def _settings(settings: Settings) -> tuple[Any, ...]:
    return (settings.company_id,)


def _meeting(meeting: Meeting) -> tuple[Any, ...]:
    return (meeting.company_id, meeting.status)


def _company(company: Company) -> tuple[Any, ...]:
    return (company.month_ends_at,)


def _goal(goal: Goal) -> tuple[Any, ...]:
    return (goal.company_id, goal.status, goal.parent_id, goal.owed_task_id is not None)


def _routine(routine: Routine) -> tuple[Any, ...]:
    return (routine.company_id, routine.status, routine.next_due_at())


def _subscription(subscription: Subscription) -> tuple[Any, ...]:
    return (subscription.company_id, subscription.status)


SHELVES: Final = {
    "company": Shelf("companies", ("month_ends_at",), _company),
    "agent": Shelf(
        "agents", ("company_id", "name", "status", "reports_to", "adapter", "next_heartbeat", "resumes_at"), _agent
    ),
    "task_lock": Shelf(
        "tasks",
        (
            "company_id",
            "status",
            "rank",
            "assignee_id",
            "goal_id",
            "parent_id",
            "due_at",
            "next_attempt_at",
            "lock_expires_at",
            "words",
            "escalation_id",
            "completed_at",
        ),
        _task,
    ),
    "settings": Shelf("settings", ("company_id",), _settings),
    "meeting": Shelf("meetings", ("company_id", "status"), _meeting),
    "approval": Shelf("approvals", ("company_id", "status", "requested_by", "expires_at", "follow_up"), _approval),
    "goal": Shelf("goals", ("company_id", "status", "parent_id", "owes"), _goal),
    "routine": Shelf("routines", ("company_id", "status", "next_due_at"), _routine),
    "subscription": Shelf("subscriptions", ("company_id", "status"), _subscription),
}
"""By the kind of actor."""
