"""How a plan becomes tasks: checked as a whole, each with an assignee that knows the work and has the least to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opencognit.actors.task_rules import Rules
from opencognit.domain.agent import Agent
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant
from opencognit.domain.message import decode
from opencognit.domain.plan import CreatePlan, PlannedTask
from opencognit.domain.records import Blockers, NewTask
from opencognit.domain.task import Task, TaskStatus, initial_status

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem


class Workforce:
    """A company's agents with how many open tasks each has."""

    def __init__(self, agents: list[tuple[Agent, int]]) -> None:
        self.agents = agents
        self._load = {agent.id: load for agent, load in agents}

    @classmethod
    async def of(cls, system: "ActorSystem", company_id: str) -> "Workforce":
        """As it is now."""
        rows = await system.store.queries.workforce(company_id)
        return cls([(decode(body, Agent), load) for body, load in rows])

    def choose(self, skill: str | None) -> str | None:
        """The least busy agent that can work by itself, among those who know this if there are any."""
        able = [agent for agent, _ in self.agents if agent.adapter is not None and not agent.is_orchestrator]
        knowing = [agent for agent in able if skill and _knows(agent, skill)]
        chosen = min(knowing or able, key=lambda agent: self._load[agent.id], default=None)
        if chosen is None:
            return None
        self._load[chosen.id] += 1
        return chosen.id


async def planned(
    system: "ActorSystem", company_id: str, message: CreatePlan, *, by: str | None, now: Instant
) -> list[NewTask]:
    """The tasks of a plan, ready to be written.

    Raises:
        ValidationFailed: something in it does not fit together, or names what is not of this company.
    """
    ids = {task.key: system.ids.new_id() for task in message.tasks}
    if len(ids) < len(message.tasks):
        raise ValidationFailed("Two tasks of the plan have the same key")
    workforce = await Workforce.of(system, company_id)
    await Rules(system, company_id, "").check_parent(message.parent_id)
    made = []
    for task in message.tasks:
        rules = Rules(system, company_id, ids[task.key])
        await rules.check_assignee(task.assignee_id)
        blocked_by, open_ids = await _blockers(rules, task, ids)
        assignee_id = task.assignee_id or workforce.choose(task.skill)
        waiting = TaskStatus.BLOCKED if open_ids else initial_status(assignee_id)
        entity = Task(
            id=ids[task.key],
            version=1,
            created_at=now,
            updated_at=now,
            company_id=company_id,
            title=task.title,
            description=task.description,
            status=waiting,
            priority=task.priority,
            assignee_id=assignee_id,
            created_by=by,
            parent_id=message.parent_id,
            goal_id=message.goal_id,
            blocked_by=blocked_by,
        )
        edges = Blockers(task_id=entity.id, company_id=company_id, blocker_ids=blocked_by, open_ids=open_ids)
        made.append(NewTask(task=entity, blockers=edges))
    return made


async def _blockers(rules: Rules, task: PlannedTask, ids: Mapping[str, str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """(all that it waits for, those of them that are open)."""
    inside = tuple(ids[key] for key in task.after if key in ids)
    outside = tuple(key for key in task.after if key not in ids)
    open_outside = await rules.open_among(outside)
    return tuple(dict.fromkeys(inside + outside)), frozenset(inside) | open_outside


def _knows(agent: Agent, skill: str) -> bool:
    known = " ".join([agent.role, agent.title or "", agent.abilities or "", *(one.name for one in agent.skills)])
    return skill.casefold() in known.casefold()
