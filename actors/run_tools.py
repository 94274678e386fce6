"""What an adapter may do during a run (`providers.port.Toolbox`), each as a message like anyone else's."""

import asyncio
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opencognit.actors.provider_turns import ProviderTurns
from opencognit.domain.agent import BookCost
from opencognit.domain.approval import RequestApproval
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.kinds import AGENT, APPROVAL, TASK_LOCK
from opencognit.domain.run import Run, TokenUsage
from opencognit.domain.task import AddComment, CreateTask, NoteReview
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Verdict

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem
    from opencognit.actors.work_cycle import WorkCycle

T = TypeVar("T")

OUTPUT_LIMIT: Final = 100_000
"""Characters of output that are kept with a run; the newest stay."""


class Callback:
    """A one-time address at which a run is answered."""

    def __init__(self, url: str, token: str, answer: "asyncio.Future[Mapping[str, Any]]") -> None:
        self.url = url
        self.token = token
        self._answer = answer

    async def answer(self) -> Mapping[str, Any]:
        """Wait for the answer."""
        return await self._answer


class RunTools:
    """The tools of one run; all it does is done as its agent.

    Attributes:
        usage, cost_cents: what was booked so far.
        output: what the adapter has reported so far.
        asked: the approvals that the run has asked for.
        turns: its way to providers.
    """

    def __init__(self, system: "ActorSystem", cycle: "WorkCycle", run: Run) -> None:
        self.usage = TokenUsage()
        self.cost_cents = Decimal(0)
        self.output = ""
        self.asked: list[str] = []
        self.turns = ProviderTurns(system, run)
        self._system = system
        self._cycle = cycle
        self._run = run

    async def comment(self, text: str) -> None:
        """Write a comment on the task, as the agent."""
        await self._system.ask(TASK_LOCK, self._run.task_id, AddComment(content=text), origin=self._cycle.origin)

    async def create_subtask(self, *, title: str, description: str | None, assignee: str | None) -> str:
        """Create a task below this one, for the agent of that name or id, or for nobody; returns its id."""
        create = CreateTask(
            title=title,
            description=description,
            parent_id=self._run.task_id,
            assignee_id=await self._colleague(assignee),
        )
        task = await self._system.create(TASK_LOCK, create, origin=self._cycle.origin)
        return task.id

    async def request_approval(self, *, title: str, description: str) -> str:
        """Ask the board; returns the approval's id."""
        request = RequestApproval(title=title, description=description, payload={FIELDS["task_id"]: self._run.task_id})
        approval = await self._system.create(APPROVAL, request, origin=self._cycle.origin)
        self.asked.append(approval.id)
        return approval.id

    def open_callback(self) -> Callback:
        """A one-time address at which this run can be answered later."""
        token = self._system.ids.new_secret()
        answer = self._system.runs.expect(self._run.id, hashlib.sha256(token.encode()).hexdigest())
        url = f"{self._system.limits.public_url}/api/{PATHS['runs']}/{self._run.id}/{PATHS['callback']}"
        return Callback(url, token, answer)

    async def metered(self, call: MeteredCall[T]) -> T:
        """Make a call that costs money, and return its reply; what it used and cost is booked by then.

        It is made in its turn, and again while it fails for a passing reason (see `provider_turns.py`).
        """
        return await self.turns.make(call, self._attempt)

    async def _attempt(self, call: MeteredCall[T]) -> T:
        try:
            reply, used = await call.make()
        except ProviderFailed as error:
            await self.book(error.partial)
            raise ProviderFailed(str(error), transient=error.transient, retry_after=error.retry_after) from error
        await self.book(used)
        return reply

    async def book(self, outcome: Outcome) -> None:
        """Book what one call has used and cost; durable on return. Nothing is written where there is nothing."""
        if not outcome.cost_cents and outcome.usage == TokenUsage():
            return
        await self._system.ask(
            AGENT,
            self._run.agent_id,
            BookCost(
                run_id=self._run.id,
                task_id=self._run.task_id,
                model=outcome.model,
                usage=outcome.usage,
                cost_cents=outcome.cost_cents,
                estimated=outcome.cost_estimated,
            ),
            origin=self._cycle.origin,
        )
        self.usage += outcome.usage
        self.cost_cents += outcome.cost_cents

    async def note_review(self, verdict: Verdict) -> str:
        """Show a critic's verdict on the task; returns what is told there."""
        note = NoteReview(run_id=self._run.id, accepted=verdict.accepted, reasons=verdict.reasons)
        return await self._system.ask(TASK_LOCK, self._run.task_id, note)

    def progress(self, text: str) -> None:
        """Output as it comes."""
        self.output = (self.output + text)[-OUTPUT_LIMIT:]

    def stopping(self) -> bool:
        """Whether the agent was paused meanwhile."""
        return self._cycle.stopping

    async def _colleague(self, name_or_id: str | None) -> str | None:
        if not name_or_id:
            return None
        for name, agent_id in await self._system.store.queries.agent_names(self._run.company_id):
            if name_or_id in (agent_id, name) or name_or_id.casefold() == name.casefold():
                return agent_id
        raise ValidationFailed(f"There is no agent called {name_or_id!r} in this company")
