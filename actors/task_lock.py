"""The `TaskLock`: one task with its execution lock, its dependencies and its attempts.

REST, the work loop and embedding programs all send the same messages here, so there is one way to a lock. Every change
is durable before it is visible; the lease is a due time in the snapshot, the timer only its reminder.
"""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.asyncio_actor import Later
from opencognit.actors.checkout_queue import CheckoutQueue
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.task_rules import Rules
from opencognit.domain.agent import LockLost, Wake
from opencognit.domain.approval import ApprovalStatus
from opencognit.domain.company import ResolveBlocker
from opencognit.domain.errors import (
    Duplicate,
    NotLockHolder,
    StaleToken,
    TaskLocked,
    ValidationFailed,
)
from opencognit.domain.events import (
    RunFinished,
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskStarted,
    TaskUpdated,
)
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.records import Blockers, Record
from opencognit.domain.run import RunSource
from opencognit.domain.task import (
    FINISHED,
    RELEASED_TO,
    AddComment,
    Checkout,
    Comment,
    CreateTask,
    DeleteTask,
    GiveBack,
    HandIn,
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
    | GiveBack
    | Unblock
    | Unassign
    | AddComment
    | TimerDue
)


class TaskLock(PersistentActor[Task]):
    """One task."""

    kind = TASK_LOCK
    protocol = TaskLockMessage

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._open: frozenset[str] = frozenset()
        self._queue: CheckoutQueue | None = None

    @override
    async def activated(self) -> None:
        """Know what is still waited for, and when something is due."""
        self._open = frozenset()
        if self.state is not None and self.state.blocked_by:
            self._open = frozenset(await self.system.store.queries.open_blockers(self.id))
        self._arm()

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

    # Creating and changing

    async def create_task(self, message: CreateTask) -> Task:
        """Create this task.

        Raises:
            ValidationFailed: it refers to something that is not in this company.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        rules = Rules(self.system, company_id, self.id)
        await rules.check_assignee(message.assignee_id)
        await rules.check_parent(message.parent_id)
        rules.check_goal(message.goal_id)
        open_ids = await rules.open_among(message.blocked_by)
        task = Task(
            id=self.id,
            company_id=company_id,
            title=message.title,
            description=message.description,
            status=TaskStatus.BLOCKED if open_ids else rules.first_status(message),
            priority=message.priority,
            assignee_id=message.assignee_id,
            created_by=self.asked_by.caller.id,
            parent_id=message.parent_id,
            project_id=message.project_id,
            blocked_by=tuple(dict.fromkeys(message.blocked_by)),
            due_at=rules.due(message.due_at),
        )
        parts: list[Record] = []
        if task.blocked_by:
            parts.append(self._blockers(task, open_ids))
        activity = self.entry(company_id, "task.created", f"Created the task “{task.title}”")
        task = await self.persist(task, TaskCreated.of(task), activity, *parts)
        self._open = open_ids
        await self._recheck_blockers()
        self._wake_assignee(RunSource.ASSIGNMENT)
        return task

    async def update_task(self, message: UpdateTask) -> Task:
        """Change what the message names.

        Raises:
            TaskLocked: status, assignee or blockers of a locked task; its lock must be released first.
            StaleToken: the message names an execution token that is not the newest.
            TaskBlocked: the status asked for is not possible while a blocker is open.
            InvalidStatus: it may not follow the present one.
            DependencyCycle: the blockers would close a circle.
        """
        before = self.existing()
        if message.lock_token is not UNSET and message.lock_token != before.lock_token:
            raise StaleToken(details={"executionToken": before.lock_token})
        rules = Rules(self.system, before.company_id, self.id)
        task = await rules.changed(before, message)
        open_ids = self._open
        if message.blocked_by is not UNSET:
            open_ids = await rules.open_among(message.blocked_by)
        task = rules.with_status(task, message, open_before=self._open, open_now=open_ids, now=self.now())
        if before.locked_by is not None and (
            task.status is not before.status or task.assignee_id != before.assignee_id or open_ids != self._open
        ):
            raise await self._locked()
        parts = [self._blockers(task, open_ids)] if message.blocked_by is not UNSET else []
        activity = self.entry(task.company_id, "task.updated", f"Changed the task “{task.title}”")
        task = await self._change(before, task, activity, *parts)
        self._open = open_ids
        await self._recheck_blockers()
        if task.assignee_id != before.assignee_id or task.status is not before.status:
            self._wake_assignee(RunSource.ASSIGNMENT)
        return task

    async def delete_task(self, _message: DeleteTask) -> Success:
        """Erase the task, cancel a run on it, and free those that waited for it."""
        task = self.existing()
        self._tell_lock_lost(task)
        done = Success()
        await self.erase(
            TaskDeleted(company_id=task.company_id, task_id=task.id, task_title=task.title),
            self.entry(task.company_id, "task.deleted", f"Deleted the task “{task.title}”"),
            Blockers(task_id=task.id, company_id=task.company_id, blocker_ids=(), open_ids=frozenset()),
            reply=done,
        )
        self.forget()
        self.system.tell(COMPANY, task.company_id, ResolveBlocker(task_id=task.id, outcome="deleted"), internal=True)
        return done

    async def add_comment(self, message: AddComment) -> Comment:
        """Say something; the agents that it mentions are woken, never its author."""
        task = self.existing()
        comment = self._comment(task, message.content)
        activity = self.entry(
            task.company_id, "task.commented", f"Commented on “{task.title}”", comment=message.content[:200]
        )
        await self.append(comment, activity, reply=comment)
        for agent_id in await Rules(self.system, task.company_id, self.id).mentioned(message.content):
            if agent_id != self.asked_by.caller.id:
                self.system.tell(AGENT, agent_id, Wake(source=RunSource.AUTOMATION), internal=True)
        return comment

    # The lock

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
        task = self.existing()
        rules = Rules(self.system, task.company_id, self.id)
        now = self.now()
        if task.lock_expires_at is not None and task.lock_expires_at <= now:
            self._tell_lock_lost(task)
            task = replace(task, status=TaskStatus.TODO).unlocked()
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
        return await self._change(task, freed, activity)

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

    async def give_back(self, message: GiveBack) -> None:
        """A run is dead: free the task if that run still holds it."""
        task = self.state
        if task is None or task.lock_run_id != message.run_id:
            return
        activity = self.entry(
            task.company_id, "task.released", f"The task “{task.title}” was given back: its run has ended"
        )
        await self._change(task, task.moved_to(TaskStatus.TODO, now=self.now()).unlocked(), activity)
        self._wake_assignee(RunSource.AUTOMATION)

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

    async def timer_due(self, _message: TimerDue) -> None:
        """A lease has run out, or it is time for the next attempt."""
        task, now = self.existing(), self.now()
        if task.lock_expires_at is not None and task.lock_expires_at <= now:
            activity = self.entry(
                task.company_id,
                "task.lock_expired",
                f"The lock on “{task.title}” has expired",
                runId=task.lock_run_id,
            )
            self._tell_lock_lost(task)
            await self._change(task, task.moved_to(TaskStatus.TODO, now=now).unlocked(), activity)
            self._wake_assignee(RunSource.AUTOMATION)
        elif task.next_attempt_at is not None and task.next_attempt_at <= now:
            await self.persist(replace(task, next_attempt_at=None))
            self._wake_assignee(RunSource.AUTOMATION)
        self._arm()

    # Dependencies

    async def unblock(self, message: Unblock) -> Task | None:
        """A blocker is out of the way; answers with the task if nothing else blocks it and it is free now."""
        task = self.state
        if task is None or message.blocker_id not in self._open:
            return None
        open_ids = self._open - {message.blocker_id}
        free = task
        if message.deleted:
            free = replace(task, blocked_by=tuple(id_ for id_ in task.blocked_by if id_ != message.blocker_id))
        if not open_ids and task.status is TaskStatus.BLOCKED:
            free = free.moved_to(TaskStatus.TODO, now=self.now())
        activity = self.entry(task.company_id, "task.blocker_resolved", f"“{task.title}” waits for one task less")
        free = await self._change(task, free, activity, self._blockers(free, open_ids))
        self._open = open_ids
        if free.status is task.status:
            return None
        self._wake_assignee(RunSource.AUTOMATION)
        return free

    # Below: what the handlers share

    async def _change(self, before: Task, task: Task, *parts: Any) -> Task:
        """Persist a change with the events that its new status calls for, and see to what follows from it."""
        events: list[Any] = [TaskUpdated.of(task)]
        finished = task.status in FINISHED and before.status not in FINISHED
        if task.status is TaskStatus.DONE and finished:
            agent_id = before.locked_by or task.assignee_id
            agent = self.system.peek(AGENT, agent_id) if agent_id else None
            events.append(
                TaskCompleted(
                    company_id=task.company_id,
                    task_id=task.id,
                    task_title=task.title,
                    agent_id=agent_id,
                    agent_name=agent.name if agent else None,
                    result=task.result,
                )
            )
        task = await self.persist(task, *events, *parts)
        self._arm()
        if finished:
            self.system.tell(
                COMPANY,
                task.company_id,
                ResolveBlocker(task_id=task.id, outcome=task.status),
                internal=True,
            )
        if self._is_awaited() and task.locked_by is None:
            self.tell_self(ServeQueue())
        return task

    def _attempted(self, task: Task) -> Task:
        """The task after a failed attempt: again later, or blocked after the last one."""
        delays = self.system.limits.retry_delays
        attempts = task.attempts + 1
        last = attempts >= len(delays)
        moved = task.moved_to(TaskStatus.BLOCKED if last else TaskStatus.TODO, now=self.now())
        next_attempt_at = None if last else after(self.now(), delays[attempts - 1])
        return replace(moved, attempts=attempts, next_attempt_at=next_attempt_at)

    async def _locked(self) -> TaskLocked:
        task = self.existing()
        run_alive = self.system.runs.is_alive(task.lock_run_id)
        ours = run_alive or await self.system.store.queries.run(task.lock_run_id or "") is not None
        return TaskLocked(
            f"The task is locked until {task.lock_expires_at}",
            details={
                "lockedBy": task.locked_by,
                "runId": task.lock_run_id,
                "lockedAt": task.locked_at,
                "expiresAt": task.lock_expires_at,
                # A run that a client made up is known to that client alone.
                "runAlive": run_alive if ours else None,
            },
        )

    def _is_awaited(self) -> bool:
        return self._queue is not None and self._queue.has_waiters()

    def _stand_in_line(self, message: Checkout) -> Later:
        if self._queue is None:
            self._queue = CheckoutQueue(self.system.clock, self._locked)
        return Later(self._queue.enter(message, self.in_hand(), wait=max(message.wait, 0.05)))

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

    def _blockers(self, task: Task, open_ids: frozenset[str]) -> Blockers:
        return Blockers(task_id=task.id, company_id=task.company_id, blocker_ids=task.blocked_by, open_ids=open_ids)

    async def _is_undecided(self, approval_ids: tuple[str, ...]) -> bool:
        """Whether the board still owes an answer. One that comes later finds the task as this handler leaves it."""
        approvals = [await self.system.state(APPROVAL, approval_id) for approval_id in approval_ids]
        return any(approval is not None and approval.status is ApprovalStatus.PENDING for approval in approvals)

    async def _recheck_blockers(self) -> None:
        """A blocker may have ended between the look at it and our commit; then it did not know of us."""
        for blocker_id in self._open:
            blocker = await self.system.state(TASK_LOCK, blocker_id)
            if blocker is None or blocker.status is TaskStatus.DONE:
                self.system.tell(
                    COMPANY,
                    self.existing().company_id,
                    ResolveBlocker(task_id=blocker_id, outcome="done" if blocker else "deleted"),
                    internal=True,
                )

    def _comment(self, task: Task, content: str) -> Comment:
        caller = self.asked_by.caller
        return Comment(
            id=self.new_id(),
            company_id=task.company_id,
            task_id=task.id,
            author_type=caller.kind,
            author_agent_id=caller.id if self.is_by_agent() else None,
            author_name=caller.name,
            content=content,
            created_at=self.now(),
        )

    def _wake_assignee(self, source: RunSource) -> None:
        task = self.state
        if (
            task is not None
            and task.assignee_id is not None
            and task.status is TaskStatus.TODO
            and task.next_attempt_at is None
        ):
            self.system.tell(AGENT, task.assignee_id, Wake(source=source), internal=True)

    def _tell_lock_lost(self, task: Task) -> None:
        """A run of ours that worked on it is worth nothing any more; one from outside learns it from its token."""
        if task.locked_by and task.lock_run_id and self.system.runs.of_agent(task.locked_by) is not None:
            self.system.tell(AGENT, task.locked_by, LockLost(run_id=task.lock_run_id), internal=True)

    def _arm(self) -> None:
        task = self.state
        due = [when for when in (task.lock_expires_at, task.next_attempt_at) if when] if task else []
        self.remind("due", min(due) if due else None, TimerDue())
