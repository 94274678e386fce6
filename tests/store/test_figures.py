"""What triggers keep is what is there: after any writes, counts and sums are those that reading every row gives."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from opencognit.domain.agent import Agent, AgentStatus
from opencognit.domain.caller import CallerKind
from opencognit.domain.company import Company
from opencognit.domain.errors import VersionConflict
from opencognit.domain.events import Activity
from opencognit.domain.instants import after
from opencognit.domain.message import Entity, encode
from opencognit.domain.records import CompanyErased, Cost, Snapshot, Unit
from opencognit.domain.run import Run, RunSource, RunStatus, TokenUsage
from opencognit.domain.task import RANK, Priority, Task, TaskStatus
from opencognit.store import database as module
from opencognit.store.database import open_database, sqlite3
from opencognit.store.store import Store
from tests.store.units import NOW, new_id

MIGRATIONS = Path(module.__file__).parent / "migrations"
COMPANIES = (new_id(), new_id())

COUNTED = """
SELECT company_id, 'task', status || '/' || rank, count(*) FROM tasks GROUP BY 1, 3
UNION ALL SELECT company_id, 'agent', status, count(*) FROM agents GROUP BY 1, 3
UNION ALL SELECT company_id, 'run', status, count(*) FROM runs GROUP BY 1, 3
UNION ALL SELECT company_id, 'activity', '', count(*) FROM events WHERE type = 'aktivitaet' GROUP BY 1
UNION ALL SELECT company_id, 'completed', strftime('%Y-%m-%dT%H:%M', unixepoch(completed_at) / 900 * 900, 'unixepoch'),
    count(*) FROM tasks WHERE completed_at IS NOT NULL GROUP BY 1, 3"""

SUMMED = " UNION ALL ".join(
    f"SELECT company_id, substr(day, 1, 7), '{kind}', {key}, count(*),"  # noqa: S608 - names from below
    " sum(input_tokens + cache_read_tokens + cache_write_tokens), sum(output_tokens), sum(micro_cents),"
    " sum(micro_cents * estimated) FROM costs GROUP BY 1, 2, 4"
    for kind, key in (("agent", "agent_id"), ("model", "coalesce(model, '')"), ("day", "day"))
)

Rows = set[tuple[Any, ...]]


def kept_and_there(path: Path) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """(the counts and the sums that are kept, those that reading every row gives)."""
    connection = sqlite3.connect(path)
    asked = ("SELECT * FROM counts WHERE number <> 0", "SELECT * FROM cost_sums", COUNTED, SUMMED)
    counts, sums, counted, summed = (set(connection.execute(sql).fetchall()) for sql in asked)
    connection.close()
    return (counts, sums), (counted, summed)


class History:
    """Writes of all kinds, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._there: list[tuple[str, Entity]] = []
        self._runs: list[Run] = []

    def units(self, number: int) -> Iterator[Unit]:
        """So many."""
        steps = (self._new_task, self._new_agent, self._change, self._change, self._erase, self._run, self._booking)
        for _ in range(number):
            yield self._random.choice(steps)()

    def _identity(self) -> dict[str, Any]:
        when = after(NOW, self._random.randrange(10**6))
        return {"id": new_id(), "company_id": self._random.choice(COMPANIES), "version": 1, "created_at": when}

    def _added(self, kind: str, entity: Entity) -> Unit:
        self._there.append((kind, entity))
        return Unit(snapshot=Snapshot(kind=kind, id=entity.id, before=None, entity=entity), now=NOW)

    def _new_task(self) -> Unit:
        return self._added("task_lock", self._moved(Task(title="T", **self._identity())))

    def _new_agent(self) -> Unit:
        return self._added("agent", Agent(name="A", role="R", **self._identity()))

    def _moved(self, task: Task) -> Task:
        status = self._random.choice(list(TaskStatus))
        done = after(NOW, self._random.randrange(10**6)) if status is TaskStatus.DONE else None
        return replace(task, status=status, priority=self._random.choice(list(Priority)), completed_at=done)

    def _change(self) -> Unit:
        if not self._there:
            return self._new_task()
        place = self._random.randrange(len(self._there))
        kind, before = self._there[place]
        changed = self._moved(before) if isinstance(before, Task) else before
        if isinstance(before, Agent):
            changed = replace(before, status=self._random.choice(list(AgentStatus)))
        entity = replace(changed, version=before.version + 1)
        self._there[place] = (kind, entity)
        return Unit(snapshot=Snapshot(kind=kind, id=before.id, before=before, entity=entity), events=(said(),), now=NOW)

    def _erase(self) -> Unit:
        if not self._there:
            return self._new_agent()
        kind, before = self._there.pop(self._random.randrange(len(self._there)))
        return Unit(snapshot=Snapshot(kind=kind, id=before.id, before=before, entity=None), now=NOW)

    def _run(self) -> Unit:
        if self._runs and self._random.random() < 0.5:
            begun = self._runs.pop()
            ended = self._random.choice([RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.DEFERRED])
            return Unit(records=(replace(begun, status=ended, ended_at=NOW),), now=NOW)
        run = began(self._random.choice(COMPANIES))
        self._runs.append(run)
        return Unit(records=(run,), now=NOW)

    def _booking(self) -> Unit:
        return Unit(records=(booking(self._random), booking(self._random)), now=NOW)


def booking(chance: random.Random) -> Cost:
    return Cost(
        id=new_id(),
        company_id=chance.choice(COMPANIES),
        agent_id=chance.choice(COMPANIES),
        task_id=None,
        run_id=None,
        model=chance.choice(["large", "small", None]),
        usage=TokenUsage(
            input_tokens=chance.randrange(100),
            output_tokens=chance.randrange(100),
            cache_read_tokens=chance.randrange(100),
            cache_write_tokens=chance.randrange(100),
        ),
        micro_cents=chance.randrange(10**9),
        estimated=chance.random() < 0.5,
        day=chance.choice(["2026-03-31", "2026-04-01", "2026-04-30"]),
        created_at=NOW,
    )


def began(company_id: str) -> Run:
    return Run(
        id=new_id(),
        company_id=company_id,
        agent_id=new_id(),
        task_id=None,
        source=RunSource.MANUAL,
        status=RunStatus.RUNNING,
        attempt=1,
        started_at=NOW,
    )


def said() -> Activity:
    return Activity(
        company_id=COMPANIES[0],
        id=new_id(),
        actor_type=CallerKind.SYSTEM,
        actor_id=None,
        actor_name="System",
        action="task.changed",
        entity_type="task",
        entity_id="t",
        text="It changed",
        details=None,
        created_at=NOW,
    )


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_writes_the_figures_are_those_of_the_rows(store: Store, path: Path, seed: int) -> None:
    for unit in History(seed).units(300):
        await store.commit(unit)
    kept, there = kept_and_there(path)
    assert kept == there
    assert all(kept)


async def test_an_erased_company_takes_its_figures_with_it(store: Store, path: Path) -> None:
    for unit in History(0).units(100):
        await store.commit(unit)
    await store.commit(Unit(records=(CompanyErased(COMPANIES[0]),), now=NOW))
    kept, there = kept_and_there(path)
    assert kept == there
    assert {row[0] for rows in kept for row in rows} == {COMPANIES[1]}


async def test_a_refused_write_changes_no_figure(store: Store, path: Path) -> None:
    task = Task(id=new_id(), company_id=COMPANIES[0], title="T", version=1)
    await store.commit(Unit(snapshot=Snapshot(kind="task_lock", id=task.id, before=None, entity=task), now=NOW))
    before, _ = kept_and_there(path)
    stale = Snapshot(kind="task_lock", id=task.id, before=replace(task, version=7), entity=replace(task, version=8))
    with pytest.raises(VersionConflict):
        await store.commit(Unit(snapshot=stale, records=(booking(random.Random(0)),), events=(said(),), now=NOW))
    assert kept_and_there(path)[0] == before


@pytest.fixture
def older(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database from before figures were kept, with rows of all kinds in it."""
    package = tmp_path / "older"
    shutil.copytree(MIGRATIONS, package / "migrations", ignore=shutil.ignore_patterns("__pycache__", "000[3-9]*"))
    with monkeypatch.context() as patched:
        patched.setattr(module, "files", lambda _name: package)
        open_database(path).close()
    company = Company(id=COMPANIES[0], name="C", time_zone="Asia/Tokyo", version=1)
    done = Task(id=new_id(), company_id=company.id, title="T", status=TaskStatus.DONE, completed_at=NOW, version=1)
    run = replace(began(company.id), status=RunStatus.FAILED)
    late = "2026-04-30T15:00:00.000Z"
    connection = sqlite3.connect(path)
    for table, columns in {
        "companies": {"id": company.id, "version": 1, "body": encode(company)},
        "agents": {"id": "a", "version": 1, "body": b"{}", "company_id": company.id, "name": "A", "status": "idle"},
        "tasks": {"id": done.id, "version": 1, "body": encode(done), "company_id": company.id, "status": "done"}
        | {"rank": RANK[done.priority], "words": ""},
        "runs": {"id": run.id, "company_id": company.id, "agent_id": "a", "started_at": NOW, "body": encode(run)},
        "events": {"company_id": company.id, "type": Activity.type, "data": b"{}", "created_at": NOW},
        "costs": {"id": "c", "company_id": company.id, "agent_id": "a", "micro_cents": 7, "estimated": 1}
        | {"created_at": late}
        | dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 3),
    }.items():
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608 - names from above
    connection.commit()
    connection.close()
    return path


def test_an_older_database_gets_the_figures_of_its_rows(older: Path) -> None:
    open_database(older).close()
    kept, there = kept_and_there(older)
    assert kept == there
    assert {row[1] for row in kept[0]} == {"task", "agent", "run", "activity", "completed"}


def test_an_older_booking_gets_its_day_in_the_companys_time_zone(older: Path) -> None:
    open_database(older).close()
    (_, sums), _ = kept_and_there(older)
    assert {row[1:4] for row in sums if row[2] == "day"} == {("2026-05", "day", "2026-05-01")}
