"""Subscriptions to events, their secrets, and what became of each delivery.

`delivered_seq` is the number of the event up to which a subscription is through. It is no part of the snapshot: that
would be written anew with each event.
"""

from typing import Any

STATEMENTS = """
CREATE TABLE subscriptions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, body BLOB NOT NULL,
    company_id TEXT NOT NULL, status TEXT NOT NULL, delivered_seq INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX subscriptions_company ON subscriptions (company_id, seq);
CREATE INDEX subscriptions_active ON subscriptions (seq) WHERE status = 'active';
CREATE TABLE subscription_secrets (
    subscription_id TEXT PRIMARY KEY, company_id TEXT NOT NULL, sealed TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX subscription_secrets_company ON subscription_secrets (company_id);

CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX deliveries_subscription ON deliveries (subscription_id, seq);
CREATE INDEX deliveries_pending ON deliveries (subscription_id, seq) WHERE status = 'pending';
CREATE INDEX deliveries_company ON deliveries (company_id);
"""


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - the runner's signature
    """Create the tables."""
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            db.execute_sql(statement)
