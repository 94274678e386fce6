"""The `ProviderGate`: one actor for each key of a provider, through which all calls with that key go.

It holds the key's rate (calls at once and in a minute), holds everyone back for exactly as long as the provider asks,
and is a circuit breaker: after so many failures in a row it lets one call through at a time, until one succeeds
(M. Nygard, "Release It!", 2007). All of it is kept in memory alone: after a restart the first call finds out again, and
a time that was stored would only be a guess about a provider that may have recovered meanwhile.
"""

from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec
from typing_extensions import override

from opencognit.actors.asyncio_actor import AsyncioActor, Later
from opencognit.actors.mailbox import Envelope
from opencognit.clock import Timer
from opencognit.domain.company import NoteProvider
from opencognit.domain.instants import Instant, Seconds, after, between
from opencognit.domain.kinds import COMPANY
from opencognit.providers.port import ProviderFailed

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

LINE: Final = 1000
"""Calls that may wait for one key; more are refused, and their tasks put off."""

MINUTE: Final = 60.0

AWAY: Final = "The provider is away for longer than this run can wait"


class Enter(msgspec.Struct, frozen=True, kw_only=True):
    """Stand in line; answered when it is this call's turn, or with `ProviderFailed` when that comes too late."""

    turn: str
    company_id: str
    patient_until: Instant


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """The call is over, or was given up before its turn came.

    Attributes:
        answered: whether the provider answered, with a result or with a refusal that is no matter of time; None where
            nobody knows.
        retry_after: seconds that it asked us to wait.
    """

    turn: str
    answered: bool | None = None
    retry_after: Seconds | None = None


class Look(msgspec.Struct, frozen=True):
    """The time has come to see who may enter."""


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one key."""

    is_open: bool
    """The circuit is open: one call at a time, to see whether the provider is back."""
    failures: int
    """In a row."""
    held_until: Instant | None
    """Nobody enters before; None when nobody is held."""
    inside: int
    waiting: int


class ProviderGate(AsyncioActor):
    """The gate before one key of one provider. First come, first served."""

    # Leaving must always be heard; entering is bounded by the line.
    mailbox_limit = 0

    def __init__(self, system: "ActorSystem", key: str) -> None:
        super().__init__()
        self._system = system
        self._limits = system.limits
        self._key = key
        self._line: dict[str, tuple[Enter, Future[None]]] = {}
        self._inside: dict[str, str] = {}
        self._recent: deque[Instant] = deque(maxlen=self._limits.provider_calls_per_minute)
        self._failures = 0
        self._is_open = False
        self._told: set[str] = set()
        self._asked_until: Instant | None = None
        self._probe_at: Instant | None = None
        self._timer: Timer | None = None

    @property
    def gate_state(self) -> GateState:
        """How it stands now."""
        return GateState(
            is_open=self._is_open,
            failures=self._failures,
            held_until=self._held_until(self._system.clock.now()),
            inside=len(self._inside),
            waiting=len(self._line),
        )

    def _held_until(self, now: Instant) -> Instant | None:
        """Until then nobody enters: as the provider has asked, or as the open circuit has it."""
        return max((time for time in (self._asked_until, self._probe_at) if time and time > now), default=None)

    def ask_turn(self, message: Enter) -> "Future[None]":
        """Stand in line; the future ends when it is the call's turn. Whoever asks must tell `Leave`, come what may."""
        reply: Future[None] = self._loop.create_future()
        self.actor_inbox.put(Envelope(message, reply))
        return reply

    def tell(self, message: Leave | Look) -> None:
        """Send a message without waiting."""
        self.actor_inbox.put(Envelope(message))

    @override
    def on_receive(self, message: Enter | Leave | Look) -> Later | None:
        """Let in whoever may enter after what has happened."""
        match message:
            case Enter():
                entered: Future[None] = self._loop.create_future()
                if len(self._line) >= LINE:
                    entered.set_exception(ProviderFailed("Too many calls wait for this provider", transient=True))
                else:
                    self._line[message.turn] = (message, entered)
                    self._refuse_the_impatient()
                    self._let_in()
                return Later(entered)
            case Leave():
                self._left(message)
                self._refuse_the_impatient()
                self._let_in()
            case Look():
                self._let_in()
        return None

    def leave(self) -> None:
        """End: nobody calls any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._end()

    def _left(self, left: Leave) -> None:
        self._line.pop(left.turn, None)
        company_id = self._inside.pop(left.turn, None)
        if company_id is None or left.answered is None:
            return
        if left.answered:
            self._failures = 0
            self._probe_at = None
            if self._is_open:
                self._is_open = False
                self._note(self._told)
                self._told = set()
            return
        self._failures += 1
        opens = self._failures >= self._limits.provider_failures_to_open
        if left.retry_after is not None:
            until = after(self._system.clock.now(), left.retry_after)
            self._asked_until = max(until, self._asked_until or until)
        elif opens:
            self._probe_at = after(self._system.clock.now(), self._limits.provider_pause)
        if opens and not self._is_open:
            self._is_open = True
            waiting = (message.company_id for message, _ in self._line.values())
            self._told = {company_id, *waiting, *self._inside.values()}
            self._note(self._told)

    def _refuse_the_impatient(self) -> None:
        """Those who cannot wait for as long as all are held are told at once when to come again."""
        now = self._system.clock.now()
        held_until = self._held_until(now)
        if held_until is None:
            return
        for turn, (message, entered) in list(self._line.items()):
            if message.patient_until < held_until:
                del self._line[turn]
                if not entered.done():
                    away = between(now, held_until)
                    entered.set_exception(ProviderFailed(AWAY, transient=True, retry_after=away))

    def _let_in(self) -> None:
        # One moment for all of it: if time went on between asking who may enter and setting the timer for the others,
        # what held them could be over by then, and nobody would look again.
        now = self._system.clock.now()
        while self._line and self._may_enter(now):
            turn, (message, entered) = next(iter(self._line.items()))
            del self._line[turn]
            self._inside[turn] = message.company_id
            self._recent.append(now)
            if not entered.done():
                entered.set_result(None)
        self._look_again(now)

    def _may_enter(self, now: Instant) -> bool:
        places = 1 if self._is_open else self._limits.provider_calls_at_once
        return (
            self._held_until(now) is None
            and len(self._inside) < places
            and (len(self._recent) < self._limits.provider_calls_per_minute or after(self._recent[0], MINUTE) <= now)
        )

    def _look_again(self, now: Instant) -> None:
        """Set the timer for when time alone may let the next one in."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._line:
            return
        times = [self._held_until(now)]
        if len(self._recent) == self._limits.provider_calls_per_minute:
            times.append(after(self._recent[0], MINUTE))
        coming = [when for when in times if when is not None and when > now]
        if coming:
            self._timer = self._system.clock.call_at(max(coming), lambda: self.tell(Look()))

    def _note(self, company_ids: Iterable[str]) -> None:
        # The key's own part is left out: people know the provider by its name.
        note = NoteProvider(
            provider=self._key.partition("/")[0],
            circuit_open=self._is_open,
            until=self._held_until(self._system.clock.now()) if self._is_open else None,
        )
        for company_id in sorted(company_ids):
            self._system.tell(COMPANY, company_id, note, internal=True)


class ProviderGates:
    """The gates of this process, by key."""

    def __init__(self, make: Callable[[str], ProviderGate]) -> None:
        self._make = make
        self._gates: dict[str, ProviderGate] = {}

    def of(self, key: str) -> ProviderGate:
        """The gate of a `MeteredCall.provider_key`."""
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = self._make(key)
        return gate

    def states(self) -> dict[str, GateState]:
        """How it stands with each key that was used."""
        return {key: gate.gate_state for key, gate in self._gates.items()}

    def close(self) -> None:
        """End all."""
        for gate in self._gates.values():
            gate.leave()
        self._gates.clear()
