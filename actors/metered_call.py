"""What a run spends: held back before each call, settled after it, in the company's ledger and in the agent's.

The company's comes first and is settled last, so whatever the agent has reserved is reserved there too. Between any two
lines the process may be killed: what is reserved then is found by both when they are activated, and counts as spent.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from msgspec.structs import astuple, replace

from opencognit.domain.budget import Reservation, ReserveBudget, SettleCost, checked_cents
from opencognit.domain.errors import BudgetHeld, DomainError, Draining, Unavailable, ValidationFailed
from opencognit.domain.kinds import AGENT, COMPANY, Kind
from opencognit.domain.message import Message
from opencognit.domain.origin import Origin
from opencognit.domain.run import Run, TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

T = TypeVar("T")

ABSURD: Final = "The adapter reported a cost or a number of tokens that cannot be"

MOST_TOKENS: Final = 10**12
"""More than any call can use: what is reported above it is a mistake."""
LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries."""

_log = structlog.get_logger("opencognit.work")


class Spending:
    """The money of one run."""

    def __init__(self, system: "ActorSystem", run: Run, origin: Origin, *, count: Callable[[Outcome], None]) -> None:
        self._system = system
        self._run = run
        self._origin = origin
        self._count = count

    async def metered(self, call: MeteredCall[T]) -> T:
        """Reserve the most that the call can cost, make it, settle it, and return its reply.

        A call that ends in any other way than its own, such as by being cancelled, may have cost its most.

        Raises:
            BudgetExhausted: the budget does not cover the call; it was not made.
            ProviderFailed: there is no reply. What was used until then is booked.
        """
        worst = sound(call.worst)
        if worst is None:
            raise ProviderFailed(ABSURD, transient=False)
        unknown = replace(worst, cost_estimated=True)
        reservation = await self._reserve(worst)
        try:
            reply, reported = await call.make()
        except ProviderFailed as error:
            await self._close(reservation, sound(error.partial) or unknown)
            raise ProviderFailed(str(error), transient=error.transient, retry_after=error.retry_after) from error
        except BaseException:
            await self._close(reservation, unknown)
            raise
        used = sound(reported)
        await self._close(reservation, used or unknown)
        if used is None:
            raise ProviderFailed(ABSURD, transient=False)
        return reply

    async def book(self, outcome: Outcome) -> None:
        """Book what has arisen already; durable on return. Nothing is written where there is nothing.

        Raises:
            ProviderFailed: no call can have cost that; nothing is booked.
        """
        known = sound(outcome)
        if known is None:
            raise ProviderFailed(ABSURD, transient=False)
        if known.cost_cents or known.usage != TokenUsage():
            self._count(known)
            await self._to_the_end(self._book(known))

    async def _close(self, reservation: Reservation, used: Outcome) -> None:
        self._count(used)
        await self._to_the_end(self._settle(reservation, used))

    async def _book(self, known: Outcome) -> None:
        reservation = self._reservation(known)
        reserve = ReserveBudget(reservation=reservation, known=True)
        await self._insist(COMPANY, self._run.company_id, reserve)
        await self._insist(AGENT, self._run.agent_id, reserve)
        await self._settle(reservation, known)

    async def _reserve(self, worst: Outcome) -> Reservation:
        reservation = self._reservation(worst)
        pause = 0.02
        while True:
            try:
                await self._hold(reservation)
            except BudgetHeld:
                await self._system.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return reservation

    async def _hold(self, reservation: Reservation) -> None:
        """Reserve in both ledgers, or in none."""
        reserve = ReserveBudget(reservation=reservation)
        try:
            await self._ask(COMPANY, self._run.company_id, reserve)
            await self._ask(AGENT, self._run.agent_id, reserve)
        except BaseException:
            # Also after a deadline, when nobody knows whether it was reserved; and no call was made.
            await self._to_the_end(self._settle(reservation, Outcome()))
            raise

    async def _settle(self, reservation: Reservation, used: Outcome) -> None:
        message = SettleCost(
            reservation_id=reservation.id,
            model=used.model or reservation.model,
            usage=used.usage,
            cost_cents=used.cost_cents,
            estimated=used.cost_estimated,
        )
        await self._insist(AGENT, self._run.agent_id, message)
        await self._insist(COMPANY, self._run.company_id, message)

    def _reservation(self, most: Outcome) -> Reservation:
        return Reservation(
            id=self._system.ids.new_id(),
            agent_id=self._run.agent_id,
            run_id=self._run.id,
            task_id=self._run.task_id,
            cost_cents=most.cost_cents,
            usage=most.usage,
            model=most.model,
        )

    async def _ask(self, kind: Kind[Any], entity_id: str, message: Message[Any]) -> None:
        await self._system.ask(kind, entity_id, message, origin=self._origin)

    async def _insist(self, kind: Kind[Any], entity_id: str, message: Message[Any]) -> None:
        """Ask until there is an answer: the same message again changes nothing."""
        pause = 0.02
        while True:
            try:
                await self._ask(kind, entity_id, message)
            except Draining:
                # The process ends. What is reserved now counts as spent at the next start.
                return
            except Unavailable as error:
                _log.warning("not_booked_yet", address=f"{kind}/{entity_id}", error=error.message)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except DomainError as error:
                # Agent or company is gone, and its ledger with it.
                _log.info("not_booked", address=f"{kind}/{entity_id}", error=error.message)
                return
            else:
                return

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it end, even if the run is cancelled meanwhile."""
        task = self._system.keep(work)
        cancelled = False
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                cancelled = True
        task.result()
        if cancelled:
            raise asyncio.CancelledError


def sound(outcome: Outcome) -> Outcome | None:
    """What was used and paid, as the ledger takes it; None if that cannot be: negative, no number, absurdly large."""
    try:
        cents = checked_cents(outcome.cost_cents)
    except ValidationFailed:
        return None
    if not all(0 <= count <= MOST_TOKENS for count in astuple(outcome.usage)):
        return None
    return replace(outcome, cost_cents=cents)
