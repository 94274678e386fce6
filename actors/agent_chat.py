"""An agent's conversation: what it is told, what it tells the board, and which of that is unread.

Messages are records; the agent keeps their order and counts those that it has not read. What is unread is what it must
still answer, so nothing else has to be remembered over a restart. Two agents who write to each other and get nothing
done are held back after a while, until a person writes to one of them or a task of theirs moves.
"""

from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.agent_profile import AgentProfile
from opencognit.domain.agent import Agent, AgentStatus, DeleteAgent, Wake
from opencognit.domain.budget import PauseReason
from opencognit.domain.caller import SYSTEM, Caller, CallerKind
from opencognit.domain.chat import ChatMessage, EndTurn, MarkRead, ResumeTalks, SendChat, TellBoard, UnreadCount
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.events import ChatMessageSent, RunFinished, RunStarted
from opencognit.domain.kinds import AGENT, MEETING
from opencognit.domain.meeting import ExcuseFromMeeting
from opencognit.domain.message import Success, decode
from opencognit.domain.records import ChatRead, ChatTried, TalksForgotten, TalkTold, TalkTurn
from opencognit.domain.run import Run, RunSource, RunStatus
from opencognit.domain.wire_names import FIELDS


class AgentChat(AgentProfile):
    """What is said to an agent and by it."""

    @override
    async def delete_agent(self, message: DeleteAgent) -> Success:
        """Let the agent go; meetings do not wait for it."""
        done = await super().delete_agent(message)
        for meeting_id in await self.system.store.queries.running_meetings_of(self.id):
            excuse = ExcuseFromMeeting(agent_id=self.id, reason="It has left the company.")
            self.system.tell(MEETING, meeting_id, excuse, internal=True)
        return done

    async def send_chat(self, message: SendChat) -> ChatMessage:
        """Take in what someone says to this agent, which is woken for it.

        Raises:
            ValidationFailed: it is not an agent of the sender's company, or the sender itself.
        """
        agent, caller = self.state, self.asked_by.caller
        is_here = agent is not None and agent.company_id == self.asked_by.company_id
        if agent is None or not is_here or agent.status is AgentStatus.TERMINATED:
            raise ValidationFailed.of(FIELDS["recipient_id"], "is not an agent of this company")
        if caller.kind is CallerKind.AGENT and caller.id == self.id:
            raise ValidationFailed.of(FIELDS["recipient_id"], "is the sender itself")
        if message.message_id is not None:
            said = await self.system.store.queries.chat_message(message.message_id)
            if said is not None:
                self.tell_self(Wake(source=RunSource.AUTOMATION))
                return decode(said, ChatMessage)
        chat = self._chat(message.words, caller, to_agent=True, thread_id=message.thread_id)
        chat = replace(chat, meeting_id=message.meeting_id, id=message.message_id or chat.id)
        parts: list[Any] = [chat, ChatMessageSent.of(chat)]
        if caller.kind is CallerKind.AGENT and caller.id is not None:
            parts.append(TalkTurn(company_id=agent.company_id, agent_ids=(self.id, caller.id)))
        elif caller.kind is CallerKind.BOARD:
            parts.append(TalksForgotten(agent_id=self.id))
        await self.persist(replace(agent, message_count=agent.message_count + 1), *parts, reply=chat)
        self.tell_self(ResumeTalks() if caller.kind is CallerKind.BOARD else Wake(source=RunSource.AUTOMATION))
        return chat

    async def tell_board(self, message: TellBoard) -> ChatMessage:
        """Say something to the board, as this agent."""
        self._alive()
        chat = self._chat(message.words, self.asked_by.caller, to_agent=False, thread_id=message.thread_id)
        await self.append(chat, ChatMessageSent.of(chat), reply=chat)
        return chat

    async def mark_read(self, _message: MarkRead) -> UnreadCount:
        """Remember that the caller has read what is there for them."""
        agent, by_agent = self.existing(), self.is_by_agent()
        done, read = UnreadCount(agent_id=self.id, unread=0), ChatRead(agent_id=self.id, by_agent=by_agent)
        if by_agent:
            await self.persist(replace(agent, message_count=0), read, reply=done)
        else:
            await self.append(read, reply=done)
        return done

    async def resume_talks(self, _message: ResumeTalks) -> None:
        """Let this agent, and all who have not answered it, go on."""
        for agent_id in await self.system.store.queries.not_answering(self.id):
            self.system.tell(AGENT, agent_id, Wake(source=RunSource.AUTOMATION), internal=True)
        if self.state is not None and self.state.message_count:
            self.tell_self(Wake(source=RunSource.AUTOMATION))

    async def end_turn(self, message: EndTurn) -> Agent:
        """The run that answered messages is over: keep its end, what was said, and what is still unread."""
        agent, run = self.existing(), message.run
        recorded = await self.system.store.queries.run(run.id)
        if recorded is not None and decode(recorded, Run).ended_at is not None:
            return agent  # Told before, and only the answer was lost.
        parts: list[Any] = [run, RunFinished.of(run)]
        itself = Caller(kind=CallerKind.AGENT, id=self.id, name=agent.name)
        for words, caller in ((message.reply, itself), (message.notice, SYSTEM)):
            if words is not None:
                chat = self._chat(words, caller, to_agent=False, thread_id=message.thread_id)
                parts += [chat, ChatMessageSent.of(chat)]
        if message.read:
            parts.append(ChatRead(agent_id=self.id, ids=message.read))
        if message.tried:
            parts.append(ChatTried(ids=message.tried, again_at=message.again_at))
        unread = await self.system.store.queries.unread_by_agent(self.id, message.read)
        status = AgentStatus.IDLE if agent.status is AgentStatus.RUNNING else agent.status
        last_error = run.error if run.status in (RunStatus.FAILED, RunStatus.TIMED_OUT) else None
        if agent.paused_by is PauseReason.BUDGET:
            last_error = agent.last_error
        agent = await self._become(status, *parts, message_count=unread, last_error=last_error)
        await self._arm_next_attempt()
        return agent

    # Below: what the handlers share

    async def _begin_turn(self) -> Run | None:
        """Begin a run that answers messages, if there are some; it takes no task and no lock."""
        if not await self._has_to_answer():
            return None
        agent = self.existing()
        run = Run(
            id=self.new_id(),
            company_id=agent.company_id,
            agent_id=self.id,
            task_id=None,
            source=RunSource.CALLBACK,
            status=RunStatus.RUNNING,
            attempt=1,
            started_at=self.now(),
        )
        await self._become(AgentStatus.RUNNING, run, RunStarted.of(run), last_heartbeat=self.now())
        return run

    async def _has_to_answer(self) -> bool:
        agent, queries = self.existing(), self.system.store.queries
        if not agent.message_count:
            return False
        turns = self.system.limits.talk_turns
        if await queries.chat_to_answer(self.id, self.now(), turns, 1):
            return True
        for other_id, name in await queries.untold_talks(self.id, turns):
            await self._tell_of_pause(agent, other_id, name)
        return False

    async def _tell_of_pause(self, agent: Agent, other_id: str, name: str) -> None:
        text = (
            f"{agent.name} and {name} have written to each other {self.system.limits.talk_turns} times without a task"
            " moving on. Their conversation is paused until a person writes to one of them, or a task of theirs moves."
        )
        chat = self._chat(text, SYSTEM, to_agent=False, thread_id=None)
        activity = self.entry(agent.company_id, "chat.paused", text, agentIds=[self.id, other_id])
        await self.append(chat, ChatMessageSent.of(chat), activity, TalkTold(agent_ids=(self.id, other_id)))

    async def _arm_next_attempt(self) -> None:
        """Look again when a message that could not be answered is due once more."""
        agent = self.state
        due = await self.system.store.queries.next_chat_attempt(self.id) if agent and agent.message_count else None
        self.remind("chat", due if due is not None and due > self.now() else None, Wake(source=RunSource.AUTOMATION))

    def _chat(self, words: str, caller: Caller, *, to_agent: bool, thread_id: str | None) -> ChatMessage:
        return ChatMessage(
            id=self.new_id(),
            company_id=self.existing().company_id,
            agent_id=self.id,
            recipient_id=self.id if to_agent else None,
            sender_agent_id=caller.id if caller.kind is CallerKind.AGENT else None,
            sender_type=caller.kind,
            sender_name=caller.name,
            words=words,
            thread_id=thread_id,
            created_at=self.now(),
        )
