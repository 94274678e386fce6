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
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    month_ends_at TEXT
);
CREATE INDEX companies_month ON companies (month_ends_at) WHERE month_ends_at IS NOT NULL;
CREATE TABLE memberships (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, company_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL,
    UNIQUE (company_id, user_id)
);

CREATE TABLE agents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, reports_to TEXT, adapter TEXT,
    next_heartbeat TEXT, resumes_at TEXT
);
CREATE INDEX agents_budget ON agents (resumes_at) WHERE resumes_at IS NOT NULL;
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
    task_id TEXT, started_at TEXT NOT NULL, ended_at TEXT, body BLOB NOT NULL
);
CREATE INDEX runs_agent ON runs (agent_id, seq);
CREATE INDEX runs_agent_started ON runs (agent_id, started_at);
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
CREATE INDEX costs_agent ON costs (agent_id, created_at);
CREATE INDEX costs_run ON costs (run_id);

CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL, requested_by TEXT, expires_at TEXT, follow_up INTEGER NOT NULL
);
CREATE INDEX approvals_company ON approvals (company_id, status, seq);
CREATE INDEX approvals_open ON approvals (requested_by) WHERE status IN ('pending', 'revision_requested');
CREATE INDEX approvals_due ON approvals (id) WHERE expires_at IS NOT NULL OR follow_up;

CREATE TABLE memories (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, agent_id TEXT NOT NULL,
    recalled_at TEXT NOT NULL, words TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX memories_agent ON memories (agent_id, seq);
CREATE INDEX memories_recall ON memories (agent_id, recalled_at, seq);
CREATE INDEX memories_company ON memories (company_id);
CREATE VIRTUAL TABLE memory_words USING fts5(
    agent_id, words, content='memories', content_rowid='seq', tokenize='unicode61 remove_diacritics 2'
);
CREATE TRIGGER memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memory_words (rowid, agent_id, words) VALUES (new.seq, new.agent_id, new.words); END;
CREATE TRIGGER memories_gone AFTER DELETE ON memories BEGIN
    INSERT INTO memory_words (memory_words, rowid, agent_id, words)
    VALUES ('delete', old.seq, old.agent_id, old.words); END;
CREATE TRIGGER memories_changed AFTER UPDATE OF words ON memories BEGIN
    INSERT INTO memory_words (memory_words, rowid, agent_id, words)
    VALUES ('delete', old.seq, old.agent_id, old.words); INSERT INTO memory_words (rowid, agent_id, words)
    VALUES (new.seq, new.agent_id, new.words); END;

CREATE TABLE settings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT
);
CREATE TABLE setting_secrets (
    settings_id TEXT NOT NULL, key TEXT NOT NULL, company_id TEXT, sealed TEXT NOT NULL, PRIMARY KEY (settings_id, key)
) WITHOUT ROWID;

CREATE TABLE coding_sessions (
    agent_id TEXT NOT NULL, task_id TEXT NOT NULL, company_id TEXT NOT NULL, body BLOB NOT NULL, used_at TEXT NOT NULL,
    PRIMARY KEY (agent_id, task_id)
) WITHOUT ROWID;
CREATE INDEX coding_sessions_age ON coding_sessions (used_at);
CREATE TABLE chat_messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, agent_id TEXT NOT NULL,
    recipient_id TEXT, sender_agent_id TEXT, thread_id TEXT, meeting_id TEXT, is_read INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at TEXT, body BLOB NOT NULL
);
CREATE INDEX chat_company ON chat_messages (company_id, seq);
CREATE INDEX chat_agent ON chat_messages (agent_id, seq);
CREATE INDEX chat_sender ON chat_messages (sender_agent_id, seq) WHERE sender_agent_id IS NOT NULL;
CREATE INDEX chat_thread ON chat_messages (thread_id, seq) WHERE thread_id IS NOT NULL;
CREATE INDEX chat_to_agent ON chat_messages (recipient_id, seq) WHERE is_read = 0 AND recipient_id IS NOT NULL;
CREATE INDEX chat_to_board ON chat_messages (company_id, agent_id) WHERE is_read = 0 AND recipient_id IS NULL;
CREATE TABLE talks (
    first_id TEXT NOT NULL, second_id TEXT NOT NULL, company_id TEXT NOT NULL, turns INTEGER NOT NULL,
    is_told INTEGER NOT NULL, PRIMARY KEY (first_id, second_id)
) WITHOUT ROWID;
CREATE INDEX talks_second ON talks (second_id);
CREATE INDEX talks_company ON talks (company_id);
CREATE TABLE meetings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL
);
CREATE INDEX meetings_company ON meetings (company_id, seq);
CREATE INDEX meetings_running ON meetings (id) WHERE status = 'running';

CREATE TABLE goals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL, parent_id TEXT, owes INTEGER NOT NULL
);
CREATE INDEX goals_company ON goals (company_id, status, seq);
CREATE TABLE approvals_used (approval_id TEXT PRIMARY KEY, company_id TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX approvals_used_company ON approvals_used (company_id);
CREATE INDEX goals_parent ON goals (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tasks_goal ON tasks (goal_id, status) WHERE goal_id IS NOT NULL;

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
