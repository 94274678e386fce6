"""What an adapter is told about one task: gathered from the committed states of agent, company and task."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from opencognit.actors.planning import Workforce
from opencognit.domain.agent import Agent
from opencognit.domain.company import Company
from opencognit.domain.errors import NotFound, ValidationFailed
from opencognit.domain.goal import OPEN, Goal
from opencognit.domain.kinds import AGENT, COMPANY, GOAL, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.permission import PERMISSION_OF, Grant, granted
from opencognit.domain.run import Run
from opencognit.domain.task import Comment, Task
from opencognit.providers.port import Provider, WorkOrder

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

COMMENTS = 200
"""How many of a task's comments an adapter is given."""


GOALS = 20
"""How many goals, and how many tasks below its own, it is told of."""


async def work_order(system: "ActorSystem", run: Run) -> tuple[WorkOrder, Provider]:
    """The order for a run, and the adapter that shall do it.

    Raises:
        NotFound: agent, company or task is gone.
        ValidationFailed: the agent's adapter is not to be had on this server.
    """
    agent = await system.state(AGENT, run.agent_id)
    task = await system.state(TASK_LOCK, run.task_id)
    company = await system.state(COMPANY, run.company_id)
    if agent is None or task is None or company is None:
        raise NotFound("Agent, task or company is gone")
    provider = system.surroundings.providers.get(agent.adapter or "")
    if provider is None:
        raise ValidationFailed(f"The adapter {agent.adapter} is not to be had on this server")
    queries = system.store.queries
    page = await queries.comments(task.id, COMMENTS, 0)
    comments = [decode(body, Comment) for body in page.bodies]
    blockers = [decode(body, Task) for body in await queries.bodies(TASK_LOCK.name, task.blocked_by)]
    config = system.surroundings.secrets.join(agent.adapter_config, await queries.agent_secrets(agent.id))
    folder = workspace(system, company, agent.id)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    order = WorkOrder(
        run_id=run.id,
        task_id=task.id,
        company_id=company.id,
        agent_id=agent.id,
        agent_name=agent.name,
        role=agent.role,
        system_prompt=agent.system_prompt,
        skills=tuple(f"{s.name}: {s.description or ''}\n{s.content or ''}".strip() for s in agent.skills),
        company_name=company.name,
        company_goal=company.goal,
        title=task.title,
        description=task.description,
        comments=tuple(f"{comment.author_name}: {comment.content}" for comment in comments),
        blocker_results=tuple(f"{blocker.title}: {blocker.result or ''}" for blocker in blockers),
        config=config,
        workspace=str(folder),
        time_limit=system.limits.run_time_limit,
        tools=_tools(system, agent),
        is_orchestrator=agent.is_orchestrator,
        goals=await _goals(system, task),
        subtasks=await _subtasks(system, task),
        colleagues=await _colleagues(system, agent) if agent.is_orchestrator else (),
        context_tokens=system.limits.context_tokens,
    )
    return order, provider


def workspace(system: "ActorSystem", company: Company, agent_id: str) -> Path:
    """The folder that an agent works in: the company's, or one of its own."""
    return Path(company.work_dir) if company.work_dir else system.limits.agents_folder / company.id / agent_id


def _tools(system: "ActorSystem", agent: Agent) -> frozenset[str]:
    """The tools that need a permission and have it, or may ask the board."""
    grants = granted(agent.permissions, is_orchestrator=agent.is_orchestrator)
    names = {tool for tool, permission in PERMISSION_OF.items() if grants[permission] is not Grant.DENY}
    return frozenset(names if system.surroundings.outside.has_commands else names - {"run_command"})


async def _goals(system: "ActorSystem", task: Task) -> tuple[str, ...]:
    bodies = await system.store.queries.goal_bodies(task.company_id, tuple(sorted(OPEN)), GOALS)
    goals = [decode(body, Goal) for body in bodies]
    own = await system.state(GOAL, task.goal_id) if task.goal_id else None
    described = [f"This task's goal: {_goal(own)}"] if own is not None else []
    return (*described, *(_goal(goal) for goal in goals if own is None or goal.id != own.id))


def _goal(goal: Goal) -> str:
    text = f": {goal.description}" if goal.description else ""
    return f"{goal.title} ({goal.status}, {goal.progress} %, {goal.id}){text}"


async def _subtasks(system: "ActorSystem", task: Task) -> tuple[str, ...]:
    below = [decode(body, Task) for body in await system.store.queries.task_lines(task.id, GOALS)]
    return tuple(f"{one.title} ({one.status}, {one.id})" for one in below)


async def _colleagues(system: "ActorSystem", agent: Agent) -> tuple[str, ...]:
    workforce = await Workforce.of(system, agent.company_id)
    return tuple(
        f"{one.name}, {one.role}, {one.status}: {load} open tasks"
        + (f"; knows {', '.join(skill.name for skill in one.skills)}" if one.skills else "")
        for one, load in workforce.agents
        if one.id != agent.id
    )
