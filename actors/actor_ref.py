"""What others hold of an `AsyncioActor`: its reference, and the flag that says whether it has stopped."""

import sys
import threading
from typing import Any

import pykka
from pykka.messages import _ActorStop

from opencognit.actors.asyncio_future import AsyncioFuture, refuse_to_block

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class AsyncioActorRef(pykka.ActorRef[Any]):
    """Pykka's reference; `ask` and `stop` refuse to block an event loop before they send anything."""

    @override
    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message and wait for the answer, or get the future of it.

        Args:
            message: what is asked.
            block: wait here; False returns an `AsyncioFuture`, which a coroutine awaits.
            timeout: seconds to wait if blocking.

        Raises:
            WouldDeadlockError: blocking on a thread that runs an event loop.
            pykka.Timeout: no answer in time.
            pykka.ActorDeadError: the actor has stopped.
        """
        if block:
            refuse_to_block()
        return super().ask(message, block=block, timeout=timeout)

    @override
    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Ask the actor to stop when it has handled what waits now.

        Args:
            block: wait here until it has stopped; False returns an `AsyncioFuture`, which a coroutine awaits.
            timeout: seconds to wait if blocking.

        Returns:
            True, or False if the actor was dead already; or the future of that.

        Raises:
            WouldDeadlockError: blocking on a thread that runs an event loop.
            pykka.Timeout: it has not stopped in time; it still will.
        """
        if block:
            refuse_to_block()
        answer: AsyncioFuture[None] = self.ask(_ActorStop(), block=False)
        stopped: AsyncioFuture[bool] = AsyncioFuture()
        stopped.home = answer.home
        answer.when_done(lambda: stopped.offer(not answer.failed()))
        return stopped.get(timeout=timeout) if block else stopped


class StopFlag:
    """What Pykka wants of an actor's `threading.Event`, at a tenth of its size."""

    __slots__ = ("_event", "_is_set")
    # Reentrant: a finalizer may stop another actor while this thread is here.
    _lock = threading.RLock()

    def __init__(self) -> None:
        self._is_set = False
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether the actor has stopped."""
        return self._is_set

    def set(self) -> None:
        """Say that the actor has stopped."""
        with self._lock:
            self._is_set = True
            if self._event is not None:
                self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the actor has stopped, `timeout` seconds at most; whether it has."""
        with self._lock:
            if self._event is None:
                self._event = threading.Event()
                if self._is_set:
                    self._event.set()
        return self._event.wait(timeout)
