"""Questions about subscriptions, what they are still to be sent, and what became of each delivery."""

import peewee

from opencognit.domain.delivery import Ahead, Delivery
from opencognit.domain.events import Published
from opencognit.domain.message import decode
from opencognit.store.reading import Page, Reading, on_reader
from opencognit.store.tables import Deliveries, Subscriptions, SubscriptionSecrets

# Written out, not bound: SQLite uses the partial index only where it can see the same words in the query.
ACTIVE = peewee.Expression(Subscriptions.status, peewee.OP.EQ, peewee.SQL("'active'"))
PENDING = peewee.Expression(Deliveries.status, peewee.OP.EQ, peewee.SQL("'pending'"))


class SubscriptionQueries(Reading):
    """The questions."""

    @on_reader
    def subscriptions(self, company_id: str, statuses: tuple[str, ...], limit: int, offset: int) -> Page:
        """A company's subscriptions; no statuses mean any."""
        query = Subscriptions.select().where(Subscriptions.company_id == company_id)
        if statuses:
            query = query.where(Subscriptions.status.in_(statuses))
        return self._page(query, Subscriptions, limit, offset)

    @on_reader
    def subscriptions_counted(self, company_id: str) -> int:
        """How many a company has."""
        ((count,),) = self._readers.rows("SELECT count(*) FROM subscriptions WHERE company_id = ?", (company_id,))
        return int(count)

    @on_reader
    def active_subscriptions(self) -> list[bytes]:
        """Those of all companies that are sent events."""
        return self._column(Subscriptions.select(Subscriptions.body).where(ACTIVE).order_by(Subscriptions.seq))

    @on_reader
    def subscription_secret(self, subscription_id: str) -> str | None:
        """The sealed secret."""
        query = SubscriptionSecrets.select(SubscriptionSecrets.sealed)
        row = self._first(query.where(SubscriptionSecrets.subscription_id == subscription_id))
        return row[0] if row else None

    @on_reader
    def subscription_progress(self, subscription_id: str) -> tuple[int, list[Delivery]]:
        """(the number of the event up to which it is through, what is still to be sent of that)."""
        query = Subscriptions.select(Subscriptions.delivered_seq).where(Subscriptions.id == subscription_id)
        waiting = Deliveries.select(Deliveries.body).where(Deliveries.subscription_id == subscription_id, PENDING)
        with self._readers.database.atomic():
            row = self._first(query)
            bodies = self._column(waiting.order_by(Deliveries.seq))
        return row[0] if row else 0, [decode(body, Delivery) for body in bodies]

    @on_reader
    def deliveries(self, subscription_id: str, limit: int, offset: int, before: int | None) -> Page:
        """The log of a subscription, newest first."""
        query = Deliveries.select().where(Deliveries.subscription_id == subscription_id)
        return self._newest(query, Deliveries, Deliveries.body, limit=limit, offset=offset, before=before)

    @on_reader
    def delivery(self, subscription_id: str, delivery_id: str) -> Delivery | None:
        """One of them."""
        query = Deliveries.select(Deliveries.body)
        row = self._first(query.where(Deliveries.subscription_id == subscription_id, Deliveries.id == delivery_id))
        return decode(row[0], Delivery) if row else None

    @on_reader
    def event(self, company_id: str, seq: int) -> Published | None:
        """One event of a company, if it is still kept."""
        rows = self._readers.rows(f"{_EVENT} WHERE seq = ? AND company_id = ?", (seq, company_id))
        return Published(*rows[0]) if rows else None

    @on_reader
    def event_ahead(self, company_id: str, after: int, types: tuple[str, ...]) -> Ahead:
        """The next event of a company after this number; no types mean any."""
        wanted = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
        with self._readers.database.atomic():
            # Along the numbers: by the index of a company all that it has had would be put in order first.
            rows = self._readers.rows(
                f"{_EVENT} NOT INDEXED WHERE seq > ? AND company_id = ?{wanted} ORDER BY seq LIMIT 1",
                (after, company_id, *types),
            )
            ((newest,),) = self._readers.rows("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
            gone = self._readers.rows("SELECT seq FROM events_gone WHERE company_id = ?", (company_id,))
        return Ahead(Published(*rows[0]) if rows else None, newest, gone[0][0] if gone else 0)


_EVENT = "SELECT seq, company_id, type, data, created_at FROM events"
