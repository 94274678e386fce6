"""The `Outbox` of a subscription: how far the log of events was sent, and what of that is put aside for another try."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from opencognit.domain.delivery import Delivery, DeliveryStatus
from opencognit.domain.instants import Instant

MOST_ASIDE: Final = 10
"""Deliveries that wait for another try before nothing new goes out."""


class Outbox:
    """What is committed of it, in memory.

    Attributes:
        through: the number of the event up to which the log was sent, or is of no interest.
    """

    def __init__(self, through: int = 0, aside: Iterable[Delivery] = ()) -> None:
        self.through = through
        self._aside = {delivery.id: delivery for delivery in aside}

    def is_held(self) -> bool:
        """Whether so much has failed that the receiver must be away."""
        return len(self._aside) >= MOST_ASIDE

    def due(self, now: Instant) -> Iterator[Delivery]:
        """What is to be sent again by now, first what has waited for longest."""
        waiting = sorted(self._aside.values(), key=_when)
        return (delivery for delivery in waiting if _when(delivery) <= now)

    def next_due(self) -> Instant | None:
        """When something is to be sent again."""
        return min(map(_when, self._aside.values()), default=None)

    def note(self, delivery: Delivery, now: Instant) -> None:
        """Put a delivery aside, or take it out; if one arrives that all were held for, the others are due."""
        if delivery.status is DeliveryStatus.PENDING:
            self._aside[delivery.id] = delivery
            return
        was_held = self.is_held()
        self._aside.pop(delivery.id, None)
        if was_held and delivery.status is DeliveryStatus.DELIVERED:
            self.hurry(now)

    def hurry(self, now: Instant) -> None:
        """Nothing needs to wait any longer."""
        self._aside = {key: replace(delivery, next_attempt_at=now) for key, delivery in self._aside.items()}


def _when(delivery: Delivery) -> Instant:
    return delivery.next_attempt_at or Instant("")
