"""The `Agent`: its heartbeat timer, and which run it is in.

Its profile is in `agent_profile.py`, what it may spend in `agent_budget.py`, its conversation in `agent_chat.py`.

The work itself is no handler: it is a heartbeat (`work_cycle.py`), a task beside the mailbox that asks this actor for
the next task and reports each run's end. Wake-ups while one is under way are remembered and coalesced.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.agent_budget import AgentBudget
from opencognit.actors.agent_chat import AgentChat
from opencognit.actors.agent_memory import AgentMemory
from opencognit.actors.conversation_turn import ConversationTurn
from opencognit.actors.work_cycle import WorkCycle
from opencognit.domain.agent import (
    AddSkill,
    AgentStatus,
    CreateAgent,
    DeleteAgent,
    EndRun,
    HeartbeatDue,
    HeartbeatEnded,
    LockLost,
    NoteEffects,
    NoteWaiting,
    PauseAgent,
    Recover,
    RemoveSkill,
    ResumeAgent,
    TakeTask,
    UpdateAgent,
    Wake,
)
from opencognit.domain.agent import (
    Agent as State,
)
from opencognit.domain.budget import (
    PauseReason,
    ReportCostlyRun,
    ReserveBudget,
    ReviewBudget,
    RollMonth,
    SettleCost,
)
from opencognit.domain.chat import EndTurn, MarkRead, ResumeTalks, SendChat, TellBoard
from opencognit.domain.coding_session import KeepCodingSession
from opencognit.domain.company import CompanyStatus
from opencognit.domain.errors import DomainError, NotLockHolder, Unavailable
from opencognit.domain.events import RunFinished, RunStarted
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.memory import ChangeMemory, ForgetMemory, NoteRecall, Remember
from opencognit.domain.message import decode
from opencognit.domain.permission import SetPermissions, UseApproval
from opencognit.domain.records import MICRO, CodingSessionKept
from opencognit.domain.run import Effect, Run, RunSource, RunStatus, uncertain_words
from opencognit.domain.task import Checkout, GiveBack

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
    | ReserveBudget
    | SettleCost
    | ReviewBudget
    | RollMonth
    | ReportCostlyRun
    | KeepCodingSession
    | SendChat
    | TellBoard
    | MarkRead
    | ResumeTalks
    | EndTurn
    | Remember
    | ChangeMemory
    | ForgetMemory
    | NoteRecall
    | SetPermissions
    | UseApproval
    | NoteWaiting
    | NoteEffects
)

SHOWN = frozenset({RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.DEFERRED})
"""Ends of a run that the agent shows as its last error."""

CANDIDATES = 5
"""Tasks that a heartbeat tries to take before it gives up: others may be quicker with some."""


class Agent(AgentBudget, AgentChat, AgentMemory):
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
        await self._arm_next_attempt()
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
        if self.state is not None and message.not_before is not None:
            self.remind("provider", message.not_before, Wake(source=RunSource.AUTOMATION))
        woken = self._woken or (RunSource.AUTOMATION if message.share_used else None)
        self._woken = None
        if self.state is None:
            return
        if self.existing().current_task_id is not None or self.existing().status is AgentStatus.RUNNING:
            await self._end_orphans("The heartbeat ended before this run began")
        if woken is not None and self.system.runs.of_agent(self.id) is None:
            await self._begin(woken)

    async def take_task(self, message: TakeTask) -> Run | None:
        """Begin a run on the next task of the inbox, or on messages: whoever wrote them waits for the answer.

        The run is recorded before the lock is asked for, so that after a crash between the two the agent knows of it.
        """
        if not await self._may_work() or await self.is_held_back():
            return None
        if (turn := await self._begin_turn()) is not None:
            return turn
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
            if await self._lock(run, task_id):
                return run
        return None

    async def end_run(self, message: EndRun) -> State:
        """The run is over and its lock is free: the agent is idle again, unless it was paused or deleted."""
        agent, run = self.existing(), message.run
        parts: list[Any] = []
        if not message.handed_in:
            body = await self.system.store.queries.run(run.id)
            recorded = decode(body, Run) if body is not None else run
            # An end that is recorded stays: the task may have taken the result, and only its answer was lost.
            run, parts = (run, [run, RunFinished.of(run)]) if recorded.ended_at is None else (recorded, [])
        status = AgentStatus.IDLE if agent.status is AgentStatus.RUNNING else agent.status
        last_error = run.error if run.status in SHOWN else None
        if agent.paused_by is PauseReason.BUDGET:
            last_error = agent.last_error
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
        await self.settle_orphans()
        await self._end_orphans("The server stopped during this run")
        if self.existing().status is AgentStatus.TERMINATED:
            await self._unassign_all()
        else:
            await self._begin(RunSource.AUTOMATION)

    async def note_waiting(self, message: NoteWaiting) -> None:
        """Show that a run waits for its provider; when it goes on, it no longer does."""
        body = await self.system.store.queries.run(message.run_id)
        run = decode(body, Run) if body is not None else None
        if run is None or run.ended_at is not None:
            return
        parts: list[Any] = [replace(run, waiting_until=message.until)]
        if message.until is not None:
            text = f"{self.existing().name} waits for its provider until {message.until}"
            parts.append(self.entry(run.company_id, "provider.waiting", text, runId=run.id, until=message.until))
        await self.append(*parts)

    async def note_effects(self, message: NoteEffects) -> None:
        """Record what a run does outside; it waits for this before it does it."""
        body = await self.system.store.queries.run(message.run_id)
        run = decode(body, Run) if body is not None else None
        if run is None or run.ended_at is not None:
            raise NotLockHolder("The run is over")
        await self.append(replace(run, effects=message.effects, answering=message.answering))

    async def keep_coding_session(self, message: KeepCodingSession) -> None:
        """Remember in which session of its command line the agent works on a task."""
        kept = CodingSessionKept(
            agent_id=self.id,
            task_id=message.task_id,
            company_id=self.existing().company_id,
            session=message.session,
            used_at=self.now(),
        )
        await self.append(kept)

    # Below: what the handlers share

    async def _end_orphans(self, why: str) -> None:
        """End the runs that nobody works on: first their locks, then their records, then the agent's status."""
        for body in await self.system.store.queries.unfinished_runs(self.id):
            run = decode(body, Run)
            cost = Decimal(await self.system.store.queries.cost_of_run(run.id)) / MICRO
            run = replace(run, status=RunStatus.FAILED, error=why, cost_cents=cost, waiting_until=None)
            if run.task_id is not None:
                await self.system.ask(TASK_LOCK, run.task_id, GiveBack(run_id=run.id, uncertain=run.uncertain))
            elif run.uncertain is not None:
                await self._end_uncertain_turn(run, run.uncertain)
                continue
            ended = replace(run, ended_at=self.now())
            await self.append(ended, RunFinished.of(ended))
        agent = self.existing()
        if agent.current_task_id is not None or agent.status is AgentStatus.RUNNING:
            idle = AgentStatus.IDLE if agent.status is AgentStatus.RUNNING else agent.status
            await self._become(idle, current_task_id=None)

    async def _end_uncertain_turn(self, run: Run, doing: Effect) -> None:
        """Do not answer these messages again: what was done for them may have been done."""
        turn = ConversationTurn(self.system, run)
        await turn.take_up(run.answering)
        turn.fail(uncertain_words(doing), again=False)
        for kind, entity_id, message in turn.deliveries():
            if isinstance(message, EndTurn):
                await self.end_turn(message)
            else:
                self.system.tell(kind, entity_id, message, internal=True)

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
        has_task = await self.system.store.queries.ready_tasks(self.id, self.now(), 1)
        if not has_task and not await self._has_to_answer():
            return
        if self.system.runs.of_agent(self.id) is None:
            WorkCycle(self.system, self.existing(), source).begin()

    async def _lock(self, run: Run, task_id: str) -> bool:
        """Take the task's lock for the run; if it is refused, the run ends at once."""
        try:
            await self.system.ask(TASK_LOCK, task_id, Checkout(agent_id=self.id, run_id=run.id), origin=self.asked_by)
        except DomainError as error:
            ended = replace(run, status=RunStatus.DEFERRED, error=error.message, ended_at=self.now())
            await self._become(AgentStatus.IDLE, ended, RunFinished.of(ended), current_task_id=None)
            # After a deadline nobody knows whether the lock was given.
            self.system.tell(TASK_LOCK, task_id, GiveBack(run_id=run.id), internal=True)
            if isinstance(error, Unavailable):
                # Nobody else has the task, so nobody will wake us for it.
                self.remind("again", after(self.now(), error.retry_after or 1), Wake(source=RunSource.AUTOMATION))
            return False
        return True
