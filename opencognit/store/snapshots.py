"""Which table keeps which actor's snapshots, and the columns that lists filter and sort by."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from opencognit.domain.agent import Agent
from opencognit.domain.approval import Approval
from opencognit.domain.company import Company
from opencognit.domain.message import encode
from opencognit.domain.records import Snapshot
from opencognit.domain.task import RANK, Task


class Shelf(msgspec.Struct, frozen=True):
    """Where the snapshots of one kind of actor lie.

    The statements take, in this order: the extra columns, the body, the new version, the id, the old version.
    """

    table: str
    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]

    @property
    def select(self) -> str:
        """One body by its id."""
        return f"SELECT body FROM {self.table} WHERE id = ?"  # noqa: S608 - names come from this file

    @property
    def insert(self) -> str:
        """A new row; it must not exist."""
        columns = (*self.columns, "body", "version", "id")
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {self.table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608

    @property
    def update(self) -> str:
        """The row's next version; changes nothing if the present one is not the expected."""
        assignments = ", ".join(f"{column} = ?" for column in (*self.columns, "body", "version"))
        return f"UPDATE {self.table} SET {assignments} WHERE id = ? AND version = ?"  # noqa: S608

    @property
    def delete(self) -> str:
        """Erase the row, if it has the expected version."""
        return f"DELETE FROM {self.table} WHERE id = ? AND version = ?"  # noqa: S608

    def parameters(self, snapshot: Snapshot) -> tuple[Any, ...]:
        """What `insert` (version 0), `update` and `delete` need for this snapshot."""
        if snapshot.entity is None:
            return (snapshot.id, snapshot.version)
        row = (*self.values(snapshot.entity), encode(snapshot.entity), snapshot.entity.version, snapshot.id)
        return (*row, snapshot.version) if snapshot.version else row


def _agent(agent: Agent) -> tuple[Any, ...]:
    return (
        agent.company_id,
        agent.name,
        agent.status,
        agent.reports_to,
        agent.adapter,
        agent.next_heartbeat if agent.heartbeat_on else None,
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
        task.next_attempt_at,
        task.lock_expires_at,
        f"{task.title}\n{task.description or ''}".casefold(),
    )


def _approval(approval: Approval) -> tuple[Any, ...]:
    return (approval.company_id, approval.status)


def _company(_company: Company) -> tuple[Any, ...]:
    return ()


SHELVES: Final = {
    "company": Shelf("companies", (), _company),
    "agent": Shelf("agents", ("company_id", "name", "status", "reports_to", "adapter", "next_heartbeat"), _agent),
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
        ),
        _task,
    ),
    "approval": Shelf("approvals", ("company_id", "status"), _approval),
}
"""By the kind of actor."""
