"""A subscription as the board sees and changes it, with its secret. How events are sent: `subscription_sending.py`."""

from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET
from msgspec.structs import asdict, replace

from opencognit.actors.subscription_sending import SubscriptionSending
from opencognit.domain.delivery import DeliverNext, DeliveryTried
from opencognit.domain.errors import Duplicate, InternalError, InvalidStatus, ValidationFailed
from opencognit.domain.events import KINDS
from opencognit.domain.instants import after
from opencognit.domain.kinds import SUBSCRIPTION
from opencognit.domain.message import Success
from opencognit.domain.records import Delivered, SubscriptionErased, SubscriptionSecret
from opencognit.domain.subscription import (
    MOST_SUBSCRIPTIONS,
    OLD_SECRET_KEPT,
    CreateSubscription,
    DeleteSubscription,
    NewSubscription,
    Redeliver,
    RotateSecret,
    SubscriptionStatus,
    TrySubscription,
    UpdateSubscription,
    refreshed,
)
from opencognit.domain.subscription import Subscription as State
from opencognit.domain.webhook import signing_secret
from opencognit.domain.wire_names import FIELDS

SubscriptionMessage = (
    CreateSubscription
    | UpdateSubscription
    | DeleteSubscription
    | RotateSecret
    | TrySubscription
    | Redeliver
    | DeliverNext
    | DeliveryTried
)


class Subscription(SubscriptionSending):
    """One subscription."""

    kind = SUBSCRIPTION
    protocol = SubscriptionMessage

    async def create_subscription(self, message: CreateSubscription) -> NewSubscription:
        """Create this subscription; it is sent what happens from now on.

        Raises:
            ValidationFailed: its address must not be called, or a type is none of an event.
            InvalidStatus: the company has too many.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        self._check(message.url, message.event_types)
        queries = self.system.store.queries
        if await queries.subscriptions_counted(company_id) >= MOST_SUBSCRIPTIONS:
            raise InvalidStatus(f"A company has at most {MOST_SUBSCRIPTIONS} subscriptions")
        fields = {**asdict(message), "status": SubscriptionStatus(message.status)}
        subscription = State(id=self.id, company_id=company_id, **fields)
        begin = Delivered(subscription_id=self.id, seq=await queries.newest_event())
        self.outbox.through = begin.seq
        text = f"{_host(subscription)} is to be sent the company's events"
        entry = self.entry(company_id, "subscription.created", text)
        created = await self._persist_with_new_secret(subscription, None, begin, entry)
        self.has_changed(is_fresh=False)
        return created

    async def update_subscription(self, message: UpdateSubscription) -> State:
        """Change what the message names.

        Raises:
            ValidationFailed: as for `create_subscription`.
        """
        before = self.existing()
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        if "status" in changes:
            changes["status"] = SubscriptionStatus(changes["status"])
        self._check(changes.get("url", before.url), changes.get("event_types", ()))
        subscription = replace(before, **changes)
        is_fresh = bool({"url", "status"} & changes.keys())
        if is_fresh:
            subscription = refreshed(subscription)
        text = f"Changed the subscription of {_host(subscription)}"
        entry = self.entry(before.company_id, "subscription.updated", text, fields=sorted(changes))
        subscription = await self.persist(subscription, entry)
        self.has_changed(is_fresh=is_fresh)
        return subscription

    async def delete_subscription(self, _message: DeleteSubscription) -> Success:
        """Erase it with its log."""
        subscription, done = self.existing(), Success()
        text = f"{_host(subscription)} is sent no events any more"
        entry = self.entry(subscription.company_id, "subscription.deleted", text)
        await self.erase(entry, SubscriptionErased(subscription_id=self.id), reply=done)
        self.system.subscribers.forget(subscription)
        self.stop_sending()
        return done

    async def rotate_secret(self, _message: RotateSecret) -> NewSubscription:
        """Make a new secret; for a day messages are signed with the old one, too."""
        before, old = self.existing(), None
        try:
            old = (await self.secrets())[0]
        except InternalError:
            # Sealed with a key that is lost: nobody can sign with it any more.
            until = None
        else:
            until = after(self.now(), OLD_SECRET_KEPT)
        subscription = replace(before, old_secret_until=until)
        text = f"The subscription of {_host(subscription)} has a new secret"
        entry = self.entry(subscription.company_id, "subscription.secret_rotated", text)
        return await self._persist_with_new_secret(subscription, old, entry)

    # Below: what the handlers share

    async def _persist_with_new_secret(self, subscription: State, old: str | None, *parts: Any) -> NewSubscription:
        secret = signing_secret(self.system.ids.new_secret())
        clear = {"secret": secret} | ({"old_secret": old} if old is not None else {})
        _, sealed = self.system.surroundings.secrets.split(clear, before={}, sealed_before=None)
        kept = SubscriptionSecret(subscription_id=self.id, company_id=subscription.company_id, sealed=sealed or "")

        def with_secret(subscription: State) -> NewSubscription:
            return NewSubscription(**asdict(subscription), secret=secret)

        return with_secret(await self.persist(subscription, kept, *parts, reply=with_secret))

    def _check(self, url: str, event_types: tuple[str, ...]) -> None:
        self.system.surroundings.post.check(url)
        for kind in event_types:
            if kind not in KINDS:
                raise ValidationFailed.of(FIELDS["event_types"], f"{kind!r} is not a type of event")


def _host(subscription: State) -> str:
    """The part of the address that all may read: the rest may be as good as a password."""
    return urlsplit(subscription.url).hostname or "A receiver"
