"""The future of an `AsyncioActor`'s answers: Pykka's, made so that a coroutine can await it."""

import asyncio
import contextlib
import logging
import queue
import sys
import threading
import time
from asyncio import _get_running_loop
from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

import pykka

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

PATIENCE: Final = 1.0
"""Seconds after which one who waits looks whether the loop that should answer has been closed."""

_log = logging.getLogger("pykka")

# Reentrant: a finalizer or a signal handler may settle another future while this thread is here.
_settling = threading.RLock()


class WouldDeadlockError(RuntimeError):
    """Somebody wanted to block an event loop's own thread; await the future instead."""


class AsyncioFuture(pykka.Future[T], Generic[T]):
    """A value that an actor will give.

    In a coroutine, `await future`. In a plain thread, `future.get(timeout=...)`, as with Pykka. On a thread
    that runs an event loop, `get()` raises `WouldDeadlockError` unless the value is there already. It may be
    set from any thread, once.

    Attributes:
        home: the loop that the answer comes from; if it is closed first, the future ends with
            `pykka.ActorDeadError`.
    """

    home: asyncio.AbstractEventLoop | None = None
    _sources: tuple[pykka.Future[Any], ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._outcome: tuple[T | None, ExcInfo | None] | None = None
        self._listeners: list[Callable[[], object]] | None = None

    @override
    def __repr__(self) -> str:
        return f"<AsyncioFuture {'done' if self.done() else 'pending'}>"

    # Settling

    def done(self) -> bool:
        """Whether the value or the error is there."""
        return self._outcome is not None

    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self._outcome is not None and self._outcome[1] is not None

    @override
    def set(self, value: T | None = None) -> None:
        """Set the value.

        Raises:
            queue.Full: there is one already, or a hook that makes it.
        """
        if not self._settle((value, None)):
            raise queue.Full

    @override
    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Set an error, by default the one that is being handled.

        Raises:
            queue.Full: there is a value already, or a hook that makes it.
        """
        if not self._settle((None, exc_info or sys.exc_info())):
            raise queue.Full

    def offer(self, value: T) -> bool:
        """Set the value if nobody has settled the future before; whether it was taken."""
        return self._settle((value, None))

    def offer_error(self, error: BaseException) -> bool:
        """Set an error if nobody has settled the future before; whether it was taken."""
        return self._settle((None, (type(error), error, error.__traceback__)))

    @override
    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Have the value made by `func(timeout)` when it is first wanted.

        Raises:
            queue.Full: there is a value already.
        """
        with _settling:
            if self.done():
                raise queue.Full
            super().set_get_hook(func)

    # Waiting

    @override
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

    @override
    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the value on the running loop."""
        if not self.done():
            yield from self.ready().__await__()
        return cast("T", self.get())

    __iter__ = __await__

    async def ready(self) -> None:
        """Wait on the running loop until `get()` need not wait, whether it will give a value or an error."""
        if self._get_hook is not None:
            await self._ready_to_derive()
            return
        loop = asyncio.get_running_loop()
        arrival = loop.create_future()
        listener = partial(_arrive, loop, arrival)
        self.when_done(listener)
        try:
            if self.home is None or self.home is loop:
                await arrival
            while not arrival.done():
                await asyncio.wait([arrival], timeout=PATIENCE)
                self._end_with_home()
        finally:
            self._forget(listener)

    def when_done(self, listener: Callable[[], object]) -> None:
        """Call `listener()` when it has ended, on the thread that ends it; at once if it has already."""
        with _settling:
            if not self.done():
                self._listeners = [*(self._listeners or ()), listener]
                return
        listener()

    # Pykka's derived futures; they remember what they wait for, so that awaiting them takes no thread.

    @override
    def filter(self: pykka.Future[Iterable[J]], func: Callable[[J], bool]) -> pykka.Future[Iterable[J]]:
        return _derived(pykka.Future.filter(self, func), self)

    @override
    def join(self, *futures: pykka.Future[Any]) -> pykka.Future[Iterable[Any]]:
        return _derived(super().join(*futures), self, *futures)

    @override
    def map(self, func: Callable[[T], M]) -> pykka.Future[M]:
        return _derived(super().map(func), self)

    @override
    def reduce(self: pykka.Future[Iterable[J]], func: Callable[[R, J], R], *args: R) -> pykka.Future[R]:
        return _derived(pykka.Future.reduce(self, func, *args), self)

    # Inside

    def _settle(self, outcome: tuple[T | None, ExcInfo | None]) -> bool:
        with _settling:
            if self._outcome is not None or self._get_hook is not None:
                return False
            self._outcome = outcome
            listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            try:
                listener()
            except Exception:  # noqa: BLE001 - the others still wait to be told, and nobody else hears of it
                _log.exception("A listener of %r failed", self)
        return True

    def _forget(self, listener: Callable[[], object]) -> None:
        with _settling:
            if self._listeners is not None:
                self._listeners.remove(listener)

    def _wait(self, timeout: float | None) -> None:
        arrived = threading.Event()
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        self.when_done(arrived.set)
        while not arrived.wait(max(0.0, min(PATIENCE, deadline - time.monotonic()))):
            self._end_with_home()
            if time.monotonic() >= deadline:
                self._forget(arrived.set)
                raise pykka.Timeout(f"{timeout} seconds")

    async def _ready_to_derive(self) -> None:
        sources = [source for source in self._sources if isinstance(source, AsyncioFuture)]
        if not sources or len(sources) < len(self._sources):
            # A hook of somebody else's may block. What it raises, `get` would raise: no need to run it again.
            await asyncio.to_thread(self.get)
        for source in sources:
            if not source.done():
                await source.ready()

    def _end_with_home(self) -> None:
        if self.home is not None and self.home.is_closed():
            self.offer_error(pykka.ActorDeadError("The actor's event loop is closed"))

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
    if _get_running_loop() is not None:
        raise WouldDeadlockError(
            "This thread runs an event loop, and waiting here would stop it: use `await ref.ask(message, block=False)`"
        )


def _derived(future: pykka.Future[M], *sources: pykka.Future[Any]) -> pykka.Future[M]:
    if isinstance(future, AsyncioFuture):
        future._sources = sources  # noqa: SLF001 - a future of this module's own making
    return future


def _arrive(loop: asyncio.AbstractEventLoop, arrival: "asyncio.Future[None]") -> None:
    if _get_running_loop() is loop:
        _set_result(arrival)
        return
    # A closed loop raises: whoever waited there has gone with it.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_set_result, arrival)


def _set_result(arrival: "asyncio.Future[None]") -> None:
    if not arrival.done():
        arrival.set_result(None)
