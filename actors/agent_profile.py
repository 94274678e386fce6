"""An agent as the board sees and changes it: hired, changed, taught, paused, let go. Its work is in `agent.py`."""

from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from opencognit.actors.agent_rules import check_adapter, check_agent_of
from opencognit.actors.hiring import hired, orchestrates
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
from opencognit.domain.approval import AskerGone
from opencognit.domain.budget import PauseReason, ReviewBudget
from opencognit.domain.errors import DependencyCycle, Duplicate, NotFound
from opencognit.domain.events import AgentDeleted, AgentStatusChanged
from opencognit.domain.instants import after
from opencognit.domain.kinds import APPROVAL, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.permission import Grant, Permission, SetPermissions, UseApproval, granted
from opencognit.domain.records import AgentSecrets, ApprovalUsed, Forgotten, ReportingLine, SessionsClosed
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
        agent, secrets = hired(self.system, company_id, self.id, message, now=self.now())
        agent = await self.persist(
            agent,
            secrets,
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
            check_adapter(self.system, changes.get("adapter", before.adapter), secrets.join(masked, sealed))
            changes["adapter_config"] = masked
            parts.append(AgentSecrets(agent_id=self.id, company_id=before.company_id, sealed=sealed))
        agent = replace(before, **changes)
        if orchestrates(self.system, agent.adapter):
            agent = replace(agent, is_orchestrator=True)
        if {"heartbeat_on", "heartbeat_interval"} & changes.keys() and agent.status is not AgentStatus.PAUSED:
            agent = self._with_timer(agent)
        activity = self.entry(agent.company_id, "agent.updated", f"Changed {agent.name}")
        spends_anew = bool({"budget_cents", "limits"} & changes.keys())
        if spends_anew and agent.paused_by is PauseReason.BUDGET:
            agent = replace(agent, resumes_at=self.now())
        agent = await self.persist(agent, activity, *parts)
        self._arm()
        if spends_anew:
            self.tell_self(ReviewBudget())
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
            Forgotten(agent_id=self.id),
            reply=done,
            heartbeat_on=False,
            next_heartbeat=None,
            resumes_at=None,
            current_task_id=None,
        )
        self.cancel_reminders()
        self.system.directory.close_sessions(session_id=None, subject_id=self.id)
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.cancel()
        await self._unassign_all()
        for approval_id in await self.system.store.queries.open_approvals_by(self.id):
            # Told, not asked: the approval may be asking this agent right now.
            self.system.tell(APPROVAL, approval_id, AskerGone(), internal=True)
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
        if agent.status is AgentStatus.PAUSED and agent.paused_by is not PauseReason.BUDGET:
            return agent
        activity = self.entry(agent.company_id, "agent.paused", f"{agent.name} was paused")
        agent = await self._become(
            AgentStatus.PAUSED, activity, next_heartbeat=None, paused_by=PauseReason.BOARD, resumes_at=None
        )
        self._arm()
        if (heartbeat := self.system.runs.of_agent(self.id)) is not None:
            heartbeat.stop()
        return agent

    async def resume_agent(self, _message: ResumeAgent) -> Agent:
        """Work again, also after an error. If a limit is reached still, the agent is paused again."""
        agent = self._alive()
        if agent.status not in (AgentStatus.PAUSED, AgentStatus.ERROR):
            return agent
        activity = self.entry(agent.company_id, "agent.resumed", f"{agent.name} was resumed")
        timer = self._with_timer(agent).next_heartbeat
        agent = await self._become(
            AgentStatus.IDLE, activity, last_error=None, next_heartbeat=timer, paused_by=None, resumes_at=None
        )
        self._arm()
        # A run that was under way when the agent was paused may still be ending; then the wake-up is remembered.
        self.tell_self(Wake(source=RunSource.MANUAL))
        return agent

    # What it may do

    async def set_permissions(self, message: SetPermissions) -> dict[Permission, Grant]:
        """Choose what the agent may do with its tools."""
        agent = replace(self._alive(), permissions=message.permissions)
        grants = granted(agent.permissions, is_orchestrator=agent.is_orchestrator)
        text = f"Changed what {agent.name} may do"
        await self.persist(agent, self.entry(agent.company_id, "agent.permissions_changed", text), reply=grants)
        return grants

    async def use_approval(self, message: UseApproval) -> None:
        """An approved call is being made.

        Raises:
            Duplicate: it was made already.
        """
        agent = self.existing()
        text = f"{agent.name} does what the board has approved"
        await self.append(
            ApprovalUsed(approval_id=message.approval_id, company_id=agent.company_id),
            self.entry(agent.company_id, "approval.used", text, approvalId=message.approval_id),
        )

    # Below: what the handlers share

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
        await check_agent_of(self.system, company_id, superior_id, field=FIELDS["reports_to"])

    def _with_timer(self, agent: Agent) -> Agent:
        due = after(self.now(), agent.heartbeat_interval) if agent.heartbeat_on else None
        return replace(agent, next_heartbeat=due)

    def _arm(self) -> None:
        agent = self.state
        due = agent.next_heartbeat if agent is not None and agent.heartbeat_on else None
        self.remind("heartbeat", due, HeartbeatDue())
        self.remind("budget", agent.resumes_at if agent is not None else None, ReviewBudget())
