"""Routines, their triggers, and what became of each firing."""

from typing import Any

STATEMENTS = """
CREATE TABLE routines (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL, next_due_at TEXT
);
CREATE INDEX routines_company ON routines (company_id, seq);
CREATE INDEX routines_due ON routines (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE triggers (
    id TEXT PRIMARY KEY, routine_id TEXT NOT NULL, company_id TEXT NOT NULL, public_id TEXT UNIQUE
) WITHOUT ROWID;
CREATE INDEX triggers_company ON triggers (company_id);
CREATE TABLE trigger_secrets (
    trigger_id TEXT PRIMARY KEY, company_id TEXT NOT NULL, sealed TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX trigger_secrets_company ON trigger_secrets (company_id);

CREATE TABLE executions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL, routine_id TEXT NOT NULL,
    task_id TEXT, status TEXT NOT NULL, ended_at TEXT, body BLOB NOT NULL
);
CREATE INDEX executions_routine ON executions (routine_id, seq);
CREATE INDEX executions_company ON executions (company_id);
CREATE INDEX executions_open ON executions (routine_id, status, seq) WHERE ended_at IS NULL;
CREATE INDEX executions_task ON executions (task_id) WHERE ended_at IS NULL;
CREATE INDEX executions_ended ON executions (ended_at) WHERE ended_at IS NOT NULL;
"""


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - the runner's signature
    """Create the tables."""
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
