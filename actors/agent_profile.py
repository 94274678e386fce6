"""An agent as the board sees and changes it: hired, changed, taught, paused, let go. Its work is in `agent.py`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.review import check_critic
from opencognit.domain.agent import (
    AddSkill,
    Agent,
    AgentStatus,
    CreateAgent,
    DeleteAgent,
    HeartbeatDue,
    PauseAgent,
    RemoveSkill,
    ResumeAgent,
    Skill,
    UpdateAgent,
    Wake,
    step,
)
from opencognit.domain.errors import DependencyCycle, Duplicate, NotFound, ValidationFailed
from opencognit.domain.events import AgentDeleted, AgentStatusChanged
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.records import AgentSecrets, ReportingLine, SessionsClosed
from opencognit.domain.run import RunSource
from opencognit.domain.task import Unassign
from opencognit.domain.wire_names import FIELDS


class AgentProfile(PersistentActor[Agent]):
    """What the board does with an agent."""

    # Hiring and changing

    async def create_agent(self, message: CreateAgent) -> Agent:
        """Hire this agent.

        Raises:
            ValidationFailed: it reports to someone who is not of this company, or its adapter cannot be used so.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        await self._check_superior(company_id, message.reports_to)
        self._check_adapter(message.adapter, message.adapter_config)
        check_critic(self.system, message.critic)
        masked, sealed = self.system.surroundings.secrets.split(message.adapter_config, before={}, sealed_before=None)
        fields = asdict(message) | {"adapter_config": masked}
        agent = Agent(id=self.id, company_id=company_id, **fields)
        agent = self._with_timer(agent)
        agent = await self.persist(
            agent,
            AgentSecrets(agent_id=self.id, company_id=company_id, sealed=sealed),
            ReportingLine(agent_id=self.id),
            self.entry(company_id, "agent.created", f"Hired {agent.name} as {agent.role}"),
        )
        self._arm()
        return agent

    async def update_agent(self, message: UpdateAgent) -> Agent:
        """Change what the message names.

        Raises:
            ValidationFailed: as for `create_agent`.
            DependencyCycle: it would report to itself, or to one that reports to it.
        """
        before = self._alive()
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        parts: list[Any] = []
        if "reports_to" in changes:
            await self._check_superior(before.company_id, changes["reports_to"])
            parts.append(ReportingLine(agent_id=self.id))
        check_critic(self.system, message.critic)
        if "adapter" in changes or "adapter_config" in changes:
            sealed = await self.system.store.queries.agent_secrets(self.id)
            secrets = self.system.surroundings.secrets
            config = changes.get("adapter_config", before.adapter_config)
            masked, sealed = secrets.split(config, before=before.adapter_config, sealed_before=sealed)
            self._check_adapter(changes.get("adapter", before.adapter), secrets.join(masked, sealed))
            changes["adapter_config"] = masked
            parts.append(AgentSecrets(agent_id=self.id, company_id=before.company_id, sealed=sealed))
        agent = replace(before, **changes)
        if {"heartbeat_on", "heartbeat_interval"} & changes.keys():
            agent = self._with_timer(agent)
        activity = self.entry(agent.company_id, "agent.updated", f"Changed {agent.name}")
        agent = await self.persist(agent, activity, *parts)
        self._arm()
        if agent.adapter is not None and before.adapter is None:
            self.tell_self(Wake(source=RunSource.ASSIGNMENT))
        return agent

    async def delete_agent(self, _message: DeleteAgent) -> Success:
        """Let the agent go: its run is cancelled, its locks are given back, its open tasks unassigned."""
        agent = self._alive()
        done = Success()
        await self._become(
            AgentStatus.TERMINATED,
            AgentDeleted(company_id=agent.company_id, id=agent.id, name=agent.name),
            self.entry(agent.company_id, "agent.deleted", f"{agent.name} has left"),
            AgentSecrets(agent_id=self.id, company_id=agent.company_id, sealed=None),
            SessionsClosed(subject_id=self.id),
            reply=done,
            heartbeat_on=False,
            next_heartbeat=None,
            current_task_id=None,
        )
        self.cancel_reminders()
        self.system.directory.close_sessions(session_id=None, subject_id=self.id)
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.cancel()
        await self._unassign_all()
        return done

    async def add_skill(self, message: AddSkill) -> Skill:
        """Teach the agent something."""
        agent = self._alive()
        skill = Skill(id=self.new_id(), **asdict(message))
        activity = self.entry(agent.company_id, "agent.skill_added", f"{agent.name} has learnt {skill.name}")
        await self.persist(replace(agent, skills=(*agent.skills, skill)), activity, reply=skill)
        return skill

    async def remove_skill(self, message: RemoveSkill) -> Success:
        """Let the agent forget a skill.

        Raises:
            NotFound: it has no such skill.
        """
        agent = self._alive()
        kept = tuple(skill for skill in agent.skills if skill.id != message.skill_id)
        if len(kept) == len(agent.skills):
            raise NotFound("Skill not found")
        activity = self.entry(agent.company_id, "agent.skill_removed", f"{agent.name} has forgotten a skill")
        await self.persist(replace(agent, skills=kept), activity, reply=Success())
        return Success()

    # Pausing

    async def pause_agent(self, _message: PauseAgent) -> Agent:
        """Start nothing new; the step under way may end, then its lock is given back."""
        agent = self._alive()
        if agent.status is AgentStatus.PAUSED:
            return agent
        activity = self.entry(agent.company_id, "agent.paused", f"{agent.name} was paused")
        agent = await self._become(AgentStatus.PAUSED, activity, next_heartbeat=None)
        self._arm()
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.stop()
        return agent

    async def resume_agent(self, _message: ResumeAgent) -> Agent:
        """Work again, also after an error."""
        agent = self._alive()
        if agent.status not in (AgentStatus.PAUSED, AgentStatus.ERROR):
            return agent
        activity = self.entry(agent.company_id, "agent.resumed", f"{agent.name} was resumed")
        timer = self._with_timer(agent).next_heartbeat
        agent = await self._become(AgentStatus.IDLE, activity, last_error=None, next_heartbeat=timer)
        self._arm()
        # A run that was under way when the agent was paused may still be ending; then the wake-up is remembered.
        self.tell_self(Wake(source=RunSource.MANUAL))
        return agent

    # Below: what the handlers share

    @override
    async def persist(self, state: Agent, *parts: Any, reply: object = None) -> Agent:
        """Persist, with what was spent in an earlier month left to the ledger."""
        if self.state is not None and self.state.spent_cents == state.spent_cents:
            state = self._this_month(state)
        return await super().persist(state, *parts, reply=reply)

    def _this_month(self, agent: Agent) -> Agent:
        same_month = agent.updated_at[:7] == self.now()[:7]
        return agent if same_month else replace(agent, spent_cents=Decimal(0))

    def _alive(self) -> Agent:
        agent = self.existing()
        if agent.status is AgentStatus.TERMINATED:
            raise NotFound("Agent not found")
        return agent

    async def _become(self, status: AgentStatus, *parts: Any, reply: object = None, **changes: Any) -> Agent:
        """Persist another status with the event that tells of it."""
        before = self.existing()
        step(before.status, status)
        agent = replace(before, status=status, **changes)
        if status is not before.status:
            changed = AgentStatusChanged(
                company_id=agent.company_id,
                agent_id=agent.id,
                name=agent.name,
                status=status,
                before=before.status,
                task_id=agent.current_task_id or before.current_task_id,
            )
            parts = (changed, *parts)
        return await self.persist(agent, *parts, reply=reply)

    async def _unassign_all(self) -> None:
        # The version that a client names is this agent's, not the tasks'.
        origin = replace(self.asked_by, answer=None, expected_version=None)
        for task_id in await self.system.store.queries.open_tasks_of(self.id):
            await self.system.ask(TASK_LOCK, task_id, Unassign(agent_id=self.id), origin=origin)

    async def _check_superior(self, company_id: str, superior_id: object) -> None:
        if not isinstance(superior_id, str):
            return
        if superior_id == self.id:
            raise DependencyCycle("An agent cannot report to itself")
        superior = await self.system.state(AGENT, superior_id)
        if superior is None or superior.company_id != company_id or superior.status is AgentStatus.TERMINATED:
            raise ValidationFailed.of(FIELDS["reports_to"], "is not an agent of this company")

    def _check_adapter(self, name: str | None, config: Mapping[str, Any]) -> None:
        if name is None:
            return
        provider = self.system.surroundings.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self.system.surroundings.providers))
            raise ValidationFailed.of(FIELDS["adapter"], f"is not one of {known}")
        provider.validate(config)

    def _with_timer(self, agent: Agent) -> Agent:
        due = after(self.now(), agent.heartbeat_interval) if agent.heartbeat_on else None
        return replace(agent, next_heartbeat=due)

    def _arm(self) -> None:
        agent = self.state
        due = agent.next_heartbeat if agent is not None and agent.heartbeat_on else None
        self.remind("heartbeat", due, HeartbeatDue())
