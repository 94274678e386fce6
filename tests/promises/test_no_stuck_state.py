"""Whatever people, agents and providers do, in whatever order: nothing is ever stuck.

A hypothesis state machine drives a whole runtime whose clock jumps, and looks after every step whether each lock has a
run, each run a heartbeat, each waiting task someone or something to wait for, each message someone who will answer it,
each reservation a call. A month of twenty agents with failing providers ends the same for the same seed.
"""

import os
from collections.abc import Coroutine, Iterator
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opencognit import housekeeping
from opencognit.domain.agent import Agent, AgentStatus, DeleteAgent, PauseAgent, ResumeAgent, UpdateAgent, Wake
from opencognit.domain.approval import OPEN, ApprovalKind, ApprovalStatus, AskAgain, Decide, RequestApproval, Withdraw
from opencognit.domain.budget import LimitKind, Period, SpendingLimit
from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.chat import SendChat
from opencognit.domain.company import CompanyStatus, UpdateCompany
from opencognit.domain.critic import CommandCritic, ModelCritic, NoCritic
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, MEETING, TASK_LOCK
from opencognit.domain.meeting import AnswerMeeting, CallMeeting, CancelMeeting, CompleteMeeting, MeetingStatus
from opencognit.domain.origin import Origin
from opencognit.domain.task import RELEASED_TO, Checkout, CreateTask, DeleteTask, Release, TaskStatus, UpdateTask
from opencognit.domain.wire_names import FIELDS
from tests.promises.moods import CALLS, VERDICTS, WORK, Mood
from tests.promises.simulated_company import SimulatedCompany

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NUMBER = st.integers(0, 20)
"""One of those that are there, whichever."""
SELDOM = st.integers(-60, 20).map(lambda number: number if number >= 0 else None)
OFTEN = st.integers(-3, 20).map(lambda number: number if number >= 0 else None)
"""Likewise, or none."""

MINUTES = st.sampled_from([0.1, 1, 10, 60, 300, 1800])
MOOD = st.builds(
    Mood,
    call=st.sampled_from(["answers", *CALLS]),
    is_metered=st.sampled_from([True, True, False]),
    work=st.sampled_from(["is done", *WORK]),
    verdict=st.sampled_from(["accepts", *VERDICTS]),
)
CENTS = st.sampled_from([0, 0, 5, 12, 30, 100])
"""A month's budget; 0 is no limit, 5 is too little for any call."""

CENT = FIELDS["budget_cents"]
CRITICS = st.sampled_from([None, NoCritic(), ModelCritic(), CommandCritic(command="check")])
ADAPTER = st.sampled_from(["scripted", "scripted", "scripted", None])
DECISIONS = st.sampled_from(
    [
        Decide(status=ApprovalStatus.APPROVED),
        Decide(status=ApprovalStatus.REJECTED),
        Decide(status=ApprovalStatus.REVISION_REQUESTED),
        AskAgain(title="Again"),
        Withdraw(),
    ]
)
LIMITS = st.sampled_from(
    [
        (),
        (SpendingLimit(kind=LimitKind.RUNS, period=Period.DAY, most=2),),
        (SpendingLimit(kind=LimitKind.CENTS, period=Period.FIVE_HOURS, most=15),),
        (SpendingLimit(kind=LimitKind.TOKENS, period=Period.DAY, most=150),),
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _the_house_is_kept_once_a_day() -> Iterator[None]:
    """Nothing here depends on it, and months have many ten minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(housekeeping, "ROUND", DAY)
        yield


class Life(RuleBasedStateMachine):
    """A company, and all that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.company = SimulatedCompany()
        self.outside: set[str] = set()
        self.blocked_by_hand: set[str] = set()
        self.budgets: dict[str, tuple[int, Decimal]] = {}

    # Who and what is there

    def agents(self) -> list[Agent]:
        """Those who have not left; there are always two."""
        agents = self.company.at_rest().agents.values()
        return [agent for agent in agents if agent.status is not AgentStatus.TERMINATED]

    def agent(self, number: int) -> str:
        agents = self.agents()
        return agents[number % len(agents)].id

    def act(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let it happen; the server may be killed in the midst of it."""
        self.company.run(work)
        self.company.run(self.company.mourn())

    def tell(self, kind: Any, entity_id: str, message: Any, origin: Origin | None = None) -> None:
        self.act(self.company.told(kind, entity_id, message, origin=origin))

    def tell_one(self, kind: Any, ids: list[str], number: int, message: Any) -> None:
        if ids:
            self.tell(kind, ids[number % len(ids)], message)

    def change_task(self, number: int, message: Any) -> None:
        if (task_id := self.task(number)) is not None:
            self.change(task_id, message)

    def change(self, task_id: str, message: Any) -> None:
        if getattr(message, "status", None) is TaskStatus.BLOCKED:
            self.blocked_by_hand.add(task_id)
        self.tell(TASK_LOCK, task_id, message)

    def task(self, number: int) -> str | None:
        ids = list(self.company.at_rest().tasks)
        return ids[number % len(ids)] if ids else None

    # Providers, critics, time, and the server

    @rule(mood=MOOD, minutes=MINUTES)
    def the_mood_becomes(self, mood: Mood, minutes: float) -> None:
        self.company.provider.mood = mood
        self.act(self.company.clock.advance(minutes * MINUTE))

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: float) -> None:
        self.act(self.company.clock.advance(minutes * MINUTE))

    @rule()
    def the_server_is_started_again(self) -> None:
        self.act(self.company.start_again())

    @rule(commits=st.integers(0, 12))
    def the_server_is_killed(self, commits: int) -> None:
        """Now, or after so many commits, in the midst of whatever comes."""
        self.company.kill_after(commits)
        self.company.run(self.company.mourn())

    it_is_killed_more_often_than_other_things_happen = the_server_is_killed

    # Tasks

    @initialize(mood=MOOD, agents=st.lists(OFTEN, max_size=4), critic=CRITICS)
    def work_is_there(self, mood: Mood, agents: list[int | None], critic: Any) -> None:
        self.company.provider.mood = mood
        self.tasks_are_given(agents, None, critic)

    @rule(agents=st.lists(OFTEN, min_size=1, max_size=3), waits_for=SELDOM, critic=CRITICS)
    def tasks_are_given(self, agents: list[int | None], waits_for: int | None, critic: Any) -> None:
        blocker = self.task(waits_for) if waits_for is not None else None
        tasks = [
            CreateTask(
                title="Do it",
                assignee_id=self.agent(agent) if agent is not None else None,
                blocked_by=(blocker,) if blocker else (),
                critic=critic,
            )
            for agent in agents
        ]
        self.act(self.company.given(TASK_LOCK, *tasks))

    # To `in_progress` the board may move a task without a lock; here, that status is a lock's.
    @rule(number=NUMBER, status=st.sampled_from(sorted(set(TaskStatus) - {TaskStatus.IN_PROGRESS})))
    def a_task_is_moved(self, number: int, status: TaskStatus) -> None:
        self.change_task(number, UpdateTask(status=status))

    @rule(number=NUMBER, agent=NUMBER, blocker=st.none() | NUMBER)
    def a_task_is_given_to_another_or_waits(self, number: int, agent: int, blocker: int | None) -> None:
        other = self.task(blocker) if blocker is not None else None
        self.change_task(
            number, UpdateTask(blocked_by=(other,)) if other else UpdateTask(assignee_id=self.agent(agent))
        )

    @rule(number=NUMBER)
    def a_task_is_deleted(self, number: int) -> None:
        self.change_task(number, DeleteTask())

    @rule(number=NUMBER, agent=NUMBER, is_its_own=st.booleans())
    def a_program_outside_takes_a_task(self, number: int, agent: int, *, is_its_own: bool) -> None:
        task = self.company.at_rest().tasks.get(self.task(number) or "")
        agent_id = task.assignee_id if task and task.assignee_id and is_its_own else self.agent(agent)
        run_id = f"outside-{len(self.outside)}"
        self.outside.add(run_id)
        self.change_task(number, Checkout(agent_id=agent_id, run_id=run_id, lease=HOUR))

    @rule(number=NUMBER, status=st.sampled_from([None, None, *sorted(RELEASED_TO)]))
    def a_lock_is_taken_away(self, number: int, status: TaskStatus | None) -> None:
        locked = [task.id for task in self.company.at_rest().tasks.values() if task.locked_by is not None]
        if locked:
            self.change(locked[number % len(locked)], Release(status=status))

    # Agents

    @rule(agent=NUMBER, message=st.sampled_from([PauseAgent(), ResumeAgent(), Wake()]))
    def an_agent_is_paused_or_resumed(self, agent: int, message: Any) -> None:
        self.tell(AGENT, self.agent(agent), message)

    @rule(agent=NUMBER)
    def an_agent_leaves(self, agent: int) -> None:
        if len(self.agents()) > 2:
            self.tell(AGENT, self.agent(agent), DeleteAgent())

    @rule(agent=NUMBER, critic=CRITICS, adapter=ADAPTER, beats=st.booleans())
    def an_agent_is_changed(self, agent: int, critic: Any, adapter: str | None, *, beats: bool) -> None:
        change = UpdateAgent(critic=critic, adapter=adapter, heartbeat_on=beats, heartbeat_interval=7200)
        self.tell(AGENT, self.agent(agent), change)

    # Conversations and meetings

    @rule(agent=NUMBER, sender=st.none() | NUMBER)
    def an_agent_is_told_something(self, agent: int, sender: int | None) -> None:
        origin = self.company.board
        if sender is not None:
            caller = Caller(kind=CallerKind.AGENT, id=self.agent(sender), name="Agent", company_id=self.company.id)
            origin = Origin(caller=caller, company_id=self.company.id)
        self.tell(AGENT, self.agent(agent), SendChat(words="How is it going?"), origin)

    @rule(organiser=NUMBER, participants=st.lists(NUMBER, min_size=1, max_size=3))
    def a_meeting_is_called(self, organiser: int, participants: list[int]) -> None:
        asked = tuple(self.agent(number) for number in participants)
        call = CallMeeting(title="Which one?", organiser_id=self.agent(organiser), participant_ids=asked)
        self.act(self.company.given(MEETING, call))

    @rule(number=NUMBER, agent=NUMBER, message=st.sampled_from([CompleteMeeting(), CancelMeeting(), None]))
    def a_person_ends_a_meeting_or_answers(self, number: int, agent: int, message: Any) -> None:
        answer = message or AnswerMeeting(agent_id=self.agent(agent), words="The first one")
        running = [one.id for one in self.company.at_rest().meetings if one.status is MeetingStatus.RUNNING]
        self.tell_one(MEETING, running, number, answer)

    # Approvals

    @rule(agent=NUMBER, cents=CENTS, task=st.none() | NUMBER)
    def a_budget_or_a_new_agent_is_asked_for(self, agent: int, cents: int, task: int | None) -> None:
        task_id = self.task(task) if task is not None else None
        payload: dict[str, Any] = {FIELDS["task_id"]: task_id} if task_id else {}
        if cents:
            kind, payload = ApprovalKind.BUDGET, payload | {FIELDS["agent_id"]: self.agent(agent), CENT: cents}
        else:
            kind, payload = (
                ApprovalKind.HIRE,
                payload | {"name": "Dan", FIELDS["role"]: "R", FIELDS["adapter"]: "scripted"},
            )
        self.act(self.company.given(APPROVAL, RequestApproval(title="May I?", kind=kind, payload=payload)))

    @rule(number=NUMBER, message=DECISIONS)
    def the_board_decides(self, number: int, message: Any) -> None:
        open_ones = [one.id for one in self.company.at_rest().approvals if one.status in OPEN]
        self.tell_one(APPROVAL, open_ones, number, message)

    # Money

    @rule(cents=CENTS, status=st.sampled_from([CompanyStatus.ACTIVE, CompanyStatus.ACTIVE, CompanyStatus.PAUSED]))
    def the_company_is_changed(self, cents: int, status: CompanyStatus) -> None:
        self.tell(COMPANY, self.company.id, UpdateCompany(budget_cents=cents, status=status))

    @rule(cents=CENTS)
    def the_company_gets_a_budget(self, cents: int) -> None:
        self.tell(COMPANY, self.company.id, UpdateCompany(budget_cents=cents))

    @rule(agent=NUMBER, cents=CENTS, limits=LIMITS)
    def an_agent_gets_a_budget(self, agent: int, cents: int, limits: Any) -> None:
        self.tell(AGENT, self.agent(agent), UpdateAgent(budget_cents=cents, limits=limits))

    # What holds

    @invariant()
    def nothing_is_stuck(self) -> None:
        rest = self.company.at_rest(outside=self.outside, blocked_by_hand=self.blocked_by_hand)
        rest.assert_nothing_is_stuck()
        self.blocked_by_hand &= {task.id for task in rest.tasks.values() if task.status is TaskStatus.BLOCKED}
        for ledger in (rest.company, *rest.agents.values()):
            used = ledger.spent_cents + ledger.reserved_cents
            budget, allowed = self.budgets.get(ledger.id, (0, Decimal(0)))
            # One that was lowered beneath what is used stops what is new; what is used stays.
            allowed = min(allowed, used) if ledger.budget_cents == budget else used
            self.budgets[ledger.id] = ledger.budget_cents, allowed
            assert not ledger.budget_cents or used <= max(ledger.budget_cents, allowed), f"overspent: {ledger}"

    def teardown(self) -> None:
        try:
            self.company.run(self.all_comes_to_an_end())
        finally:
            self.company.close()

    async def all_comes_to_an_end(self) -> None:
        """Everyone works again, all goes well, and days pass."""
        company, told = self.company, self.company.told
        company.provider.mood = Mood()
        await told(COMPANY, company.id, UpdateCompany(budget_cents=0, status=CompanyStatus.ACTIVE))
        for agent in self.agents():
            await told(AGENT, agent.id, UpdateAgent(budget_cents=0, limits=(), adapter="scripted"))
            await told(AGENT, agent.id, ResumeAgent())
        await company.clock.advance(3 * DAY)
        company.at_rest(outside=self.outside, blocked_by_hand=self.blocked_by_hand).assert_all_has_ended()


TestLife = Life.TestCase
# The same lives each time; `make nightly` looks at others, and more of them.
LIVES = os.environ.get("LIVES")
TestLife.settings = hypothesis.settings(
    max_examples=int(LIVES or 40), stateful_step_count=30, deadline=None, derandomize=LIVES is None
)
