"""What it takes to let go of what is old: finding it at once, and knowing of whom something is gone.

`events_gone` has the newest event of each company that is no longer there, kept by a trigger: no way to delete an event
leads past it, so whoever asks for what came after an older one can be told that something is missing.

The feed of activity has its index; that of all other events holds no more than what is going to be deleted. A run has
the length of what it can be relieved of beside it, so that nobody has to read what a company has said to add it up.
"""

from typing import Any

from opencognit.domain.events import Activity
from opencognit.domain.wire_names import FIELDS

STATEMENTS = f"""
CREATE TABLE events_gone (company_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER event_gone AFTER DELETE ON events BEGIN
    INSERT INTO events_gone (company_id, seq) VALUES (old.company_id, old.seq)
    ON CONFLICT (company_id) DO UPDATE SET seq = max(seq, excluded.seq); END;
CREATE INDEX events_passing ON events (company_id, seq) WHERE type <> '{Activity.type}';

ALTER TABLE runs ADD COLUMN output_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET output_bytes = coalesce(length(CAST(CAST(body AS TEXT) ->> '{FIELDS["output"]}' AS BLOB)), 0) + (
    SELECT coalesce(sum(length(CAST(value ->> '{FIELDS["result"]}' AS BLOB))), 0)
    FROM json_each(CAST(body AS TEXT), '$.{FIELDS["effects"]}'));
CREATE INDEX runs_output ON runs (company_id, ended_at, output_bytes) WHERE output_bytes > 0 AND ended_at IS NOT NULL;
"""  # noqa: S608 - names come from the glossary


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - the runner's signature
    """Add the table, the column and the indexes."""
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
