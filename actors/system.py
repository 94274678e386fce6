"""The actor system: references that always work, to actors that are awake only when needed.

Any actor has an address, `kind/id`. The first message to it activates it from its snapshot; when it has been idle for
a while and nothing is due, it is passivated again (virtual actors: Bykov et al., "Orleans", MSR-TR-2014-41). Everything
here runs on one event loop; `Runtime` offers it to other threads.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, Final, TypeVar

import msgspec
import structlog

from opencognit.actors.live_runs import LiveRuns
from opencognit.actors.mailbox import Envelope
from opencognit.actors.persistent_actor import Look, PersistentActor
from opencognit.actors.ports import Surroundings
from opencognit.actors.provider_gate import ProviderGate, ProviderGates
from opencognit.actors.run_slots import RunSlots
from opencognit.actors.subscribers import Subscribers
from opencognit.domain.errors import DeadlineExceeded, Draining, MailboxFull
from opencognit.domain.instants import after
from opencognit.domain.kinds import Kind
from opencognit.domain.message import Entity, Message
from opencognit.domain.origin import INSIDE, Origin

R = TypeVar("R")
E = TypeVar("E", bound=Entity)
Address = tuple[str, str]

WATCHER_LIMIT: Final = 10_000
"""Changes that a watcher may be behind before its iteration ends with `MailboxFull`."""

WHOLE_ROUNDS: Final = 2
"""Passivation rounds in which nobody needs an actor, before it goes to sleep."""

_log = structlog.get_logger("opencognit.actors")


class Change(msgspec.Struct, frozen=True):
    """A committed state, as `watch` yields it; `state` is None when the entity was erased."""

    kind: str
    id: str
    state: Entity | None


class ActorSystem:
    """All live actors of one runtime, by address.

    Attributes:
        surroundings: what the actors work with.
        generation: counts the passivation rounds; an actor remembers in which it was last touched.
        restarts: how many times actors were restarted since the start.
        subscribers: the subscriptions that are sent events.
        draining: the system ends, and activates nothing more.
    """

    def __init__(self, surroundings: Surroundings, actors: Mapping[str, type[PersistentActor[Any]]]) -> None:
        self._actors = actors
        self.surroundings = surroundings
        self.store = surroundings.store
        self.clock = surroundings.clock
        self.ids = surroundings.ids
        self.directory = surroundings.directory
        self.limits = surroundings.limits
        self.runs = LiveRuns()
        self.subscribers = Subscribers()
        self.slots = RunSlots(self.limits.runs_at_once)
        self.jitter = surroundings.jitter
        self.gates = ProviderGates(lambda key: ProviderGate.spawn(self, key))
        self.generation = 0
        self.restarts = 0
        self._live: dict[Address, PersistentActor[Any]] = {}
        self._watchers: list[tuple[str | None, str | None, asyncio.Queue[Change | None]]] = []
        self._kept: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self.draining = False
        self._sweeper = self._loop.call_later(self.limits.passivate_after / 2, self._sweep)

    # Talking to actors

    def ask(
        self,
        kind: Kind[Any],
        entity_id: str,
        message: Message[R],
        *,
        origin: Origin = INSIDE,
        deadline: float | None = None,
    ) -> Coroutine[Any, Any, R]:
        """Send a message and wait for its reply.

        Args:
            kind: which kind of actor.
            entity_id: which one.
            message: what is asked.
            origin: who asks; the runtime itself by default.
            deadline: seconds to wait; the configured `ask_deadline` by default.

        Raises:
            DeadlineExceeded: no reply in time. A message not yet begun is dropped, one under way may still succeed.
            MailboxFull: too many wait already.
            DomainError: the actor refuses.
        """
        # No coroutine of its own: this is on the way of every request.
        return self._ask(self._actor(kind, entity_id), message, origin, deadline or self.limits.ask_deadline)

    async def create(
        self, kind: Kind[Any], message: Message[R], *, origin: Origin = INSIDE, deadline: float | None = None
    ) -> R:
        """Ask a new actor, with an id that nobody has had, to come into being; answers and raises as `ask` does."""
        entity_id = self.ids.new_id()
        actor = self._spawn(kind, entity_id, is_new=True)
        try:
            return await self._ask(actor, message, origin, deadline or self.limits.ask_deadline)
        finally:
            if actor.state is None and actor.is_idle():
                self.drop(actor)

    async def _ask(self, actor: PersistentActor[Any], message: Message[R], origin: Origin, deadline: float) -> R:
        reply: asyncio.Future[R] = self._loop.create_future()
        actor.actor_inbox.put(Envelope(message, reply, origin=origin))
        timer = self._loop.call_later(deadline, _expire, reply)
        try:
            return await reply
        finally:
            timer.cancel()

    def tell(
        self,
        kind: Kind[Any],
        entity_id: str,
        message: Message[Any],
        *,
        origin: Origin = INSIDE,
        internal: bool = False,
    ) -> None:
        """Send a message without waiting.

        Args:
            kind: which kind of actor.
            entity_id: which one.
            message: what it is told.
            origin: who tells it.
            internal: a report of the runtime's own, which even a full mailbox takes.

        Raises:
            MailboxFull: too many wait already.
        """
        self._actor(kind, entity_id).actor_inbox.put(Envelope(message, origin=origin, internal=internal))

    async def state(self, kind: Kind[E], entity_id: str) -> E | None:
        """The last committed state of an actor; it is activated if it sleeps. None if there is no such entity."""
        actor = self._live.get((kind.name, entity_id))
        if actor is not None and actor.state is not None:
            actor.touched = self.generation
            return actor.state  # type: ignore[no-any-return]
        state: Any = await self.ask(kind, entity_id, Look())
        actor = self._live.get((kind.name, entity_id))
        if state is None and actor is not None and actor.is_idle() and actor.state is None:
            # Asking for what does not exist must not fill the memory.
            self.drop(actor)
        return state  # type: ignore[no-any-return]

    def peek(self, kind: Kind[E], entity_id: str) -> E | None:
        """The last committed state of an actor that is awake; None if it sleeps."""
        actor = self._live.get((kind.name, entity_id))
        return actor.state if actor is not None else None

    def wake(self, kind: Kind[Any], entity_id: str) -> None:
        """Activate an actor, so that what is due there happens."""
        self._actor(kind, entity_id)

    def _actor(self, kind: Kind[Any], entity_id: str) -> PersistentActor[Any]:
        return self._live.get((kind.name, entity_id)) or self._spawn(kind, entity_id)

    def _spawn(self, kind: Kind[Any], entity_id: str, *, is_new: bool = False) -> PersistentActor[Any]:
        if self.draining:
            raise Draining
        actor = self._actors[kind.name].spawn(self, entity_id, is_new=is_new)
        self._live[kind.name, entity_id] = actor
        return actor

    # Watching

    async def watch(self, *, kind: str | None = None, entity_id: str | None = None) -> AsyncGenerator[Change]:
        """Every committed change from now on, of all actors, of a kind, or of one.

        Raises:
            MailboxFull: the iteration fell too far behind.
        """
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        watcher = (kind, entity_id, queue)
        self._watchers.append(watcher)
        try:
            while (change := await queue.get()) is not None:
                if queue.qsize() >= WATCHER_LIMIT:
                    raise MailboxFull("This watcher is too slow")
                yield change
        finally:
            self._watchers.remove(watcher)

    def tell_watchers(self, kind: str, entity_id: str, state: Entity | None) -> None:
        """An actor has committed a state."""
        for wanted_kind, wanted_id, queue in self._watchers:
            # One place is more than a watcher may be behind: by this it learns that it has missed something.
            if wanted_kind in (None, kind) and wanted_id in (None, entity_id) and queue.qsize() <= WATCHER_LIMIT:
                queue.put_nowait(Change(kind, entity_id, state))

    # Living

    def live(self) -> list[PersistentActor[Any]]:
        """All actors that are awake now."""
        return list(self._live.values())

    def drop(self, actor: PersistentActor[Any]) -> None:
        """End a live actor; the next message activates it anew from its snapshot."""
        actor.leave()

    def forget(self, actor: PersistentActor[Any]) -> None:
        """An actor has ended, by itself or because it was dropped."""
        if self._live.get((actor.kind.name, actor.id)) is actor:
            del self._live[actor.kind.name, actor.id]

    def drop_company(self, company_id: str) -> None:
        """Forget all live actors that belong to an erased company."""
        for actor in self.live():
            if getattr(actor.state, "company_id", None) == company_id:
                self.drop(actor)

    def count_restart(self, actor: PersistentActor[Any], error: BaseException) -> None:
        """An actor is about to be restarted."""
        self.restarts += 1
        _log.warning("actor_restarted", actor=str(actor), error=repr(error))

    def keep(self, work: Coroutine[Any, Any, R]) -> "asyncio.Task[R]":
        """Run something long beside the mailboxes, and hold on to it until it ends."""
        task = self._loop.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    async def sleep(self, seconds: float) -> None:
        """Sleep by the injected clock."""
        woken: asyncio.Future[None] = self._loop.create_future()
        timer = self.clock.call_at(after(self.clock.now(), seconds), lambda: _wake(woken))
        try:
            await woken
        finally:
            timer.cancel()

    def _sweep(self) -> None:
        self.generation += 1
        idle = [actor for actor in self.live() if actor.is_idle() and actor.may_sleep()]
        too_many = len(self._live) - self.limits.awake_at_most
        if too_many > 0:
            # Those first that nobody has needed for longest.
            idle.sort(key=lambda actor: actor.touched)
        for number, actor in enumerate(idle):
            rounds = self.generation - actor.touched
            if number < too_many or rounds > (1 if actor.is_over() else WHOLE_ROUNDS):
                self.drop(actor)
        self._sweeper = self._loop.call_later(self.limits.passivate_after / 2, self._sweep)

    async def close(self) -> None:
        """Activate nothing more, let what is in hand end, then end all actors."""
        self.draining = True
        self._sweeper.cancel()
        for _, _, queue in self._watchers:
            queue.put_nowait(None)
        give_up = self._loop.time() + self.limits.ask_deadline
        # Polled, because it happens once, at the end, and costs the mailboxes nothing until then.
        while any(not actor.is_idle() for actor in self._live.values()) and self._loop.time() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for actor in self.live():
            self.drop(actor)
        for task in list(self._kept):
            task.cancel()
        await asyncio.gather(*self._kept, return_exceptions=True)
        self.gates.close()


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _expire(reply: "asyncio.Future[Any]") -> None:
    if not reply.done():
        reply.set_exception(DeadlineExceeded())
