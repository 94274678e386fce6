"""What a company's figures look like: its dashboard, and what it has spent in a month.

Money is in cents, exact to the micro-cent. A part of it may be estimated: the model's price was not known, or nobody
knows how a call has ended.
"""

from decimal import Decimal
from typing import Annotated

import msgspec

from opencognit.domain.agent import AgentStatus
from opencognit.domain.company import Company
from opencognit.domain.events import Activity
from opencognit.domain.goal import Goal
from opencognit.domain.instants import Instant
from opencognit.domain.query import Paging
from opencognit.domain.wire_names import FIELDS, FIGURE_FIELDS

DAYS = 14
"""Days of which the dashboard tells how many tasks were completed."""


def percent(spent_cents: Decimal, budget_cents: int) -> Decimal:
    """How much of a budget is spent, to the hundredth and never rounded up; 0 where there is no budget."""
    if not budget_cents:
        return Decimal(0)
    return Decimal(int(10_000 * spent_cents / budget_cents)) / 100


class Booked(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """What calls have used. `input_tokens` are all that was read, from the provider's cache too."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_cents: Decimal = Decimal(0)
    estimated_cents: Decimal = Decimal(0)
    """How much of it is an estimate."""

    def __add__(self, other: "Booked") -> "Booked":
        return Booked(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_cents=self.cost_cents + other.cost_cents,
            estimated_cents=self.estimated_cents + other.estimated_cents,
        )


class AgentCosts(Booked, frozen=True, kw_only=True, rename={**FIGURE_FIELDS, "cost_cents": FIELDS["spent_cents"]}):
    """What an agent has spent in the month; one that was deleted stays."""

    id: str
    name: str
    status: AgentStatus
    budget_cents: int
    """Its present budget of a month; 0 is none."""
    cost_cents: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)


class ModelCosts(Booked, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """What calls of a model have cost."""

    model: str | None
    """None where the adapter names none."""


class DayCosts(Booked, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """What was spent on a day of the company's calendar."""

    day: str


class CostSummary(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """What a company has spent in a month of its calendar."""

    month: str
    """As `2026-04`."""
    spent_in_all: Decimal
    estimated_in_all: Decimal
    budget_in_all: int
    """The company's present budget of a month; 0 is none."""
    percent_in_all: Decimal
    calls: int
    input_tokens: int
    output_tokens: int
    by_agent: tuple[AgentCosts, ...]
    """Who has spent the most comes first; as many as were asked for."""
    by_model: tuple[ModelCosts, ...]
    by_day: tuple[DayCosts, ...]
    """Every day of the month."""


class AgentFigures(msgspec.Struct, frozen=True, kw_only=True, rename={**FIGURE_FIELDS, "error": "error"}):
    """How many agents there are; those that were deleted do not count."""

    in_all: int
    active: int
    """Those that are idle or running."""
    idle: int
    running: int
    paused: int
    error: int


class TaskFigures(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """How many tasks there are."""

    in_all: int
    open: int
    """Those that are neither done nor cancelled."""
    in_progress: int
    done: int
    blocked: int
    completed_per_day: tuple[int, ...]
    """Of the last fourteen days of the company's calendar, the oldest first and today last."""


class CostFigures(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """What the company has spent this month."""

    spent_in_all: Decimal
    estimated_in_all: Decimal
    budget_in_all: int
    percent: Decimal


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs there were."""

    total: int
    succeeded: int
    failed: int
    """Those that took too long, too."""


class AgentLine(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """An agent in short."""

    id: str
    name: str
    role: str
    title: str | None
    status: AgentStatus
    reports_to: str | None
    adapter: str | None
    avatar: str | None
    avatar_colour: str | None
    is_orchestrator: bool
    current_task_id: str | None
    heartbeat_on: bool
    last_heartbeat: Instant | None
    last_error: str | None
    budget_cents: int
    spent_cents: Decimal
    """In this month."""


class Dashboard(msgspec.Struct, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """A company at a glance; all of it tells of the same moment."""

    company: Company
    agents: AgentFigures
    tasks: TaskFigures
    costs: CostFigures
    runs: RunFigures
    pending_approvals: int
    """Questions that the board has not decided."""
    all_agents: tuple[AgentLine, ...]
    """The first hundred; the list of agents has them all."""
    latest_activity: tuple[Activity, ...]
    """The newest twenty entries, the newest first."""
    active_goals: tuple[Goal, ...]
    """The first hundred."""


class CostQuery(Paging, frozen=True, kw_only=True, rename=FIGURE_FIELDS):
    """Which month, and which of the agents."""

    month: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])\Z")] | None = None
    """As `2026-04`; the present one by default."""
