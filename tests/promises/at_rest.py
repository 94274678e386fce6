"""What must hold of a company whenever nothing is left to do but to let time pass: nobody waits for nothing.

It is read from the database itself, so that no question of the runtime's own can hide what it forgets.
"""

from collections import defaultdict
from collections.abc import Set as AbstractSet
from contextlib import closing
from decimal import Decimal
from typing import Any

from opencognit.domain.agent import Agent, AgentStatus
from opencognit.domain.approval import OPEN, Approval, ApprovalStatus
from opencognit.domain.budget import Ledger, PauseReason
from opencognit.domain.chat import ChatMessage
from opencognit.domain.company import Company, CompanyStatus
from opencognit.domain.instants import Instant
from opencognit.domain.meeting import Meeting, MeetingStatus
from opencognit.domain.message import decode
from opencognit.domain.run import Run
from opencognit.domain.task import FINISHED, Task, TaskStatus
from opencognit.domain.wire_names import FIELDS
from opencognit.runtime import Runtime
from opencognit.store.database import sqlite3

AT_WORK = (AgentStatus.IDLE, AgentStatus.RUNNING)


class AtRest:
    """All that is stored of the one company of a runtime, read at one moment.

    Args:
        runtime: whose.
        outside: runs of programs outside, which may hold locks.
        blocked_by_hand: tasks that a person has blocked, and that wait for a person only.

    Attributes:
        unread: what agents have not read, each with when it is tried again and how often the two wrote to each other.
    """

    def __init__(
        self, runtime: Runtime, outside: AbstractSet[str] = frozenset(), blocked_by_hand: AbstractSet[str] = frozenset()
    ):
        self._runtime = runtime
        self._outside = outside
        self._blocked_by_hand = blocked_by_hand
        self._turns = runtime.system.limits.talk_turns
        self.now = runtime.clock.now()
        self.alive = {beat.run_id for beat in runtime.system.runs.all()}
        with closing(sqlite3.connect(runtime.data / "opencognit.db")) as database:

            def rows(sql: str) -> list[tuple[Any, ...]]:
                found: list[tuple[Any, ...]] = database.execute(sql).fetchall()
                return found

            (self.company,) = (decode(body, Company) for (body,) in rows("SELECT body FROM companies"))
            self.agents = {a.id: a for a in (decode(body, Agent) for (body,) in rows("SELECT body FROM agents"))}
            self.tasks = {t.id: t for t in (decode(body, Task) for (body,) in rows("SELECT body FROM tasks"))}
            self.approvals = [decode(body, Approval) for (body,) in rows("SELECT body FROM approvals")]
            self.meetings = [decode(body, Meeting) for (body,) in rows("SELECT body FROM meetings")]
            self.unfinished = [
                decode(body, Run) for (body,) in rows("SELECT body FROM runs WHERE ended_at IS NULL ORDER BY seq")
            ]
            self.waiting_for = defaultdict(set)
            for task_id, blocker_id in rows("SELECT task_id, blocker_id FROM blockers WHERE is_open"):
                self.waiting_for[task_id].add(blocker_id)
            self.unread: list[tuple[ChatMessage, Instant | None, int]] = [
                (decode(body, ChatMessage), again_at, turns)
                for body, again_at, turns in rows(
                    "SELECT m.body, m.next_attempt_at, coalesce(t.turns, 0) FROM chat_messages m LEFT JOIN talks t"
                    " ON t.first_id = min(m.recipient_id, m.sender_agent_id)"
                    " AND t.second_id = max(m.recipient_id, m.sender_agent_id)"
                    " WHERE m.recipient_id IS NOT NULL AND NOT m.is_read ORDER BY m.seq"
                )
            ]

    def assert_nothing_is_stuck(self) -> None:
        """Everyone who waits waits for someone who will come, or for a time that will."""
        self._locks()
        for task in self.tasks.values():
            self._task(task)
        for agent in self.agents.values():
            self._agent(agent)
        self._conversations()
        self._approvals()
        self._meetings()
        for ledger in (self.company, *self.agents.values()):
            self._money(ledger)

    def assert_all_has_ended(self) -> None:
        """Likewise; and with everyone at work, and all questions answered or expired, nobody waits for time either."""
        self.assert_nothing_is_stuck()
        assert self._runtime.system.runs.all() == []
        assert self.unfinished == []
        waiting = [
            task
            for task in self.tasks.values()
            if task.status is TaskStatus.IN_PROGRESS
            or (task.status is TaskStatus.TODO and task.assignee_id is not None)
        ]
        assert waiting == [], f"tasks that nobody has done: {waiting}"
        undecided = [approval for approval in self.approvals if approval.status in OPEN]
        assert undecided == [], f"questions without an end: {undecided}"
        meetings = [meeting for meeting in self.meetings if meeting.status is MeetingStatus.RUNNING]
        assert meetings == [], f"meetings without an end: {meetings}"
        unanswered = [chat for chat, _, written in self._unread() if written < self._turns]
        assert unanswered == [], f"messages without an answer: {unanswered}"
        assert [ledger for ledger in (self.company, *self.agents.values()) if ledger.reservations] == []
        gates = self._runtime.system.gates.states()
        assert [key for key, gate in gates.items() if gate.inside or gate.waiting] == [], "calls that nobody makes"

    # Tasks

    def _locks(self) -> None:
        for task in self.tasks.values():
            if task.locked_by is not None:
                assert task.lock_run_id in self.alive | self._outside, f"a lock without a run: {task}"
                assert task.lock_expires_at is not None
                assert task.lock_expires_at > self.now, f"a lock that outlived its lease: {task}"
            assert (task.status is TaskStatus.IN_PROGRESS) == (task.locked_by is not None), (
                f"a lock and a status: {task}"
            )
        assert {run.id for run in self.unfinished} <= self.alive, f"runs without an end: {self.unfinished}"

    def _task(self, task: Task) -> None:
        if task.next_attempt_at is not None:
            assert task.status is TaskStatus.TODO, f"a next attempt at what is not to be done: {task}"
            assert task.next_attempt_at > self.now, f"a next attempt that was missed: {task}"
        if task.status not in FINISHED and task.assignee_id is not None:
            assert self.agents[task.assignee_id].status is not AgentStatus.TERMINATED, f"for one who has left: {task}"
        if task.escalation is not None:
            assert task.escalation.made, f"an escalation that was not made: {task}"
            waits = self._is_helped(task) or self.waiting_for[task.id]
            assert waits, f"whoever was asked will not answer: {task}"
        if task.status is TaskStatus.BLOCKED:
            waits = self.waiting_for[task.id] or task.id in self._blocked_by_hand or self._is_helped(task)
            assert waits, f"blocked by nothing: {task}"
        for blocker_id in self.waiting_for[task.id]:
            assert blocker_id in self.tasks, f"waits for a task that was deleted: {task}"
            assert self.tasks[blocker_id].status is not TaskStatus.DONE, f"waits for what is done: {task}"

    def _is_helped(self, task: Task) -> bool:
        """Whether the board or the orchestrator is asked about it, and may still answer."""
        if task.escalation is not None and task.escalation.agent_id is not None:
            asked = self.tasks.get(task.escalation.id)
            return asked is not None and asked.status not in FINISHED and asked.assignee_id is not None
        return any(
            approval.status is ApprovalStatus.PENDING and approval.payload.get(FIELDS["task_id"]) == task.id
            for approval in self.approvals
        )

    # Agents

    def _agent(self, agent: Agent) -> None:
        beat = self._runtime.system.runs.of_agent(agent.id)
        assert beat is None or beat.run_id is not None, f"a heartbeat that does nothing: {agent}"
        assert agent.status is not AgentStatus.RUNNING or beat is not None, f"running without a run: {agent}"
        assert agent.current_task_id is None or beat is not None, f"a task without a run: {agent}"
        if agent.status is AgentStatus.PAUSED and agent.paused_by is PauseReason.BUDGET:
            assert agent.resumes_at is not None, f"stopped by its budget for ever: {agent}"
            assert agent.resumes_at > self.now, f"not resumed in time: {agent}"
        if agent.next_heartbeat is not None:
            assert agent.next_heartbeat > self.now, f"a heartbeat that was missed: {agent}"
        if beat is None and self._may_work(agent):
            ready = [task for task in self.tasks.values() if task.assignee_id == agent.id and self._is_ready(task)]
            assert not ready or self._looks_again(agent), f"an idle agent does not do its work: {ready}"

    def _may_work(self, agent: Agent) -> bool:
        return agent.status in AT_WORK and agent.adapter is not None and self.company.status is CompanyStatus.ACTIVE

    def _looks_again(self, agent: Agent) -> bool:
        """Whether its provider is away, so that it waits with all its tasks, or it could not ask for one just now."""
        actor = next(actor for actor in self._runtime.system.live() if actor.id == agent.id)
        return bool({"provider", "again"} & (actor._timers or {}).keys())

    def _is_ready(self, task: Task) -> bool:
        return task.status is TaskStatus.TODO and task.next_attempt_at is None

    # Conversations, questions and meetings

    def _conversations(self) -> None:
        unread: dict[str | None, int] = defaultdict(int)
        for chat, again_at, written in self._unread():
            agent = self.agents[chat.recipient_id or ""]
            unread[agent.id] += 1
            is_idle = self._may_work(agent) and self._runtime.system.runs.of_agent(agent.id) is None
            is_due = again_at is None or again_at <= self.now
            assert not (is_idle and is_due and written < self._turns), f"an idle agent does not answer: {chat}"
        for agent in self.agents.values():
            if agent.status is not AgentStatus.TERMINATED:
                assert agent.message_count == unread[agent.id], f"{unread[agent.id]} are unread: {agent}"

    def _unread(self) -> list[tuple[ChatMessage, Instant | None, int]]:
        """Without what was written to those who have left."""
        gone = {agent.id for agent in self.agents.values() if agent.status is AgentStatus.TERMINATED}
        return [one for one in self.unread if one[0].recipient_id not in gone]

    def _approvals(self) -> None:
        for approval in self.approvals:
            assert not approval.follow_up, f"what follows from it was not done: {approval}"
            if approval.status in OPEN:
                assert approval.expires_at is None or approval.expires_at > self.now, f"not expired: {approval}"
                asker = self.agents.get(approval.requested_by or "")
                assert asker is None or asker.status is not AgentStatus.TERMINATED, f"its asker has left: {approval}"

    def _meetings(self) -> None:
        asked = {(chat.meeting_id, chat.recipient_id) for chat, _, _ in self._unread()}
        for meeting in self.meetings:
            if meeting.status is MeetingStatus.RUNNING:
                assert meeting.due_at is not None
                assert meeting.due_at > self.now, f"a meeting that goes on for ever: {meeting}"
                waits_for = meeting.outstanding() or (meeting.organiser_id,)
                silent = [id_ for id_ in waits_for if (meeting.id, id_) not in asked]
                assert silent == [], f"{silent} were not asked, or have left: {meeting}"

    # Money

    def _money(self, ledger: Ledger) -> None:
        for held in ledger.reservations:
            assert held.run_id in self.alive, f"reserved for a run that is over: {ledger}"
        assert ledger.reserved_cents == sum((held.cost_cents for held in ledger.reservations), Decimal(0)), f"{ledger}"
        if ledger is self.company:
            assert ledger.paused_by is not PauseReason.BUDGET or ledger.month_ends_at is not None, f"for ever: {ledger}"
            assert ledger.month_ends_at is None or ledger.month_ends_at > self.now, f"a month without an end: {ledger}"
            of_agents = {held.id for agent in self.agents.values() for held in agent.reservations}
            assert {held.id for held in ledger.reservations} == of_agents, (
                f"not what its agents have reserved: {ledger}"
            )
