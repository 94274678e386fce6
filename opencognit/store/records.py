"""How each kind of record becomes rows. One function each, in one table at the end."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from opencognit.domain import records
from opencognit.domain.caller import Session
from opencognit.domain.errors import DependencyCycle, Duplicate, IdempotencyConflict, ValidationFailed
from opencognit.domain.instants import after
from opencognit.domain.message import encode
from opencognit.domain.run import Run
from opencognit.domain.task import Comment
from opencognit.domain.wire_names import FIELDS
from opencognit.store.snapshots import SHELVES


class Cursor(Protocol):
    """The part of a DB-API cursor that is used here."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = ...) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: list[tuple[Any, ...]]) -> Any:
        """Run one statement for each row of parameters."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""


def _comment(cursor: Cursor, comment: Comment) -> None:
    cursor.execute(
        "INSERT INTO comments (id, company_id, task_id, body) VALUES (?, ?, ?, ?)",
        (comment.id, comment.company_id, comment.task_id, encode(comment)),
    )


def _run(cursor: Cursor, run: Run) -> None:
    # The condition keeps an ended run as it ended, whoever reports late.
    cursor.execute(
        "INSERT INTO runs (id, company_id, agent_id, task_id, started_at, ended_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, body = excluded.body WHERE ended_at IS NULL",
        (run.id, run.company_id, run.agent_id, run.task_id, run.started_at, run.ended_at, encode(run)),
    )


def _cost(cursor: Cursor, cost: records.Cost) -> None:
    cursor.execute(
        "INSERT INTO costs (id, company_id, agent_id, task_id, run_id, model, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, micro_cents, estimated, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            cost.id,
            cost.company_id,
            cost.agent_id,
            cost.task_id,
            cost.run_id,
            cost.model,
            cost.usage.input_tokens,
            cost.usage.output_tokens,
            cost.usage.cache_read_tokens,
            cost.usage.cache_write_tokens,
            cost.micro_cents,
            cost.estimated,
            cost.created_at,
        ),
    )


def _new_user(cursor: Cursor, new: records.NewUser) -> None:
    user = new.user
    cursor.execute(
        "INSERT INTO users (id, version, body, email, password_hash) VALUES (?, ?, ?, ?, ?)",
        (user.id, user.version, encode(user), user.email.casefold(), new.password_hash),
    )


def _new_password(cursor: Cursor, new: records.NewPassword) -> None:
    cursor.execute("UPDATE users SET password_hash = ? WHERE id = ?", (new.password_hash, new.user_id))


def _session(cursor: Cursor, session: Session) -> None:
    cursor.execute(
        "INSERT INTO sessions (id, subject_id, kind, company_id, expires_at) VALUES (?, ?, ?, ?, ?)",
        (session.id, session.subject_id, session.kind, session.company_id, session.expires_at),
    )


def _sessions_closed(cursor: Cursor, closed: records.SessionsClosed) -> None:
    cursor.execute("DELETE FROM sessions WHERE id = ? OR subject_id = ?", (closed.session_id, closed.subject_id))


def _membership(cursor: Cursor, member: records.Membership) -> None:
    if member.role is None:
        cursor.execute(
            "DELETE FROM memberships WHERE company_id = ? AND user_id = ?",
            (member.company_id, member.user_id),
        )
        return
    cursor.execute(
        "INSERT INTO memberships (company_id, user_id, role) VALUES (?, ?, ?)"
        " ON CONFLICT (company_id, user_id) DO UPDATE SET role = excluded.role",
        (member.company_id, member.user_id, member.role),
    )


def _blockers(cursor: Cursor, blockers: records.Blockers) -> None:
    cursor.execute("DELETE FROM blockers WHERE task_id = ?", (blockers.task_id,))
    cursor.executemany(
        "INSERT INTO blockers (task_id, blocker_id, company_id, is_open) VALUES (?, ?, ?, ?)",
        [
            (blockers.task_id, blocker, blockers.company_id, blocker in blockers.open_ids)
            for blocker in blockers.blocker_ids
        ],
    )
    # Asked inside the only writing transaction, so two changes that close a circle together cannot both pass.
    cursor.execute(
        "WITH RECURSIVE waits_for (id) AS ("
        " SELECT blocker_id FROM blockers WHERE task_id = ?1"
        " UNION SELECT b.blocker_id FROM blockers b JOIN waits_for w ON b.task_id = w.id"
        ") SELECT 1 FROM waits_for WHERE id = ?1",
        (blockers.task_id,),
    )
    if cursor.fetchone():
        raise DependencyCycle("A task cannot wait for one that waits for it")


def _parent(cursor: Cursor, parent: records.Parent) -> None:
    cursor.execute(
        "WITH RECURSIVE above (id) AS ("
        " SELECT parent_id FROM tasks WHERE id = ?1"
        " UNION SELECT t.parent_id FROM tasks t JOIN above ON t.id = above.id"
        ") SELECT 1 FROM above WHERE id = ?1",
        (parent.task_id,),
    )
    if cursor.fetchone():
        raise DependencyCycle("A task cannot lie below one that lies below it")


def _reporting_line(cursor: Cursor, line: records.ReportingLine) -> None:
    cursor.execute(
        "WITH RECURSIVE above (id) AS ("
        " SELECT reports_to FROM agents WHERE id = ?1"
        " UNION SELECT a.reports_to FROM agents a JOIN above ON a.id = above.id"
        ") SELECT 1 FROM above WHERE id = ?1",
        (line.agent_id,),
    )
    if cursor.fetchone():
        raise DependencyCycle("An agent cannot report to one that reports to it")


def _goal_parent(cursor: Cursor, line: records.GoalParent) -> None:
    cursor.execute("SELECT 1 FROM goals WHERE id = ? AND company_id = ?", (line.parent_id, line.company_id))
    if not cursor.fetchone():
        raise ValidationFailed.of(FIELDS["parent_id"], "is not a goal of this company")
    cursor.execute(
        "WITH RECURSIVE above (id) AS ("
        " SELECT parent_id FROM goals WHERE id = ?1"
        " UNION SELECT g.parent_id FROM goals g JOIN above ON g.id = above.id"
        ") SELECT 1 FROM above WHERE id = ?1",
        (line.goal_id,),
    )
    if cursor.fetchone():
        raise DependencyCycle("A goal cannot lie below one that lies below it")


def _goal_of_task(cursor: Cursor, named: records.GoalOfTask) -> None:
    cursor.execute("SELECT 1 FROM goals WHERE id = ? AND company_id = ?", (named.goal_id, named.company_id))
    if not cursor.fetchone():
        raise ValidationFailed.of(FIELDS["goal_id"], "is not a goal of this company")


def _new_task(cursor: Cursor, new: records.NewTask) -> None:
    snapshot = records.Snapshot(kind="task_lock", id=new.task.id, before=None, entity=new.task)
    cursor.execute(*SHELVES[snapshot.kind].statement(snapshot))
    _blockers(cursor, new.blockers)


def _approval_used(cursor: Cursor, used: records.ApprovalUsed) -> None:
    cursor.execute("SELECT 1 FROM approvals_used WHERE approval_id = ?", (used.approval_id,))
    if cursor.fetchone():
        raise Duplicate("This approval was used already")
    cursor.execute(
        "INSERT INTO approvals_used (approval_id, company_id) VALUES (?, ?)", (used.approval_id, used.company_id)
    )


def _agent_secrets(cursor: Cursor, secrets: records.AgentSecrets) -> None:
    cursor.execute("DELETE FROM agent_secrets WHERE agent_id = ?", (secrets.agent_id,))
    if secrets.sealed is not None:
        cursor.execute(
            "INSERT INTO agent_secrets (agent_id, company_id, sealed) VALUES (?, ?, ?)",
            (secrets.agent_id, secrets.company_id, secrets.sealed),
        )


def _answer(cursor: Cursor, answer: records.Answer) -> None:
    # Asked inside the only writing transaction: a try whose client has gone may still be under way beside its retry.
    cursor.execute(
        "SELECT 1 FROM answers WHERE caller = ? AND key = ? AND created_at > ?",
        (answer.caller, answer.key, after(answer.created_at, -records.ANSWERS_KEPT)),
    )
    if cursor.fetchone():
        raise IdempotencyConflict
    cursor.execute(
        "INSERT OR REPLACE INTO answers (caller, key, fingerprint, status, body, sealed, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            answer.caller,
            answer.key,
            answer.fingerprint,
            answer.status,
            answer.body,
            answer.sealed,
            answer.created_at,
        ),
    )


def _company_erased(cursor: Cursor, erased: records.CompanyErased) -> None:
    for table in (
        *("memberships", "agents", "agent_secrets", "tasks", "blockers", "comments", "runs", "costs"),
        *("approvals", "events", "sessions"),
        *("goals", "approvals_used"),
    ):
        cursor.execute(f"DELETE FROM {table} WHERE company_id = ?", (erased.company_id,))  # noqa: S608


def _expired(cursor: Cursor, expired: records.Expired) -> None:
    cursor.execute("DELETE FROM sessions WHERE expires_at <= ?", (expired.sessions_before,))
    cursor.execute("DELETE FROM answers WHERE created_at <= ?", (expired.answers_before,))


WRITERS: Final[Mapping[type, Callable[[Cursor, Any], None]]] = {
    Comment: _comment,
    Run: _run,
    Session: _session,
    records.Cost: _cost,
    records.NewUser: _new_user,
    records.NewPassword: _new_password,
    records.SessionsClosed: _sessions_closed,
    records.Membership: _membership,
    records.Blockers: _blockers,
    records.Parent: _parent,
    records.ReportingLine: _reporting_line,
    records.GoalParent: _goal_parent,
    records.GoalOfTask: _goal_of_task,
    records.NewTask: _new_task,
    records.ApprovalUsed: _approval_used,
    records.AgentSecrets: _agent_secrets,
    records.Answer: _answer,
    records.CompanyErased: _company_erased,
    records.Expired: _expired,
}
"""Every record, by its type. They are written after the snapshots of their unit."""
