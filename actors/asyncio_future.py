"""The future of an `AsyncioActor`'s answers: Pykka's, made so that a coroutine can await it."""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import pykka

T = TypeVar("T")

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_settling = threading.Lock()


class WouldDeadlockError(RuntimeError):
    """Somebody wanted to block an event loop's own thread; await the future instead."""


class AsyncioFuture(pykka.Future[T], Generic[T]):
    """A value that an actor will give.

    In a coroutine, `await future`. In a plain thread, `future.get(timeout=...)`, as with Pykka. On a thread that runs
    an event loop, `get()` raises `WouldDeadlockError` unless the value is there already. It may be set from any thread,
    once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outcome: tuple[T | None, ExcInfo | None] | None = None
        self._listeners: list[Callable[[], None]] | None = None

    def __repr__(self) -> str:
        return f"<AsyncioFuture {'done' if self.done() else 'pending'}>"

    def done(self) -> bool:
        """Whether the value or the error is there."""
        return self._outcome is not None

    def set(self, value: T | None = None) -> None:
        """Set the value.

        Raises:
            queue.Full: there is one already, or a hook that makes it.
        """
        self._settle((value, None))

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Set an error, by default the one that is being handled.

        Raises:
            queue.Full: there is a value already, or a hook that makes it.
        """
        self._settle((None, exc_info or sys.exc_info()))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Have the value made by `func(timeout)` when it is first wanted.

        Raises:
            queue.Full: there is a value already.
        """
        if self.done():
            raise queue.Full
        super().set_get_hook(func)

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the value, in a thread that runs no event loop.

        Args:
            timeout: seconds to wait; None for as long as it takes.

        Raises:
            pykka.Timeout: it took longer.
            WouldDeadlockError: this thread runs an event loop, which must not wait.
            Exception: the error that was set.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self.done():
            refuse_to_block()
            self._wait(timeout)
        return self._value()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the value on the running loop."""
        if self._get_hook is not None:
            return (yield from asyncio.to_thread(self.get).__await__())
        if not self.done():
            loop = asyncio.get_running_loop()
            arrival = loop.create_future()
            self._listen(lambda: _arrive(loop, arrival))
            yield from arrival.__await__()
        return cast("T", self._value())

    def _settle(self, outcome: tuple[T | None, ExcInfo | None]) -> None:
        with _settling:
            if self._outcome is not None or self._get_hook is not None:
                raise queue.Full
            self._outcome = outcome
            listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            listener()

    def _listen(self, listener: Callable[[], None]) -> None:
        with _settling:
            if self._outcome is None:
                self._listeners = [*(self._listeners or ()), listener]
                return
        listener()

    def _wait(self, timeout: float | None) -> None:
        arrived = threading.Event()
        self._listen(arrived.set)
        start = time.monotonic()
        if not arrived.wait(timeout):
            raise pykka.Timeout(f"{time.monotonic() - start:g} seconds")

    def _value(self) -> T | None:
        if self._outcome is None:
            raise RuntimeError("The future has no value yet")
        value, exc_info = self._outcome
        if exc_info is None:
            return value
        kind, error, traceback = exc_info
        if error is None:
            error = (kind or RuntimeError)()
        raise error.with_traceback(traceback)


def refuse_to_block() -> None:
    """Raise `WouldDeadlockError` on a thread that runs an event loop."""
    if asyncio._get_running_loop() is not None:
        raise WouldDeadlockError(
            "This thread runs an event loop, and waiting here would stop it: use `await ref.ask(message, block=False)`"
        )


def _arrive(loop: asyncio.AbstractEventLoop, arrival: "asyncio.Future[None]") -> None:
    def set_result() -> None:
        if not arrival.done():
            arrival.set_result(None)

    if asyncio._get_running_loop() is loop:
        set_result()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(set_result)
