"""How what belongs to subscriptions becomes rows; a part of the table in `records.py`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from opencognit.domain import records
from opencognit.domain.delivery import Delivery
from opencognit.domain.message import encode
from opencognit.store.cursor import Cursor


def _subscription_secret(cursor: Cursor, secret: records.SubscriptionSecret) -> None:
    cursor.execute(
        "INSERT OR REPLACE INTO subscription_secrets (subscription_id, company_id, sealed) VALUES (?, ?, ?)",
        (secret.subscription_id, secret.company_id, secret.sealed),
    )


def _delivery(cursor: Cursor, delivery: Delivery) -> None:
    # The condition: a try may end when its subscription, or the whole company, has just been erased.
    cursor.execute(
        "INSERT INTO deliveries (id, company_id, subscription_id, status, body)"
        " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM subscriptions WHERE id = ?3)"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status, body = excluded.body",
        (delivery.id, delivery.company_id, delivery.subscription_id, delivery.status, encode(delivery)),
    )


def _delivered(cursor: Cursor, delivered: records.Delivered) -> None:
    cursor.execute(
        "UPDATE subscriptions SET delivered_seq = ? WHERE id = ?", (delivered.seq, delivered.subscription_id)
    )


def _deliveries_trimmed(cursor: Cursor, trimmed: records.DeliveriesTrimmed) -> None:
    cursor.execute(
        "DELETE FROM deliveries WHERE subscription_id = ?1 AND status <> 'pending' AND seq <= ("
        " SELECT seq FROM deliveries WHERE subscription_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        (trimmed.subscription_id, trimmed.kept),
    )


def _subscription_erased(cursor: Cursor, erased: records.SubscriptionErased) -> None:
    cursor.execute("DELETE FROM subscription_secrets WHERE subscription_id = ?", (erased.subscription_id,))
    cursor.execute("DELETE FROM deliveries WHERE subscription_id = ?", (erased.subscription_id,))


SUBSCRIPTION_WRITERS: Final[Mapping[type, Callable[[Cursor, Any], None]]] = {
    records.SubscriptionSecret: _subscription_secret,
    Delivery: _delivery,
    records.Delivered: _delivered,
    records.DeliveriesTrimmed: _deliveries_trimmed,
    records.SubscriptionErased: _subscription_erased,
}
"""By the type of the record."""
