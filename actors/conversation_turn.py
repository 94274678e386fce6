"""One turn in a conversation: the messages that an agent answers together, what it says to them, and to whom.

A turn answers one side at a time: the board, one other agent, or one meeting, whoever has waited longest; all that they
wrote meanwhile is answered together. The turn decides what follows from the adapter's work and hands it out as messages
to actors; the heartbeat (`work_cycle.py`) delivers them.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import structlog
from msgspec.structs import replace

from opencognit.actors.run_tools import RunTools
from opencognit.actors.work_order import conversation_order
from opencognit.domain.caller import CallerKind
from opencognit.domain.chat import NO_ANSWER, ChatMessage, EndTurn, SendChat
from opencognit.domain.errors import BudgetExhausted, DomainError
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, MEETING, Kind
from opencognit.domain.meeting import AnswerMeeting, ExcuseFromMeeting, MeetingStatus
from opencognit.domain.message import Message, decode
from opencognit.domain.run import Run, RunStatus, uncertain_words
from opencognit.providers.port import Outcome, Provider, ProviderFailed, WorkOrder

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

AT_ONCE = 50
"""Messages that one turn answers at most."""

LONGEST_ANSWER = 20_000
"""Characters; what is longer is cut."""

Delivery = tuple[Kind[Any], str, Message[Any]]
"""To which actor, and what it is asked."""

_log = structlog.get_logger("opencognit.work")


class ConversationTurn:
    """One run that answers messages.

    Attributes:
        run: the run, with its end as soon as that is known.
    """

    def __init__(self, system: "ActorSystem", run: Run) -> None:
        self.run = replace(run, status=RunStatus.CANCELLED, error="There was nothing to answer any more")
        self._system = system
        self._messages: list[ChatMessage] = []
        self._attempts = 0
        self._is_over = False
        self._reply: str | None = None
        self._notice: str | None = None
        self._again_after: float | None = None

    @property
    def meeting_id(self) -> str | None:
        """The meeting that is answered; None for a conversation."""
        return self._messages[0].meeting_id if self._messages else None

    @property
    def message_ids(self) -> tuple[str, ...]:
        """What is answered."""
        return tuple(message.id for message in self._messages)

    @property
    def _partner_id(self) -> str | None:
        return self._messages[0].sender_agent_id

    async def begin(self) -> bool:
        """Take up what has waited longest; whether there is something to say to it."""
        system = self._system
        turns = system.limits.talk_turns
        waiting = await system.store.queries.chat_to_answer(self.run.agent_id, system.clock.now(), turns, AT_ONCE)
        if not waiting:
            return False
        found = [decode(body, ChatMessage) for body, _ in waiting]
        self._attempts = waiting[0][1]
        self.run = replace(self.run, attempt=self._attempts + 1, error="The run was cancelled")
        self._messages = [message for message in found if _side(message) == _side(found[0])]
        if self.meeting_id is not None:
            meeting = await system.state(MEETING, self.meeting_id)
            if meeting is None or meeting.status is not MeetingStatus.RUNNING:
                self._is_over = True
                self.run = replace(self.run, error="The meeting is over")
            elif not meeting.waits_for(self.run.agent_id):
                self._is_over = True
                self.run = replace(self.run, error="The meeting has this agent's answer")
        return not self._is_over

    async def take_up(self, message_ids: tuple[str, ...]) -> None:
        """Take up these messages, as an earlier process did."""
        bodies = [await self._system.store.queries.chat_message(message_id) for message_id in message_ids]
        self._messages = [decode(body, ChatMessage) for body in bodies if body is not None]

    async def order(self) -> tuple[WorkOrder, Provider]:
        """What the adapter is told, and the adapter."""
        return await conversation_order(self._system, self.run, self._messages)

    # How it ended

    def take(self, work: "asyncio.Task[Outcome]", tools: RunTools, *, was_cut: bool) -> None:
        """Draw the conclusions from the end of the adapter's work."""
        self.run = tools.recorded(self.run, ended=None if work.cancelled() else "It ended with the run")
        if work.cancelled():
            if self.run.uncertain is not None:
                self.fail(uncertain_words(self.run.uncertain), again=False)
            elif not was_cut:
                self.fail("The adapter gave up", again=True)
            return
        error = work.exception()
        if error is None:
            self._take_outcome(work.result(), tools)
        elif isinstance(error, BudgetExhausted):
            # It stays unread: the agent waits until there is money again.
            self.run = replace(self.run, status=RunStatus.DEFERRED, error=error.message)
        elif isinstance(error, ProviderFailed):
            self.fail(str(error), again=error.transient, retry_after=error.retry_after)
        elif isinstance(error, TimeoutError):
            self.fail("The time limit was reached", again=True, status=RunStatus.TIMED_OUT)
        elif isinstance(error, DomainError):
            self.fail(error.message, again=True)
        else:
            _log.error("adapter_crashed", run=self.run.id, exc_info=error)
            self.fail(f"The adapter failed: {type(error).__name__}", again=True)

    def fail(
        self,
        error: str,
        *,
        again: bool,
        retry_after: float | None = None,
        status: RunStatus = RunStatus.FAILED,
    ) -> None:
        """There is no answer: try again later if that may help, else tell the board that there will be none."""
        self.run = replace(self.run, status=status, error=error)
        delays = self._system.limits.talk_retry_delays
        if again and self._attempts < len(delays):
            self._again_after = max(delays[self._attempts], retry_after or 0)
        else:
            self._notice = f"This could not be answered: {error}"

    def deliveries(self) -> Iterator[Delivery]:
        """What has to be delivered, in this order; the last one ends the run."""
        now, me = self._system.clock.now(), self.run.agent_id
        ids = self.message_ids
        is_done = self._is_over or self.run.status is RunStatus.SUCCEEDED or self._notice is not None
        end = EndTurn(run=replace(self.run, ended_at=now), read=ids if is_done else ())
        if self._again_after is not None:
            end = replace(end, tried=ids, again_at=after(now, self._again_after))
        if not self._messages:
            yield AGENT, me, end
            return
        thread_id = self._messages[0].thread_id
        if self.meeting_id is not None:
            if self._reply is not None:
                # Who was asked for an answer and then for the summary, and read both, has given the summary.
                yield MEETING, self.meeting_id, AnswerMeeting(agent_id=me, words=self._reply, question_id=ids[-1])
            elif self._notice is not None:
                yield MEETING, self.meeting_id, ExcuseFromMeeting(agent_id=me, reason=self._notice)
        elif self._partner_id is not None and self._reply is not None:
            # Its id follows from what it answers: after a crash before the end of the run, it is not said twice.
            message_id = str(uuid5(UUID(ids[0]), "answer"))
            yield AGENT, self._partner_id, SendChat(words=self._reply, thread_id=thread_id, message_id=message_id)
        else:
            end = replace(end, reply=self._reply)
        yield AGENT, me, replace(end, notice=self._notice, thread_id=thread_id)

    def _take_outcome(self, outcome: Outcome, tools: RunTools) -> None:
        self.run = replace(self.run, output=outcome.output or self.run.output)
        if outcome.error is not None:
            self.fail(outcome.error, again=True)
            return
        if outcome.status == "todo" and tools.stopping():
            # Given back between two steps. By itself alone it would be given back for ever.
            self.run = replace(self.run, error="The agent was paused")
            return
        words = (outcome.result or "").strip()[:LONGEST_ANSWER]
        if not words and tools.asked:
            words = "I have asked the board for its approval."
        is_expected = self.meeting_id is not None or self._partner_id is None
        if words and words != NO_ANSWER:
            self._reply = words
        elif is_expected:
            self._notice = "This was read, and there is no answer to it."
        self.run = replace(self.run, status=RunStatus.SUCCEEDED, error=None)


def _side(message: ChatMessage) -> tuple[CallerKind, str | None, str | None, str | None]:
    """With whom it is, and about what."""
    return message.sender_type, message.sender_agent_id, message.meeting_id, message.thread_id
