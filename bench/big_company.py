"""A big company, written straight into a database of the real schema: what the API would need hours for.

    python -m bench.big_company FOLDER [TASKS]    100,000 tasks by default

To each hundred tasks there are one agent, a hundred ended runs with a booking each, and a thousand entries of the
activity feed, spread over sixty days. Half of the agents are paused with work waiting: a start has to wake them.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opencognit.clock import SystemIds
from opencognit.domain.agent import Agent, AgentStatus
from opencognit.domain.caller import CallerKind
from opencognit.domain.company import Company
from opencognit.domain.days import day_of
from opencognit.domain.events import Activity
from opencognit.domain.goal import Goal, GoalStatus
from opencognit.domain.instants import Instant, instant
from opencognit.domain.message import Entity, encode
from opencognit.domain.records import MICRO, Cost, Snapshot
from opencognit.domain.run import Run, RunSource, RunStatus, TokenUsage
from opencognit.domain.task import Priority, Task, TaskStatus
from opencognit.store.database import open_database
from opencognit.store.records import WRITERS
from opencognit.store.snapshots import SHELVES

TASKS = 100_000
TASKS_OF_AN_AGENT = 100
ENTRIES_OF_A_TASK = 10
GOALS = 20
ZONE = ZoneInfo("Europe/Berlin")
DAYS = 60
MODELS = ("large", "middle", "small", None)
STATUSES = {
    TaskStatus.DONE: 45,
    TaskStatus.TODO: 20,
    TaskStatus.BACKLOG: 15,
    TaskStatus.CANCELLED: 9,
    TaskStatus.IN_REVIEW: 5,
    TaskStatus.BLOCKED: 5,
    TaskStatus.IN_PROGRESS: 1,
}
"""How many of a hundred tasks."""


class BigCompany:
    """The rows of one company; the same for the same seed, but for their ids."""

    def __init__(self, tasks: int) -> None:
        self._ids = SystemIds()
        self._random = random.Random(tasks)
        self._now = datetime.now(UTC)
        self.id = self._new_id()
        self.agent_ids = [self._new_id() for _ in range(tasks // TASKS_OF_AN_AGENT)]
        self.task_ids = [self._new_id() for _ in range(tasks)]

    def company(self) -> Company:
        """The company itself."""
        return Company(name="Large", budget_cents=10**9, time_zone=ZONE.key, **self._entity(self.id, 1.0))

    def agents(self) -> Iterator[Agent]:
        """Its agents."""
        for number, agent_id in enumerate(self.agent_ids):
            is_paused = number % 2 == 0
            yield Agent(
                company_id=self.id,
                name=f"Agent {number}",
                role="Engineer",
                title="Builds what is asked for",
                status=AgentStatus.PAUSED if is_paused else AgentStatus.IDLE,
                adapter="claude" if is_paused else None,
                budget_cents=50_000,
                system_prompt="You build what is asked for, and say how it is known to be right. " * 5,
                **self._entity(agent_id, 1.0),
            )

    def goals(self) -> Iterator[Goal]:
        """What it wants to reach."""
        for number in range(GOALS):
            goal = self._entity(self._new_id(), 1.0)
            yield Goal(company_id=self.id, title=f"Goal {number}", status=GoalStatus.ACTIVE, **goal)

    def tasks(self) -> Iterator[Task]:
        """Its tasks, the oldest first."""
        statuses = self._random.choices(list(STATUSES), list(STATUSES.values()), k=len(self.task_ids))
        for number, (task_id, status) in enumerate(zip(self.task_ids, statuses, strict=True)):
            age = 1 - number / len(self.task_ids)
            entity = self._entity(task_id, age)
            yield Task(
                company_id=self.id,
                title=f"Task {number}",
                description="What is to be done, and how it is known to be done. " * 4,
                status=status,
                priority=self._random.choice(list(Priority)),
                assignee_id=self._random.choice(self.agent_ids),
                completed_at=entity["created_at"] if status is TaskStatus.DONE else None,
                **entity,
            )

    def runs(self) -> Iterator[Run | Cost]:
        """An ended run for each task, with what it has cost."""
        for number, task_id in enumerate(self.task_ids):
            when = self._when(1 - number / len(self.task_ids))
            usage = TokenUsage(input_tokens=self._random.randrange(50_000), output_tokens=self._random.randrange(2_000))
            cost = Cost(
                id=self._new_id(),
                company_id=self.id,
                agent_id=self._random.choice(self.agent_ids),
                task_id=task_id,
                run_id=self._new_id(),
                model=self._random.choice(MODELS),
                usage=usage,
                micro_cents=self._random.randrange(100_000_000),
                estimated=self._random.random() < 0.1,  # noqa: PLR2004 - every tenth
                day=day_of(when, ZONE),
                created_at=when,
            )
            yield cost
            yield Run(
                id=cost.run_id or "",
                company_id=self.id,
                agent_id=cost.agent_id,
                task_id=task_id,
                source=RunSource.ASSIGNMENT,
                status=self._random.choice([RunStatus.SUCCEEDED, RunStatus.SUCCEEDED, RunStatus.FAILED]),
                attempt=1,
                usage=usage,
                cost_cents=Decimal(cost.micro_cents) / MICRO,
                output="What was said while it was worked on. " * 5,
                started_at=when,
                ended_at=when,
            )

    def activity(self) -> Iterator[Activity]:
        """Its activity feed, the oldest entry first."""
        count = len(self.task_ids) * ENTRIES_OF_A_TASK
        for number in range(count):
            agent = self._random.randrange(len(self.agent_ids))
            yield Activity(
                company_id=self.id,
                id=self._new_id(),
                actor_type=CallerKind.AGENT,
                actor_id=self.agent_ids[agent],
                actor_name=f"Agent {agent}",
                action="task.checked_out",
                entity_type="task",
                entity_id=self.task_ids[number // ENTRIES_OF_A_TASK],
                text=f"Agent {agent} checked out Task {number // ENTRIES_OF_A_TASK}",
                details=None,
                created_at=self._when(1 - number / count),
            )

    def _new_id(self) -> str:
        return self._ids.new_id()

    def _when(self, age: float) -> Instant:
        """From 1, the first day, to 0, now."""
        return instant(self._now - age * timedelta(days=DAYS))

    def _entity(self, entity_id: str, age: float) -> dict[str, Any]:
        when = self._when(age)
        return {"id": entity_id, "version": 1, "created_at": when, "updated_at": when}


def write(data: Path, tasks: int = TASKS) -> BigCompany:
    """Make the database of a data folder, with a company of so many tasks."""
    big = BigCompany(tasks)
    data.mkdir(parents=True, exist_ok=True)
    database = open_database(data / "opencognit.db")
    database.execute_sql("PRAGMA synchronous = OFF")
    with database.atomic():
        cursor = database.connection().cursor()

        def keep(kind: str, entity: Entity) -> None:
            cursor.execute(*SHELVES[kind].statement(Snapshot(kind=kind, id=entity.id, before=None, entity=entity)))

        keep("company", big.company())
        kinds: dict[str, Callable[[], Iterator[Entity]]] = {
            "agent": big.agents,
            "goal": big.goals,
            "task_lock": big.tasks,
        }
        for kind, entities in kinds.items():
            for entity in entities():
                keep(kind, entity)
        for record in big.runs():
            WRITERS[type(record)](cursor, record)
        cursor.executemany(
            "INSERT INTO events (company_id, type, data, created_at) VALUES (?, ?, ?, ?)",
            ((one.company_id, one.type, encode(one), one.created_at) for one in big.activity()),
        )
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return big


if __name__ == "__main__":
    begun = time.perf_counter()
    company = write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else TASKS)  # noqa: PLR2004
    print(f"company {company.id} in {time.perf_counter() - begun:.1f} s")
