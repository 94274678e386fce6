"""One heartbeat: take a task, have the adapter work on it, hand the result in, and again, until the inbox is empty.

A heartbeat is a task beside the mailboxes, not an actor: it may take hours. It asks the agent for the next task and the
task's actor to take the result, through the same messages as everyone. However a run ends, its lock is given back
first and the agent told second; both are tried until they succeed, for as long as the process lives. What a killed
process left behind, the agent mends when it is next activated.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec.structs import replace

from opencognit.actors.conversation_turn import ConversationTurn
from opencognit.actors.review import accepted_work
from opencognit.actors.run_effects import RunEffects
from opencognit.actors.run_end import end_of, failed
from opencognit.actors.run_tools import RunTools
from opencognit.actors.time_limit import TimeLimit
from opencognit.actors.work_order import work_order
from opencognit.domain.agent import Agent, EndRun, HeartbeatEnded, TakeTask
from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.errors import DomainError, Unavailable
from opencognit.domain.instants import Instant
from opencognit.domain.kinds import AGENT, TASK_LOCK, Kind
from opencognit.domain.message import Message
from opencognit.domain.origin import Origin
from opencognit.domain.run import Run, RunSource, RunStatus
from opencognit.domain.task import Checkout, GiveBack, HandIn
from opencognit.providers.port import Outcome, Provider, ProviderFailed, WorkOrder, may_repeat

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries to hand a result in."""

_log = structlog.get_logger("opencognit.work")


class WorkCycle:
    """A heartbeat of one agent.

    Attributes:
        agent_id, company_id: whose it is.
        run_id: the run under way; None between two.
        source: what woke the agent.
        stopping: the agent was paused: no further step, no further task.
    """

    def __init__(self, system: "ActorSystem", agent: Agent, source: RunSource) -> None:
        self.agent_id = agent.id
        self.company_id = agent.company_id
        self.run_id: str | None = None
        self.source = source
        self.stopping = False
        self._system = system
        self._task: asyncio.Task[None] | None = None
        self._work: asyncio.Task[Outcome] | None = None
        self._effects: RunEffects | None = None
        self._cut = False
        self._in_line = True
        self.origin = Origin(
            caller=Caller(kind=CallerKind.AGENT, id=agent.id, name=agent.name, company_id=agent.company_id),
            company_id=agent.company_id,
        )

    def begin(self) -> None:
        """Start working, as soon as a place is free."""
        self._system.runs.add(self)
        self._task = self._system.keep(self._beat())

    def is_uncertain(self) -> bool:
        """Whether it is about something that may not be done twice; cut off now, a person would have to judge."""
        return self._effects is not None and self._effects.uncertain is not None

    def stop(self) -> None:
        """Let the present step end, start nothing new."""
        self.stopping = True

    def cancel(self) -> None:
        """End now; the lock is given back."""
        self.stopping = True
        self.cancel_run()
        if self._in_line and self._task is not None:
            self._task.cancel()

    def cancel_run(self) -> None:
        """End the present run, also one that has only just been taken."""
        self._cut = True
        if self._work is not None:
            self._work.cancel()

    async def ended(self) -> None:
        """Wait until the heartbeat is over."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _beat(self) -> None:
        ended = HeartbeatEnded()
        try:
            for _ in range(self._system.limits.tasks_per_heartbeat):
                # The place is given up after each task, so that one long inbox does not keep others waiting.
                self._in_line = True
                async with self._system.slots.place(self.company_id):
                    self._in_line = False
                    run = None if self.stopping else await self._take()
                    if run is None:
                        return
                    not_before = await asyncio.shield(
                        self._system.keep(self._run(run) if run.task_id else self._talk(run))
                    )
                if not_before is not None:
                    # The next task would wait for the same provider.
                    ended = HeartbeatEnded(not_before=not_before)
                    return
            ended = HeartbeatEnded(share_used=True)
        finally:
            self._system.runs.remove(self)
            self._system.tell(AGENT, self.agent_id, ended, internal=True)

    async def _take(self) -> Run | None:
        try:
            return await self._system.ask(AGENT, self.agent_id, TakeTask(source=self.source), origin=self.origin)
        except DomainError as error:
            _log.warning("no_task_taken", agent=self.agent_id, error=error.message)
            return None

    async def _run(self, run: Run) -> Instant | None:
        """Work on one task and hand it in. Never cancelled itself: only the adapter's work is.

        Returns:
            When the provider may be back, if it is away.
        """
        self.run_id = run.id
        renewal: asyncio.Task[None] | None = None
        tools = RunTools(self._system, self, run)
        self._effects = tools.effects
        try:
            task = await self._system.state(TASK_LOCK, run.locked_task_id)
            token = task.lock_token if task is not None and task.lock_run_id == run.id else -1
            self._work = self._system.keep(self._provide(run, tools))
            renewal = self._system.keep(self._renew(run))
            if self._cut:
                self._work.cancel()
            await asyncio.wait([self._work])
            message = end_of(run, self._work, tools, lock_token=token)
        except DomainError as error:
            message = failed(run, -1, error.message, RunStatus.FAILED)
        finally:
            if renewal is not None:
                renewal.cancel()
            tools.end()
            self._work = None
        ended = replace(message.run, ended_at=self._system.clock.now())
        await self._hand_in(replace(message, run=ended))
        self.run_id = self._effects = None
        self._cut = False
        return message.not_before

    async def _provide(self, run: Run, tools: RunTools) -> Outcome:
        order, provider = await work_order(self._system, run)
        return await self._provided(order, provider, tools)

    async def _provided(self, order: WorkOrder, provider: Provider, tools: RunTools) -> Outcome:
        try:
            async with TimeLimit(self._system.clock, order.time_limit) as tools.turns.limit:
                if not may_repeat(provider, order):
                    await tools.effects.begin(f"“{order.title}”, by the adapter {provider.name}")
                return await accepted_work(self._system, order, provider, tools)
        except ProviderFailed as error:
            await tools.book(error.partial)
            raise
        except SystemExit as error:
            # It would end the event loop, and with it everyone's work.
            raise RuntimeError("The adapter wanted to end the process") from error

    async def _talk(self, run: Run) -> None:
        """Answer messages: a run without a task, so without a lock."""
        self.run_id = run.id
        tools = RunTools(self._system, self, run)
        self._effects = tools.effects
        turn = ConversationTurn(self._system, run)
        try:
            if await turn.begin() and not self._cut:
                order, provider = await turn.order()
                tools.in_meeting = turn.meeting_id is not None
                tools.effects.answering = turn.message_ids
                self._work = self._system.keep(self._provided(order, provider, tools))
                if self._cut:
                    self._work.cancel()
                await asyncio.wait([self._work])
                turn.take(self._work, tools, was_cut=self._cut)
        except DomainError as error:
            turn.fail(error.message, again=isinstance(error, Unavailable))
        finally:
            tools.end()
            self._work = None
        for kind, entity_id, message in turn.deliveries():
            await self._insist(kind, entity_id, message)
        self.run_id = self._effects = None
        self._cut = False

    async def _renew(self, run: Run) -> None:
        """Keep the lease from running out while the adapter works."""
        lease = self._system.limits.lease
        renew = Checkout(agent_id=self.agent_id, run_id=run.id, lease=lease)
        while True:
            await self._system.sleep(lease / 3)
            try:
                await self._system.ask(TASK_LOCK, run.locked_task_id, renew, origin=self.origin)
            except Unavailable as error:
                _log.warning("lease_not_renewed", run=run.id, error=error.message)
            except DomainError as error:
                # The lock is someone else's; whoever took it has told the agent, which cuts this run.
                _log.info("lease_ended", run=run.id, error=error.message)
                return

    async def _hand_in(self, message: HandIn) -> None:
        """Give the lock back with the result, then tell the agent; try until both are done."""
        handed_in = await self._insist(TASK_LOCK, message.run.locked_task_id, message)
        run = message.run
        if not handed_in:
            # The lock went to someone else, or the task is gone: what was done does not count.
            if run.status is RunStatus.SUCCEEDED:
                run = replace(
                    run, status=RunStatus.CANCELLED, error="The lock was lost before the result was handed in"
                )
            await self._insist(TASK_LOCK, run.locked_task_id, GiveBack(run_id=run.id))
        await self._insist(AGENT, self.agent_id, EndRun(run=run, handed_in=handed_in))

    async def _insist(self, kind: Kind[Any], entity_id: str, message: Message[Any]) -> bool:
        """Ask until there is an answer; whether it was a yes."""
        pause = 0.02
        while True:
            try:
                await self._system.ask(kind, entity_id, message, origin=self.origin)
            except Unavailable as error:
                _log.warning("not_handed_in_yet", address=f"{kind}/{entity_id}", error=error.message)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except DomainError as error:
                _log.info("not_taken", address=f"{kind}/{entity_id}", error=error.message)
                return False
            else:
                return True
