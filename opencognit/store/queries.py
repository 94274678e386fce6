"""Every question that is asked of the tables, one method each, named as the question.

Each runs on a thread of the reading pool and is awaited. Bodies come back as the stored JSON, ready for the wire.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import peewee

from opencognit.domain.caller import CompanyRole, Session
from opencognit.domain.events import Published
from opencognit.domain.instants import Instant
from opencognit.domain.records import Answer
from opencognit.store.activity_queries import ActivityQueries
from opencognit.store.approval_queries import ApprovalQueries
from opencognit.store.budget_queries import BudgetQueries
from opencognit.store.chat_queries import ChatQueries
from opencognit.store.coding_session_queries import CodingSessionQueries
from opencognit.store.company_queries import CompanyQueries
from opencognit.store.cost_queries import CostQueries
from opencognit.store.figure_queries import FigureQueries
from opencognit.store.goal_queries import GoalQueries
from opencognit.store.healing_queries import HealingQueries
from opencognit.store.memory_queries import MemoryQueries
from opencognit.store.reading import Page, on_reader
from opencognit.store.retention_queries import RetentionQueries
from opencognit.store.routine_queries import RoutineQueries
from opencognit.store.settings_queries import SettingsQueries
from opencognit.store.snapshots import SHELVES
from opencognit.store.subscription_queries import SubscriptionQueries
from opencognit.store.tables import (
    Agents,
    AgentSecrets,
    Answers,
    Blockers,
    ChatMessages,
    Comments,
    Companies,
    Events,
    Memberships,
    Runs,
    Sessions,
    Tasks,
    Users,
)
from opencognit.store.task_queries import TaskQueries

# Written out, not bound: SQLite uses the partial index only where it can see the same words in the query.
UNFINISHED = peewee.Expression(Tasks.status, peewee.OP.NOT_IN, peewee.SQL("('done', 'cancelled')"))


class Counts(msgspec.Struct, frozen=True):
    """The figures of the whole server."""

    active_agents: int
    open_tasks: int
    runs: int


class Queries(
    BudgetQueries,
    SettingsQueries,
    CodingSessionQueries,
    ChatQueries,
    ApprovalQueries,
    MemoryQueries,
    GoalQueries,
    HealingQueries,
    RoutineQueries,
    TaskQueries,
    ActivityQueries,
    CostQueries,
    FigureQueries,
    RetentionQueries,
    SubscriptionQueries,
    CompanyQueries,
):
    """The questions."""

    # Snapshots

    @on_reader
    def load(self, kind: str, entity_id: str) -> bytes | None:
        """The body of one snapshot."""
        rows = self._readers.rows(SHELVES[kind].select, (entity_id,))
        return rows[0][0] if rows else None

    @on_reader
    def tasks_with_timer(self) -> list[str]:
        """Tasks with a lease or a next attempt: they must be awake."""
        query = Tasks.select(Tasks.id).where(
            Tasks.lock_expires_at.is_null(False) | Tasks.next_attempt_at.is_null(False)
        )
        return self._column(query)

    @on_reader
    def agents_to_wake(self) -> list[str]:
        """Agents that must be awake after a start: heartbeat on, left in a run, or with something to do."""
        with_work = Tasks.select(Tasks.assignee_id).where(Tasks.assignee_id.is_null(False), UNFINISHED)
        unread = peewee.Expression(ChatMessages.is_read, peewee.OP.EQ, peewee.SQL("0"))
        with_mail = ChatMessages.select(ChatMessages.recipient_id).where(
            unread, ChatMessages.recipient_id.is_null(False)
        )
        in_a_run = Runs.select(Runs.agent_id).where(Runs.ended_at.is_null())
        return self._column(
            Agents.select(Agents.id).where(
                Agents.next_heartbeat.is_null(False)
                | Agents.resumes_at.is_null(False)
                | (Agents.status == "running")
                | Agents.id.in_(in_a_run)
                | (Agents.adapter.is_null(False) & (Agents.id.in_(with_work) | Agents.id.in_(with_mail)))
                | ((Agents.status == "terminated") & Agents.id.in_(with_work))
            )
        )

    @on_reader
    def finished_blockers_still_open(self) -> list[tuple[str, str, str]]:
        """(company, blocker, its status) where a blocker is over, but its dependents were not told."""
        blocker = Tasks.alias()
        query = (
            Blockers.select(Blockers.company_id, Blockers.blocker_id, blocker.status)
            .join(
                blocker,
                join_type=peewee.JOIN.LEFT_OUTER,
                on=(blocker.id == Blockers.blocker_id),
            )
            .where((Blockers.is_open & (blocker.status == "done")) | blocker.id.is_null())
            .distinct()
        )
        return [
            (company, blocker_id, status or "deleted")
            for company, blocker_id, status in query.tuples().execute(self._readers.database)
        ]

    # People

    @on_reader
    def sessions(self, now: Instant) -> list[Session]:
        """All tokens that are still good."""
        query = Sessions.select().where(Sessions.expires_at > now)
        return [msgspec.convert(row, Session) for row in query.dicts().execute(self._readers.database)]

    @on_reader
    def memberships(self) -> list[tuple[str, str, CompanyRole]]:
        """(company, user, role) of everyone, in the order in which they came."""
        query = Memberships.select(Memberships.company_id, Memberships.user_id, Memberships.role)
        query = query.order_by(Memberships.seq)
        return [
            (company, user, CompanyRole(role)) for company, user, role in query.tuples().execute(self._readers.database)
        ]

    @on_reader
    def users(self) -> list[bytes]:
        """Everyone with an account."""
        return self._column(Users.select(Users.body).order_by(Users.seq))

    @on_reader
    def user_by_email(self, email: str) -> tuple[bytes, str] | None:
        """A user and the password's hash."""
        query = Users.select(Users.body, Users.password_hash).where(Users.email == email.casefold())
        row: tuple[bytes, str] | None = self._first(query)
        return row

    @on_reader
    def user_by_id(self, user_id: str) -> tuple[bytes, str] | None:
        """A user and the password's hash."""
        query = Users.select(Users.body, Users.password_hash).where(Users.id == user_id)
        row: tuple[bytes, str] | None = self._first(query)
        return row

    # Lists

    @on_reader
    def companies(self, ids: Iterable[str] | None, limit: int, offset: int) -> Page:
        """Companies, all or those of these ids."""
        query = Companies.select()
        if ids is not None:
            query = query.where(Companies.id.in_(list(ids)))
        return self._page(query, Companies, limit, offset)

    @on_reader
    def agents(self, company_id: str, limit: int, offset: int) -> Page:
        """A company's agents without those that were deleted."""
        with self._readers.database.atomic():
            counts = self._counts(company_id, "agent")
            bodies = self._readers.rows(
                "SELECT body FROM agents WHERE company_id = ? AND status <> 'terminated' ORDER BY seq LIMIT ? OFFSET ?",
                (company_id, limit, offset),
            )
        return Page([body for (body,) in bodies], sum(counts.values()) - counts.get("terminated", 0))

    @on_reader
    def comments(self, task_id: str, limit: int, offset: int) -> Page:
        """What was said on a task, oldest first."""
        return self._page(Comments.select().where(Comments.task_id == task_id), Comments, limit, offset)

    @on_reader
    def runs(self, agent_id: str, limit: int, offset: int, before: int | None) -> Page:
        """An agent's runs, newest first."""
        query = Runs.select().where(Runs.agent_id == agent_id)
        return self._newest(query, Runs, Runs.body, limit=limit, offset=offset, before=before)

    @on_reader
    def run(self, run_id: str) -> bytes | None:
        """One run."""
        row = self._first(Runs.select(Runs.body).where(Runs.id == run_id))
        return row[0] if row else None

    # The work loop

    @on_reader
    def inbox(self, agent_id: str) -> list[bytes]:
        """An agent's unfinished tasks in the order in which it takes them."""
        return self._column(self._inbox(agent_id).select(Tasks.body))

    @on_reader
    def ready_tasks(self, agent_id: str, now: Instant, limit: int) -> list[str]:
        """The tasks that an agent could take now, first ones first."""
        query = (
            self._inbox(agent_id)
            .where(
                Tasks.status.in_(("todo", "in_progress")),
                Tasks.lock_expires_at.is_null(),
                Tasks.next_attempt_at.is_null() | (Tasks.next_attempt_at <= now),
            )
            .limit(limit)
        )
        return self._column(query)

    @on_reader
    def open_tasks_of(self, agent_id: str) -> list[str]:
        """All unfinished tasks that are assigned to an agent."""
        return self._column(self._inbox(agent_id))

    @on_reader
    def agent_ids(self, company_id: str) -> list[str]:
        """A company's agents, without those that were deleted."""
        return self._column(
            Agents.select(Agents.id).where(Agents.company_id == company_id, Agents.status != "terminated")
        )

    @on_reader
    def agent_names(self, company_id: str) -> list[tuple[str, str]]:
        """(name, id) of a company's agents."""
        query = Agents.select(Agents.name, Agents.id).where(
            Agents.company_id == company_id, Agents.status != "terminated"
        )
        return list(query.tuples().execute(self._readers.database))

    @on_reader
    def unfinished_runs(self, agent_id: str) -> list[bytes]:
        """Runs of an agent whose end was not recorded."""
        return self._column(Runs.select(Runs.body).where(Runs.agent_id == agent_id, Runs.ended_at.is_null()))

    @on_reader
    def agent_secrets(self, agent_id: str) -> str | None:
        """The sealed secrets of an agent's configuration."""
        row = self._first(AgentSecrets.select(AgentSecrets.sealed).where(AgentSecrets.agent_id == agent_id))
        return row[0] if row else None

    @on_reader
    def waiting_for(self, blocker_id: str, *, also_done: bool = False) -> list[str]:
        """Tasks that this one blocks; with `also_done` those that it has blocked, too."""
        named = Blockers.select(Blockers.task_id).where(Blockers.blocker_id == blocker_id)
        return self._column(named if also_done else named.where(Blockers.is_open))

    @on_reader
    def open_blockers(self, task_id: str) -> list[str]:
        """What a task still waits for."""
        return self._column(Blockers.select(Blockers.blocker_id).where(Blockers.task_id == task_id, Blockers.is_open))

    @on_reader
    def bodies(self, kind: str, ids: Iterable[str]) -> list[bytes]:
        """The snapshots of these, those that exist, in the order of their creation."""
        table = {"task_lock": Tasks, "agent": Agents}[kind]
        return self._column(table.select(table.body).where(table.id.in_(list(ids))).order_by(table.seq))

    # Events and answers

    @on_reader
    def events_after(self, seq: int, until: int, limit: int) -> list[Published]:
        """The log from after `seq` to `until`."""
        query = (
            Events.select(Events.seq, Events.company_id, Events.type, Events.data, Events.created_at)
            .where(Events.seq > seq, Events.seq <= until)
            .order_by(Events.seq)
            .limit(limit)
        )
        return [Published(*row) for row in query.tuples().execute(self._readers.database)]

    @on_reader
    def answer(self, caller: str, key: str, since: Instant) -> Answer | None:
        """The first answer to an idempotency key, if it is younger than `since`."""
        query = Answers.select().where(Answers.caller == caller, Answers.key == key, Answers.created_at > since)
        for row in query.dicts().execute(self._readers.database):
            return msgspec.convert({**row, "body": bytes(row["body"])}, Answer)
        return None

    @on_reader
    def counts(self, midnight: Instant) -> Counts:
        """The figures of the whole server; runs since `midnight`."""
        ((agents, tasks, runs),) = self._readers.rows(
            "SELECT (SELECT count(*) FROM agents WHERE status IN ('idle', 'running')),"
            " (SELECT count(*) FROM tasks WHERE status NOT IN ('done', 'cancelled')),"
            " (SELECT count(*) FROM runs WHERE started_at >= ?)",
            (midnight,),
        )
        return Counts(agents, tasks, runs)

    @on_reader
    def answers_at_all(self) -> bool:
        """Whether the store can be read."""
        return bool(self._readers.rows("SELECT 1"))

    # Below: what the questions share

    @staticmethod
    def _inbox(agent_id: str) -> Any:
        return (
            Tasks.select(Tasks.id)
            .where(Tasks.assignee_id == agent_id, UNFINISHED)
            .order_by(Tasks.rank, Tasks.due_at.asc(nulls="last"), Tasks.seq)
        )
