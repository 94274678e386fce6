"""The first schema.

`seq` is the order of commits: lists are read in it, so that rows which arrive meanwhile come last. Bodies are the JSON
that the wire shows; the columns beside them are copies of what lists filter and sort by.
"""

from typing import Any

STATEMENTS = """
CREATE TABLE users (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    email TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL
);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, subject_id TEXT NOT NULL, kind TEXT NOT NULL, company_id TEXT, expires_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_subject ON sessions (subject_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE companies (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE memberships (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, company_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL,
    UNIQUE (company_id, user_id)
);

CREATE TABLE agents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, reports_to TEXT, adapter TEXT,
    next_heartbeat TEXT
);
CREATE INDEX agents_company ON agents (company_id, seq);
CREATE INDEX agents_heartbeat ON agents (next_heartbeat) WHERE next_heartbeat IS NOT NULL;
CREATE INDEX agents_status ON agents (status);
CREATE TABLE agent_secrets (
    agent_id TEXT PRIMARY KEY, company_id TEXT NOT NULL, sealed TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL, rank INTEGER NOT NULL, assignee_id TEXT, goal_id TEXT,
    parent_id TEXT, due_at TEXT, next_attempt_at TEXT, lock_expires_at TEXT, words TEXT NOT NULL,
    escalation_id TEXT
);
CREATE INDEX tasks_company ON tasks (company_id, seq);
CREATE INDEX tasks_company_status ON tasks (company_id, status, seq);
CREATE INDEX tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tasks_inbox ON tasks (assignee_id, rank, due_at, seq)
    WHERE assignee_id IS NOT NULL AND status NOT IN ('done', 'cancelled');
CREATE INDEX tasks_open ON tasks (company_id) WHERE status NOT IN ('done', 'cancelled');
CREATE INDEX tasks_escalated ON tasks (id) WHERE escalation_id IS NOT NULL;
CREATE INDEX tasks_timer ON tasks (id) WHERE lock_expires_at IS NOT NULL OR next_attempt_at IS NOT NULL;

CREATE TABLE blockers (
    task_id TEXT NOT NULL, blocker_id TEXT NOT NULL, company_id TEXT NOT NULL, is_open INTEGER NOT NULL,
    PRIMARY KEY (task_id, blocker_id)
) WITHOUT ROWID;
CREATE INDEX blockers_blocker ON blockers (blocker_id, is_open);
CREATE INDEX blockers_open ON blockers (task_id) WHERE is_open;
CREATE INDEX blockers_company ON blockers (company_id);

CREATE TABLE comments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, task_id TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX comments_task ON comments (task_id, seq);
CREATE INDEX comments_company ON comments (company_id);

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, agent_id TEXT NOT NULL,
    task_id TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, body BLOB NOT NULL
);
CREATE INDEX runs_agent ON runs (agent_id, seq);
CREATE INDEX runs_company ON runs (company_id);
CREATE INDEX runs_started ON runs (started_at);
CREATE INDEX runs_unfinished ON runs (agent_id) WHERE ended_at IS NULL;

CREATE TABLE costs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, agent_id TEXT NOT NULL,
    task_id TEXT, run_id TEXT, model TEXT, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, micro_cents INTEGER NOT NULL,
    estimated INTEGER NOT NULL, created_at TEXT NOT NULL
);
CREATE INDEX costs_company ON costs (company_id, created_at);
CREATE INDEX costs_run ON costs (run_id);

CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL
);
CREATE INDEX approvals_company ON approvals (company_id, status, seq);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, company_id TEXT NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX events_company ON events (company_id, type, seq);

CREATE TABLE answers (
    caller TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    sealed INTEGER NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (caller, key)
) WITHOUT ROWID;
CREATE INDEX answers_age ON answers (created_at);
"""


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - the runner's signature
    """Create all tables."""
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
