"""What a company takes in at once: many agents, or all of itself."""

import asyncio

from msgspec.structs import asdict

from opencognit.actors.company_budget import CompanyBudget
from opencognit.actors.founding import Founded, founded
from opencognit.actors.founding_draft import AT_ONCE
from opencognit.actors.hiring import hired_together
from opencognit.domain.agent import Agent
from opencognit.domain.agent_list import AgentsImport, ImportAgents
from opencognit.domain.caller import CompanyRole
from opencognit.domain.company import Company
from opencognit.domain.company_file import ImportCompany, ImportedCompany
from opencognit.domain.errors import Duplicate, ValidationFailed
from opencognit.domain.events import AgentsImported
from opencognit.domain.goal import OPEN, FollowTasks, Goal
from opencognit.domain.kinds import AGENT, GOAL, ROUTINE, TASK_LOCK
from opencognit.domain.message import Entity
from opencognit.domain.problems import problems_of
from opencognit.domain.records import Created, Membership
from opencognit.domain.routine import Routine
from opencognit.domain.task import Task


class CompanyImport(CompanyBudget):
    """Everything of an import is in one commit, so that it is there as a whole or not at all."""

    async def import_agents(self, message: ImportAgents) -> AgentsImport:
        """Hire all agents of a list.

        Raises:
            ValidationFailed: something is wrong with one of them; nobody is hired, and `agents_imported` says why.
        """
        self.existing()
        try:
            made = await hired_together(self.system, self.id, message.agents, now=self.now())
        except ValidationFailed as refusal:
            event = AgentsImported(company_id=self.id, count=0, agent_ids=(), errors=problems_of(refusal))
            await self.append(event)
            raise
        agents = tuple(agent for agent, _ in made)
        ids = tuple(agent.id for agent in agents)
        report = AgentsImport(count=len(ids), agent_ids=ids, agents=agents)
        text = f"Hired {len(ids)} agents from a list"
        await self.append(
            *(Created(kind=AGENT.name, entity=agent) for agent in agents),
            *(secrets for _, secrets in made if secrets.sealed is not None),
            AgentsImported(company_id=self.id, count=len(ids), agent_ids=ids, errors=()),
            self.entry(self.id, "company.agents_imported", text, agentIds=ids),
            reply=report,
        )
        for agent in agents:
            self.system.tell_watchers(AGENT.name, agent.id, agent)
            self._let_begin(agent)
        return report

    async def import_company(self, message: ImportCompany) -> ImportedCompany:
        """Found this company as a file says, paused; the caller owns it.

        Raises:
            ValidationFailed: something is wrong with the file; nothing of it is there.
        """
        if self.state is not None:
            raise Duplicate
        made = await founded(self.system, message.file, self.id, now=self.now())
        agent_ids = tuple(new.entity.id for new in made.created if new.kind == AGENT.name)
        text = f"Founded {made.company.name} from a file, with {len(agent_ids)} agents"
        company = await self.persist(
            made.company,
            *self.owned(),
            *made.records,
            AgentsImported(company_id=self.id, count=len(agent_ids), agent_ids=agent_ids, errors=()),
            self.entry(self.id, "company.imported", text),
            reply=lambda company: _told(company, made),
        )
        self.note_owner()
        for index, new in enumerate(made.created):
            self.system.tell_watchers(new.kind, new.entity.id, new.entity)
            self._let_begin(new.entity)
            if index % AT_ONCE == 0:
                await asyncio.sleep(0)
        return _told(company, made)

    # Below: what the handlers share

    def owned(self) -> tuple[Membership, ...]:
        """Whoever founds the company owns it; what a program founds belongs to nobody but the server's admins."""
        owner = self.asked_by.caller.id
        return (Membership(company_id=self.id, user_id=owner, role=CompanyRole.OWNER),) if owner is not None else ()

    def note_owner(self) -> None:
        """The company is founded, and its owner may see it."""
        for membership in self.owned():
            self.system.directory.set_role(self.id, membership.user_id, membership.role)

    def _let_begin(self, entity: Entity) -> None:
        """Wake what has something due, as a start of the server does."""
        if isinstance(entity, Agent) and entity.next_heartbeat is not None:
            self.system.wake(AGENT, entity.id)
        elif isinstance(entity, Task) and entity.not_before is not None:
            self.system.wake(TASK_LOCK, entity.id)
        elif isinstance(entity, Routine) and entity.next_due_at() is not None:
            self.system.wake(ROUTINE, entity.id)
        elif isinstance(entity, Goal) and entity.status in OPEN:
            self.system.tell(GOAL, entity.id, FollowTasks(), internal=True)


def _told(company: Company, made: Founded) -> ImportedCompany:
    return ImportedCompany(**asdict(company), imported=made.imported)
