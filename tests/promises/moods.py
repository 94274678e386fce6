"""An adapter whose work, whose calls and whose critic do whatever the mood is."""

import asyncio
import re
from dataclasses import dataclass
from decimal import Decimal

from opencognit.domain.chat import NO_ANSWER
from opencognit.domain.errors import DomainError
from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, Verdict, WorkOrder
from opencognit.testing import ManualClock, ScriptedReviewer

MINUTE = 60.0

CALLS = ("answers", "is slow", "is away", "is away for a while", "refuses", "breaks", "hangs")
"""What becomes of a call to the provider."""

WORK = (
    *("is done", "fails", "breaks", "gives up", "is for review", "says nothing"),
    *("asks the board", "asks and goes on", "writes to a colleague", "calls a meeting", "hands a part on"),
)
"""What becomes of the work, when the call has succeeded."""

VERDICTS = ("accepts", "rejects", "cannot say", "breaks")
"""What a critic says, when its call has succeeded."""

WORST = Outcome(cost_cents=Decimal(10), usage=TokenUsage(output_tokens=100), model="m")
USED = Outcome(cost_cents=Decimal("3.5"), usage=TokenUsage(output_tokens=40), model="m")

_TO_REVISE = re.compile(r"revise the approval (\S+)\.")
_PART = "Part of it"


@dataclass(frozen=True, kw_only=True)
class Mood:
    """How it goes, at one time; without more, all goes well.

    Attributes:
        call, work, verdict: one of `CALLS`, `WORK` and `VERDICTS`.
        is_metered: whether calls go through the budget and the gate.
    """

    call: str = CALLS[0]
    work: str = WORK[0]
    verdict: str = VERDICTS[0]
    is_metered: bool = False


class Moody(ScriptedReviewer):
    """It does as the mood is, which may change at any time.

    Attributes:
        mood: how it goes.
        colleagues: the names of those whom it writes to, each to the next one.
    """

    def __init__(self, clock: ManualClock, colleagues: tuple[str, ...]) -> None:
        super().__init__(self._work)
        self.judge = self._judge
        self.mood = Mood()
        self.colleagues = colleagues
        self._next = dict(zip(colleagues, (*colleagues[1:], colleagues[0]), strict=True))
        self._clock = clock

    async def command(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """A critic that is a command."""
        verdict = await self._judge(order, order.result or "", toolbox)
        return Outcome(error=None if verdict.accepted else verdict.reasons)

    async def _work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await self._called(toolbox)
        if toolbox.stopping():
            return Outcome(status="todo")
        try:
            return await self._outcome(order, toolbox)
        except DomainError as error:
            return Outcome(error=error.message)

    async def _outcome(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:  # noqa: C901 - one for each mood
        following = self._next.get(order.agent_name, self.colleagues[0])
        match self.mood.work:
            case "fails":
                return Outcome(error="It does not work")
            case "breaks":
                raise RuntimeError("unexpected")
            case "gives up":
                raise ProviderFailed("This cannot be", transient=False, partial=USED if self.mood.is_metered else None)
            case "is for review":
                return Outcome(result="Look at this", status="in_review")
            case "says nothing":
                return Outcome(result=NO_ANSWER if order.conversation else None)
            case "asks the board":
                sent_back = _TO_REVISE.findall("\n".join(order.comments))
                await toolbox.request_approval(
                    title="May I?", description="It is costly.", revises=sent_back[-1] if sent_back else None
                )
                return Outcome(status="blocked")
            case "asks and goes on":
                await toolbox.request_approval(title="Was that right?", description="It was costly.")
            case "writes to a colleague":
                await toolbox.send_message(to=following, text="What do you think?")
            case "calls a meeting" if order.conversation is None:
                await toolbox.call_meeting(title="All", participants=self.colleagues, question="Which one?")
            case "hands a part on" if order.title != _PART and order.conversation is None:
                await toolbox.create_subtask(title=_PART, description=None, assignee=following)
        return Outcome(result=f"{order.title}: done")

    async def _judge(self, _order: WorkOrder, _result: str, toolbox: Toolbox) -> Verdict:
        await self._called(toolbox)
        if self.mood.verdict == "cannot say":
            raise ProviderFailed("There is no verdict", transient=False)
        if self.mood.verdict == "breaks":
            raise RuntimeError("unexpected")
        return Verdict(accepted=self.mood.verdict == "accepts", reasons="It is too short")

    async def _called(self, toolbox: Toolbox) -> None:
        if self.mood.is_metered:
            await toolbox.metered(MeteredCall(provider_key="p", worst=WORST, make=self._make))
        else:
            await self._make()

    async def _make(self) -> tuple[None, Outcome]:
        match self.mood.call:
            case "is slow":
                await self._clock.sleep(15 * MINUTE)
            case "is away":
                raise ProviderFailed("Overloaded", transient=True)
            case "is away for a while":
                raise ProviderFailed("Too many requests", transient=True, retry_after=30 * MINUTE)
            case "refuses":
                raise ProviderFailed("No such key", transient=False)
            case "breaks":
                raise RuntimeError("unexpected")
            case "hangs":
                await asyncio.Event().wait()
        return None, USED
