"""The mailbox of an `AsyncioActor`, and the envelope in which a message lies there.

Only the loop's own thread touches the queue; other threads hand their envelopes over to it. So there is no lock on the
way of a message, and a message that races a stop is always answered: whoever comes too late is refused on the spot.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from pykka import ActorDeadError
from pykka.messages import _ActorStop

from opencognit.actors.asyncio_future import AsyncioFuture
from opencognit.domain.errors import MailboxFull


class Envelope:
    """A message on its way.

    Attributes:
        message: what is said.
        reply_to: where the answer goes (an `AsyncioFuture` or a plain `asyncio.Future`); None for a tell.
        origin: who asks and under which conditions; opaque here.
        internal: an actor's own timers and reports, which even a full mailbox takes.
    """

    __slots__ = ("internal", "message", "origin", "reply_to")

    def __init__(
        self,
        message: Any,
        reply_to: "AsyncioFuture[Any] | asyncio.Future[Any] | None" = None,
        *,
        origin: Any = None,
        internal: bool = False,
    ) -> None:
        self.message = message
        self.reply_to = reply_to
        self.origin = origin
        self.internal = internal

    def __repr__(self) -> str:
        return f"Envelope({self.message!r})"

    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more: the deadline has passed, or the caller has gone."""
        return self.reply_to is not None and self.reply_to.done()

    def answer(self, value: Any) -> None:
        """Give the asker the reply, if one still waits for it."""
        if self.reply_to is None or self.reply_to.done():
            return
        if isinstance(self.reply_to, AsyncioFuture):
            self.reply_to.set(value)
        else:
            self.reply_to.set_result(value)

    def refuse(self, error: BaseException) -> None:
        """Give the asker an error instead of a reply."""
        if self.reply_to is None or self.reply_to.done():
            return
        if isinstance(self.reply_to, AsyncioFuture):
            self.reply_to.set_exception((type(error), error, error.__traceback__))
        elif isinstance(error, (StopIteration, SystemExit, KeyboardInterrupt)):
            # An asyncio future cannot hold these: it would stop the loop, or the generator that awaits it.
            self.reply_to.set_exception(RuntimeError(f"The actor ended with {error!r}"))
        else:
            self.reply_to.set_exception(error)


_from_threads_lock = threading.Lock()


class Mailbox:
    """What waits for one actor, in order of arrival.

    Args:
        limit: how many messages may wait; 0 for any number. Internal ones do not count.
        wake: called on the loop when something has come.
    """

    __slots__ = ("_entered", "_handed_over", "_limit", "_loop", "_queue", "_wake", "dead")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[Envelope] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: Callable[[], None] | None = None
        self._handed_over = 0
        self._entered = 0
        self.dead: str | None = None
        """Set when the actor has stopped: why nothing is taken any more."""

    def open(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """Bind the mailbox to the actor's loop, before the first message."""
        self._loop = loop
        self._wake = wake

    def __len__(self) -> int:
        waiting = len(self._queue) if self._queue is not None else 0
        return waiting + self._handed_over - self._entered

    def empty(self) -> bool:
        """Whether nothing waits."""
        return len(self) == 0

    def put(self, envelope: Any) -> None:
        """Put a message in, from any thread.

        A dead actor's mailbox answers an ask with `pykka.ActorDeadError` and drops a tell, as Pykka does.

        Raises:
            MailboxFull: a tell found the mailbox full; an ask is answered with it.
        """
        if not isinstance(envelope, Envelope):
            internal = isinstance(envelope.message, _ActorStop)
            envelope = Envelope(envelope.message, envelope.reply_to, internal=internal)
        if self._limit and len(self) >= self._limit and not envelope.internal and self.dead is None:
            error = MailboxFull()
            if envelope.reply_to is None:
                raise error
            envelope.refuse(error)
            return
        if asyncio._get_running_loop() is self._loop:
            self._enter(envelope)
        else:
            self._hand_over(envelope)

    def get(self) -> Envelope:
        """Take the oldest message. Called on the loop; there must be one."""
        if not self._queue:
            raise LookupError("The mailbox is empty")
        envelope = self._queue.popleft()
        if not self._queue:
            # An empty deque still holds 600 bytes, in each of 100,000 idle actors.
            self._queue = None
        return envelope

    def has_mail(self) -> bool:
        """Whether `get` would find something. Called on the loop."""
        return self._queue is not None

    def close(self, reason: str) -> None:
        """Take nothing from now on, and refuse all that waits. Called on the loop."""
        self.dead = reason
        while self._queue is not None:
            self._refuse(self.get())

    def _enter(self, envelope: Envelope) -> None:
        if self.dead is not None:
            self._refuse(envelope)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(envelope)
        if self._wake is not None:
            self._wake()

    def _hand_over(self, envelope: Envelope) -> None:
        with _from_threads_lock:
            self._handed_over += 1
        try:
            if self._loop is None:
                raise RuntimeError("The actor was never started")
            self._loop.call_soon_threadsafe(self._enter_from_thread, envelope)
        except RuntimeError:
            self.dead = self.dead or "its event loop is closed"
            self._refuse(envelope)

    def _enter_from_thread(self, envelope: Envelope) -> None:
        self._entered += 1
        self._enter(envelope)

    def _refuse(self, envelope: Envelope) -> None:
        if isinstance(envelope.message, _ActorStop):
            envelope.answer(None)
        else:
            envelope.refuse(ActorDeadError(f"{self.dead}"))
