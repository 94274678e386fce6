"""How a subscription posts a company's events to another program: one at a time, in their order.

It reads them from the log, after the last one that it is through with; that number and what became of the event are one
commit. So whatever ends in between, each event is sent, and one whose answer was not recorded is sent again, with the
same id. An event that does not arrive is put aside and tried again by and by while others go on; when `MOST_ASIDE` are
put aside the receiver is taken to be away, and nothing new goes out until one of them has arrived or is given up.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.outbox import Outbox
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.delivery import (
    TRIAL,
    DeliverNext,
    Delivery,
    DeliveryStatus,
    DeliveryTried,
    Posted,
    tried,
)
from opencognit.domain.errors import DomainError, InternalError, InvalidStatus, NotFound
from opencognit.domain.events import Event, Published
from opencognit.domain.instants import Instant, Seconds, after, between
from opencognit.domain.records import Delivered, DeliveriesTrimmed, Record
from opencognit.domain.subscription import (
    Redeliver,
    Subscription,
    SubscriptionStatus,
    TrySubscription,
    after_try,
)

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

LOOK: Final[Seconds] = 24 * 3600
"""How often the log is read on at least, and noted how far: what is of no interest must not seem missed one day."""

PAUSE: Final[Seconds] = 30
"""How long it waits when it could not read the log, or record what came of a try: then that will be sent again."""

SECRETS: Final = {"secret": "-", "old_secret": "-"}
"""Where the secrets stand in what is sealed."""

_log = structlog.get_logger("opencognit.subscriptions")


class SubscriptionSending(PersistentActor[Subscription]):
    """The part of a subscription that sends.

    Attributes:
        outbox: how far it is.
    """

    def __init__(self, system: "ActorSystem", entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self.outbox = Outbox()
        self._sending: asyncio.Task[None] | None = None
        self._in_flight: Delivery | None = None
        self._looked_at = Instant("")
        self._not_before = Instant("")
        self._is_abreast = False
        self._gone_until = 0

    @override
    async def activated(self) -> None:
        """Read how far it is, and go on."""
        if self.state is not None:
            self.outbox = Outbox(*await self.system.store.queries.subscription_progress(self.id))
            self.has_changed(is_fresh=False)

    @override
    def forget(self) -> None:
        """What is under way is sent again, but not at once."""
        self.stop_sending()
        self._not_before = after(self.now(), PAUSE)

    @override
    def leave(self) -> None:
        """It ends, or its company does."""
        self.stop_sending()
        super().leave()

    @override
    def may_sleep(self) -> bool:
        """Not while an answer is to come."""
        return self._sending is None and super().may_sleep()

    def has_changed(self, *, is_fresh: bool) -> None:
        """Follow a change; fresh is what begins anew: what waits goes out at once."""
        self.system.subscribers.note(self.existing())
        if is_fresh:
            self.outbox.hurry(self.now())
        self.tell_self(DeliverNext())

    def stop_sending(self) -> None:
        """Give up what is under way."""
        if self._sending is not None:
            self._sending.cancel()
        self._sending = self._in_flight = None

    # By hand

    async def try_subscription(self, _message: TrySubscription) -> Delivery:
        """Send a trial; what comes of it is in the log.

        Raises:
            InvalidStatus: the subscription rests.
        """
        subscription = self._sending_one()
        trial = Delivery(
            id=self.new_id(),
            company_id=subscription.company_id,
            subscription_id=self.id,
            seq=None,
            event_type=TRIAL,
            created_at=self.now(),
            next_attempt_at=self.now(),
        )
        return await self._enqueue(trial, self._trim())

    async def redeliver(self, message: Redeliver) -> Delivery:
        """Send a delivery once more.

        Raises:
            NotFound: there is none of this id in the log.
            InvalidStatus: the subscription rests, or the event is no longer kept.
        """
        self._sending_one()
        if self._in_flight is not None and self._in_flight.id == message.delivery_id:
            return self._in_flight
        delivery = await self.system.store.queries.delivery(self.id, message.delivery_id)
        if delivery is None:
            raise NotFound("Delivery not found")
        if await self._body(delivery) is None:
            raise InvalidStatus("The event is no longer kept")
        again = replace(delivery, status=DeliveryStatus.PENDING, next_attempt_at=self.now(), completed_at=None)
        return await self._enqueue(again)

    # Sending

    async def deliver_next(self, _message: DeliverNext) -> None:
        """Send what is due for another try, else the next event, unless one is under way."""
        subscription, now = self.state, self.now()
        was_abreast, self._is_abreast = self._is_abreast, False
        if subscription is None or subscription.status is not SubscriptionStatus.ACTIVE or self._sending is not None:
            return
        not_before = max(self._not_before, subscription.resumes_at or self._not_before)
        if not_before > now:
            self.remind("next", not_before, DeliverNext())
            return
        # Until it is known what comes next: whatever fails meanwhile, it goes on.
        self.remind("next", after(now, PAUSE), DeliverNext())
        chosen = await self._due() or await self._new(subscription, was_abreast=was_abreast)
        if chosen is not None:
            self._in_flight, body = chosen
            self._sending = self.system.keep(self._post(subscription, self._in_flight, body))
            return
        self.remind("next", self.outbox.next_due() or after(now, LOOK), DeliverNext())

    async def delivery_tried(self, message: DeliveryTried) -> None:
        """Record what came of a try, and go on."""
        if self._in_flight is not None and self._in_flight.id == message.delivery.id:
            self._sending = self._in_flight = None
        before, limits, now = self.state, self.system.limits, self.now()
        if before is None:
            return
        delivery = tried(
            message.delivery,
            message.posted,
            limits.delivery_retry_delays,
            chance=self.system.jitter.fraction(),
            now=now,
        )
        subscription = after_try(before, message.posted, patience=limits.disable_after, now=now)
        parts: list[Record | Event] = [delivery]
        through = max(self.outbox.through, delivery.seq or 0)
        if through > self.outbox.through:
            parts += [Delivered(subscription_id=self.id, seq=through), self._trim()]
        if subscription.status is not before.status:
            text = f"A subscription was disabled: {subscription.last_error}"
            parts.append(self.entry(before.company_id, "subscription.disabled", text))
        if subscription == before:
            await self.append(*parts)
        else:
            await self.persist(subscription, *parts)
            self.system.subscribers.note(subscription)
        self.outbox.through = through
        self.outbox.note(delivery, self.now())
        self.tell_self(DeliverNext())

    # Below: what the handlers share

    async def _due(self) -> tuple[Delivery, bytes] | None:
        """What is due for another try, with what is sent."""
        for delivery in self.outbox.due(self.now()):
            body = await self._body(delivery)
            if body is not None:
                return delivery, body
            lost = replace(
                delivery,
                status=DeliveryStatus.FAILED,
                error="The event is no longer kept",
                next_attempt_at=None,
                completed_at=self.now(),
            )
            await self.append(lost)
            self.outbox.note(lost, self.now())
        return None

    async def _new(self, subscription: Subscription, *, was_abreast: bool) -> tuple[Delivery, bytes] | None:
        """The next event of the log, with what is sent. If some before it are gone, people are told, once.

        Who has looked at the whole log before has missed none: of what is of interest, it would have been told.
        """
        if self.outbox.is_held():
            return None
        ahead = await self.system.store.queries.event_ahead(
            subscription.company_id, self.outbox.through, subscription.event_types
        )
        if ahead.gone_until > max(self.outbox.through, self._gone_until):
            if not was_abreast:
                text = (
                    f"Not all events up to number {ahead.gone_until} were still kept when a subscription came to them"
                )
                await self.append(self.entry(subscription.company_id, "subscription.events_missed", text))
            self._gone_until = ahead.gone_until
        if ahead.event is None:
            await self._pass_over(ahead.newest)
            return None
        return Delivery.of(ahead.event, self.id, now=self.now()), ahead.event.message()

    async def _pass_over(self, newest: int) -> None:
        """Up to there is nothing for it. That is kept now and then only: it can be read again."""
        now = self.now()
        if newest > self.outbox.through and (not self._looked_at or between(self._looked_at, now) >= LOOK):
            await self.append(Delivered(subscription_id=self.id, seq=newest))
            self._looked_at = now
        self.outbox.through = newest
        self._is_abreast = True

    async def _body(self, delivery: Delivery) -> bytes | None:
        """What is sent; None if the event is no longer kept."""
        if delivery.seq is None:
            return Published(0, delivery.company_id, delivery.event_type, b"{}", delivery.created_at).message()
        event = await self.system.store.queries.event(delivery.company_id, delivery.seq)
        return event.message() if event is not None else None

    async def _post(self, subscription: Subscription, delivery: Delivery, body: bytes) -> None:
        """Try once, and report to myself; whatever goes wrong is a failed try."""
        try:
            posted = await self.system.surroundings.post.post(
                subscription.url, body, message_id=delivery.id, secrets=await self.secrets(), now=self.now()
            )
        except DomainError as error:
            posted = Posted(error=error.message)
        except Exception as error:  # noqa: BLE001 - else it would never be tried again
            _log.error("delivery_crashed", subscription=self.id, delivery=delivery.id, exc_info=error)
            posted = Posted(error="It could not be sent")
        self.tell_self(DeliveryTried(delivery=delivery, posted=posted))

    async def secrets(self) -> tuple[str, ...]:
        """The secrets that sign now, the newest first.

        Raises:
            InternalError: they were sealed with another key, or there is none.
        """
        sealed = await self.system.store.queries.subscription_secret(self.id)
        if sealed is None:
            raise InternalError("The subscription has no secret; give it a new one")
        opened = self.system.surroundings.secrets.join(SECRETS, sealed)
        until = self.existing().old_secret_until
        names = ["secret"] if until is None or until <= self.now() else ["secret", "old_secret"]
        return tuple(opened[name] for name in names)

    async def _enqueue(self, delivery: Delivery, *parts: Record) -> Delivery:
        """Have this sent next."""
        await self.append(delivery, *parts, reply=delivery)
        self.outbox.note(delivery, self.now())
        self.tell_self(DeliverNext())
        return delivery

    def _sending_one(self) -> Subscription:
        subscription = self.existing()
        if subscription.status is not SubscriptionStatus.ACTIVE:
            raise InvalidStatus(f"The subscription is {subscription.status}")
        return subscription

    def _trim(self) -> DeliveriesTrimmed:
        return DeliveriesTrimmed(subscription_id=self.id, kept=self.system.limits.deliveries_kept)
