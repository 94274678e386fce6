"""The way of envelopes from other threads into a loop: one wake-up takes all that have gathered meanwhile.

Per message, waking the loop costs more than all the rest.
"""

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from opencognit.actors.mailbox import Envelope, Mailbox

# Reentrant: a finalizer or a signal handler may send a message while this thread is here.
_lock = threading.RLock()
_crossings: "WeakKeyDictionary[asyncio.AbstractEventLoop, Crossing]" = WeakKeyDictionary()


def crossing_to(loop: asyncio.AbstractEventLoop) -> "Crossing":
    """The one way into this loop, for all its mailboxes."""
    crossing = _crossings.get(loop)
    if crossing is None:
        with _lock:
            crossing = _crossings.setdefault(loop, Crossing())
    return crossing


class Crossing:
    """What is on its way into one loop, in order of departure."""

    __slots__ = ("_gathered",)

    def __init__(self) -> None:
        self._gathered: deque[tuple[Mailbox, Envelope]] = deque()

    def hand_over(self, loop: asyncio.AbstractEventLoop, mailbox: "Mailbox", envelope: "Envelope") -> bool:
        """Bring an envelope to the mailbox, from any thread; False if that is full.

        If the loop is closed, the envelope and all others on their way are lost, and their askers told.
        """
        with _lock:
            if not mailbox.reserve(envelope):
                return False
            try:
                # The wake-up comes first: a Ctrl-C between the two must not leave envelopes without one.
                if not self._gathered or loop.is_closed():
                    loop.call_soon_threadsafe(self._arrive)
            except RuntimeError:
                lost = [*self._gathered, (mailbox, envelope)]
                self._gathered.clear()
            else:
                lost = []
                self._gathered.append((mailbox, envelope))
        for lost_mailbox, lost_envelope in lost:
            lost_mailbox.lose(lost_envelope)
        return True

    def _arrive(self) -> None:
        try:
            for _ in range(len(self._gathered)):
                mailbox, envelope = self._gathered.popleft()
                mailbox.enter_from_thread(envelope)
        finally:
            with _lock:
                if self._gathered:
                    asyncio.get_running_loop().call_soon(self._arrive)
