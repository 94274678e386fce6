"""An agent: a member of staff that works on its own when its heartbeat comes."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.budget import Cents, Ledger, SpendingLimit, SpendingLimits
from opencognit.domain.critic import Critic
from opencognit.domain.errors import InvalidStatus
from opencognit.domain.instants import Instant
from opencognit.domain.message import Id, Message, Name, Success, Text
from opencognit.domain.permission import Grant, Permission
from opencognit.domain.run import Effect, Run, RunSource
from opencognit.domain.wire_names import FIELDS

Interval = Annotated[int, msgspec.Meta(ge=5, le=366 * 24 * 3600)]
"""Seconds between two heartbeats."""

Proficiency = Annotated[int, msgspec.Meta(ge=0, le=100)]


class AgentStatus(StrEnum):
    """What an agent is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    ERROR = "error"
    TERMINATED = "terminated"


TRANSITIONS = {
    AgentStatus.IDLE: frozenset({AgentStatus.RUNNING, AgentStatus.PAUSED, AgentStatus.ERROR, AgentStatus.TERMINATED}),
    AgentStatus.RUNNING: frozenset({AgentStatus.IDLE, AgentStatus.PAUSED, AgentStatus.ERROR, AgentStatus.TERMINATED}),
    AgentStatus.PAUSED: frozenset({AgentStatus.IDLE, AgentStatus.ERROR, AgentStatus.TERMINATED}),
    AgentStatus.ERROR: frozenset({AgentStatus.IDLE, AgentStatus.PAUSED, AgentStatus.TERMINATED}),
    AgentStatus.TERMINATED: frozenset[AgentStatus](),
}
"""Which status may follow which; staying is always legal."""


def step(before: AgentStatus, after: AgentStatus) -> AgentStatus:
    """The next status, if it may follow.

    Raises:
        InvalidStatus: it may not.
    """
    if after is not before and after not in TRANSITIONS[before]:
        raise InvalidStatus(f"An agent that is {before} cannot become {after}")
    return after


class Skill(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """Something an agent knows; `content` is markdown that it is given at work."""

    id: str
    name: str
    description: str | None = None
    content: str | None = None
    proficiency: int | None = None


class Agent(Ledger, frozen=True, kw_only=True):
    """An agent as clients see it. Secrets in `adapter_config` are masked here; the real ones lie apart, encrypted."""

    company_id: str
    name: str
    role: str
    title: str | None = None
    status: AgentStatus = AgentStatus.IDLE
    reports_to: str | None = None
    abilities: str | None = None
    skills: tuple[Skill, ...] = ()
    adapter: str | None = None
    adapter_config: dict[str, Any] = {}
    avatar: str | None = None
    avatar_colour: str | None = None
    limits: tuple[SpendingLimit, ...] = ()
    resumes_at: Instant | None = None
    """When an agent that a limit has stopped may work again."""
    heartbeat_on: bool = False
    heartbeat_interval: int = 300
    last_heartbeat: Instant | None = None
    next_heartbeat: Instant | None = None
    is_orchestrator: bool = False
    system_prompt: str | None = None
    current_task_id: str | None = None
    last_error: str | None = None
    critic: Critic | None = None
    """None: as the server's settings say."""
    message_count: int = 0
    permissions: dict[Permission, Grant] = {}
    """What the board has chosen; all else goes with the role."""


class CreateAgent(Message[Agent], frozen=True, kw_only=True):
    """Hire an agent."""

    name: Name
    role: Name
    title: Name | None = None
    reports_to: Id | None = None
    abilities: Text | None = None
    adapter: Name | None = None
    adapter_config: dict[str, Any] = {}
    avatar: Name | None = None
    avatar_colour: Name | None = None
    budget_cents: Cents = 0
    limits: SpendingLimits = ()
    heartbeat_on: bool = False
    heartbeat_interval: Interval = 300
    is_orchestrator: bool = False
    system_prompt: Text | None = None
    critic: Critic | None = None


class UpdateAgent(Message[Agent], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    name: Name | UnsetType = UNSET
    role: Name | UnsetType = UNSET
    title: Name | None | UnsetType = UNSET
    reports_to: Id | None | UnsetType = UNSET
    abilities: Text | None | UnsetType = UNSET
    adapter: Name | None | UnsetType = UNSET
    adapter_config: dict[str, Any] | UnsetType = UNSET
    avatar: Name | None | UnsetType = UNSET
    avatar_colour: Name | None | UnsetType = UNSET
    budget_cents: Cents | UnsetType = UNSET
    limits: SpendingLimits | UnsetType = UNSET
    heartbeat_on: bool | UnsetType = UNSET
    heartbeat_interval: Interval | UnsetType = UNSET
    is_orchestrator: bool | UnsetType = UNSET
    system_prompt: Text | None | UnsetType = UNSET
    critic: Critic | None | UnsetType = UNSET


class PauseAgent(Message[Agent], frozen=True, kw_only=True):
    """Start nothing new; a step under way may end, and its lock is given back."""


class ResumeAgent(Message[Agent], frozen=True, kw_only=True):
    """Work again, also after an error."""


class DeleteAgent(Message[Success], frozen=True, kw_only=True):
    """Cancel its run, give back its locks, unassign its open tasks, keep its history."""


class AddSkill(Message[Skill], frozen=True, kw_only=True):
    """Teach it something."""

    name: Name
    description: Text | None = None
    content: Text | None = None
    proficiency: Proficiency | None = None


class RemoveSkill(Message[Success], frozen=True, kw_only=True):
    """Let it forget a skill."""

    skill_id: str


class Wake(Message[Agent], frozen=True, kw_only=True):
    """A heartbeat now: if there is work and no heartbeat is under way, one begins; else it is remembered."""

    source: RunSource = RunSource.MANUAL


class HeartbeatDue(Message[None], frozen=True, kw_only=True):
    """Internal: the timer."""


class HeartbeatEnded(Message[None], frozen=True, kw_only=True):
    """Internal: the heartbeat under way is over."""

    share_used: bool = False
    """Whether it stopped because its share was used, with the inbox perhaps not empty."""
    not_before: Instant | None = None
    """When to look at the inbox again, if it stopped because its provider is away."""


class TakeTask(Message["Run | None"], frozen=True, kw_only=True):
    """Internal: the heartbeat asks for its next task; answered with the run that begins, or None."""

    source: RunSource


class EndRun(Message[Agent], frozen=True, kw_only=True):
    """Internal: the run is over, its lock is free."""

    run: Run
    handed_in: bool
    """Whether the task's own commit has recorded the run's end already."""


class LockLost(Message[None], frozen=True, kw_only=True):
    """Internal: a task's lock was taken from this run (forced release, expired lease, deleted task)."""

    run_id: str


class NoteWaiting(Message[None], frozen=True, kw_only=True):
    """Internal: a run waits for its provider, or (None) waits no longer."""

    run_id: str
    until: Instant | None


class NoteEffects(Message[None], frozen=True, kw_only=True):
    """Internal: record what a run does outside, before it begins and when it has ended.

    Raises:
        NotLockHolder: the run is over.
    """

    run_id: str
    effects: tuple[Effect, ...]
    answering: tuple[str, ...] = ()


class Recover(Message[None], frozen=True, kw_only=True):
    """Internal: mend what an earlier process left behind."""


class AgentToken(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """Shown once; it acts as the agent until it expires or is revoked."""

    token: str
    agent_id: str
    expires_at: str = msgspec.field(name="gueltigBis")
