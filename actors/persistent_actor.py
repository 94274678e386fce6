"""An actor whose state is a durable snapshot: it persists first, and only then changes and replies.

A subclass names its `kind` and its `protocol` (the union of its messages); for each
message there must be a method of the message's name, which is checked when the class is made. A handler computes the
next state and awaits `persist`. It may raise a `DomainError`, which is a reply; anything else is a crash, after which
the actor is restarted from its last snapshot (see `supervision.py`).
"""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

import structlog
from msgspec.structs import replace
from pykka.messages import _ActorStop
from typing_extensions import override

from opencognit.actors.asyncio_actor import AsyncioActor
from opencognit.actors.mailbox import Envelope
from opencognit.actors.supervision import QUARANTINE, ActorCrashed, FailureLog
from opencognit.clock import Timer
from opencognit.domain.caller import CallerKind
from opencognit.domain.errors import (
    ActorQuarantined,
    DomainError,
    NotFound,
    StorageUnavailable,
    VersionConflict,
)
from opencognit.domain.events import Activity, Event
from opencognit.domain.instants import Instant
from opencognit.domain.kinds import Kind
from opencognit.domain.message import Entity, Message, decode
from opencognit.domain.origin import INSIDE, Origin
from opencognit.domain.records import Record, Snapshot, Unit

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

S = TypeVar("S", bound=Entity)

_log = structlog.get_logger("opencognit.actors")


class Look(Message["Entity | None"], frozen=True):
    """Answered with the committed state; every persistent actor understands it."""


class PersistentActor(AsyncioActor, Generic[S]):
    """The root of all actors with a snapshot.

    Attributes:
        kind: the first half of the address `kind/id`.
        state: the last committed state; None if there is none (yet, or any more).
    """

    kind: ClassVar[Kind[Any]]
    protocol: ClassVar[Any]
    _handlers: ClassVar[dict[type, Callable[..., Any]]]

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "protocol"):
            return  # a part of the class that will have one
        cls._handlers = {Look: cls.look}
        for message in get_args(cls.protocol) or (cls.protocol,):
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower()
            handler = getattr(cls, name, None)
            if handler is None:
                raise TypeError(f"{cls.__name__} has no handler {name}() for {message.__name__}")
            cls._handlers[message] = handler

    def __init__(self, system: "ActorSystem", entity_id: str, *, is_new: bool = False) -> None:
        super().__init__()
        self.system = system
        self.id = entity_id
        self._is_new = is_new
        self.state: S | None = None
        self.touched = system.generation
        self._failures: FailureLog | None = None
        self._quarantined = False
        self._must_reload = False
        self._timers: dict[str, Timer] | None = None

    @override
    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    # What a subclass may override

    async def activated(self) -> None:
        """The state was loaded; arm timers here. Ask no other actor: it may be waiting for this one."""

    def forget(self) -> None:
        """The actor is restarted: drop all that is in memory alone."""

    def may_sleep(self) -> bool:
        """Whether the idle actor may be passivated: what is due must be awake."""
        return not self._timers

    def is_over(self) -> bool:
        """Whether nothing more is expected to happen here: the actor is passivated sooner."""
        return False

    async def quarantined(self, error: BaseException) -> None:
        """The actor failed too often and is held back."""

    # Writing

    async def persist(self, state: S, *parts: Record | Event, reply: object = None) -> S:
        """Make `state` and all that goes with it durable, then make it the actor's state.

        Args:
            state: the next state; version and time of change are set here.
            *parts: records and events of the same commit.
            reply: what the asker is answered with, if it is not the state, or what makes that of the state (kept for
                a retry with the same key).

        Returns:
            The committed state.

        Raises:
            StorageUnavailable: not durable; the actor is reloaded from its last snapshot.
            DependencyCycle: refused, nothing was changed.
        """
        now = self.now()
        before = self.state
        state = replace(
            state,
            version=before.version + 1 if before is not None else 1,
            updated_at=now,
            created_at=before.created_at if before is not None else now,
        )
        made = reply(state) if callable(reply) else reply
        answer = state if made is None else made
        snapshot = Snapshot(kind=self.kind.name, id=self.id, before=before, entity=state)
        await self._commit(snapshot, parts, answer, now)
        self.state = state
        self.system.tell_watchers(self.kind.name, self.id, state)
        return state

    async def append(self, *parts: Record | Event, reply: object = None) -> None:
        """Make records and events durable that leave the state as it is."""
        await self._commit(None, parts, reply, self.now())

    async def erase(self, *parts: Record | Event, reply: object = None) -> None:
        """Remove the snapshot; afterwards there is nothing of this id."""
        state = self.existing()
        snapshot = Snapshot(kind=self.kind.name, id=self.id, before=state, entity=None)
        await self._commit(snapshot, parts, reply, self.now())
        self.state = None
        self.cancel_reminders()
        self.system.tell_watchers(self.kind.name, self.id, None)

    async def _commit(
        self, snapshot: Snapshot | None, parts: tuple[Record | Event, ...], reply: object, now: Instant
    ) -> None:
        origin = self.asked_by
        records = [part for part in parts if not isinstance(part, Event)]
        pending = origin.answer
        if pending is not None and reply is not None and not pending.saved:
            records.append(pending.record(reply, now))
        unit = Unit(
            snapshot=snapshot,
            records=tuple(records),
            events=tuple(part for part in parts if isinstance(part, Event)),
            now=now,
        )
        try:
            await self.system.store.commit(unit)
        except (StorageUnavailable, VersionConflict):
            # Whether it became durable is not known here: the snapshot decides.
            self._must_reload = True
            raise
        if pending is not None and reply is not None:
            pending.saved = True

    # What handlers use

    @property
    def asked_by(self) -> Origin:
        """Where the message that is being handled comes from."""
        return self.origin or INSIDE

    def now(self) -> Instant:
        """The present moment of the injected clock."""
        return self.system.clock.now()

    def new_id(self) -> str:
        """A new id."""
        return self.system.ids.new_id()

    def company_id(self) -> str:
        """The company that the message is about."""
        if self.asked_by.company_id is None:
            raise TypeError(f"A message to {self} must come with its company")
        return self.asked_by.company_id

    def existing(self) -> S:
        """The state.

        Raises:
            NotFound: there is none.
        """
        if self.state is None:
            raise NotFound
        return self.state

    def entry(self, company_id: str, action: str, text: str, **details: Any) -> Activity:
        """An entry for the activity feed about this actor, by whoever asked."""
        caller = self.asked_by.caller
        return Activity(
            company_id=company_id,
            id=self.new_id(),
            actor_type=caller.kind,
            actor_id=caller.id,
            actor_name=caller.name,
            action=action,
            entity_type=self.kind.entity.__name__.lower(),
            entity_id=self.id,
            text=text,
            details=details or None,
            created_at=self.now(),
        )

    def is_by_agent(self) -> bool:
        """Whether an agent asks."""
        return self.asked_by.caller.kind is CallerKind.AGENT

    def remind(self, name: str, when: Instant | None, message: Message[Any]) -> None:
        """Tell myself `message` at `when`; None cancels. One reminder for each name."""
        timers = self._timers or {}
        if (old := timers.pop(name, None)) is not None:
            old.cancel()
        if when is not None:
            timers[name] = self.system.clock.call_at(when, lambda: self._reminded(name, message))
        self._timers = timers or None

    def cancel_reminders(self) -> None:
        """Forget all reminders."""
        for timer in (self._timers or {}).values():
            timer.cancel()
        self._timers = None

    def tell_self(self, message: Message[Any]) -> None:
        """Put a message behind those that wait; even a full mailbox takes it."""
        self.actor_inbox.put(Envelope(message, internal=True))

    def in_hand(self) -> Envelope:
        """The envelope of the message that is being handled."""
        if self._in_hand is None:
            raise RuntimeError(f"{self} has no message in hand")
        return self._in_hand

    def _reminded(self, name: str, message: Message[Any]) -> None:
        if self._timers is not None:
            self._timers.pop(name, None)
            self._timers = self._timers or None
        self.tell_self(message)

    # Handling

    def look(self, _message: Look) -> S | None:
        """Answer with the committed state."""
        return self.state

    @override
    def on_receive(self, message: Any) -> Any:
        """Find the handler by the message's type."""
        self.touched = self.system.generation
        if self._quarantined and not isinstance(message, Look):
            raise ActorQuarantined(retry_after=QUARANTINE)
        expected = self.asked_by.expected_version
        if expected is not None and (self.state is None or self.state.version != expected):
            raise VersionConflict(details={"version": self.state.version if self.state else None})
        handler = self._handlers.get(type(message))
        if handler is None:
            raise TypeError(f"{self} does not understand {type(message).__name__}")
        return handler(self, message)

    # Living and failing

    @override
    def on_start(self) -> Any:
        """Load the snapshot, if there can be one."""
        return None if self._is_new else self._come_back(None)

    async def _load(self) -> None:
        body = await self.system.store.queries.load(self.kind.name, self.id)
        self.state = decode(body, self.kind.entity) if body is not None else None
        await self.activated()

    @override
    def failed(self, envelope: Envelope, error: BaseException) -> None:
        """A domain error is a reply; all else restarts the actor from its last durable snapshot."""
        if isinstance(envelope.message, _ActorStop):
            super().failed(envelope, error)
        elif isinstance(error, DomainError):
            envelope.refuse(error)
            if envelope.reply_to is None:
                _log.warning(
                    "message_refused",
                    actor=str(self),
                    message=type(envelope.message).__name__,
                    error=str(error),
                )
            if self._must_reload:
                self._must_reload = False
                self._restart(None)
        else:
            _log.error("actor_crashed", actor=str(self), message=type(envelope.message).__name__, exc_info=error)
            envelope.refuse(ActorCrashed())
            self._restart(error)

    def _restart(self, error: BaseException | None) -> None:
        """Hold the mail back, drop what is in memory, and come back from the snapshot; None for no failure."""
        self.suspend()
        self.cancel_reminders()
        self.forget()
        _ = self.system.keep(self._come_back(error))

    async def _come_back(self, error: BaseException | None) -> None:
        """Load the snapshot, after each failure once more, until it is there or the actor is quarantined."""
        while not self.actor_stopped.is_set():
            if error is not None:
                pause = self._count(error)
                if pause is None:
                    await self._rest(error)
                    break
                await asyncio.sleep(pause)
            try:
                await self._load()
                break
            except BaseException as another:
                # Not even a `SystemExit` from here may end the loop: it is everyone's.
                if self.system.draining or isinstance(another, KeyboardInterrupt):
                    raise
                error = another
        if self.actor_stopped.is_set():
            self.cancel_reminders()
        self.resume()

    def _count(self, error: BaseException) -> float | None:
        if self._failures is None:
            self._failures = FailureLog()
        self.system.count_restart(self, error)
        return self._failures.add(self._loop.time())

    async def _rest(self, error: BaseException) -> None:
        """Be quarantined: refuse everything for a while, then be forgotten, so that the next message starts anew."""
        self._quarantined = True
        _log.error("actor_quarantined", actor=str(self), error=repr(error))
        self._loop.call_later(QUARANTINE, self.system.drop, self)
        try:
            await self.quarantined(error)
        except BaseException as second:
            if self.system.draining or isinstance(second, KeyboardInterrupt):
                raise
            _log.error("quarantine_not_recorded", actor=str(self), exc_info=second)

    def leave(self) -> None:
        """End without a message: the actor is passivated, or its company erased."""
        self.cancel_reminders()
        self._end()

    @override
    def _end(self) -> None:
        super()._end()
        self.system.forget(self)
