"""What an adapter is told about one task, or about messages to answer, from the committed states of all concerned."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opencognit.actors.planning import Workforce
from opencognit.domain.agent import Agent
from opencognit.domain.chat import ChatMessage
from opencognit.domain.company import Company
from opencognit.domain.errors import NotFound, ValidationFailed
from opencognit.domain.goal import OPEN, Goal
from opencognit.domain.kinds import AGENT, COMPANY, GOAL, TASK_LOCK
from opencognit.domain.memory import Memory, NoteRecall
from opencognit.domain.message import decode
from opencognit.domain.permission import PERMISSION_OF, Grant, granted
from opencognit.domain.run import Run
from opencognit.domain.task import Comment, Task
from opencognit.providers.port import Conversation, Provider, WorkOrder

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

COMMENTS = 200
"""How many of a task's comments an adapter is given."""

EARLIER_MESSAGES = 30
"""How much of a conversation an adapter is given, beside what it is to answer."""

OPEN_TASKS = 20
"""How many of an agent's open tasks it is reminded of in a conversation."""
MEMORIES = 10
"""How many of an agent's own notes, those nearest to the task."""


EARLIER_RUNS = 3
"""How many of its last runs on the task an agent is reminded of: of their effects outside."""

GOALS = 20
"""How many goals, and how many tasks below its own, it is told of."""


async def work_order(system: "ActorSystem", run: Run) -> tuple[WorkOrder, Provider]:
    """The order for a run on a task, and the adapter that shall do it.

    Raises:
        NotFound: agent, company or task is gone.
        ValidationFailed: the agent's adapter is not to be had on this server.
    """
    agent, company, provider = await _who(system, run)
    task = await system.state(TASK_LOCK, run.task_id or "")
    if task is None:
        raise NotFound("The task is gone")
    queries = system.store.queries
    page = await queries.comments(task.id, COMMENTS, 0)
    comments = [decode(body, Comment) for body in page.bodies]
    blockers = [decode(body, Task) for body in await queries.bodies(TASK_LOCK.name, task.blocked_by)]
    memories = await recall(system, agent.id, f"{task.title} {task.description or ''}")
    order = WorkOrder(
        **await _standing(system, run, agent, company),
        task_id=task.id,
        title=task.title,
        description=task.description,
        comments=tuple(f"{comment.author_name}: {comment.content}" for comment in comments),
        blocker_results=tuple(f"{blocker.title}: {blocker.result or ''}" for blocker in blockers),
        memories=memories,
        goals=await _goals(system, task),
        subtasks=await _subtasks(system, task),
        effects=await _effects(system, task, agent),
        colleagues=await _colleagues(system, agent) if agent.is_orchestrator else (),
    )
    return order, provider


async def conversation_order(
    system: "ActorSystem", run: Run, messages: list[ChatMessage]
) -> tuple[WorkOrder, Provider]:
    """The order to answer these messages, all from one side, and the adapter that shall do it.

    Raises:
        NotFound: agent or company is gone.
        ValidationFailed: the agent's adapter is not to be had on this server.
    """
    agent, company, provider = await _who(system, run)
    queries, first = system.store.queries, messages[0]
    earlier: list[ChatMessage] = []
    if first.meeting_id is None:
        bodies = await queries.chat_between(agent.id, first.sender_agent_id, EARLIER_MESSAGES + len(messages))
        new = {message.id for message in messages}
        earlier = [chat for body in bodies if (chat := decode(body, ChatMessage)).id not in new]
    tasks = [decode(body, Task) for body in (await queries.inbox(agent.id))[:OPEN_TASKS]]
    order = WorkOrder(
        **await _standing(system, run, agent, company),
        task_id=None,
        title=f"Answer {first.sender_name}",
        description=None,
        comments=(),
        blocker_results=(),
        conversation=Conversation(
            partner=first.sender_name,
            earlier=tuple(f"{chat.sender_name}: {chat.words}" for chat in earlier[-EARLIER_MESSAGES:]),
            messages=tuple(f"{message.sender_name}: {message.words}" for message in messages),
            open_tasks=tuple(f"{task.title} ({task.status}, id {task.id})" for task in tasks),
        ),
    )
    return order, provider


async def _who(system: "ActorSystem", run: Run) -> tuple[Agent, Company, Provider]:
    agent = await system.state(AGENT, run.agent_id)
    company = await system.state(COMPANY, run.company_id)
    if agent is None or company is None:
        raise NotFound("Agent or company is gone")
    provider = system.surroundings.providers.get(agent.adapter or "")
    if provider is None:
        raise ValidationFailed(f"The adapter {agent.adapter} is not to be had on this server")
    return agent, company, provider


async def _standing(system: "ActorSystem", run: Run, agent: Agent, company: Company) -> dict[str, Any]:
    """Those fields of an order that are the same for all that this agent does."""
    sealed = await system.store.queries.agent_secrets(agent.id)
    folder = workspace(system, company, agent.id)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    return {
        "run_id": run.id,
        "company_id": company.id,
        "agent_id": agent.id,
        "agent_name": agent.name,
        "role": agent.role,
        "system_prompt": agent.system_prompt,
        "skills": tuple(f"{s.name}: {s.description or ''}\n{s.content or ''}".strip() for s in agent.skills),
        "company_name": company.name,
        "company_goal": company.goal,
        "config": system.surroundings.secrets.join(agent.adapter_config, sealed),
        "workspace": str(folder),
        "time_limit": system.limits.run_time_limit,
        "tools": _tools(system, agent),
        "is_orchestrator": agent.is_orchestrator,
        "context_tokens": system.limits.context_tokens,
    }


async def recall(system: "ActorSystem", agent_id: str, text: str) -> tuple[str, ...]:
    """What the agent has noted down that has to do with this."""
    page = await system.store.queries.recalled(agent_id, text, MEMORIES)
    memories = [decode(body, Memory) for body in page.bodies]
    if memories:
        recall = NoteRecall(memory_ids=tuple(memory.id for memory in memories))
        system.tell(AGENT, agent_id, recall, internal=True)
    return tuple(memory.content for memory in memories)


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


async def _effects(system: "ActorSystem", task: Task, agent: Agent) -> tuple[str, ...]:
    runs = [decode(body, Run) for body in await system.store.queries.attempts_at(task.id, agent.id, EARLIER_RUNS)]
    effects = [effect for run in reversed(runs) for effect in run.effects]
    return tuple(f"{e.began_at} {e.description}\n{e.result or 'Nobody knows what came of it.'}" for e in effects)


async def _colleagues(system: "ActorSystem", agent: Agent) -> tuple[str, ...]:
    workforce = await Workforce.of(system, agent.company_id)
    return tuple(
        f"{one.name}, {one.role}, {one.status}: {load} open tasks"
        + (f"; knows {', '.join(skill.name for skill in one.skills)}" if one.skills else "")
        for one, load in workforce.agents
        if one.id != agent.id
    )
