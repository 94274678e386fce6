"""The `Agent`: its profile, its status, its heartbeat timer, and which run it is in.

The work itself is no handler: it is a heartbeat (`work_cycle.py`), a task beside the mailbox that asks this actor for
the next task and reports each run's end. Wake-ups while one is under way are remembered and coalesced.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.work_cycle import WorkCycle
from opencognit.domain.agent import (
    AddSkill,
    AgentStatus,
    BookCost,
    CreateAgent,
    DeleteAgent,
    EndRun,
    HeartbeatDue,
    HeartbeatEnded,
    LockLost,
    PauseAgent,
    Recover,
    RemoveSkill,
    ResumeAgent,
    Skill,
    TakeTask,
    UpdateAgent,
    Wake,
    step,
)
from opencognit.domain.agent import (
    Agent as State,
)
from opencognit.domain.company import CompanyStatus
from opencognit.domain.errors import DependencyCycle, DomainError, Duplicate, NotFound, ValidationFailed
from opencognit.domain.events import AgentDeleted, AgentStatusChanged, CostBooked, RunFinished, RunStarted
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.message import Success, decode
from opencognit.domain.records import MICRO, AgentSecrets, Cost, ReportingLine, SessionsClosed
from opencognit.domain.run import Run, RunSource, RunStatus
from opencognit.domain.task import Checkout, GiveBack, Unassign
from opencognit.domain.wire_names import FIELDS

AgentMessage = (
    CreateAgent
    | UpdateAgent
    | DeleteAgent
    | PauseAgent
    | ResumeAgent
    | AddSkill
    | RemoveSkill
    | Wake
    | HeartbeatDue
    | HeartbeatEnded
    | Recover
    | TakeTask
    | EndRun
    | LockLost
    | BookCost
)

CANDIDATES = 5
"""Tasks that a heartbeat tries to take before it gives up: others may be quicker with some."""


class Agent(PersistentActor[State]):
    """One agent."""

    kind = AGENT
    protocol = AgentMessage

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._woken: RunSource | None = None

    @override
    async def activated(self) -> None:
        """Set the timer; what an earlier process left behind is mended right after."""
        if self.state is None:
            return
        self._arm()
        if self.system.runs.of_agent(self.id) is None:
            self.tell_self(Recover())

    @override
    def may_sleep(self) -> bool:
        """Not during a heartbeat."""
        return super().may_sleep() and self.system.runs.of_agent(self.id) is None

    @override
    async def quarantined(self, error: BaseException) -> None:
        """Show the board that the agent failed too often."""
        await self._load()
        if self.state is not None and self.state.status is not AgentStatus.TERMINATED:
            await self._become(AgentStatus.ERROR, last_error=f"Failed too often: {type(error).__name__}")

    # Profile

    async def create_agent(self, message: CreateAgent) -> State:
        """Hire this agent.

        Raises:
            ValidationFailed: it reports to someone who is not of this company, or its adapter cannot be used so.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        await self._check_superior(company_id, message.reports_to)
        self._check_adapter(message.adapter, message.adapter_config)
        masked, sealed = self.system.surroundings.secrets.split(message.adapter_config, before={}, sealed_before=None)
        fields = asdict(message) | {"adapter_config": masked}
        agent = State(id=self.id, company_id=company_id, **fields)
        agent = self._with_timer(agent)
        agent = await self.persist(
            agent,
            AgentSecrets(agent_id=self.id, company_id=company_id, sealed=sealed),
            ReportingLine(agent_id=self.id),
            self.entry(company_id, "agent.created", f"Hired {agent.name} as {agent.role}"),
        )
        self._arm()
        return agent

    async def update_agent(self, message: UpdateAgent) -> State:
        """Change what the message names.

        Raises:
            ValidationFailed: as for `create_agent`.
            DependencyCycle: it would report to itself, or to one that reports to it.
        """
        before = self._alive()
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        parts: list[Any] = []
        if "reports_to" in changes:
            await self._check_superior(before.company_id, changes["reports_to"])
            parts.append(ReportingLine(agent_id=self.id))
        if "adapter" in changes or "adapter_config" in changes:
            sealed = await self.system.store.queries.agent_secrets(self.id)
            secrets = self.system.surroundings.secrets
            config = changes.get("adapter_config", before.adapter_config)
            masked, sealed = secrets.split(config, before=before.adapter_config, sealed_before=sealed)
            self._check_adapter(changes.get("adapter", before.adapter), secrets.join(masked, sealed))
            changes["adapter_config"] = masked
            parts.append(AgentSecrets(agent_id=self.id, company_id=before.company_id, sealed=sealed))
        agent = replace(before, **changes)
        if {"heartbeat_on", "heartbeat_interval"} & changes.keys():
            agent = self._with_timer(agent)
        activity = self.entry(agent.company_id, "agent.updated", f"Changed {agent.name}")
        agent = await self.persist(agent, activity, *parts)
        self._arm()
        if agent.adapter is not None and before.adapter is None:
            self.tell_self(Wake(source=RunSource.ASSIGNMENT))
        return agent

    async def delete_agent(self, _message: DeleteAgent) -> Success:
        """Let the agent go: its run is cancelled, its locks are given back, its open tasks unassigned."""
        agent = self._alive()
        done = Success()
        self._woken = None
        await self._become(
            AgentStatus.TERMINATED,
            AgentDeleted(company_id=agent.company_id, id=agent.id, name=agent.name),
            self.entry(agent.company_id, "agent.deleted", f"{agent.name} has left"),
            AgentSecrets(agent_id=self.id, company_id=agent.company_id, sealed=None),
            SessionsClosed(subject_id=self.id),
            reply=done,
            heartbeat_on=False,
            next_heartbeat=None,
            current_task_id=None,
        )
        self.cancel_reminders()
        self.system.directory.close_sessions(session_id=None, subject_id=self.id)
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.cancel()
        await self._unassign_all()
        return done

    async def add_skill(self, message: AddSkill) -> Skill:
        """Teach the agent something."""
        agent = self._alive()
        skill = Skill(id=self.new_id(), **asdict(message))
        activity = self.entry(agent.company_id, "agent.skill_added", f"{agent.name} has learnt {skill.name}")
        await self.persist(replace(agent, skills=(*agent.skills, skill)), activity, reply=skill)
        return skill

    async def remove_skill(self, message: RemoveSkill) -> Success:
        """Let the agent forget a skill.

        Raises:
            NotFound: it has no such skill.
        """
        agent = self._alive()
        kept = tuple(skill for skill in agent.skills if skill.id != message.skill_id)
        if len(kept) == len(agent.skills):
            raise NotFound("Skill not found")
        activity = self.entry(agent.company_id, "agent.skill_removed", f"{agent.name} has forgotten a skill")
        await self.persist(replace(agent, skills=kept), activity, reply=Success())
        return Success()

    # Pausing

    async def pause_agent(self, _message: PauseAgent) -> State:
        """Start nothing new; the step under way may end, then its lock is given back."""
        agent = self._alive()
        if agent.status is AgentStatus.PAUSED:
            return agent
        activity = self.entry(agent.company_id, "agent.paused", f"{agent.name} was paused")
        agent = await self._become(AgentStatus.PAUSED, activity, next_heartbeat=None)
        self._arm()
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.stop()
        return agent

    async def resume_agent(self, _message: ResumeAgent) -> State:
        """Work again, also after an error."""
        agent = self._alive()
        if agent.status not in (AgentStatus.PAUSED, AgentStatus.ERROR):
            return agent
        activity = self.entry(agent.company_id, "agent.resumed", f"{agent.name} was resumed")
        timer = self._with_timer(agent).next_heartbeat
        agent = await self._become(AgentStatus.IDLE, activity, last_error=None, next_heartbeat=timer)
        self._arm()
        # A run that was under way when the agent was paused may still be ending; then the wake-up is remembered.
        self.tell_self(Wake(source=RunSource.MANUAL))
        return agent

    # Heartbeats

    async def wake(self, message: Wake) -> State:
        """Begin a heartbeat if there is something to do; during one, remember that another is wanted."""
        agent = self.existing()
        if agent.status is AgentStatus.TERMINATED:
            # A task was assigned while the agent was being deleted.
            await self._unassign_all()
            return agent
        if self.system.runs.of_agent(self.id) is not None:
            self._woken = message.source
        else:
            await self._begin(message.source)
        return self.existing()

    async def heartbeat_due(self, _message: HeartbeatDue) -> None:
        """The timer: note the time, set the next, and begin."""
        agent = self.existing()
        if not agent.heartbeat_on or agent.status in (AgentStatus.PAUSED, AgentStatus.TERMINATED):
            return
        now = self.now()
        await self.persist(replace(agent, last_heartbeat=now, next_heartbeat=after(now, agent.heartbeat_interval)))
        self._arm()
        if self.system.runs.of_agent(self.id) is None:
            await self._begin(RunSource.SCHEDULER)

    async def heartbeat_ended(self, message: HeartbeatEnded) -> None:
        """Begin another one if the agent was woken meanwhile."""
        woken = self._woken or (RunSource.AUTOMATION if message.share_used else None)
        self._woken = None
        if self.state is None:
            return
        if self.existing().current_task_id is not None:
            await self._end_orphans("The heartbeat ended before this run began")
        if woken is not None and self.system.runs.of_agent(self.id) is None:
            await self._begin(woken)

    async def take_task(self, message: TakeTask) -> Run | None:
        """Begin a run on the next task of the inbox, if there is one and the agent may work.

        The run is recorded before the lock is asked for, so that after a crash between the two the agent knows of it.
        """
        if not await self._may_work():
            return None
        for task_id in await self.system.store.queries.ready_tasks(self.id, self.now(), CANDIDATES):
            task = await self.system.state(TASK_LOCK, task_id)
            if task is None:
                continue
            agent = self.existing()
            run = Run(
                id=self.new_id(),
                company_id=agent.company_id,
                agent_id=self.id,
                task_id=task_id,
                source=message.source,
                status=RunStatus.RUNNING,
                attempt=task.attempts + 1,
                started_at=self.now(),
            )
            await self._become(
                AgentStatus.RUNNING,
                run,
                RunStarted.of(run),
                current_task_id=task_id,
                last_heartbeat=self.now(),
            )
            if await self._lock(run):
                return run
        return None

    async def end_run(self, message: EndRun) -> State:
        """The run is over and its lock is free: the agent is idle again, unless it was paused or deleted."""
        agent, run = self.existing(), message.run
        parts: list[Any] = [] if message.handed_in else [run, RunFinished.of(run)]
        status = AgentStatus.IDLE if agent.status is AgentStatus.RUNNING else agent.status
        last_error = run.error if run.status in (RunStatus.FAILED, RunStatus.TIMED_OUT) else None
        return await self._become(status, *parts, current_task_id=None, last_error=last_error)

    async def lock_lost(self, message: LockLost) -> None:
        """A lock was taken away; if our run held it, that run is worth nothing any more."""
        heartbeat = self.system.runs.of_agent(self.id)
        if heartbeat is not None and heartbeat.run_id == message.run_id:
            heartbeat.cancel_run()

    async def recover(self, _message: Recover) -> None:
        """Mend what an earlier process, or a crash of this actor, left behind; then go on."""
        if self.state is None or self.system.runs.of_agent(self.id) is not None:
            return
        await self._end_orphans("The server stopped during this run")
        if self.existing().status is AgentStatus.TERMINATED:
            await self._unassign_all()
        else:
            await self._begin(RunSource.AUTOMATION)

    async def book_cost(self, message: BookCost) -> State:
        """Book what a call has cost; the ledger counts whole micro-cents."""
        agent, now = self._this_month(self.existing()), self.now()
        spent = agent.spent_cents + message.cost_cents
        cost = Cost(
            id=self.new_id(),
            company_id=agent.company_id,
            agent_id=self.id,
            task_id=message.task_id,
            run_id=message.run_id,
            model=message.model,
            usage=message.usage,
            micro_cents=int(message.cost_cents * MICRO),
            estimated=message.estimated,
            created_at=now,
        )
        booked = CostBooked(
            company_id=agent.company_id,
            agent_id=self.id,
            task_id=message.task_id,
            model=message.model,
            input_tokens=message.usage.input_tokens
            + message.usage.cache_read_tokens
            + message.usage.cache_write_tokens,
            output_tokens=message.usage.output_tokens,
            cost_cents=message.cost_cents,
            spent_cents=spent,
        )
        return await self.persist(replace(agent, spent_cents=spent), cost, booked)

    # Below: what the handlers share

    @override
    async def persist(self, state: State, *parts: Any, reply: object = None) -> State:
        """Persist, with what was spent in an earlier month left to the ledger."""
        if self.state is not None and self.state.spent_cents == state.spent_cents:
            state = self._this_month(state)
        return await super().persist(state, *parts, reply=reply)

    def _this_month(self, agent: State) -> State:
        same_month = agent.updated_at[:7] == self.now()[:7]
        return agent if same_month else replace(agent, spent_cents=Decimal(0))

    async def _end_orphans(self, why: str) -> None:
        """End the runs that nobody works on: first their locks, then their records, then the agent's status."""
        for body in await self.system.store.queries.unfinished_runs(self.id):
            run = decode(body, Run)
            await self.system.ask(TASK_LOCK, run.task_id, GiveBack(run_id=run.id))
            ended = replace(run, status=RunStatus.FAILED, error=why, ended_at=self.now())
            await self.append(ended, RunFinished.of(ended))
        agent = self.existing()
        if agent.current_task_id is not None or agent.status is AgentStatus.RUNNING:
            idle = AgentStatus.IDLE if agent.status is AgentStatus.RUNNING else agent.status
            await self._become(idle, current_task_id=None)

    def _alive(self) -> State:
        agent = self.existing()
        if agent.status is AgentStatus.TERMINATED:
            raise NotFound("Agent not found")
        return agent

    async def _become(self, status: AgentStatus, *parts: Any, reply: object = None, **changes: Any) -> State:
        """Persist another status with the event that tells of it."""
        before = self.existing()
        step(before.status, status)
        agent = replace(before, status=status, **changes)
        if status is not before.status:
            changed = AgentStatusChanged(
                company_id=agent.company_id,
                agent_id=agent.id,
                name=agent.name,
                status=status,
                before=before.status,
                task_id=agent.current_task_id or before.current_task_id,
            )
            parts = (changed, *parts)
        return await self.persist(agent, *parts, reply=reply)

    async def _may_work(self) -> bool:
        agent = self.state
        if agent is None or agent.adapter is None or agent.status not in (AgentStatus.IDLE, AgentStatus.RUNNING):
            return False
        company = await self.system.state(COMPANY, agent.company_id)
        return company is not None and company.status is CompanyStatus.ACTIVE

    async def _begin(self, source: RunSource) -> None:
        """Begin a heartbeat, unless there is nothing to do: then it costs one look at the inbox."""
        if not await self._may_work():
            return
        if not await self.system.store.queries.ready_tasks(self.id, self.now(), 1):
            return
        if self.system.runs.of_agent(self.id) is None:
            WorkCycle(self.system, self.existing(), source).begin()

    async def _lock(self, run: Run) -> bool:
        """Take the task's lock for the run; if it is refused, the run ends at once."""
        try:
            await self.system.ask(
                TASK_LOCK, run.task_id, Checkout(agent_id=self.id, run_id=run.id), origin=self.asked_by
            )
        except DomainError as error:
            ended = replace(run, status=RunStatus.DEFERRED, error=error.message, ended_at=self.now())
            await self._become(AgentStatus.IDLE, ended, RunFinished.of(ended), current_task_id=None)
            # After a deadline nobody knows whether the lock was given.
            self.system.tell(TASK_LOCK, run.task_id, GiveBack(run_id=run.id), internal=True)
            return False
        return True

    async def _unassign_all(self) -> None:
        # The version that a client names is this agent's, not the tasks'.
        origin = replace(self.asked_by, answer=None, expected_version=None)
        for task_id in await self.system.store.queries.open_tasks_of(self.id):
            await self.system.ask(TASK_LOCK, task_id, Unassign(agent_id=self.id), origin=origin)

    async def _check_superior(self, company_id: str, superior_id: object) -> None:
        if not isinstance(superior_id, str):
            return
        if superior_id == self.id:
            raise DependencyCycle("An agent cannot report to itself")
        superior = await self.system.state(AGENT, superior_id)
        if superior is None or superior.company_id != company_id or superior.status is AgentStatus.TERMINATED:
            raise ValidationFailed.of(FIELDS["reports_to"], "is not an agent of this company")

    def _check_adapter(self, name: str | None, config: Mapping[str, Any]) -> None:
        if name is None:
            return
        provider = self.system.surroundings.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self.system.surroundings.providers))
            raise ValidationFailed.of(FIELDS["adapter"], f"is not one of {known}")
        provider.validate(config)

    def _with_timer(self, agent: State) -> State:
        due = after(self.now(), agent.heartbeat_interval) if agent.heartbeat_on else None
        return replace(agent, next_heartbeat=due)

    def _arm(self) -> None:
        agent = self.state
        due = agent.next_heartbeat if agent is not None and agent.heartbeat_on else None
        self.remind("heartbeat", due, HeartbeatDue())
