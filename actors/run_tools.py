"""What an adapter may do during a run (`providers.port.Toolbox`), each as a message like anyone else's."""

import asyncio
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from opencognit.actors.company_tools import CompanyTools
from opencognit.actors.metered_call import Spending
from opencognit.actors.output_stream import OutputStream
from opencognit.actors.ports import Outside
from opencognit.actors.provider_turns import ProviderTurns
from opencognit.actors.run_effects import RunEffects
from opencognit.actors.work_order import recall, workspace
from opencognit.domain.approval import Approval, AskAgain, RequestApproval
from opencognit.domain.budget import ReportCostlyRun
from opencognit.domain.chat import SendChat, TellBoard
from opencognit.domain.coding_session import CodingSession, KeepCodingSession
from opencognit.domain.errors import DomainError, Forbidden, NotFound, ValidationFailed
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, MEETING, TASK_LOCK
from opencognit.domain.meeting import CallMeeting
from opencognit.domain.memory import Remember
from opencognit.domain.message import made
from opencognit.domain.records import MICRO
from opencognit.domain.run import Run, TokenUsage
from opencognit.domain.task import NoteReview
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.providers.port import MeteredCall, Outcome, Verdict

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem
    from opencognit.actors.work_cycle import WorkCycle

T = TypeVar("T")

OUTPUT_LIMIT: Final = 100_000
"""Characters of output that are kept with a run; the newest stay."""

USUAL_RUNS: Final = 20
"""The last ended runs of an agent that say what its runs usually cost."""


BOARD: Final = "board"
"""Whom a message is for that is for people."""


class Callback:
    """A one-time address at which a run is answered."""

    def __init__(self, url: str, token: str, answer: "asyncio.Future[Mapping[str, Any]]") -> None:
        self.url = url
        self.token = token
        self._answer = answer

    async def answer(self) -> Mapping[str, Any]:
        """Wait for the answer."""
        return await self._answer


class RunTools(CompanyTools):
    """The tools of one run; all it does is done as its agent.

    Attributes:
        usage, cost_cents: what was booked so far.
        output: what the adapter has reported so far.
        asked: the approvals that the run has asked for.
        in_meeting: whether the run answers a meeting, in which no other can be called.
        turns: its way to providers.
        effects: what it does outside.
    """

    def __init__(self, system: "ActorSystem", cycle: "WorkCycle", run: Run) -> None:
        super().__init__(system, cycle, run)
        self.usage = TokenUsage()
        self.cost_cents = Decimal(0)
        self.output = ""
        self.in_meeting = False
        self._spending = Spending(system, run, cycle.origin, count=self._booked)
        self._usual_cents: Decimal | None = None
        self._warned = False
        self._live = OutputStream(system, run)
        self.turns = ProviderTurns(system, run)
        self.effects = RunEffects(system, run, cycle.origin)

    def recorded(self, run: Run, *, ended: str | None = None) -> Run:
        """The run with what it has used, said and done so far; `ended` is what came of an effect without a result."""
        effects = self.effects.all if ended is None else self.effects.ended(ended)
        return replace(
            run,
            usage=self.usage,
            cost_cents=self.cost_cents,
            output=run.output or self.output,
            effects=effects,
            answering=self.effects.answering,
        )

    async def send_message(self, *, to: str, text: str) -> None:
        """Write to the agent of that name or id, or to the board, as the agent."""
        if to.casefold() == BOARD:
            await self._system.ask(AGENT, self._run.agent_id, TellBoard(words=text), origin=self._cycle.origin)
        else:
            colleague = await self._colleague(to)
            if colleague is None:
                raise ValidationFailed("Say to whom the message is")
            await self._system.ask(AGENT, colleague, SendChat(words=text), origin=self._cycle.origin)

    async def call_meeting(self, *, title: str, participants: tuple[str, ...], question: str) -> str:
        """Ask several agents a question that each answers for itself; returns the meeting's id."""
        if self.in_meeting:
            raise Forbidden("No meeting can be called from within one")
        asked = [await self._colleague(name) for name in participants]
        call = CallMeeting(
            title=title,
            description=question,
            organiser_id=self._run.agent_id,
            participant_ids=tuple(agent_id for agent_id in asked if agent_id is not None),
        )
        meeting = await self._system.create(MEETING, call, origin=self._cycle.origin)
        return meeting.id

    async def request_approval(self, *, title: str, description: str, revises: str | None = None) -> str:
        """Ask the board, or ask again what it sent back; returns the approval's id."""
        if revises is not None:
            approval = await self._ask_again(revises, AskAgain(title=title, description=description))
        else:
            payload = {FIELDS["task_id"]: self._run.task_id} if self._run.task_id else {}
            request = RequestApproval(title=title, description=description, payload=payload)
            approval = await self._system.create(APPROVAL, request, origin=self._cycle.origin)
        self.asked.append(approval.id)
        return approval.id

    async def remember(self, text: str) -> None:
        """Note something down for later tasks of this agent."""
        await self._system.ask(AGENT, self._run.agent_id, made(Remember, {"content": text}), origin=self._cycle.origin)

    async def recall(self, words: str) -> tuple[str, ...]:
        """The agent's own notes about these words, nearest first."""
        return await recall(self._system, self._run.agent_id, words)

    def open_callback(self) -> Callback:
        """A one-time address at which this run can be answered later."""
        token = self._system.ids.new_secret()
        answer = self._system.runs.expect(self._run.id, hashlib.sha256(token.encode()).hexdigest())
        url = f"{self._system.limits.public_url}/api/{PATHS['runs']}/{self._run.id}/{PATHS['callback']}"
        return Callback(url, token, answer)

    async def metered(self, call: MeteredCall[T]) -> T:
        """Make a call that costs money when the budgets cover it, and return its reply; it is booked by then.

        It is made in its turn, and again while it fails for a passing reason (see `provider_turns.py`).
        """
        return await self.turns.make(call, self._attempt)

    async def _attempt(self, call: MeteredCall[T]) -> T:
        reply = await self._spending.metered(call)
        await self._watch_cost()
        return reply

    async def book(self, outcome: Outcome) -> None:
        """Book what one call has used and cost; durable on return. Nothing is written where there is nothing."""
        await self._spending.book(outcome)
        await self._watch_cost()

    def _booked(self, outcome: Outcome) -> None:
        self.usage += outcome.usage
        self.cost_cents += outcome.cost_cents

    async def _watch_cost(self) -> None:
        """Warn the board, once, when the run costs many times what the agent's runs usually cost."""
        limits = self._system.limits
        if self._warned or self.cost_cents <= limits.costly_run_floor_cents:
            return
        if self._usual_cents is None:
            earlier = await self._system.store.queries.costs_of_runs(self._run.agent_id, USUAL_RUNS)
            self._usual_cents = Decimal(str(median(earlier))) / MICRO if earlier else Decimal(0)
        if not self._usual_cents or self.cost_cents <= limits.costly_run_factor * self._usual_cents:
            return
        self._warned = True
        report = ReportCostlyRun(
            run_id=self._run.id,
            task_id=self._run.task_id,
            cost_cents=self.cost_cents,
            usual_cents=self._usual_cents,
        )
        self._system.tell(AGENT, self._run.agent_id, report, internal=True)

    async def coding_session(self) -> CodingSession | None:
        """The session in which the agent has worked on this task before."""
        if self._run.task_id is None:
            return None
        return await self._system.store.queries.coding_session(self._run.agent_id, self._run.task_id)

    async def keep_coding_session(self, session: CodingSession | None) -> None:
        """Remember the session for the agent's next run on this task; None forgets it."""
        if self._run.task_id is None:
            return
        message = KeepCodingSession(task_id=self._run.task_id, session=session)
        await self._system.ask(AGENT, self._run.agent_id, message, origin=self._cycle.origin)

    async def note_review(self, verdict: Verdict) -> str:
        """Show a critic's verdict on the task; returns what is told there."""
        note = NoteReview(run_id=self._run.id, accepted=verdict.accepted, reasons=verdict.reasons)
        return await self._system.ask(TASK_LOCK, self._run.locked_task_id, note)

    def progress(self, text: str) -> None:
        """Output as it comes."""
        self.output = (self.output + text)[-OUTPUT_LIMIT:]
        self._live.add(text)

    def end(self) -> None:
        """Show what of the output was not shown yet; the run is over."""
        self._live.end()

    def stopping(self) -> bool:
        """Whether the agent was paused meanwhile."""
        return self._cycle.stopping

    async def _ask_again(self, approval_id: str, message: AskAgain) -> Approval:
        approval = await self._system.state(APPROVAL, approval_id)
        if approval is None or approval.company_id != self._run.company_id:
            raise NotFound(f"There is no approval {approval_id!r}")
        return await self._system.ask(APPROVAL, approval_id, message, origin=self._cycle.origin)

    # Outside

    async def list_files(self, path: str) -> str:
        """What lies in a folder of the workspace."""
        return await self._outside.list_files(await self._workspace(), path)

    async def read_file(self, path: str) -> str:
        """A text file of the workspace."""
        return await self._outside.read_file(await self._workspace(), path)

    async def write_file(self, path: str, content: str) -> None:
        """Write a text file in the workspace."""
        await self._outside.write_file(await self._workspace(), path, content)

    async def run_command(self, command: str, *, repeatable: bool = False) -> str:
        """Run a command in the workspace; its output."""
        workspace = await self._workspace()
        if repeatable or self.effects.uncertain is not None:
            # The whole of a run that may not be repeated is one effect.
            return await self._outside.run_command(workspace, command)
        await self.effects.begin(f"Command: {command}")
        try:
            said = await self._outside.run_command(workspace, command)
        except DomainError as error:
            await self.effects.end(f"Refused: {error.message}")
            raise
        await self.effects.end(said)
        return said

    async def fetch_url(self, url: str) -> str:
        """The text at a URL."""
        return await self._outside.fetch_url(url)

    @property
    def _outside(self) -> Outside:
        return self._system.surroundings.outside

    async def _workspace(self) -> str:
        company = await self._system.state(COMPANY, self._run.company_id)
        if company is None:
            raise NotFound("The company is gone")
        return str(workspace(self._system, company, self._run.agent_id))
