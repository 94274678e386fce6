"""The port behind which every adapter does an agent's work.

An adapter is given a `WorkOrder` and a `Toolbox`; it works, calls tools of the toolbox on the way, and
returns an `Outcome`. It knows nothing of locks, actors or the store. Cancelling its coroutine must end all
that it started (a process group, a connection) before the coroutine ends.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from opencognit.domain.adapter import Abilities
from opencognit.domain.coding_session import CodingSession
from opencognit.domain.plan import PlannedTask
from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import ADAPTER_FIELDS

T = TypeVar("T")


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that an agent is to answer; the result of the work is its answer."""

    partner: str
    """Who wrote them."""
    earlier: tuple[str, ...]
    """What was said before, oldest first, each as `author: text`."""
    messages: tuple[str, ...]
    """What is to be answered, likewise."""
    open_tasks: tuple[str, ...]
    """The agent's unfinished tasks, the first ones first."""


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One task for one agent, or messages to answer, as far as an adapter needs to know it."""

    run_id: str
    task_id: str | None
    """None where messages are to be answered."""
    company_id: str
    agent_id: str
    agent_name: str
    role: str
    system_prompt: str | None
    skills: tuple[str, ...]
    """Each skill as text: name, description and content."""
    company_name: str
    company_goal: str | None
    title: str
    description: str | None
    comments: tuple[str, ...]
    """What was said on the task so far, oldest first, each as `author: text`."""
    blocker_results: tuple[str, ...]
    """The results of the tasks that this one waited for, each as `title: result`."""
    config: Mapping[str, Any]
    """The agent's `verbindungsConfig`, secrets in the clear. Never log it."""
    workspace: str
    """The agent's own folder; it exists."""
    time_limit: float
    """Seconds; the caller cuts the run at this limit."""
    conversation: Conversation | None = None
    """Set where there is no task but messages to answer."""
    memories: tuple[str, ...] = ()
    """Of what the agent has noted down, what is nearest to the task; nearest first."""
    tools: frozenset[str] | None = None
    """The names of the tools that it may be offered; None means all."""
    is_orchestrator: bool = False
    goals: tuple[str, ...] = ()
    """What is to be reached, each as text; the task's own goal first."""
    subtasks: tuple[str, ...] = ()
    """The tasks below this one, each as `title (status, id)`."""
    effects: tuple[str, ...] = ()
    """What its last runs on the task have done outside and may not simply do again, oldest first."""
    colleagues: tuple[str, ...] = ()
    """For an orchestrator: who could do what, and how much each has to do."""
    context_tokens: int = 100_000
    """The most that standing prompt and task may take together, as far as that can be told from their length."""
    result: str | None = None
    """The result that a critic's command shall judge; None for work."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the work ended. An adapter returns it for success and for a failure of the work itself.

    A failure has `error` set: one sentence for a person. What went wrong on the way to the work (network,
    429) is raised as `ProviderFailed`.

    `usage` and `cost_cents` are what was not given to `Toolbox.book` yet, so that each token is reported
    once: an adapter that books each call returns none, one that learns the cost with the answer returns it
    here.
    """

    result: str | None = None
    error: str | None = None
    output: str = ""
    """What the work printed or said, cut to a sensible length."""
    usage: TokenUsage = TokenUsage()
    cost_cents: Decimal = Decimal(0)
    cost_estimated: bool = False
    model: str | None = None
    status: str = "done"
    """What the task should become on success: `done` or `in_review`; `blocked` when it waits for a person;
    `todo` when the adapter found `Toolbox.stopping()` true and gave the task back between two steps."""


class ProviderFailed(Exception):
    """The work could not be done, for a reason outside of it.

    Attributes:
        transient: whether trying again later may help.
        retry_after: seconds that the provider asked us to wait; None where it said nothing.
        partial: what was used and paid until then, as far as it was not booked; an estimate where a call was
            made and its answer lost.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        retry_after: float | None = None,
        partial: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.partial = partial or Outcome()


@dataclass(frozen=True, kw_only=True)
class MeteredCall(Generic[T]):
    """One call that costs money, for `Toolbox.metered` to make when it may.

    Attributes:
        provider_key: whose rate the call counts against: the same for all calls with one key of one provider. Never
            the key itself.
        worst: the most that the call can use and cost.
        make: makes the call once; returns its reply, and what it used and cost. Raises `ProviderFailed`, with what a
            lost answer may have cost as its `partial`.
    """

    provider_key: str
    worst: Outcome
    make: Callable[[], Awaitable[tuple[T, Outcome]]]


class Callback(Protocol):
    """A one-time way to answer a run from outside, for as long as the run lives."""

    url: str
    """Where to POST the answer, with the token as bearer."""
    token: str
    """Good for one answer."""

    async def answer(self) -> Mapping[str, Any]:
        """Wait for the answer; returns its JSON body."""


class Toolbox(Protocol):
    """What an agent may do beside its answer; every call is an actor message that is checked like any other.

    A refusal is raised as a `DomainError`. An adapter may tell it to its model, except `NotLockHolder` and
    `StaleToken`, which it lets through: the run has lost its task and ends.
    """

    async def comment(self, text: str) -> None:
        """Write a comment on the task, as the agent."""

    async def create_subtask(self, *, title: str, description: str | None, assignee: str | None) -> str:
        """Create a task below this one, for the agent of that name or id, or for nobody; returns its id."""

    async def request_approval(self, *, title: str, description: str, revises: str | None = None) -> str:
        """Ask the board, or ask again what it sent back (`revises` is that approval's id); returns the id."""

    async def remember(self, text: str) -> None:
        """Note something down for later tasks of this agent."""

    async def recall(self, words: str) -> tuple[str, ...]:
        """The agent's own notes about these words, nearest first."""

    async def send_message(self, *, to: str, text: str) -> None:
        """Write to the agent of that name or id, or to the `board`, as the agent."""

    async def call_meeting(self, *, title: str, participants: tuple[str, ...], question: str) -> str:
        """Ask several agents, by name or id, a question that each answers for itself; returns the meeting's id."""

    async def permit(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Whether the agent may make this call: None if so; words for the model if the board was asked instead.

        Raises:
            Forbidden: it may not.
        """

    async def read_task(self, task_id: str) -> str:
        """A task of the company, as text."""

    async def update_task(self, task_id: str, changes: Mapping[str, Any]) -> str:
        """Change a task below this one, an orchestrator any of the company; returns its status."""

    async def plan(self, tasks: Sequence[PlannedTask], goal: str | None) -> Mapping[str, str]:
        """Create all these tasks or none; their ids by key. `assignee_id` may be a name."""

    async def create_goal(self, *, title: str, description: str | None, parent: str | None) -> str:
        """Set the company a goal; returns its id."""

    async def update_goal(self, goal_id: str, changes: Mapping[str, Any]) -> str:
        """Change a goal's progress or status; returns the status."""

    async def hire(self, *, reason: str, fields: Mapping[str, Any]) -> str:
        """Ask the board to hire an agent; returns the approval's id."""

    async def report(self, text: str) -> None:
        """Report to the board."""

    async def list_files(self, path: str) -> str:
        """What lies in a folder of the workspace."""

    async def read_file(self, path: str) -> str:
        """A text file of the workspace."""

    async def write_file(self, path: str, content: str) -> None:
        """Write a text file in the workspace."""

    async def run_command(self, command: str, *, repeatable: bool = False) -> str:
        """Run a command in the workspace; its output.

        One that is not `repeatable` is recorded before and after; cut off in between, it is a person's to judge.
        """

    async def fetch_url(self, url: str) -> str:
        """The text at a URL."""

    def open_callback(self) -> "Callback":
        """A one-time address at which this run can be answered later."""

    async def metered(self, call: MeteredCall[T]) -> T:
        """Make a call that costs money, and return its reply; what it used and cost is booked by then.

        Raises:
            ProviderFailed: there is no reply. What was used until then is booked.
        """

    async def book(self, outcome: Outcome) -> None:
        """Book what one call has used and cost; durable on return, so that a later crash cannot forget it."""

    async def coding_session(self) -> CodingSession | None:
        """The session in which the agent has worked on this task before, also before a restart."""

    async def keep_coding_session(self, session: CodingSession | None) -> None:
        """Remember the session for the agent's next run on this task; None forgets it. Durable on return."""

    def progress(self, text: str) -> None:
        """Output as it comes; shown live, never waited for."""

    def stopping(self) -> bool:
        """Whether the agent was paused meanwhile: end after the present step."""


class Provider(Protocol):
    """An adapter. One instance serves all agents and is safe to use concurrently."""

    name: str
    """Its `verbindungsTyp`."""
    abilities: Abilities
    """What it can do."""

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Do the task. Raises `ProviderFailed`; `asyncio.CancelledError` passes through after cleaning up."""

    async def close(self) -> None:
        """Give back what it holds (connections)."""


def may_repeat(provider: Provider, order: WorkOrder) -> bool:
    """Whether this work may simply be done again after it was cut off in the middle."""
    stated = order.config.get(ADAPTER_FIELDS["repeatable"])
    return stated if isinstance(stated, bool) else provider.abilities.repeatable


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a review came to."""

    accepted: bool
    reasons: str


@runtime_checkable
class Reviewer(Protocol):
    """An adapter that can also judge what was handed in."""

    async def review(self, order: WorkOrder, result: str, toolbox: Toolbox, model: str | None) -> Verdict:
        """Say whether a result does what its task asks for.

        Args:
            order: the task; its `config` is one of this adapter's.
            result: what was handed in.
            toolbox: makes the one metered call.
            model: who judges; the configured or a lighter model of this adapter's if None.

        Raises:
            ProviderFailed: there is no verdict, or none that can be read.
        """
