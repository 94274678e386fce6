"""What the board does with a task: create, change, delete, talk about it, let it wait. Its lock: `task_lock.py`."""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.review import check_critic
from opencognit.actors.task_rules import Rules
from opencognit.domain.agent import LockLost, Wake
from opencognit.domain.chat import ResumeTalks
from opencognit.domain.company import ResolveBlocker
from opencognit.domain.critic import Critic
from opencognit.domain.errors import (
    Duplicate,
    Forbidden,
    StaleToken,
    TaskLocked,
)
from opencognit.domain.events import (
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskUpdated,
)
from opencognit.domain.goal import FollowTasks, ForgetGoal
from opencognit.domain.kinds import AGENT, COMPANY, GOAL, ROUTINE, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.records import Blockers, GoalOfTask, Parent, Record, TalksForgotten
from opencognit.domain.routine import FollowExecution
from opencognit.domain.run import RunSource
from opencognit.domain.task import (
    FINISHED,
    NOT_TAKEN,
    AddComment,
    Comment,
    CreateEscalation,
    CreateTask,
    DeleteTask,
    FollowEscalation,
    Task,
    TaskStatus,
    TimerDue,
    Unblock,
    UpdateTask,
)


class TaskDetails(PersistentActor[Task]):
    """What the board does with a task, and what follows for those that wait for it."""

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._open: frozenset[str] = frozenset()

    @override
    async def activated(self) -> None:
        """Know what is still waited for, and when something is due."""
        self._open = frozenset()
        if self.state is not None and self.state.blocked_by:
            self._open = frozenset(await self.system.store.queries.open_blockers(self.id))
        self._arm()

    def freed(self) -> None:
        """The task was changed and has no lock."""

    # Creating and changing

    async def create_task(self, message: CreateTask) -> Task:
        """Create this task.

        Raises:
            ValidationFailed: it refers to something that is not in this company.
            Forbidden: an agent chooses its critic.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        rules = Rules(self.system, company_id, self.id)
        await rules.check_assignee(message.assignee_id)
        await rules.check_parent(message.parent_id)
        self._check_critic(message.critic)
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
            goal_id=message.goal_id,
            blocked_by=tuple(dict.fromkeys(message.blocked_by)),
            due_at=rules.moment(message.due_at, "due_at"),
            not_before=rules.moment(message.not_before, "not_before"),
            critic=message.critic,
            escalates=message.escalates if isinstance(message, CreateEscalation) else None,
        )
        parts: list[Record] = []
        if task.blocked_by:
            parts.append(self._blockers(task, open_ids))
        if task.goal_id is not None:
            parts.append(GoalOfTask(goal_id=task.goal_id, company_id=company_id))
        activity = self.entry(company_id, "task.created", f"Created the task “{task.title}”")
        task = await self.persist(task, TaskCreated.of(task), activity, *parts)
        self._open = open_ids
        self._arm()
        await self._recheck_blockers()
        self._tell_goals(task)
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
        self._check_critic(message.critic)
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
        parts: list[Record] = [self._blockers(task, open_ids)] if message.blocked_by is not UNSET else []
        if task.parent_id is not None and task.parent_id != before.parent_id:
            parts.append(Parent(task_id=self.id))
        if task.goal_id is not None and task.goal_id != before.goal_id:
            parts.append(GoalOfTask(goal_id=task.goal_id, company_id=task.company_id))
        activity = self.entry(task.company_id, "task.updated", f"Changed the task “{task.title}”")
        task = await self._change(before, task, activity, *parts)
        self._open = open_ids
        await self._recheck_blockers()
        if (task.assignee_id, task.status, task.not_before) != (before.assignee_id, before.status, before.not_before):
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
        self._tell_goals(task)
        self._tell_escalated(task)
        self._tell_routine(task)
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

    # Dependencies

    async def unblock(self, message: Unblock) -> Task | None:
        """A blocker is out of the way; answers with the task if nothing else blocks it and it is free now."""
        task = self.state
        if task is None or message.blocker_id not in (task.blocked_by if message.deleted else self._open):
            return None
        open_ids = self._open - {message.blocker_id}
        free = task
        if message.deleted:
            free = replace(task, blocked_by=tuple(id_ for id_ in task.blocked_by if id_ != message.blocker_id))
        if self._open and not open_ids and task.status is TaskStatus.BLOCKED:
            free = free.moved_to(TaskStatus.TODO, now=self.now())
        activity = self.entry(task.company_id, "task.blocker_resolved", f"“{task.title}” waits for one task less")
        free = await self._change(task, free, activity, self._blockers(free, open_ids))
        self._open = open_ids
        if free.status is task.status:
            return None
        self._wake_assignee(RunSource.AUTOMATION)
        return free

    async def forget_goal(self, message: ForgetGoal) -> None:
        """The goal that it names is gone."""
        task = self.state
        if task is not None and task.goal_id == message.goal_id:
            await self._change(task, replace(task, goal_id=None))

    # Below: what the handlers share

    def _tell_goals(self, *tasks: Task) -> None:
        """Let the goals count that these states of the task name."""
        for goal_id in {task.goal_id for task in tasks if task.goal_id is not None}:
            self.system.tell(GOAL, goal_id, FollowTasks(), internal=True)

    async def _change(self, before: Task, task: Task, *parts: Any) -> Task:
        """Persist a change with the events that its new status calls for, and see to what follows from it."""
        events: list[Any] = [TaskUpdated.of(task)]
        finished = task.status in FINISHED and before.status not in FINISHED
        if task.status is TaskStatus.DONE and finished:
            agent_id = before.locked_by or task.assignee_id
            agent = await self.system.state(AGENT, agent_id) if agent_id else None
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
        moved = task.status in NOT_TAKEN - {before.status} or task.result != before.result
        if moved and task.assignee_id is not None:
            events.append(TalksForgotten(agent_id=task.assignee_id))
        task = await self.persist(task, *events, *parts)
        self._arm()
        if moved and task.assignee_id is not None:
            self.system.tell(AGENT, task.assignee_id, ResumeTalks(), internal=True)
        if finished:
            self.system.tell(
                COMPANY,
                task.company_id,
                ResolveBlocker(task_id=task.id, outcome=task.status),
                internal=True,
            )
            self._tell_escalated(task)
            self._tell_routine(task)
        if task.locked_by is None:
            self.freed()
        if (task.goal_id, task.status) != (before.goal_id, before.status):
            self._tell_goals(before, task)
        return task

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

    def _check_critic(self, critic: object) -> None:
        if self.is_by_agent() and isinstance(critic, Critic):
            # It would choose who judges it, and with a command what runs on this server.
            raise Forbidden("Agents do not choose critics")
        check_critic(self.system, critic)

    def _tell_escalated(self, task: Task) -> None:
        """The task that this one was to help on may go on."""
        if task.escalates is not None:
            self.system.tell(TASK_LOCK, task.escalates, FollowEscalation(), internal=True)

    def _tell_routine(self, task: Task) -> None:
        """The execution that this task belongs to has ended."""
        if task.routine_id is not None:
            self.system.tell(ROUTINE, task.routine_id, FollowExecution(task_id=task.id), internal=True)

    def _blockers(self, task: Task, open_ids: frozenset[str]) -> Blockers:
        return Blockers(task_id=task.id, company_id=task.company_id, blocker_ids=task.blocked_by, open_ids=open_ids)

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
            and (task.waits_until is None or task.waits_until <= self.now())
        ):
            self.system.tell(AGENT, task.assignee_id, Wake(source=source), internal=True)

    def _tell_lock_lost(self, task: Task) -> None:
        """A run of ours that worked on it is worth nothing any more; one from outside learns it from its token."""
        if task.locked_by and task.lock_run_id and self.system.runs.of_agent(task.locked_by) is not None:
            self.system.tell(AGENT, task.locked_by, LockLost(run_id=task.lock_run_id), internal=True)

    def _arm(self) -> None:
        task = self.state
        due = [when for when in (task.lock_expires_at, task.next_attempt_at, task.not_before) if when] if task else []
        self.remind("due", min(due, default=None), TimerDue())
