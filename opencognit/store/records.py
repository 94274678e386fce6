"""How each kind of record becomes rows. One function each, in one table at the end."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from opencognit.domain import records
from opencognit.domain.caller import Session
from opencognit.domain.chat import ChatMessage
from opencognit.domain.errors import DependencyCycle, Duplicate, IdempotencyConflict, ValidationFailed
from opencognit.domain.execution import Execution
from opencognit.domain.instants import after
from opencognit.domain.memory import Memory
from opencognit.domain.message import encode
from opencognit.domain.run import Run
from opencognit.domain.task import Comment
from opencognit.domain.wire_names import FIELDS
from opencognit.store.cursor import Cursor
from opencognit.store.snapshots import SHELVES
from opencognit.store.subscription_records import SUBSCRIPTION_WRITERS


def _comment(cursor: Cursor, comment: Comment) -> None:
    cursor.execute(
        "INSERT INTO comments (id, company_id, task_id, body) VALUES (?, ?, ?, ?)",
        (comment.id, comment.company_id, comment.task_id, encode(comment)),
    )


def _run(cursor: Cursor, run: Run) -> None:
    # The condition keeps an ended run as it ended, whoever reports late.
    cursor.execute(
        "INSERT INTO runs (id, company_id, agent_id, task_id, started_at, ended_at, status, output_bytes, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at,"
        " status = excluded.status, output_bytes = excluded.output_bytes, body = excluded.body WHERE ended_at IS NULL",
        (
            run.id,
            run.company_id,
            run.agent_id,
            run.task_id,
            run.started_at,
            run.ended_at,
            run.status,
            run.output_bytes(),
            encode(run),
        ),
    )


def _cost(cursor: Cursor, cost: records.Cost) -> None:
    cursor.execute(
        "INSERT INTO costs (id, company_id, agent_id, task_id, run_id, model, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, micro_cents, estimated, day, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            cost.day,
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


def _created(cursor: Cursor, new: records.Created) -> None:
    snapshot = records.Snapshot(kind=new.kind, id=new.entity.id, before=None, entity=new.entity)
    cursor.execute(*SHELVES[new.kind].statement(snapshot))


def _first_blockers(cursor: Cursor, first: records.FirstBlockers) -> None:
    cursor.executemany(
        "INSERT INTO blockers (task_id, blocker_id, company_id, is_open) VALUES (?, ?, ?, ?)",
        [(task, blocker, first.company_id, is_open) for task, blocker, is_open in first.edges],
    )


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


def _setting_secret(cursor: Cursor, secret: records.SettingSecret) -> None:
    if secret.sealed is None:
        cursor.execute(
            "DELETE FROM setting_secrets WHERE settings_id = ? AND key = ?", (secret.settings_id, secret.key)
        )
        return
    cursor.execute(
        "INSERT OR REPLACE INTO setting_secrets (settings_id, key, company_id, sealed) VALUES (?, ?, ?, ?)",
        (secret.settings_id, secret.key, secret.company_id, secret.sealed),
    )


def _coding_session(cursor: Cursor, kept: records.CodingSessionKept) -> None:
    if kept.session is None:
        cursor.execute("DELETE FROM coding_sessions WHERE agent_id = ? AND task_id = ?", (kept.agent_id, kept.task_id))
        return
    cursor.execute(
        "INSERT OR REPLACE INTO coding_sessions (agent_id, task_id, company_id, body, used_at) VALUES (?, ?, ?, ?, ?)",
        (kept.agent_id, kept.task_id, kept.company_id, encode(kept.session), kept.used_at),
    )


def _memory(cursor: Cursor, memory: Memory) -> None:
    words = "\n".join((memory.content, *memory.keywords))
    cursor.execute(
        "INSERT INTO memories (id, company_id, agent_id, recalled_at, words, body) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET words = excluded.words, body = excluded.body",
        (memory.id, memory.company_id, memory.agent_id, memory.created_at, words, encode(memory)),
    )


def _forgotten(cursor: Cursor, forgotten: records.Forgotten) -> None:
    if forgotten.memory_ids is None:
        cursor.execute("DELETE FROM memories WHERE agent_id = ?", (forgotten.agent_id,))
        return
    cursor.executemany(
        "DELETE FROM memories WHERE agent_id = ? AND id = ?",
        [(forgotten.agent_id, memory_id) for memory_id in forgotten.memory_ids],
    )


def _recalled(cursor: Cursor, recalled: records.Recalled) -> None:
    cursor.executemany(
        "UPDATE memories SET recalled_at = ? WHERE agent_id = ? AND id = ?",
        [(recalled.at, recalled.agent_id, memory_id) for memory_id in recalled.memory_ids],
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


def _chat_message(cursor: Cursor, message: ChatMessage) -> None:
    cursor.execute(
        "INSERT INTO chat_messages (id, company_id, agent_id, recipient_id, sender_agent_id, thread_id, meeting_id,"
        " is_read, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.id,
            message.company_id,
            message.agent_id,
            message.recipient_id,
            message.sender_agent_id,
            message.thread_id,
            message.meeting_id,
            message.is_read,
            encode(message),
        ),
    )


# Inside a text, quotation marks are escaped: only the field itself reads like this.
_NOT_YET, _READ = (f'"{FIELDS["is_read"]}":{truth}' for truth in ("false", "true"))
_MARK_READ = (
    f"UPDATE chat_messages SET is_read = 1, body = CAST(replace(CAST(body AS TEXT), '{_NOT_YET}', '{_READ}') AS BLOB)"  # noqa: S608
    " WHERE is_read = 0 AND"
)


def _chat_read(cursor: Cursor, read: records.ChatRead) -> None:
    if read.ids is not None:
        cursor.executemany(f"{_MARK_READ} id = ?", [(message_id,) for message_id in read.ids])
    else:
        whose = "recipient_id = agent_id" if read.by_agent else "recipient_id IS NULL"
        cursor.execute(f"{_MARK_READ} agent_id = ? AND {whose}", (read.agent_id,))


def _chat_tried(cursor: Cursor, tried: records.ChatTried) -> None:
    cursor.executemany(
        "UPDATE chat_messages SET attempts = attempts + 1, next_attempt_at = ? WHERE id = ?",
        [(tried.again_at, message_id) for message_id in tried.ids],
    )


def _talk_turn(cursor: Cursor, turn: records.TalkTurn) -> None:
    cursor.execute(
        "INSERT INTO talks (first_id, second_id, company_id, turns, is_told) VALUES (?, ?, ?, 1, 0)"
        " ON CONFLICT (first_id, second_id) DO UPDATE SET turns = turns + 1",
        (*sorted(turn.agent_ids), turn.company_id),
    )


def _talk_told(cursor: Cursor, told: records.TalkTold) -> None:
    cursor.execute("UPDATE talks SET is_told = 1 WHERE first_id = ? AND second_id = ?", (*sorted(told.agent_ids),))


def _talks_forgotten(cursor: Cursor, forgotten: records.TalksForgotten) -> None:
    cursor.execute("DELETE FROM talks WHERE first_id = ?1 OR second_id = ?1", (forgotten.agent_id,))


def _trigger_kept(cursor: Cursor, trigger: records.TriggerKept) -> None:
    cursor.execute(
        "INSERT INTO triggers (id, routine_id, company_id, public_id) VALUES (?, ?, ?, ?)",
        (trigger.trigger_id, trigger.routine_id, trigger.company_id, trigger.public_id),
    )
    if trigger.sealed is not None:
        cursor.execute(
            "INSERT INTO trigger_secrets (trigger_id, company_id, sealed) VALUES (?, ?, ?)",
            (trigger.trigger_id, trigger.company_id, trigger.sealed),
        )


def _triggers_gone(cursor: Cursor, gone: records.TriggersGone) -> None:
    ids = [(trigger_id,) for trigger_id in gone.trigger_ids]
    cursor.executemany("DELETE FROM triggers WHERE id = ?", ids)
    cursor.executemany("DELETE FROM trigger_secrets WHERE trigger_id = ?", ids)


def _execution(cursor: Cursor, execution: Execution) -> None:
    cursor.execute(
        "INSERT INTO executions (id, company_id, routine_id, task_id, status, ended_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            execution.id,
            execution.company_id,
            execution.routine_id,
            execution.task_id,
            execution.status,
            execution.completed_at,
            encode(execution),
        ),
    )


# In the database, since a task may have taken many firings in.
_END_EXECUTIONS = (
    "UPDATE executions SET status = ?1, ended_at = ?3, body = CAST(json_set(CAST(body AS TEXT),"  # noqa: S608
    f" '$.status', ?1, '$.{FIELDS['error']}', ?2, '$.{FIELDS['completed_at']}', ?3) AS BLOB)"
    " WHERE routine_id = ?4 AND task_id = ?5 AND ended_at IS NULL"
)


def _executions_ended(cursor: Cursor, ended: records.ExecutionsEnded) -> None:
    values = (ended.status, ended.error, ended.completed_at, ended.routine_id, ended.task_id)
    cursor.execute(_END_EXECUTIONS, values)


def _executions_erased(cursor: Cursor, erased: records.ExecutionsErased) -> None:
    cursor.execute("DELETE FROM executions WHERE routine_id = ?", (erased.routine_id,))


def _company_erased(cursor: Cursor, erased: records.CompanyErased) -> None:
    for table in (
        *("memberships", "agents", "agent_secrets", "tasks", "blockers", "comments", "runs", "costs"),
        *("settings", "setting_secrets", "coding_sessions"),
        *("approvals", "memories", "chat_messages", "talks", "meetings", "events", "sessions"),
        *("goals", "approvals_used", "routines", "triggers", "trigger_secrets", "executions"),
        *("subscriptions", "subscription_secrets", "deliveries"),
        # Last: triggers write there of what goes before.
        *("counts", "cost_sums", "events_gone"),
    ):
        cursor.execute(f"DELETE FROM {table} WHERE company_id = ?", (erased.company_id,))  # noqa: S608


def _expired(cursor: Cursor, expired: records.Expired) -> None:
    cursor.execute("DELETE FROM sessions WHERE expires_at <= ?", (expired.sessions_before,))
    cursor.execute("DELETE FROM answers WHERE created_at <= ?", (expired.answers_before,))
    cursor.execute("DELETE FROM coding_sessions WHERE used_at <= ?", (expired.coding_sessions_before,))
    cursor.execute("DELETE FROM executions WHERE ended_at <= ?", (expired.executions_before,))


def _events_dropped(cursor: Cursor, dropped: records.EventsDropped) -> None:
    cursor.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in dropped.numbers])


def _outputs_dropped(cursor: Cursor, dropped: records.OutputsDropped) -> None:
    # They have ended, so nobody has written them since they were read.
    cursor.executemany(
        "UPDATE runs SET body = ?, output_bytes = 0 WHERE id = ?",
        [(encode(run.without_output()), run.id) for run in dropped.runs],
    )


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
    records.Created: _created,
    records.FirstBlockers: _first_blockers,
    records.ApprovalUsed: _approval_used,
    records.AgentSecrets: _agent_secrets,
    records.SettingSecret: _setting_secret,
    records.CodingSessionKept: _coding_session,
    Memory: _memory,
    records.Forgotten: _forgotten,
    records.Recalled: _recalled,
    records.Answer: _answer,
    ChatMessage: _chat_message,
    records.ChatRead: _chat_read,
    records.ChatTried: _chat_tried,
    records.TalkTurn: _talk_turn,
    records.TalkTold: _talk_told,
    records.TalksForgotten: _talks_forgotten,
    records.TriggerKept: _trigger_kept,
    records.TriggersGone: _triggers_gone,
    Execution: _execution,
    records.ExecutionsEnded: _executions_ended,
    records.ExecutionsErased: _executions_erased,
    **SUBSCRIPTION_WRITERS,
    records.CompanyErased: _company_erased,
    records.Expired: _expired,
    records.EventsDropped: _events_dropped,
    records.OutputsDropped: _outputs_dropped,
}
"""Every record, by its type. They are written after the snapshots of their unit."""
