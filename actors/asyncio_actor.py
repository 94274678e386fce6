"""`AsyncioActor`: Pykka's actor, run by an event loop instead of a thread of its own.

    class Greeter(AsyncioActor):
        async def on_receive(self, message):
            await asyncio.sleep(0.1)          # others go on meanwhile; this actor's next message waits
            return f"Hello, {message}"

    greeter = Greeter.start()
    greeter.ask("world")                      # in a plain thread: blocks, as with Pykka
    await greeter.ask("world", block=False)   # in a coroutine

All that is Pykka's stays: `tell`, `ask`, `stop`, proxies, `ActorRegistry`, `on_start`, `on_stop`, `on_failure`. An actor
handles one message at a time, in order of arrival. What differs from `ThreadingActor`:

* All actors started inside a running loop share that loop's thread; started elsewhere, they share one background
  thread. A handler that blocks therefore blocks all of them: make it `async def` and await, or hand the blocking call to
  `asyncio.to_thread`.
* Handlers and hooks may be `async def`. A handler may also return `Later(future)`: the asker is answered when the future
  ends, and the actor goes on with its next message meanwhile.
* On a thread that runs a loop, `ask(block=True)` raises `WouldDeadlockError`; Pykka would wait for ever.
* An ask always ends, also when its message meets a stop (`pykka.ActorDeadError`) or a full mailbox (`MailboxFull`).
* A `SystemExit` in one actor ends that actor alone. Pykka would stop all of them.

An idle actor costs about 2 kB.
"""

import asyncio
import logging
import sys
import threading
from types import CoroutineType, TracebackType
from typing import Any, ClassVar, Final, Self

import pykka
import uuid_utils
from pykka.messages import _ActorStop

from opencognit.actors.asyncio_future import AsyncioFuture, refuse_to_block
from opencognit.actors.background_loop import background_loop
from opencognit.actors.mailbox import Envelope, Mailbox

BURST: Final = 64
"""Messages that an actor may handle before others get their turn on the loop."""

_log = logging.getLogger("pykka")


class Later:
    """A reply that comes later: the asker is answered when `future` ends, the actor goes on at once."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        self.future = future


class AsyncioActorRef(pykka.ActorRef[Any]):
    """Pykka's reference; `ask` refuses to block an event loop before it sends anything."""

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


class StopFlag:
    """What Pykka wants of an actor's `threading.Event`, at a tenth of its size."""

    __slots__ = ("_event", "_is_set")
    _lock = threading.Lock()

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


class AsyncioActor(pykka.Actor):
    """An actor on the event loop. See the module's own words.

    Attributes:
        mailbox_limit: how many messages may wait (the class's to set); 0 for any number.
        origin: who sent the message that is being handled; None outside a handler.
    """

    mailbox_limit: ClassVar[int] = 1000

    actor_inbox: Mailbox  # type: ignore[assignment]
    actor_stopped: StopFlag  # type: ignore[assignment]

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.actor_urn = f"urn:uuid:{uuid_utils.uuid4()}"
        self.actor_inbox = Mailbox(self.mailbox_limit)
        self.actor_stopped = StopFlag()
        self._actor_ref = AsyncioActorRef(self)
        self.origin: Any = None
        self._scheduled = False
        self._held = True
        self._in_hand: Envelope | None = None
        self._work: asyncio.Task[None] | None = None
        self._registered = False

    # Starting

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> "pykka.ActorRef[Self]":
        """Start an actor on the running loop, or on the background loop where none runs.

        It is registered in Pykka's `ActorRegistry`, whose lookups scan a list: a program with very many actors keeps
        its own directory and uses `spawn`.
        """
        actor = cls(*args, **kwargs)
        actor._registered = True
        pykka.ActorRegistry.register(actor.actor_ref)
        actor._start_actor_loop()
        return actor.actor_ref

    @classmethod
    def spawn(cls, *args: Any, **kwargs: Any) -> Self:
        """Start an actor that its creator keeps track of: it is not registered, and the actor itself is returned."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Mailbox(AsyncioActor.mailbox_limit)

    @staticmethod
    def _create_future() -> "AsyncioFuture[Any]":
        return AsyncioFuture()

    def _start_actor_loop(self) -> None:
        running = asyncio._get_running_loop()
        loop = running or background_loop()
        self._loop = loop
        self.actor_inbox.open(loop, self._schedule)
        if running is None:
            loop.call_soon_threadsafe(self._begin)
        else:
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Run `on_start`, then begin with the mail."""
        try:
            starting = self.on_start()  # type: ignore[func-returns-value]
        except BaseException:  # noqa: BLE001 - whatever it was, it ends this actor and no other
            self._handle_failure(*sys.exc_info())
            return
        if isinstance(starting, CoroutineType):
            self._work = self._loop.create_task(self._await_start(starting))
        else:
            self.resume()

    async def _await_start(self, starting: "CoroutineType[Any, Any, Any]") -> None:
        try:
            await starting
        except BaseException:  # noqa: BLE001 - as in _begin
            self._handle_failure(*sys.exc_info())
            return
        finally:
            self._work = None
        self.resume()

    # Taking mail

    def is_idle(self) -> bool:
        """Whether no message is in hand and none waits."""
        return self._in_hand is None and not self._held and self.actor_inbox.empty()

    def suspend(self) -> None:
        """Take no further message until `resume()`; they wait. For a supervisor that mends the actor's state."""
        self._held = True

    def resume(self) -> None:
        """Go on taking messages."""
        self._held = False
        self._schedule()

    def retire(self) -> None:
        """End an idle actor without a message, on the loop's thread; `on_stop` is not called.

        Raises:
            RuntimeError: it is not idle.
        """
        if not self.is_idle():
            raise RuntimeError(f"{self} is at work and cannot retire")
        self._end()

    def _schedule(self) -> None:
        if not (self._scheduled or self._held) and self._in_hand is None and self.actor_inbox.has_mail():
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        mailbox = self.actor_inbox
        for _ in range(BURST):
            if self._held or self._in_hand is not None or not mailbox.has_mail():
                return
            envelope = mailbox.get()
            if not envelope.is_abandoned():
                self._handle(envelope)
        self._schedule()

    def _handle(self, envelope: Envelope) -> None:
        self._in_hand = envelope
        self.origin = envelope.origin
        try:
            reply = self._handle_receive(envelope.message)
        except BaseException as error:  # noqa: BLE001 - the asker must hear of it, whatever it was
            self._done(envelope)
            self.failed(envelope, error)
            if isinstance(error, KeyboardInterrupt):
                raise
            return
        if isinstance(reply, CoroutineType):
            self._work = self._loop.create_task(self._await_reply(envelope, reply))
            return
        self._done(envelope)
        self._answer(envelope, reply)

    async def _await_reply(self, envelope: Envelope, reply: "CoroutineType[Any, Any, Any]") -> None:
        try:
            value = await reply
        except BaseException as error:  # noqa: BLE001 - as in _handle
            self._done(envelope)
            self.failed(envelope, error)
        else:
            self._done(envelope)
            self._answer(envelope, value)
        self._schedule()

    def _done(self, envelope: Envelope) -> None:
        self._in_hand = None
        self._work = None
        self.origin = None
        if isinstance(envelope.message, _ActorStop):
            self._end()

    @staticmethod
    def _answer(envelope: Envelope, value: Any) -> None:
        if isinstance(value, Later):
            value.future.add_done_callback(lambda future: _answer_from(envelope, future))
        else:
            envelope.answer(value)

    # Failing and stopping

    def failed(self, envelope: Envelope, error: BaseException) -> None:
        """Decide what an error from a handler means; a supervised actor overrides this.

        As with Pykka: an asker gets the error and the actor goes on; after a tell, `on_failure` is called and the actor
        stops. What is no `Exception` (`SystemExit`, a cancelled handler) stops it in both cases.
        """
        envelope.refuse(error)
        if envelope.reply_to is not None and isinstance(error, Exception):
            _log.info("Exception returned from %s to caller:", self, exc_info=error)
            return
        exc_info = (type(error), error, error.__traceback__)
        self._handle_failure(*exc_info)
        try:
            ending = self.on_failure(*exc_info)  # type: ignore[func-returns-value]
        except Exception:  # noqa: BLE001 - the hook's own failure is logged, the actor has stopped already
            self._handle_failure(*sys.exc_info())
            return
        if isinstance(ending, CoroutineType):
            self._loop.create_task(ending).add_done_callback(self._log_hook_failure)

    def _log_hook_failure(self, hook: "asyncio.Task[None]") -> None:
        if not hook.cancelled() and (error := hook.exception()) is not None:
            _log.error("Unhandled exception in a hook of %s:", self, exc_info=error)

    def _stop(self) -> Any:
        self.actor_stopped.set()
        self._unregister()
        _log.debug("Stopped %s", self)
        try:
            ending = self.on_stop()  # type: ignore[func-returns-value]
        except Exception:  # noqa: BLE001 - it stops all the same
            self._handle_failure(*sys.exc_info())
            return None
        return self._await_stop(ending) if isinstance(ending, CoroutineType) else None

    async def _await_stop(self, ending: "CoroutineType[Any, Any, Any]") -> None:
        try:
            await ending
        except Exception:  # noqa: BLE001 - it stops all the same
            self._handle_failure(*sys.exc_info())

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _log.error(
            "Unhandled exception in %s:", self, exc_info=(exception_type, exception_value, traceback)  # type: ignore[arg-type]
        )
        self._end()

    def _end(self) -> None:
        self.actor_stopped.set()
        self._unregister()
        self._held = True
        self.actor_inbox.close(f"{self.actor_ref} not found")

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            pykka.ActorRegistry.unregister(self.actor_ref)


def _answer_from(envelope: Envelope, future: "asyncio.Future[Any]") -> None:
    if future.cancelled():
        envelope.refuse(pykka.ActorDeadError("The actor gave up on this answer"))
    elif (error := future.exception()) is not None:
        envelope.refuse(error)
    else:
        envelope.answer(future.result())
