"""A delivery: one event on its way to one subscription, and what came of it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

import msgspec
from msgspec.structs import replace

from opencognit.domain.events import Published
from opencognit.domain.instants import Instant, Seconds, after
from opencognit.domain.message import Message
from opencognit.domain.wire_names import FIELDS

TRIAL: Final = "ping"
"""The type of what is sent to try a subscription; no event has it."""

SPREAD: Final = 0.2
"""By how much of itself a pause may be longer, so that those who failed together do not come back together."""

LONGEST_WISH: Final[Seconds] = 24 * 3600
"""For how long a receiver may ask not to be called (`Retry-After`)."""

GONE: Final = 410
"""The status by which a receiver says that it wants nothing more."""


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    """It is sent now, or again at `next_attempt_at`."""
    DELIVERED = "delivered"
    """The receiver has taken it: it has answered with a status from 200 to 299."""
    FAILED = "failed"
    """It was given up."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """A delivery as clients see it, kept in the log from its first try on."""

    id: str
    """Sent along as `webhook-id`, the same with each try."""
    company_id: str
    subscription_id: str
    seq: int | None
    """The number of the event; null for a trial."""
    event_type: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    response_status: int | None = None
    """What the receiver has answered with last; null where it has not answered."""
    error: str | None = None
    """Why the last try has failed."""
    created_at: Instant
    last_attempt_at: Instant | None = None
    next_attempt_at: Instant | None = None
    completed_at: Instant | None = None

    @classmethod
    def of(cls, event: Published, subscription_id: str, *, now: Instant) -> "Delivery":
        """The one delivery of this event to this subscription."""
        return cls(
            id=str(uuid5(UUID(subscription_id), f"event/{event.seq}")),
            company_id=event.company_id,
            subscription_id=subscription_id,
            seq=event.seq,
            event_type=event.type,
            created_at=now,
        )


class Ahead(msgspec.Struct, frozen=True):
    """What lies ahead of a subscription."""

    event: Published | None
    """The next event for it."""
    newest: int
    """The number of the newest event of all; up to it there is nothing else if there is no next one."""
    gone_until: int
    """Of those up to this number some are no longer kept; 0 if all are."""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one try."""

    status: int | None = None
    error: str | None = None
    """Why the receiver has not taken it; None if it has."""
    retry_after: Seconds | None = None
    """How long the receiver asks not to be called."""


class DeliverNext(Message[None], frozen=True, kw_only=True):
    """Internal: there may be something to send."""


class DeliveryTried(Message[None], frozen=True, kw_only=True):
    """Internal: a try has ended."""

    delivery: Delivery
    posted: Posted


def wished_pause(posted: Posted) -> Seconds:
    """How long the receiver is left alone because it has asked for that."""
    return min(posted.retry_after or 0.0, LONGEST_WISH)


def tried(delivery: Delivery, posted: Posted, pauses: Sequence[Seconds], *, chance: float, now: Instant) -> Delivery:
    """The delivery after one more try: taken, given up, or to be sent again after the next of the pauses.

    Args:
        delivery: before the try.
        posted: what came of it.
        pauses: after the first failed try, the second, and so on; after that of the last it is given up.
        chance: from 0 to 1.
        now: when the try has ended.
    """
    attempts = delivery.attempts + 1
    delivery = replace(
        delivery,
        attempts=attempts,
        response_status=posted.status,
        error=posted.error,
        last_attempt_at=now,
        next_attempt_at=None,
    )
    if posted.error is None:
        return replace(delivery, status=DeliveryStatus.DELIVERED, completed_at=now)
    if delivery.seq is None or posted.status == GONE or attempts > len(pauses):
        return replace(delivery, status=DeliveryStatus.FAILED, completed_at=now)
    pause = max(pauses[attempts - 1] * (1 + SPREAD * chance), wished_pause(posted))
    return replace(delivery, status=DeliveryStatus.PENDING, next_attempt_at=after(now, pause))
