"""`AsyncioActor`: Pykka's actor, run by an event loop instead of a thread of its own.

    class Greeter(AsyncioActor):
        async def on_receive(self, message):
            await asyncio.sleep(0.1)          # others go on meanwhile; this actor's next message waits
            return f"Hello, {message}"

    greeter = Greeter.start()
    greeter.ask("world")                      # in a plain thread: blocks, as with Pykka
    await greeter.ask("world", block=False)   # in a coroutine

All that is Pykka's stays: `tell`, `ask`, `stop`, proxies, `ActorRegistry`, `on_start`, `on_stop`,
`on_failure`. An actor handles one message at a time, in order of arrival. What differs from `ThreadingActor`:

* All actors started inside a running loop share that loop's thread; started elsewhere, they share one
  background thread. A handler that blocks therefore blocks all of them: make it `async def` and await, or
  hand the blocking call to `asyncio.to_thread`.
* A handler runs in the actor's own `contextvars` context, empty at first as a thread's is, whoever asks.
* Handlers and hooks may be `async def`. A handler may also return `Later(future)`: the asker is answered when
  the future ends, and the actor goes on with its next message meanwhile.
* On a thread that runs a loop, `ask(block=True)` raises `WouldDeadlockError`; Pykka would wait for ever. So do
  `stop(block=True)` and setting an attribute through a proxy, which blocks with Pykka.
* An ask always ends, also when its message meets a stop or a closed loop (`pykka.ActorDeadError`) or a full
  mailbox (`MailboxFull`).
* A `SystemExit` in one actor ends that actor alone; its asker gets `pykka.ActorDeadError`. Pykka would stop
  all of them.

An idle actor costs about 1.5 kB.
"""

import asyncio
import contextvars
import logging
import sys
import threading
from asyncio import _get_running_loop
from types import CoroutineType, TracebackType
from typing import Any, ClassVar, Final, Self

import pykka
import uuid_utils
from pykka.messages import _ActorStop

from opencognit.actors.actor_ref import AsyncioActorRef, StopFlag
from opencognit.actors.asyncio_future import AsyncioFuture
from opencognit.actors.background_loop import background_loop
from opencognit.actors.mailbox import Envelope, Mailbox

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

BURST: Final = 64
"""Messages that an actor may handle before others get their turn on the loop."""

_log = logging.getLogger("pykka")


class Later:
    """A reply that comes later: the asker is answered when `future` ends, the actor goes on at once."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        if not asyncio.isfuture(future):
            raise TypeError(f"Later() takes an asyncio future or task, not {future!r}")
        self.future = future


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
        self.actor_inbox = self._create_actor_inbox()
        self.actor_stopped = StopFlag()
        self._actor_ref = AsyncioActorRef(self)
        self.origin: Any = None
        self._context = contextvars.Context()
        self._scheduled = False
        self._held = True
        self._in_hand: Envelope | None = None
        self._work: asyncio.Task[None] | None = None
        self._registered = False

    # Starting

    @override
    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> "pykka.ActorRef[Self]":
        """Start an actor on the running loop, or on the background loop where none runs.

        It is registered in Pykka's `ActorRegistry`, whose lookups scan a list: a program with very many
        actors keeps its own directory and uses `spawn`.
        """
        actor = cls(*args, **kwargs)
        actor._registered = True
        pykka.ActorRegistry.register(actor.actor_ref)
        actor._start_actor_loop()
        return actor.actor_ref

    @classmethod
    def spawn(cls, *args: Any, **kwargs: Any) -> Self:
        """Start an actor that its creator keeps track of: it is not registered. Returns the actor itself."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor

    @override
    @classmethod
    def _create_actor_inbox(cls) -> Any:
        return Mailbox(cls.mailbox_limit)

    @override
    @staticmethod
    def _create_future() -> "AsyncioFuture[Any]":
        return AsyncioFuture()

    @override
    def _start_actor_loop(self) -> None:
        running = _get_running_loop()
        self._loop = running or background_loop()
        self.actor_inbox.open(self._loop, self)
        if running is None:
            self._loop.call_soon_threadsafe(self._start_up, context=self._context)
        else:
            self._loop.call_soon(self._start_up, context=self._context)

    def _start_up(self) -> None:
        """Run `on_start`, then begin with the mail."""
        if self.actor_stopped.is_set():
            return
        try:
            starting = self.on_start()  # type: ignore[func-returns-value]
        except BaseException as error:
            self._handle_failure(*sys.exc_info())
            if _is_ctrl_c(error):
                raise
            return
        if isinstance(starting, CoroutineType):
            self._work = self._loop.create_task(self._await_start(starting))
        else:
            self.resume()

    async def _await_start(self, starting: "CoroutineType[Any, Any, Any]") -> None:
        try:
            await starting
        except BaseException as error:
            self._handle_failure(*sys.exc_info())
            if _is_ctrl_c(error):
                raise
        else:
            self.resume()
        finally:
            self._work = None

    # Taking mail

    def is_idle(self) -> bool:
        """Whether no message is in hand and none waits."""
        return self._in_hand is None and not self._held and self.actor_inbox.empty()

    def suspend(self) -> None:
        """Take no further message until `resume()`; they wait meanwhile. For a supervisor's repairs."""
        self._held = True

    def resume(self) -> None:
        """Go on taking messages, unless the actor has stopped. Called on the loop's thread."""
        if not self.actor_stopped.is_set():
            self._held = False
            self.mail_came()

    def retire(self) -> None:
        """End an idle actor without a message, on the loop's thread; `on_stop` is not called.

        Raises:
            RuntimeError: it is not idle.
        """
        if not self.is_idle():
            raise RuntimeError(f"{self} is at work and cannot retire")
        self._end()

    def mail_came(self) -> None:
        """The mailbox has something, and the actor will look. Called on the loop's thread."""
        if not (self._scheduled or self._held) and self._in_hand is None and self.actor_inbox.has_mail():
            self._scheduled = True
            self._loop.call_soon(self._drain, context=self._context)

    def loop_closed(self) -> None:
        """Somebody found the loop closed: the actor is dead."""
        self._end()

    def _drain(self) -> None:
        self._scheduled = False
        mailbox = self.actor_inbox
        try:
            for _ in range(BURST):
                if self._held or self._in_hand is not None or not mailbox.has_mail():
                    break
                envelope = mailbox.get()
                if not envelope.is_abandoned():
                    self._handle(envelope)
        finally:
            self.mail_came()

    def _handle(self, envelope: Envelope) -> None:
        self._in_hand = envelope
        self.origin = envelope.origin
        try:
            reply = self._handle_receive(envelope.message)
        except BaseException as error:
            self._fail(envelope, error)
            if _is_ctrl_c(error):
                raise
            return
        if isinstance(reply, CoroutineType):
            self._work = self._loop.create_task(self._await_reply(envelope, reply))
            return
        self._done(envelope)
        _answer(envelope, reply)

    async def _await_reply(self, envelope: Envelope, reply: "CoroutineType[Any, Any, Any]") -> None:
        try:
            value = await reply
        except GeneratorExit as error:
            # The loop is gone and took the handler with it: no hook could still do anything.
            self._end()
            envelope.refuse(error)
            raise
        except BaseException as error:
            self._fail(envelope, error)
            if _is_ctrl_c(error):
                raise
        else:
            self._done(envelope)
            _answer(envelope, value)
        finally:
            self.mail_came()

    def _done(self, envelope: Envelope) -> None:
        self._in_hand = None
        self._work = None
        self.origin = None
        if isinstance(envelope.message, _ActorStop):
            self._end()

    # Failing and stopping

    def failed(self, envelope: Envelope, error: BaseException) -> None:
        """Decide what an error from a handler means; a supervised actor overrides this.

        As with Pykka: an asker gets the error and the actor goes on; after a tell, `on_failure` is called and
        the actor stops. What is no `Exception` (`SystemExit`, a cancelled handler) stops it in both cases. Should
        this method itself raise, then the asker gets the first error, and the actor stops.
        """
        envelope.refuse(error)
        if envelope.reply_to is not None and isinstance(error, Exception):
            _log.info("Exception returned from %s to caller:", self, exc_info=error)
            return
        exc_info = (type(error), error, error.__traceback__)
        self._handle_failure(*exc_info)
        ending = self.on_failure(*exc_info)  # type: ignore[func-returns-value]
        if isinstance(ending, CoroutineType):
            self._work = self._loop.create_task(self._await_ending(ending))

    def _fail(self, envelope: Envelope, error: BaseException) -> None:
        self._done(envelope)
        try:
            self.failed(envelope, error)
        except BaseException as second:
            envelope.refuse(error)
            self._handle_failure(*sys.exc_info())
            if _is_ctrl_c(second):
                raise

    @override
    def _stop(self) -> Any:
        self.actor_stopped.set()
        self._unregister()
        _log.debug("Stopped %s", self)
        try:
            ending: Any = self.on_stop()  # type: ignore[func-returns-value]
        except Exception:  # noqa: BLE001 - logged like any failure; it stops all the same
            self._handle_failure(*sys.exc_info())
            return None
        return self._await_ending(ending) if isinstance(ending, CoroutineType) else None

    async def _await_ending(self, ending: "CoroutineType[Any, Any, Any]") -> None:
        try:
            await ending
        except BaseException as error:
            self._handle_failure(*sys.exc_info())
            if _is_ctrl_c(error) or isinstance(error, GeneratorExit):
                raise

    @override
    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _log.error(
            "Unhandled exception in %s:",
            self,
            exc_info=(exception_type, exception_value, traceback),  # type: ignore[arg-type]
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


def _answer(envelope: Envelope, value: Any) -> None:
    if isinstance(value, Later):
        envelope.answer_when_done(value.future)
    else:
        envelope.answer(value)


def _is_ctrl_c(error: BaseException) -> bool:
    """Whether the user wants the program to end: signals arrive in the main thread only."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
