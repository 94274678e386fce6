"""The mailbox of an `AsyncioActor`, and the envelope in which a message lies there.

Only the loop's own thread touches the queue; other threads hand their envelopes over to it. So there is no
lock on the way of a message inside the loop, and a message that races a stop is always answered: whoever
comes too late is refused on the spot.
"""

import asyncio
import logging
import sys
from asyncio import _get_running_loop
from collections import deque
from typing import Any, Protocol

from pykka import ActorDeadError
from pykka.messages import _ActorStop

from opencognit.actors.asyncio_future import AsyncioFuture
from opencognit.actors.crossing import crossing_to
from opencognit.domain.errors import MailboxFull

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

_log = logging.getLogger("pykka")


class Envelope:
    """A message on its way.

    Attributes:
        message: what is said.
        reply_to: where the answer goes: an `AsyncioFuture`, or, if it is sent on the actor's own loop, a
            plain `asyncio.Future` of that loop; None for a tell.
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

    @override
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
            self.reply_to.offer(value)
        else:
            self.reply_to.set_result(value)

    def answer_when_done(self, future: "asyncio.Future[Any]") -> None:
        """Give the asker what comes of `future`, when it ends."""
        future.add_done_callback(self._answer_from)

    def _answer_from(self, future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            self.refuse(ActorDeadError("The actor gave up on this answer"))
        elif (error := future.exception()) is None:
            self.answer(future.result())
        elif self.reply_to is None:
            _log.error("What came of %r failed:", self, exc_info=error)
        else:
            self.refuse(error)

    def refuse(self, error: BaseException) -> None:
        """Give the asker an error instead of a reply.

        What is no `Exception` (`SystemExit`, a cancelled handler) would end the asker too; it gets a
        `pykka.ActorDeadError` with this cause.
        """
        if self.reply_to is None or self.reply_to.done():
            return
        if not isinstance(error, Exception):
            cause, error = error, ActorDeadError(f"The actor ended with {error!r}")
            error.__cause__ = cause
        if isinstance(self.reply_to, AsyncioFuture):
            self.reply_to.offer_error(error)
        elif isinstance(error, StopIteration):
            # An asyncio future cannot hold it: it would stop the generator that awaits it.
            self.reply_to.set_exception(RuntimeError(f"The actor raised {error!r}"))
        elif not self.reply_to.get_loop().is_closed():
            self.reply_to.set_exception(error)


class Owner(Protocol):
    """Whose mailbox it is."""

    def mail_came(self) -> None:
        """There is mail. Called on the loop."""

    def loop_closed(self) -> None:
        """The loop was closed, so that nothing can be handled any more. Called on any thread."""


class Mailbox:
    """What waits for one actor, in order of arrival.

    Args:
        limit: how many messages may wait; 0 for any number. Internal ones are always taken.
    """

    __slots__ = ("_entered", "_handed_over", "_limit", "_loop", "_owner", "_queue", "dead")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[Envelope] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owner: Owner | None = None
        self._handed_over = 0
        self._entered = 0
        self.dead: str | None = None
        """Set when the actor has stopped: why nothing is taken any more."""

    def open(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        """Bind the mailbox to the loop that handles its messages, and say whom to wake."""
        self._loop = loop
        self._owner = owner

    def __len__(self) -> int:
        queue = self._queue
        return (len(queue) if queue is not None else 0) + self._handed_over - self._entered

    def empty(self) -> bool:
        """Whether nothing waits."""
        return len(self) == 0

    def put(self, envelope: Any) -> None:
        """Put a message in, from any thread.

        A dead actor's mailbox answers an ask with `pykka.ActorDeadError` and drops a tell, as Pykka does.

        Raises:
            MailboxFull: a tell found the mailbox full; an ask is answered with it.
            TypeError: a plain `asyncio.Future` came from elsewhere than the actor's loop, which must not set it.
        """
        if not isinstance(envelope, Envelope):
            internal = isinstance(envelope.message, _ActorStop)
            envelope = Envelope(envelope.message, envelope.reply_to, internal=internal)
        loop = self._loop
        if isinstance(envelope.reply_to, AsyncioFuture):
            envelope.reply_to.home = loop
        # Before the start (an actor that tells itself something in __init__) there is only one thread.
        if loop is None or (_get_running_loop() is loop and self._handed_over == self._entered):
            taken = not self._is_too_full_for(envelope)
            if taken:
                self._enter(envelope)
        else:
            # Also inside the loop while others are on their way, who came first.
            if asyncio.isfuture(envelope.reply_to) and _get_running_loop() is not loop:
                raise TypeError("Outside the actor's loop, ask with an AsyncioFuture instead of an asyncio.Future")
            taken = crossing_to(loop).hand_over(loop, self, envelope)
        if not taken:
            self._refuse_as_full(envelope)

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
        """Take nothing from now on, and refuse all that waits. Called on the loop, or when that is closed."""
        self.dead = reason
        # A reference outlives its actor, and holds this mailbox; it must not hold the actor's state.
        self._owner = None
        queue, self._queue = self._queue, None
        for envelope in queue or ():
            self._refuse(envelope)

    def _is_too_full_for(self, envelope: Envelope) -> bool:
        return bool(self._limit) and len(self) >= self._limit and not envelope.internal and self.dead is None

    @staticmethod
    def _refuse_as_full(envelope: Envelope) -> None:
        error = MailboxFull()
        if envelope.reply_to is None:
            raise error
        envelope.refuse(error)

    def _enter(self, envelope: Envelope) -> None:
        if self.dead is not None:
            self._refuse(envelope)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(envelope)
        if self._owner is not None:
            self._owner.mail_came()

    def _refuse(self, envelope: Envelope) -> None:
        if isinstance(envelope.message, _ActorStop):
            envelope.answer(None)
        else:
            envelope.refuse(ActorDeadError(f"{self.dead}"))

    # For those on their way from another thread

    def reserve(self, envelope: Envelope) -> bool:
        """Keep a place for an envelope on its way; False if there is none."""
        if self._is_too_full_for(envelope):
            return False
        self._handed_over += 1
        return True

    def enter_from_thread(self, envelope: Envelope) -> None:
        """An envelope has arrived in its reserved place."""
        self._entered += 1
        self._enter(envelope)

    def lose(self, envelope: Envelope) -> None:
        """An envelope cannot arrive any more: the loop is closed."""
        self._entered += 1
        self.dead = self.dead or "The actor's event loop is closed"
        self._refuse(envelope)
        owner = self._owner
        if owner is not None:
            owner.loop_closed()
