"""A run: one task taken, worked on and handed in, or some messages answered, during an agent's heartbeat."""

from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tokens as the provider counted them; `input_tokens` are those not read from or written to its cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


class RunSource(StrEnum):
    """What woke the agent."""

    SCHEDULER = "scheduler"
    MANUAL = "manual"
    ASSIGNMENT = "assignment"
    CALLBACK = "callback"
    AUTOMATION = "automation"


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    DEFERRED = "deferred"


TRANSITIONS = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.DEFERRED}
    ),
    RunStatus.SUCCEEDED: frozenset[RunStatus](),
    RunStatus.FAILED: frozenset[RunStatus](),
    RunStatus.CANCELLED: frozenset[RunStatus](),
    RunStatus.TIMED_OUT: frozenset[RunStatus](),
    RunStatus.DEFERRED: frozenset[RunStatus](),
}
"""Which status may follow which; the ends have no successor, so an ended run cannot be overwritten."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """Something that a run does outside and that may not simply be done again."""

    description: str
    began_at: Instant
    result: str | None = None
    """What came of it; None as long as nobody knows."""


class Run(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """One recorded run."""

    id: str
    company_id: str
    agent_id: str
    task_id: str | None
    """None where it answers messages."""
    source: RunSource
    status: RunStatus
    attempt: int
    usage: TokenUsage = TokenUsage()
    cost_cents: Decimal = Decimal(0)
    output: str = ""
    error: str | None = None
    started_at: Instant
    ended_at: Instant | None = None
    waiting_until: Instant | None = None
    """While the run waits for its provider: until when at most."""
    effects: tuple[Effect, ...] = ()
    """Each is recorded before it begins, and again with its result."""
    answering: tuple[str, ...] = ()
    """Where messages are answered: which, as soon as there is an effect."""

    @property
    def locked_task_id(self) -> str:
        """The task of a run that has one; its lock is the run's."""
        if self.task_id is None:
            raise TypeError(f"Run {self.id} answers messages and has no task")
        return self.task_id

    @property
    def uncertain(self) -> Effect | None:
        """The effect of which nobody knows what came of it."""
        return open_effect(self.effects)

    def output_bytes(self) -> int:
        """How long what it has said is: its output, and the results of its effects."""
        return sum(len(text.encode()) for text in (self.output, *(effect.result or "" for effect in self.effects)))

    def without_output(self) -> "Run":
        """The run once that is no longer kept. What it has done, and that this ended, still stands there."""
        effects = tuple(effect if effect.result is None else replace(effect, result="") for effect in self.effects)
        return replace(self, output="", effects=effects)


def open_effect(effects: tuple[Effect, ...]) -> Effect | None:
    """The newest of these, if it has no result yet."""
    return effects[-1] if effects and effects[-1].result is None else None


def uncertain_words(effect: Effect) -> str:
    """What a person is told about work that was cut off in the middle."""
    return f"It was interrupted, and nobody knows what came of this, begun at {effect.began_at}: {effect.description}"
