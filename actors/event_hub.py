"""The `EventHub`: takes every committed event, in order, and hands it to those who follow and may see it.

Nobody waits for a slow follower: each has a bounded queue, and one whose queue is full is cut off.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec
from typing_extensions import override

from opencognit.actors.asyncio_actor import AsyncioActor
from opencognit.domain.events import Published, RunOutput
from opencognit.domain.instants import Instant

QUEUE: Final = 1000
"""Events that a follower may be behind."""


Followed: TypeAlias = Published | RunOutput
"""What followers are sent: committed events, and the live output of runs, which is neither kept nor numbered."""


class Publish(msgspec.Struct, frozen=True):
    """Told by the store: these were committed."""

    events: Sequence[Published]


class Show(msgspec.Struct, frozen=True):
    """Told by a run: this was said. It is not kept, and nobody who does not follow now will see it."""

    output: RunOutput
    now: Instant


class Listener:
    """One follower's view of the events.

    Attributes:
        companies: only these; None for all that may be seen.
        types: only these; None for all.
        overflowed: the follower was too slow; it gets nothing more.

    Args:
        may_see: whether the follower may see a company now.
        hides: whether the follower may not see this event, although it may see the company.
        limit: events that may wait.
        when_overflowed: called when one more came.
    """

    def __init__(
        self,
        may_see: Callable[[str], bool],
        *,
        hides: Callable[[Followed], bool] = lambda _event: False,
        limit: int = QUEUE,
        when_overflowed: Callable[[], None] = lambda: None,
    ) -> None:
        self.companies: frozenset[str] | None = None
        self.types: frozenset[str] | None = None
        self.overflowed = False
        self._may_see = may_see
        self._hides = hides
        self._limit = limit
        self._when_overflowed = when_overflowed
        self._queue: deque[tuple[Followed, bytes]] = deque()
        self._arrived = asyncio.Event()

    def wants(self, event: Followed) -> bool:
        """Whether the follower asked for such events and may see this company now."""
        return (
            (self.types is None or event.type in self.types)
            and self.follows(event.company_id)
            and not self._hides(event)
        )

    def follows(self, company_id: str) -> bool:
        """Whether the follower asked for this company and may see it now."""
        return (self.companies is None or company_id in self.companies) and self._may_see(company_id)

    def offer(self, event: Followed, message: bytes) -> None:
        """Take the event in, or overflow."""
        if self.overflowed or not self.wants(event):
            return
        if len(self._queue) >= self._limit:
            self.overflowed = True
            self._queue.clear()
            self._when_overflowed()
        else:
            self._queue.append((event, message))
        self._arrived.set()

    async def take(self) -> list[tuple[Followed, bytes]]:
        """Wait for events; all that have come, each with its JSON. Empty after an overflow."""
        await self.arrival()
        return self.taken()

    async def arrival(self) -> None:
        """Wait until something has come since the last call."""
        await self._arrived.wait()
        self._arrived.clear()

    def taken(self) -> list[tuple[Followed, bytes]]:
        """All that wait; they wait no longer."""
        waiting = list(self._queue)
        self._queue.clear()
        return waiting


class EventHub(AsyncioActor):
    """Hands events to listeners.

    Attributes:
        last_seq: the number of the newest event that was handed out.
    """

    # Refusing the store's report would lose events; what is told here is already durable and counted.
    mailbox_limit = 0

    def __init__(self, last_seq: int) -> None:
        super().__init__()
        self.last_seq = last_seq
        self._listeners: set[Listener] = set()

    @override
    def on_receive(self, message: Publish | Show) -> None:
        """Hand out committed events, or what a run says."""
        if isinstance(message, Show):
            self._hand_out(message.output, message.output.message(message.now))
            return
        for event in message.events:
            self.last_seq = event.seq
            if not self._listeners:
                continue
            self._hand_out(event, event.message())

    def _hand_out(self, event: Followed, text: bytes) -> None:
        for listener in self._listeners:
            listener.offer(event, text)

    def subscribe(self, listener: Listener) -> int:
        """Let a follower have all that comes after this call; returns the number of the last one before it."""
        self._listeners.add(listener)
        return self.last_seq

    def unsubscribe(self, listener: Listener) -> None:
        """Forget a follower."""
        self._listeners.discard(listener)

    def leave(self) -> None:
        """End: nothing more is committed."""
        self._end()

    def followers(self) -> int:
        """How many follow."""
        return len(self._listeners)
