"""The `TaskLock`: one task with its execution lock, its dependencies and its attempts.

REST, the work loop and embedding programs all send the same messages here, so there is one way to a lock. Every change
is durable before it is visible; the lease is a due time in the snapshot, the timer only its reminder.
"""

from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.asyncio_actor import Later
from opencognit.actors.checkout_queue import CheckoutQueue
from opencognit.actors.escalation import TaskEscalation
from opencognit.actors.task_rules import Rules
from opencognit.domain.approval import ApprovalStatus
from opencognit.domain.errors import (
    NotLockHolder,
    StaleToken,
    ValidationFailed,
)
from opencognit.domain.events import (
    Activity,
    RunFinished,
    TaskStarted,
)
from opencognit.domain.goal import ForgetGoal
from opencognit.domain.instants import after
from opencognit.domain.kinds import APPROVAL, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.records import Record
from opencognit.domain.run import Effect, Run, RunSource, uncertain_words
from opencognit.domain.task import (
    FINISHED,
    RELEASED_TO,
    AddComment,
    Checkout,
    CreateEscalation,
    CreateTask,
    DeleteTask,
    EscalationReason,
    FollowEscalation,
    GiveBack,
    HandIn,
    NoteReview,
    Release,
    ServeQueue,
    Task,
    TaskStatus,
    TimerDue,
    Unassign,
    Unblock,
    UpdateTask,
)

TaskLockMessage = (
    CreateTask
    | UpdateTask
    | DeleteTask
    | Checkout
    | ServeQueue
    | Release
    | HandIn
    | NoteReview
    | CreateEscalation
    | FollowEscalation
    | GiveBack
    | Unblock
    | Unassign
    | AddComment
    | TimerDue
    | ForgetGoal
)


TOLD = 2000
"""Characters of a critic's reasons in the activity feed; the comment has them all."""


class TaskLock(TaskEscalation):
    """One task."""

    kind = TASK_LOCK
    protocol = TaskLockMessage

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._queue: CheckoutQueue | None = None

    @override
    def forget(self) -> None:
        """Those who wait for the lock are told to ask again."""
        if self._queue is not None:
            self._queue.give_up()
            self._queue = None

    @override
    def may_sleep(self) -> bool:
        """Not while someone waits for the lock."""
        return super().may_sleep() and not self._is_awaited()

    @override
    def is_over(self) -> bool:
        """When the task is done or cancelled, it is asked for only now and then."""
        return self.state is not None and self.state.status in FINISHED

    @override
    def freed(self) -> None:
        """Whoever has waited longest is next."""
        if self._is_awaited():
            self.tell_self(ServeQueue())

    # Taking the lock and giving it back

    async def checkout(self, message: Checkout) -> Task | Later:
        """Give this task to one agent for the length of a lease.

        The holder asking again (same agent, same run) renews the lease and keeps its token. With `wait`, an asker
        stands in line for that long, first come first served.

        Raises:
            NotFound: the agent is not of this company.
            AgentPaused: the agent is paused or in error.
            TaskLocked: another agent, or another run of the same agent, holds it.
            TaskBlocked: a task that it waits for is not done.
            InvalidStatus: the task is in review, done or cancelled.
            AssignedElsewhere: it is assigned to another agent.
        """
        await self._expire()
        task, now = self.existing(), self.now()
        rules = Rules(self.system, task.company_id, self.id)
        run_id = message.run_id or self.new_id()
        renewal = task.locked_by == message.agent_id and task.lock_run_id == run_id
        agent = await rules.working_agent(message.agent_id, is_holder=renewal)
        if not renewal and (task.locked_by is not None or self._is_awaited()):
            if not message.wait and task.locked_by is not None:
                raise await self._locked()
            return self._stand_in_line(message)
        rules.refuse_untakable(task, message.agent_id, self._open)
        granted = task.granted_to(
            message.agent_id, run_id=run_id, lease=message.lease or self.system.limits.lease, now=now
        )
        if renewal:
            granted = await self.persist(granted)
        else:
            started = TaskStarted(
                company_id=task.company_id,
                task_id=task.id,
                task_title=task.title,
                agent_id=agent.id,
                agent_name=agent.name,
                run_id=run_id,
            )
            activity = self.entry(
                task.company_id,
                "task.checked_out",
                f"{agent.name} took the task “{task.title}”",
                runId=run_id,
            )
            granted = await self.persist(granted, started, activity)
        self._arm()
        return granted

    async def release(self, message: Release) -> Task:
        """Give the lock back, or take it away (a board's release that names no agent).

        Raises:
            NotLockHolder: the message names an agent or a run that does not hold it.
            StaleToken: it names a token that is not the newest.
        """
        task = self.existing()
        status = message.status or TaskStatus.TODO
        if status not in RELEASED_TO:
            raise ValidationFailed.of("status", f"must be one of {', '.join(sorted(RELEASED_TO))}")
        if message.lock_token is not None and message.lock_token != task.lock_token:
            raise StaleToken(details={"executionToken": task.lock_token})
        if task.locked_by is None:
            return task
        forced = message.agent_id is None
        if not forced and message.agent_id != task.locked_by:
            raise NotLockHolder(details={"lockedBy": task.locked_by})
        if message.run_id is not None and message.run_id != task.lock_run_id:
            raise NotLockHolder(details={"lockedBy": task.locked_by, "runId": task.lock_run_id})
        freed = task.moved_to(status, now=self.now()).unlocked()
        if message.result is not None:
            freed = replace(freed, result=message.result)
        verb, text = ("task.force_released", "was taken back") if forced else ("task.released", "was given back")
        activity = self.entry(task.company_id, verb, f"The task “{task.title}” {text} as {status}")
        self._tell_lock_lost(task)
        freed = await self._change(task, freed, activity)
        if forced:
            # A holder that puts it down knows why; the board wants it to be worked on.
            self._wake_assignee(RunSource.AUTOMATION)
        return freed

    async def serve_queue(self, _message: ServeQueue) -> None:
        """The lock is free: give it to whoever has waited longest."""
        queue, self._queue = self._queue, None
        while queue is not None and self.state is not None and self.state.locked_by is None:
            waiter = queue.next()
            if waiter is None:
                break
            self.origin = waiter.envelope.origin
            await waiter.serve(self.checkout(replace(waiter.message, wait=0)))
        self._queue = queue

    # Runs of ours, agents that are gone, and time

    async def hand_in(self, message: HandIn) -> Task:
        """End a run of ours: the result, the comment, the lock and the run's record in one commit.

        Raises:
            NotLockHolder: the run no longer holds the lock.
            StaleToken: the lock was given out again since.
        """
        task = self.existing()
        if task.lock_token != message.lock_token:
            raise StaleToken
        if task.lock_run_id != message.run.id:
            raise NotLockHolder
        status = message.status
        if status is TaskStatus.BLOCKED and message.asked and not await self._is_undecided(message.asked):
            status = TaskStatus.TODO
        freed = self._attempted(task) if message.failed else task.moved_to(status, now=self.now())
        if message.not_before is not None:
            freed = replace(freed, next_attempt_at=message.not_before)
        reason = message.board
        if message.failed and freed.status is TaskStatus.BLOCKED:
            reason = EscalationReason.ATTEMPTS
        if reason is not None:
            run = message.run
            error = (uncertain_words(run.uncertain) if run.uncertain else run.error) or ""
            freed = await self.escalated(freed, reason, error, by=run.agent_id)
            self.tell_self(FollowEscalation())
        if message.result is not None:
            freed = replace(freed, result=message.result)
        verb = "task.attempt_failed" if message.failed else "task.handed_in"
        activity = self.entry(
            task.company_id,
            verb,
            f"The task “{task.title}” was handed in as {freed.status}",
            runId=message.run.id,
        )
        parts: list[Record] = [message.run]
        if message.comment:
            parts.append(self._comment(task, message.comment))
        return await self._change(task, freed.unlocked(), activity, RunFinished.of(message.run), *parts)

    async def note_review(self, message: NoteReview) -> str:
        """Tell of a critic's verdict; a rejection is a comment, too.

        Raises:
            NotLockHolder: the run no longer holds the lock.
        """
        task = self.existing()
        if task.lock_run_id != message.run_id:
            raise NotLockHolder
        text = f"The critic has rejected the result: {message.reasons}"
        verb, parts = "critic.rejected", [self._comment(task, text)]
        if message.accepted:
            text, verb, parts = f"The critic has accepted the result of “{task.title}”", "critic.accepted", []
        entry = self.entry(task.company_id, verb, text[:TOLD], runId=message.run_id, reasons=message.reasons[:TOLD])
        await self.append(entry, *parts)
        return text

    async def give_back(self, message: GiveBack) -> None:
        """A run is dead: free the task if that run still holds it."""
        task = self.state
        if task is None or task.lock_run_id != message.run_id:
            return
        activity = self.entry(
            task.company_id, "task.released", f"The task “{task.title}” was given back: its run has ended"
        )
        await self._put_back(task, message.uncertain, activity)

    async def unassign(self, message: Unassign) -> None:
        """An agent is gone: take its lock and its assignment away."""
        task = self.state
        if task is None or task.assignee_id != message.agent_id or task.status in FINISHED:
            return
        freed = replace(task, assignee_id=None, next_attempt_at=None).unlocked()
        if task.locked_by is not None:
            freed = freed.moved_to(TaskStatus.TODO, now=self.now())
        activity = self.entry(task.company_id, "task.unassigned", f"The task “{task.title}” has no assignee any more")
        await self._change(task, freed, activity)
        self._tell_escalated(task)

    async def timer_due(self, _message: TimerDue) -> None:
        """A lease has run out, or it is time for the next attempt."""
        await self._expire()
        task, now = self.existing(), self.now()
        over = {name: None for name in ("next_attempt_at", "not_before") if (at := getattr(task, name)) and at <= now}
        if over:
            await self.persist(replace(task, **over))
            self._wake_assignee(RunSource.AUTOMATION)
        self._arm()

    # Below: what the handlers share

    async def _expire(self) -> None:
        """Free the task if its lease has run out."""
        task = self.existing()
        if task.lock_expires_at is None or task.lock_expires_at > self.now():
            return
        body = await self.system.store.queries.run(task.lock_run_id or "")
        uncertain = decode(body, Run).uncertain if body is not None else None
        activity = self.entry(
            task.company_id, "task.lock_expired", f"The lock on “{task.title}” has expired", runId=task.lock_run_id
        )
        self._tell_lock_lost(task)
        await self._put_back(task, uncertain, activity)

    async def _put_back(self, task: Task, uncertain: Effect | None, activity: Activity) -> None:
        """Free a task whose run is dead: for another try or, where nobody knows what the run has done, a person."""
        status = TaskStatus.TODO if uncertain is None else TaskStatus.BLOCKED
        freed = task.moved_to(status, now=self.now()).unlocked()
        if uncertain is not None:
            words = uncertain_words(uncertain)
            freed = await self.escalated(freed, EscalationReason.INTERRUPTED, words, by=task.locked_by or "")
            self.tell_self(FollowEscalation())
        await self._change(task, freed, activity)
        self._wake_assignee(RunSource.AUTOMATION)

    def _attempted(self, task: Task) -> Task:
        """The task after a failed attempt: again later, or blocked after the last one."""
        delays = self.system.limits.retry_delays
        attempts = task.attempts + 1
        last = attempts >= len(delays)
        moved = task.moved_to(TaskStatus.BLOCKED if last else TaskStatus.TODO, now=self.now())
        next_attempt_at = None if last else after(self.now(), delays[attempts - 1])
        return replace(moved, attempts=attempts, next_attempt_at=next_attempt_at)

    def _is_awaited(self) -> bool:
        return self._queue is not None and self._queue.has_waiters()

    def _stand_in_line(self, message: Checkout) -> Later:
        if self._queue is None:
            self._queue = CheckoutQueue(self.system.clock, self._locked)
        return Later(self._queue.enter(message, self.in_hand(), wait=max(message.wait, 0.05)))

    async def _is_undecided(self, approval_ids: tuple[str, ...]) -> bool:
        """Whether the board still owes an answer. One that comes later finds the task as this handler leaves it."""
        approvals = [await self.system.state(APPROVAL, approval_id) for approval_id in approval_ids]
        return any(approval is not None and approval.status is ApprovalStatus.PENDING for approval in approvals)
