"""An agent's money: its ledger, the limits on what it uses, and what happens when they are reached.

Sums over days, weeks and hours come from the rows of the ledger, by an index: there is no second count of them that
could be wrong.
"""

from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from opencognit.actors.agent_profile import AgentProfile
from opencognit.actors.budget import (
    FIVE_HOURS,
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
from opencognit.domain.agent import Agent, AgentStatus, Wake
from opencognit.domain.budget import (
    LimitKind,
    PauseReason,
    Period,
    ReportCostlyRun,
    Reservation,
    ReserveBudget,
    ReviewBudget,
    RollMonth,
    SettleCost,
    SpendingLimit,
)
from opencognit.domain.days import day_of
from opencognit.domain.errors import BudgetExhausted, BudgetHeld
from opencognit.domain.events import BudgetWarned, CostBooked
from opencognit.domain.instants import Instant, after
from opencognit.domain.kinds import COMPANY
from opencognit.domain.records import MICRO, Cost
from opencognit.domain.run import RunSource, TokenUsage


class AgentBudget(AgentProfile):
    """What an agent may spend."""

    # Before and after a call

    async def reserve_budget(self, message: ReserveBudget) -> None:
        """Hold back what a call can cost.

        Raises:
            BudgetExhausted: it does not fit into the month's budget, or into another limit; the agent is paused.
            BudgetHeld: it may fit when a call under way has ended.
        """
        where = await self._zone()
        agent = rolled(self.existing(), month_of(self.now(), where))
        if held_by(agent, message.reservation.id) is not None:
            return
        try:
            reserved = reserve(agent, message.reservation, known=message.known)
        except BudgetExhausted as error:
            await self._pause_for(agent, error.message, window(Period.MONTH, self.now(), where)[1], used_up=True)
            raise
        if not message.known:
            await self._refuse_over_limits(agent, message.reservation, where)
        await self.persist(reserved)

    async def settle_cost(self, message: SettleCost) -> None:
        """Book what a call did cost in place of its reservation."""
        if (held := held_by(self.existing(), message.reservation_id)) is not None:
            await self._settle(held, message)

    async def settle_orphans(self) -> None:
        """Book what is reserved for runs that are dead: what their last call did cost, nobody knows."""
        for held in self.existing().reservations:
            if not self.system.runs.is_alive(held.run_id):
                worst = SettleCost(
                    reservation_id=held.id,
                    model=held.model,
                    usage=held.usage,
                    cost_cents=held.cost_cents,
                    estimated=True,
                )
                await self._settle(held, worst)
                # Not ask(): the company may be asking us. If this is lost, it finds our booking when it is activated.
                self.system.tell(COMPANY, self.existing().company_id, worst, internal=True)

    async def _settle(self, held: Reservation, message: SettleCost) -> None:
        where, now = await self._zone(), self.now()
        agent = settle(rolled(self.existing(), month_of(now, where)), held.id, message.cost_cents)
        if not message.cost_cents and message.usage == TokenUsage():
            await self.persist(agent)
            return
        agent, levels = warned(agent)
        cost = Cost(
            id=held.id,
            company_id=agent.company_id,
            agent_id=self.id,
            task_id=held.task_id,
            run_id=held.run_id,
            model=message.model,
            usage=message.usage,
            micro_cents=int(message.cost_cents * MICRO),
            estimated=message.estimated,
            day=day_of(now, where),
            created_at=now,
        )
        usage = message.usage
        booked = CostBooked(
            company_id=agent.company_id,
            agent_id=self.id,
            task_id=held.task_id,
            model=message.model,
            input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            cost_cents=message.cost_cents,
            estimated=message.estimated,
            spent_cents=agent.spent_cents,
        )
        used_up = is_used_up(agent)
        agent = await self.persist(agent, cost, booked, *self._warnings(agent, levels, paused=used_up))
        if used_up:
            await self._pause_for(agent, _used_up(agent), window(Period.MONTH, now, where)[1])

    # Working and resting

    async def is_held_back(self) -> bool:
        """Whether a limit is reached, so that no run may begin; the agent is paused then."""
        where = await self._zone()
        agent = rolled(self.existing(), month_of(self.now(), where))
        reached = await self._reached(agent, where)
        if reached is None:
            return False
        await self._pause_for(agent, *reached)
        return True

    async def review_budget(self, _message: ReviewBudget) -> None:
        """A limit was changed, or the time of the one that holds the agent is over."""
        if self.state is None or self.state.status is AgentStatus.TERMINATED:
            return
        where = await self._zone()
        agent = rolled(self.state, month_of(self.now(), where))
        reached = await self._reached(agent, where)
        is_held = agent.status is AgentStatus.PAUSED and agent.paused_by is PauseReason.BUDGET
        if reached is not None and not is_held:
            await self._pause_for(agent, *reached)
            return
        agent, levels = warned(agent)
        events = self._warnings(agent, levels, paused=reached is not None)
        if reached is not None:
            await self.persist(replace(agent, last_error=reached[0], resumes_at=reached[1]), *events)
        elif is_held and agent.resumes_at is not None and agent.resumes_at <= self.now():
            activity = self.entry(agent.company_id, "agent.resumed", f"{agent.name} may spend again")
            timer = self._with_timer(agent).next_heartbeat
            await self.persist(agent, *events)
            await self._become(
                AgentStatus.IDLE, activity, paused_by=None, resumes_at=None, last_error=None, next_heartbeat=timer
            )
            self.tell_self(Wake(source=RunSource.AUTOMATION))
        else:
            await self.persist(agent if is_held else replace(agent, resumes_at=None), *events)
        self._arm()

    async def roll_month(self, _message: RollMonth) -> None:
        """Show that nothing was spent yet in the new month."""
        if self.state is not None:
            agent = rolled(self.state, month_of(self.now(), await self._zone()))
            if agent is not self.state:
                await self.persist(agent)

    async def report_costly_run(self, message: ReportCostlyRun) -> None:
        """Tell the board of a run that costs many times what this agent's runs usually cost."""
        agent = self.existing()
        text = f"{agent.name} works on something that costs {message.cost_cents:.2f} cents so far"
        await self.append(
            self.entry(
                agent.company_id,
                "agent.run_costly",
                f"{text}; its runs usually cost {message.usual_cents:.2f}",
                runId=message.run_id,
                taskId=message.task_id,
            )
        )

    # Below: what the handlers share

    async def _zone(self) -> ZoneInfo:
        company = await self.system.state(COMPANY, self.existing().company_id)
        return zone(company.time_zone if company is not None else "UTC")

    async def _pause_for(self, agent: Agent, why: str, until: Instant, *, used_up: bool = False) -> None:
        """Stop for a limit, unless the agent is stopped already."""
        if agent.status not in (AgentStatus.IDLE, AgentStatus.RUNNING):
            return
        agent, levels = warned(agent, used_up=used_up)
        activity = self.entry(agent.company_id, "agent.paused", f"{agent.name} was paused. {why}")
        await self._become(
            AgentStatus.PAUSED,
            *self._warnings(agent, levels, paused=True),
            activity,
            budget_month=agent.budget_month,
            spent_cents=agent.spent_cents,
            warned_percent=agent.warned_percent,
            paused_by=PauseReason.BUDGET,
            last_error=why,
            resumes_at=until,
            next_heartbeat=None,
        )
        self._arm()
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.stop()

    def _warnings(self, agent: Agent, levels: tuple[int, ...], *, paused: bool) -> list[BudgetWarned]:
        return [
            BudgetWarned(
                company_id=agent.company_id,
                agent_id=self.id,
                percent=level,
                spent_cents=agent.spent_cents,
                budget_cents=agent.budget_cents,
                paused=paused,
            )
            for level in levels
        ]

    async def _reached(self, agent: Agent, where: ZoneInfo) -> tuple[str, Instant] | None:
        """Why the agent may not begin anything now, and until when."""
        if is_used_up(agent):
            return _used_up(agent), window(Period.MONTH, self.now(), where)[1]
        for limit in agent.limits:
            used, until = await self._used(limit, where)
            if used >= limit.most:
                return _reached(limit), until
        return None

    async def _refuse_over_limits(self, agent: Agent, wanted: Reservation, where: ZoneInfo) -> None:
        for limit in agent.limits:
            if limit.kind is LimitKind.RUNS:
                continue  # checked before each run
            used, until = await self._used(limit, where)
            together = used + _counted(limit, wanted)
            if together > limit.most:
                await self._pause_for(agent, _reached(limit), until)
                raise BudgetExhausted(_reached(limit))
            if together + sum(_counted(limit, held) for held in agent.reservations) > limit.most:
                raise BudgetHeld

    async def _used(self, limit: SpendingLimit, where: ZoneInfo) -> tuple[Decimal, Instant]:
        """What counts against a limit now, and when it will be less."""
        start, until = window(limit.period, self.now(), where)
        queries = self.system.store.queries
        # A booking at the very start of a calendar period belongs to it.
        since = start if limit.period is Period.FIVE_HOURS else after(start, -0.001)
        by_runs = limit.kind is LimitKind.RUNS
        used = await (queries.runs_since(self.id, since) if by_runs else queries.used_since(self.id, since))
        if limit.period is Period.FIVE_HOURS:
            until = after(used.oldest or self.now(), FIVE_HOURS)
        counts = {
            LimitKind.RUNS: Decimal(used.runs),
            LimitKind.TOKENS: Decimal(used.tokens),
            LimitKind.CENTS: used.micro_cents / MICRO,
        }
        return counts[limit.kind], until


def _counted(limit: SpendingLimit, reservation: Reservation) -> Decimal:
    if limit.kind is LimitKind.CENTS:
        return reservation.cost_cents
    usage = reservation.usage
    tokens = usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return Decimal(tokens)


def _used_up(agent: Agent) -> str:
    return f"This month's budget of {agent.budget_cents} cents is used up"


def _reached(limit: SpendingLimit) -> str:
    unit = "cents" if limit.kind is LimitKind.CENTS else limit.kind
    period = "five hours" if limit.period is Period.FIVE_HOURS else limit.period
    return f"The limit of {limit.most} {unit} in a {period} is reached".replace("a five", "five")
