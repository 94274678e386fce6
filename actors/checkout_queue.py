"""Those who wait for a task's lock (`?warteSek=`), first come first served."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from opencognit.actors.mailbox import Envelope
from opencognit.clock import Clock
from opencognit.domain.errors import DomainError, StorageUnavailable, TaskLocked
from opencognit.domain.instants import Seconds, after
from opencognit.domain.task import Checkout


class Waiter:
    """One who waits.

    Attributes:
        message: what it asks for.
        envelope: who asks; abandoned when the client has gone.
        future: its answer.
    """

    def __init__(self, message: Checkout, envelope: Envelope, future: "asyncio.Future[Any]") -> None:
        self.message = message
        self.envelope = envelope
        self.future = future

    async def serve(self, grant: Awaitable[Any]) -> None:
        """Answer with the grant, or with why there is none; a fault of the store is raised here too."""
        try:
            granted = await grant
        except Exception as error:
            if not self.future.done():
                self.future.set_exception(error)
            if isinstance(error, StorageUnavailable):
                raise
        else:
            if not self.future.done():
                self.future.set_result(granted)


class CheckoutQueue:
    """A task's waiting line.

    Args:
        clock: measures how long each waits.
        locked: makes the refusal for those who have waited long enough.
    """

    def __init__(self, clock: Clock, locked: Callable[[], Awaitable[TaskLocked]]) -> None:
        self._clock = clock
        self._locked = locked
        self._waiters: deque[Waiter] = deque()
        self._refusing: set[asyncio.Task[None]] = set()

    def enter(self, message: Checkout, envelope: Envelope, *, wait: Seconds) -> "asyncio.Future[Any]":
        """Stand in line for `wait` seconds at most; the future is the answer."""
        future = asyncio.get_running_loop().create_future()
        waiter = Waiter(message, envelope, future)
        self._waiters.append(waiter)
        timer = self._clock.call_at(after(self._clock.now(), wait), lambda: self._time_out(waiter))
        future.add_done_callback(lambda _: timer.cancel())
        return future

    def next(self) -> Waiter | None:
        """Whoever has waited longest and still waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.future.done() and not waiter.envelope.is_abandoned():
                return waiter
        return None

    def has_waiters(self) -> bool:
        """Whether anyone is in line."""
        return bool(self._waiters)

    def give_up(self) -> None:
        """Send all away: the actor is restarted or its task deleted."""
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_exception(StorageUnavailable("The task changed while you waited; ask again"))
        self._waiters.clear()

    def _time_out(self, waiter: Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        refusing = asyncio.ensure_future(self._refuse(waiter))
        self._refusing.add(refusing)
        refusing.add_done_callback(self._refusing.discard)

    async def _refuse(self, waiter: Waiter) -> None:
        error: DomainError
        try:
            error = await self._locked()
        except DomainError as gone:
            error = gone
        if not waiter.future.done():
            waiter.future.set_exception(error)
