"""What an adapter is told about one task, or about messages to answer, from the committed states of all concerned."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opencognit.domain.agent import Agent
from opencognit.domain.chat import ChatMessage
from opencognit.domain.company import Company
from opencognit.domain.errors import NotFound, ValidationFailed
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.memory import Memory, NoteRecall
from opencognit.domain.message import decode
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
    workspace = Path(company.work_dir) if company.work_dir else system.limits.agents_folder / company.id / agent.id
    await asyncio.to_thread(workspace.mkdir, parents=True, exist_ok=True)
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
        "workspace": str(workspace),
        "time_limit": system.limits.run_time_limit,
    }


async def recall(system: "ActorSystem", agent_id: str, text: str) -> tuple[str, ...]:
    """What the agent has noted down that has to do with this."""
    page = await system.store.queries.recalled(agent_id, text, MEMORIES)
    memories = [decode(body, Memory) for body in page.bodies]
    if memories:
        recall = NoteRecall(memory_ids=tuple(memory.id for memory in memories))
        system.tell(AGENT, agent_id, recall, internal=True)
    return tuple(memory.content for memory in memories)
