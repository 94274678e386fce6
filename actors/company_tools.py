"""The tools of a run that change the company: its tasks, goals and staff, each as a message like anyone else's."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opencognit.actors.task_rules import DEEPEST
from opencognit.actors.tool_rights import ToolRights
from opencognit.domain.agent import CreateAgent
from opencognit.domain.approval import ApprovalKind, RequestApproval
from opencognit.domain.errors import Forbidden, NotFound, ValidationFailed
from opencognit.domain.goal import CreateGoal, Goal, GoalStatus, UpdateGoal
from opencognit.domain.kinds import APPROVAL, COMPANY, GOAL, TASK_LOCK
from opencognit.domain.message import decode, made
from opencognit.domain.plan import CreatePlan, PlannedTask, Report
from opencognit.domain.task import AddComment, Comment, CreateTask, Task, UpdateTask
from opencognit.domain.wire_names import ADAPTER_FIELDS

COMMENTS_READ = 50


class CompanyTools(ToolRights):
    """What a run may do in its company."""

    async def comment(self, text: str) -> None:
        """Write a comment on the task, as the agent."""
        if self._run.task_id is None:
            raise ValidationFailed("There is no task to comment on; your answer is what others read")
        await self._system.ask(TASK_LOCK, self._run.task_id, AddComment(content=text), origin=self._cycle.origin)

    async def create_subtask(self, *, title: str, description: str | None, assignee: str | None) -> str:
        """Create a task, below this one if there is one, for that agent, if one is named; returns its id."""
        above = await self._task(self._run.task_id) if self._run.task_id is not None else None
        create = CreateTask(
            title=title,
            description=description,
            parent_id=self._run.task_id,
            goal_id=above.goal_id if above is not None else None,
            assignee_id=await self._colleague(assignee),
        )
        task = await self._system.create(TASK_LOCK, create, origin=self._cycle.origin)
        return task.id

    async def read_task(self, task_id: str) -> str:
        """A task of the company with its result and its newest comments, as text."""
        task = await self._task(task_id)
        page = await self._system.store.queries.comments(task.id, COMMENTS_READ, 0)
        comments = [decode(body, Comment) for body in page.bodies]
        lines = [f"{task.title} ({task.status})", task.description or "", f"Result: {task.result or 'none'}"]
        return "\n".join([*lines, *(f"{comment.author_name}: {comment.content}" for comment in comments)])

    async def update_task(self, task_id: str, changes: Mapping[str, Any]) -> str:
        """Change a task below this one, an orchestrator any of the company; returns its status."""
        task = await self._task(task_id)
        agent = await self._agent()
        if not agent.is_orchestrator and not await self._is_below(task):
            raise Forbidden("You may change only tasks below the one that you work on")
        fields = dict(changes)
        if "assignee" in fields:
            fields["assignee_id"] = await self._colleague(fields.pop("assignee"))
        message = made(UpdateTask, fields)
        return (await self._system.ask(TASK_LOCK, task.id, message, origin=self._cycle.origin)).status

    async def plan(self, tasks: Sequence[PlannedTask], goal: str | None) -> Mapping[str, str]:
        """Create all these tasks or none; their ids by key. They belong to the goal, or to this task's goal."""
        above = await self._task(self._run.task_id) if self._run.task_id is not None else None
        goal_id = (await self._goal(goal)).id if goal else above.goal_id if above is not None else None
        named = [msgspec.structs.replace(task, assignee_id=await self._colleague(task.assignee_id)) for task in tasks]
        message = CreatePlan(parent_id=above.id if above is not None else None, goal_id=goal_id, tasks=tuple(named))
        created = await self._system.ask(COMPANY, self._run.company_id, message, origin=self._cycle.origin)
        return {task.key: entity.id for task, entity in zip(tasks, created, strict=True)}

    async def create_goal(self, *, title: str, description: str | None, parent: str | None) -> str:
        """Set the company a goal; returns its id."""
        parent_id = (await self._goal(parent)).id if parent else None
        create = CreateGoal(title=title, description=description, parent_id=parent_id, status=GoalStatus.ACTIVE)
        return (await self._system.create(GOAL, create, origin=self._cycle.origin)).id

    async def update_goal(self, goal_id: str, changes: Mapping[str, Any]) -> str:
        """Change a goal's progress or status; returns the status."""
        goal = await self._goal(goal_id)
        message = made(UpdateGoal, changes)
        return (await self._system.ask(GOAL, goal.id, message, origin=self._cycle.origin)).status

    async def hire(self, *, reason: str, fields: Mapping[str, Any]) -> str:
        """Ask the board to hire an agent that reports to this one and works as it does; returns the approval's id."""
        superior = await self._agent()
        # Without its secrets, which the board would be shown: the new agent has the company's keys.
        config = self._system.surroundings.secrets.public(superior.adapter_config)
        adapter = config.pop(ADAPTER_FIELDS["provider"], superior.adapter)
        fields = {**fields, "reports_to": superior.id, "adapter": adapter, "adapter_config": config}
        wanted = made(CreateAgent, fields)
        payload = msgspec.to_builtins(wanted)
        request = RequestApproval(
            kind=ApprovalKind.HIRE,
            title=f"Hire {wanted.name} as {wanted.role}"[:200],
            description=reason,
            payload=payload,
        )
        return (await self._system.create(APPROVAL, request, origin=self._cycle.origin)).id

    async def report(self, text: str) -> None:
        """Report to the board: a comment on the task, if there is one, and an entry of the activity feed."""
        if self._run.task_id is not None:
            await self.comment(text)
        await self._system.ask(
            COMPANY, self._run.company_id, Report(text=text, task_id=self._run.task_id), origin=self._cycle.origin
        )

    # Below: what these share

    async def _task(self, task_id: str) -> Task:
        task = await self._system.state(TASK_LOCK, task_id)
        if task is None or task.company_id != self._run.company_id:
            raise NotFound("There is no such task in this company")
        return task

    async def _goal(self, goal_id: str) -> Goal:
        goal = await self._system.state(GOAL, goal_id)
        if goal is None or goal.company_id != self._run.company_id:
            raise NotFound("There is no such goal in this company")
        return goal

    async def _is_below(self, task: Task) -> bool:
        above = task.parent_id
        for _ in range(DEEPEST):
            if above is None or above == self._run.task_id:
                break
            parent = await self._system.state(TASK_LOCK, above)
            above = parent.parent_id if parent is not None else None
        return above == self._run.task_id

    async def _colleague(self, name_or_id: str | None) -> str | None:
        if not name_or_id:
            return None
        for name, agent_id in await self._system.store.queries.agent_names(self._run.company_id):
            if name_or_id in (agent_id, name) or name_or_id.casefold() == name.casefold():
                return agent_id
        raise ValidationFailed(f"There is no agent called {name_or_id!r} in this company")
