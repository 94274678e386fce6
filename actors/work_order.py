"""What an adapter is told about one task: gathered from the committed states of agent, company and task."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from opencognit.domain.errors import NotFound, ValidationFailed
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.memory import Memory, NoteRecall
from opencognit.domain.message import decode
from opencognit.domain.run import Run
from opencognit.domain.task import Comment, Task
from opencognit.providers.port import Provider, WorkOrder

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

COMMENTS = 200
"""How many of a task's comments an adapter is given."""

MEMORIES = 10
"""How many of an agent's own notes, those nearest to the task."""


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
    workspace = Path(company.work_dir) if company.work_dir else system.limits.agents_folder / company.id / agent.id
    await asyncio.to_thread(workspace.mkdir, parents=True, exist_ok=True)
    memories = await recall(system, agent.id, f"{task.title} {task.description or ''}")
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
        workspace=str(workspace),
        time_limit=system.limits.run_time_limit,
        memories=memories,
    )
    return order, provider


async def recall(system: "ActorSystem", agent_id: str, text: str) -> tuple[str, ...]:
    """What the agent has noted down that has to do with this."""
    page = await system.store.queries.recalled(agent_id, text, MEMORIES)
    memories = [decode(body, Memory) for body in page.bodies]
    if memories:
        recall = NoteRecall(memory_ids=tuple(memory.id for memory in memories))
        system.tell(AGENT, agent_id, recall, internal=True)
    return tuple(memory.content for memory in memories)
