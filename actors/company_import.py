"""What a company takes in at once: many agents, or all of itself."""

from opencognit.actors.company_budget import CompanyBudget
from opencognit.actors.hiring import hired_together
from opencognit.domain.agent_list import AgentsImport, ImportAgents
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.events import AgentsImported
from opencognit.domain.kinds import AGENT
from opencognit.domain.problems import problems_of
from opencognit.domain.records import Created


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
            if agent.heartbeat_on:
                self.system.wake(AGENT, agent.id)
        return report
