"""A subscription: another program's address, to which the events of a company are posted."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from opencognit.domain.delivery import GONE, Delivery, Posted, wished_pause
from opencognit.domain.instants import Instant, Seconds, after, between
from opencognit.domain.message import Entity, Message, Success, Text
from opencognit.domain.query import Paging

MOST_SUBSCRIPTIONS: Final = 50
"""Subscriptions of one company."""

OLD_SECRET_KEPT: Final[Seconds] = 24 * 3600
"""For how long messages are also signed with the secret before."""

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
EventTypes = Annotated[tuple[str, ...], msgspec.Meta(max_length=100)]


class SubscriptionStatus(StrEnum):
    """Whether events are sent."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    """The server has paused it: its receiver is gone, or has failed for too long."""


class SubscriptionChoice(StrEnum):
    """What people choose of that."""

    ACTIVE = "active"
    PAUSED = "paused"


class Subscription(Entity, frozen=True, kw_only=True):
    """A subscription as clients see it."""

    company_id: str
    url: str
    description: str | None = None
    event_types: tuple[str, ...] = ()
    """Only events of these types; none means all."""
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    failing_since: Instant | None = None
    """Since when no try has succeeded, if the last one has not."""
    resumes_at: Instant | None = None
    """Nothing is sent before: the receiver has asked for that."""
    last_error: str | None = None
    """Why it was disabled."""
    old_secret_until: Instant | None = None
    """Until then messages are signed with the secret before, too."""


class NewSubscription(Subscription, frozen=True, kw_only=True):
    """A subscription with its new secret."""

    secret: str
    """By it the receiver knows that a message is ours; it is never shown again."""


class CreateSubscription(Message[NewSubscription], frozen=True, kw_only=True):
    """Have the company's events, from now on, posted to an address."""

    url: Url
    description: Text | None = None
    event_types: EventTypes = ()
    status: SubscriptionChoice = SubscriptionChoice.ACTIVE


class UpdateSubscription(Message[Subscription], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    url: Url | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    status: SubscriptionChoice | UnsetType = UNSET
    """`active` sends what waits at once, beginning where it has stopped."""


class DeleteSubscription(Message[Success], frozen=True, kw_only=True):
    """Erase the subscription with its log."""


class RotateSecret(Message[NewSubscription], frozen=True, kw_only=True):
    """Give the subscription a new secret; for a day messages are signed with the old one, too."""


class TrySubscription(Message[Delivery], frozen=True, kw_only=True):
    """Send something that is no event, once, to see whether it arrives."""


class Redeliver(Message[Delivery], frozen=True, kw_only=True):
    """Send what is in the log once more, now."""

    delivery_id: str


class SubscriptionQuery(Paging, frozen=True, kw_only=True):
    """Which subscriptions."""

    status: tuple[SubscriptionStatus, ...] = ()


def refreshed(subscription: Subscription) -> Subscription:
    """The subscription without what was remembered of its receiver's failures."""
    return replace(subscription, failing_since=None, resumes_at=None, last_error=None)


def after_try(subscription: Subscription, posted: Posted, *, patience: Seconds, now: Instant) -> Subscription:
    """What a try tells of the receiver: that it is well, fails, wants to be left alone, or is to be given up.

    Args:
        subscription: before the try.
        posted: what came of it.
        patience: for how long a receiver may fail.
        now: when the try has ended.
    """
    if posted.error is None:
        return refreshed(subscription)
    since = subscription.failing_since or now
    pause = wished_pause(posted)
    resumes_at = after(now, pause) if pause else subscription.resumes_at
    failing = replace(subscription, failing_since=since, resumes_at=resumes_at)
    if subscription.status is not SubscriptionStatus.ACTIVE:
        return failing
    if posted.status == GONE:
        return replace(failing, status=SubscriptionStatus.DISABLED, last_error="The receiver says that it is gone")
    if between(since, now) >= patience:
        return replace(failing, status=SubscriptionStatus.DISABLED, last_error=posted.error)
    return failing
