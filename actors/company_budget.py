"""A company's money: the ledger over all its agents, and the end of its month.

The company holds back first and settles last, so whatever an agent has reserved is reserved here too. What a crash
leaves between the two is found when the company is activated: the agent's booking says what a call did cost.
"""

from decimal import Decimal

from msgspec.structs import replace

from opencognit.actors.budget import (
    held_by,
    is_used_up,
    month_of,
    reserve,
    rolled,
    settle,
    warned,
    window,
    zone,
)
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.agent import Wake
from opencognit.domain.budget import (
    PauseReason,
    Period,
    ReserveBudget,
    RollMonth,
    SettleCost,
    SettleOrphans,
)
from opencognit.domain.company import Company, CompanyStatus
from opencognit.domain.errors import BudgetExhausted
from opencognit.domain.events import BudgetWarned
from opencognit.domain.instants import Instant
from opencognit.domain.kinds import AGENT, ROUTINE
from opencognit.domain.records import MICRO
from opencognit.domain.routine import RoutineDue
from opencognit.domain.run import RunSource


class CompanyBudget(PersistentActor[Company]):
    """What a company may spend."""

    async def reserve_budget(self, message: ReserveBudget) -> None:
        """Hold back what a call can cost.

        Raises:
            BudgetExhausted: it does not fit into the month's budget; the company is paused.
            BudgetHeld: it may fit when a call under way has ended.
        """
        company = self.this_month(self.existing())
        try:
            reserved = reserve(company, message.reservation, known=message.known)
        except BudgetExhausted as error:
            await self._pause_for_budget(company, error.message, used_up=True)
            raise
        if reserved is not company:
            await self.persist(replace(reserved, month_ends_at=self.month_end(reserved)))
            self.arm_month()

    async def settle_cost(self, message: SettleCost) -> None:
        """Book what a call did cost in place of its reservation."""
        if self.state is None or held_by(self.state, message.reservation_id) is None:
            return
        settled = settle(self.this_month(self.state), message.reservation_id, message.cost_cents)
        company, levels = warned(settled)
        used_up = is_used_up(company)
        await self.persist(company, *self._warnings(company, levels, paused=used_up))
        if used_up:
            await self._pause_for_budget(company, f"This month's budget of {company.budget_cents} cents is used up")

    async def settle_orphans(self, _message: SettleOrphans) -> None:
        """Settle what is reserved for runs that are dead, as their agents have booked it."""
        queries = self.system.store.queries
        for held in self.existing().reservations:
            if self.system.runs.is_alive(held.run_id):
                continue
            agent = await self.system.state(AGENT, held.agent_id)
            if agent is not None and held_by(agent, held.id) is not None:
                # It books the call first, and then tells us.
                self.system.wake(AGENT, held.agent_id)
                continue
            # Without a booking the call was never made: the agent's reservation comes before it.
            booked = await queries.cost_of_call(held.id)
            await self.settle_cost(SettleCost(reservation_id=held.id, cost_cents=Decimal(booked or 0) / MICRO))

    async def roll_month(self, _message: RollMonth) -> None:
        """The month is over: nothing is spent yet, and who was stopped by the budget goes on."""
        before = self.existing()
        company = self.this_month(before)
        if company.budget_month == before.budget_month:
            if before.month_ends_at is not None and before.month_ends_at <= self.now():
                # The clock or the time zone was put back.
                await self.persist(replace(before, month_ends_at=self.month_end(before)))
            self.arm_month()
            return
        resumes = company.paused_by is PauseReason.BUDGET
        if resumes:
            company = replace(company, status=CompanyStatus.ACTIVE, paused_by=None)
        ends = self.month_end(company) if company.reservations else None
        activity = [self.entry(self.id, "company.resumed", f"{company.name} may spend again")] if resumes else []
        company = await self.persist(replace(company, month_ends_at=ends), *activity)
        self.arm_month()
        # For show alone: each agent looks at the month itself before it spends.
        for agent_id in await self.system.store.queries.agent_ids(self.id):
            self.system.tell(AGENT, agent_id, RollMonth(), internal=True)
        if resumes:
            await self.follow_status(company)

    # Below: what the handlers share

    def this_month(self, company: Company) -> Company:
        """The company with what was spent in an earlier month left behind."""
        return rolled(company, month_of(self.now(), zone(company.time_zone)))

    def month_end(self, company: Company) -> Instant:
        """When the present month is over there."""
        return window(Period.MONTH, self.now(), zone(company.time_zone))[1]

    def arm_month(self) -> None:
        """Be reminded of the month's end."""
        self.remind("month", self.state.month_ends_at if self.state is not None else None, RollMonth())

    async def follow_status(self, company: Company) -> None:
        """Paused: steps under way may end, nothing new starts. Active again: everyone looks at the inbox."""
        for agent_id in await self.system.store.queries.agent_ids(self.id):
            if company.status is CompanyStatus.ACTIVE:
                self.system.tell(AGENT, agent_id, Wake(source=RunSource.AUTOMATION), internal=True)
            elif (heartbeat := self.system.runs.of_agent(agent_id)) is not None:
                heartbeat.stop()
        if company.status is CompanyStatus.ACTIVE:
            for routine_id in await self.system.store.queries.routines_with_due_time(self.id):
                self.system.tell(ROUTINE, routine_id, RoutineDue(), internal=True)

    async def budget_changed(self, company: Company) -> Company:
        """Warn of what the new budget makes of what was spent; stop if that is all of it."""
        company, levels = warned(company)
        used_up = is_used_up(company)
        if levels or company != self.state:
            company = await self.persist(company, *self._warnings(company, levels, paused=used_up))
        if used_up:
            await self._pause_for_budget(company, f"This month's budget of {company.budget_cents} cents is used up")
        return self.existing()

    async def _pause_for_budget(self, company: Company, why: str, *, used_up: bool = False) -> None:
        if company.status is not CompanyStatus.ACTIVE:
            return
        company, levels = warned(company, used_up=used_up)
        paused = replace(
            company,
            status=CompanyStatus.PAUSED,
            paused_by=PauseReason.BUDGET,
            month_ends_at=self.month_end(company),
        )
        activity = self.entry(self.id, "company.paused", f"{company.name} was paused. {why}")
        company = await self.persist(paused, activity, *self._warnings(paused, levels, paused=True))
        self.arm_month()
        await self.follow_status(company)

    def _warnings(self, company: Company, levels: tuple[int, ...], *, paused: bool) -> list[BudgetWarned]:
        return [
            BudgetWarned(
                company_id=self.id,
                agent_id=None,
                percent=level,
                spent_cents=company.spent_cents,
                budget_cents=company.budget_cents,
                paused=paused,
            )
            for level in levels
        ]
