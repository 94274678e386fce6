"""What an adapter may do during a run (`providers.port.Toolbox`), each as a message like anyone else's."""

import asyncio
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opencognit.actors.company_tools import CompanyTools
from opencognit.actors.ports import Outside
from opencognit.actors.work_order import workspace
from opencognit.domain.agent import BookCost
from opencognit.domain.approval import RequestApproval
from opencognit.domain.errors import NotFound
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY
from opencognit.domain.run import Run, TokenUsage
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed

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


class RunTools(CompanyTools):
    """The tools of one run; all it does is done as its agent.

    Attributes:
        usage, cost_cents: what was booked so far.
        output: what the adapter has reported so far.
    """

    def __init__(self, system: "ActorSystem", cycle: "WorkCycle", run: Run) -> None:
        super().__init__(system, cycle, run)
        self.usage = TokenUsage()
        self.cost_cents = Decimal(0)
        self.output = ""

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
        """Make a call that costs money, and return its reply; what it used and cost is booked by then."""
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

    def progress(self, text: str) -> None:
        """Output as it comes."""
        self.output = (self.output + text)[-OUTPUT_LIMIT:]

    def stopping(self) -> bool:
        """Whether the agent was paused meanwhile."""
        return self._cycle.stopping

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

    async def run_command(self, command: str) -> str:
        """Run a command in the workspace; its output."""
        return await self._outside.run_command(await self._workspace(), command)

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
