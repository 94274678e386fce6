"""The `Goal`: its progress, whether it is achieved, and the tasks by which the orchestrator is asked about it.

Such a task is named in the goal's own commit before it is created, so that after a crash in between it is created at
the next start, and never twice.
"""

from typing import Any

import structlog
from msgspec import UNSET
from msgspec.structs import asdict, replace

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.agent import AgentStatus
from opencognit.domain.errors import DependencyCycle, DomainError, Duplicate, InvalidStatus, ValidationFailed
from opencognit.domain.events import GoalAchieved
from opencognit.domain.goal import (
    OPEN,
    WHOLE,
    CreateGoal,
    DeleteGoal,
    FollowTasks,
    ForgetGoal,
    GoalStatus,
    PlanGoal,
    UpdateGoal,
    step,
)
from opencognit.domain.goal import Goal as State
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, GOAL, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.origin import Origin
from opencognit.domain.records import GoalParent
from opencognit.domain.task import CreateTask, Priority, TaskStatus
from opencognit.domain.wire_names import FIELDS

GoalMessage = CreateGoal | UpdateGoal | DeleteGoal | PlanGoal | FollowTasks | ForgetGoal

PAUSE = 1.0
"""Seconds until a task that could not be created is tried again."""

_log = structlog.get_logger("opencognit.goals")


class Goal(PersistentActor[State]):
    """One goal."""

    kind = GOAL
    protocol = GoalMessage

    async def create_goal(self, message: CreateGoal) -> State:
        """Set this goal.

        Raises:
            ValidationFailed: its owner or its parent is not of this company.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        await self._check_owner(company_id, message.owner_id)
        await self._check_parent(company_id, message.parent_id)
        goal = await self._given(State(id=self.id, company_id=company_id, **asdict(message)))
        activity = self.entry(company_id, "goal.created", f"Set the goal “{goal.title}”")
        return await self._change(goal, activity, *self._line(goal))

    async def update_goal(self, message: UpdateGoal) -> State:
        """Change what the message names.

        Raises:
            ValidationFailed: as for `create_goal`.
            InvalidStatus: the status may not follow, or the progress follows from tasks.
            DependencyCycle: it would lie below itself.
        """
        before = self.existing()
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        await self._check_owner(before.company_id, changes.get("owner_id"))
        await self._check_parent(before.company_id, changes.get("parent_id"))
        step(before.status, changes.get("status", before.status))
        if changes.get("progress", before.progress) != before.progress and (await self._counted(before))[1]:
            raise InvalidStatus("The progress of this goal follows from its tasks")
        goal = await self._given(replace(before, **changes))
        activity = self.entry(goal.company_id, "goal.updated", f"Changed the goal “{goal.title}”")
        return await self._change(goal, activity, *(self._line(goal) if "parent_id" in changes else ()))

    async def delete_goal(self, _message: DeleteGoal) -> Success:
        """Erase the goal; what names it is told to forget it."""
        goal, done = self.existing(), Success()
        queries = self.system.store.queries
        await self.erase(self.entry(goal.company_id, "goal.deleted", f"Deleted the goal “{goal.title}”"), reply=done)
        for task_id in await queries.tasks_of_goal(self.id):
            self.system.tell(TASK_LOCK, task_id, ForgetGoal(goal_id=self.id), internal=True)
        for goal_id in await queries.goals_below(self.id):
            self.system.tell(GOAL, goal_id, ForgetGoal(goal_id=self.id), internal=True)
        return done

    async def plan_goal(self, _message: PlanGoal) -> State:
        """Give the goal to the orchestrator; a goal that was given is answered as it is.

        Raises:
            InvalidStatus: the goal is over, or the company has no orchestrator.
        """
        goal = self.existing()
        if goal.planning_task_id is not None:
            return goal
        if goal.status not in OPEN:
            raise InvalidStatus(f"The goal is {goal.status}")
        if await self._orchestrator(goal) is None:
            raise InvalidStatus("The company has no orchestrator who could plan the goal")
        activity = self.entry(goal.company_id, "goal.given", f"Gave the goal “{goal.title}” to the orchestrator")
        return await self._change(self._with_planning(goal), activity)

    async def follow_tasks(self, _message: FollowTasks) -> None:
        """Count the tasks, and create the task that is owed."""
        goal = self.state
        if goal is None:
            return
        owed = goal.owed_task_id
        if owed is not None:
            await self._create_owed(goal)
            goal = self.existing()
        if goal.status not in OPEN:
            return
        done, counted = await self._counted(goal)
        progress = done * WHOLE // counted if counted else goal.progress
        if progress != goal.progress:
            await self._change(replace(goal, progress=progress))
        elif progress == WHOLE and await self._is_accepted(goal):
            await self._change(replace(goal, status=GoalStatus.ACHIEVED))
        elif progress == WHOLE and owed is not None and owed == goal.planning_task_id:
            await self._change(await self._offered(goal))

    async def forget_goal(self, message: ForgetGoal) -> None:
        """The goal above this one is gone."""
        if self.state is not None and self.state.parent_id == message.goal_id:
            await self.persist(replace(self.state, parent_id=None))

    # Below: what the handlers share

    async def _change(self, goal: State, *parts: Any) -> State:
        """Persist the goal with what follows from its new progress and status."""
        before = self.state
        now_whole = goal.progress == WHOLE and (before is None or before.progress < WHOLE)
        if now_whole and goal.status in OPEN:
            goal = await self._offered(goal)
        was_achieved = before is not None and before.status is GoalStatus.ACHIEVED
        if goal.status is GoalStatus.ACHIEVED and not was_achieved:
            goal = replace(goal, progress=WHOLE)
            achieved = GoalAchieved(company_id=goal.company_id, goal_id=self.id, goal_title=goal.title)
            parts = (achieved, self.entry(goal.company_id, "goal.achieved", f"Achieved “{goal.title}”"), *parts)
        goal = await self.persist(goal, *parts)
        reopened = before is not None and before.status not in OPEN and goal.status in OPEN
        if goal.owed_task_id is not None or reopened:
            self.tell_self(FollowTasks())
        return goal

    async def _offered(self, goal: State) -> State:
        """The goal at 100 %: the orchestrator is to say whether it is achieved; nobody to ask means that it is."""
        if await self._orchestrator(goal) is None:
            return replace(goal, status=GoalStatus.ACHIEVED)
        if goal.owed_task_id is not None:
            # The planning task comes first; when it is there, the count is made again.
            return goal
        task_id = self.new_id()
        return replace(goal, review_task_ids=(*goal.review_task_ids, task_id), owed_task_id=task_id)

    async def _given(self, goal: State) -> State:
        """The goal, with a planning task if it belongs to the orchestrator and has none yet."""
        if goal.owner_id is None or goal.planning_task_id is not None or goal.status not in OPEN:
            return goal
        owner = await self.system.state(AGENT, goal.owner_id)
        return self._with_planning(goal) if owner is not None and owner.is_orchestrator else goal

    def _with_planning(self, goal: State) -> State:
        task_id = self.new_id()
        return replace(goal, planning_task_id=task_id, owed_task_id=task_id)

    async def _create_owed(self, goal: State) -> None:
        """Create the task that is owed, for the orchestrator; its id makes sure that it is created once."""
        task_id = goal.owed_task_id or ""
        create = self._task(goal, await self._orchestrator(goal))
        try:
            await self.system.ask(TASK_LOCK, task_id, create, origin=Origin(company_id=goal.company_id))
        except Duplicate:
            _log.info("goal_task_exists", goal=self.id, task=task_id)
        except DomainError as error:
            _log.warning("goal_task_not_created_yet", goal=self.id, error=error.message)
            self.remind("owed", after(self.now(), PAUSE), FollowTasks())
            return
        await self.persist(replace(goal, owed_task_id=None))

    def _task(self, goal: State, orchestrator_id: str | None) -> CreateTask:
        if goal.owed_task_id == goal.planning_task_id:
            title = f"Plan: {goal.title}"
            text = "Break this goal into tasks with one call of `plan`, then finish."
        else:
            title = f"Is it achieved? {goal.title}"
            text = (
                "All tasks of this goal are done. Look at their results. If the goal is reached, set it to achieved"
                " with `update_goal`, and finish; it also counts as achieved when you finish and have added nothing. If"
                " something is missing, add it with `plan`, and finish."
            )
        description = f"{text}\n\nGoal {goal.id}: {goal.title}\n{goal.description or ''}"
        return CreateTask(
            title=title[:200],
            description=description[:200_000],
            priority=Priority.HIGH,
            assignee_id=orchestrator_id,
            goal_id=goal.id,
        )

    async def _counted(self, goal: State) -> tuple[int, int]:
        return await self.system.store.queries.goal_tasks_counted(self.id, goal.own_tasks())

    async def _is_accepted(self, goal: State) -> bool:
        """Whether the orchestrator has finished its look at the goal and left it as it is, or is gone."""
        if not goal.review_task_ids:
            return False
        review = await self.system.state(TASK_LOCK, goal.review_task_ids[-1])
        return review is None or review.status is TaskStatus.DONE

    async def _orchestrator(self, goal: State) -> str | None:
        """The owner if it is one, else the company's first."""
        ids = await self.system.store.queries.orchestrators(goal.company_id)
        return goal.owner_id if goal.owner_id in ids else next(iter(ids), None)

    def _line(self, goal: State) -> tuple[GoalParent, ...]:
        if goal.parent_id is None:
            return ()
        return (GoalParent(goal_id=self.id, parent_id=goal.parent_id, company_id=goal.company_id),)

    async def _check_owner(self, company_id: str, owner_id: object) -> None:
        if not isinstance(owner_id, str):
            return
        owner = await self.system.state(AGENT, owner_id)
        if owner is None or owner.company_id != company_id or owner.status is AgentStatus.TERMINATED:
            raise ValidationFailed.of(FIELDS["owner_id"], "is not an agent of this company")

    async def _check_parent(self, company_id: str, parent_id: object) -> None:
        if not isinstance(parent_id, str):
            return
        if parent_id == self.id:
            raise DependencyCycle("A goal cannot lie below itself")
        parent = await self.system.store.queries.goal_company(parent_id)
        if parent != company_id:
            raise ValidationFailed.of(FIELDS["parent_id"], "is not a goal of this company")
