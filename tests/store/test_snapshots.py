"""A snapshot comes back as it was written, and only the state that follows the stored one is taken."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from opencognit.domain.agent import Agent, AgentStatus, Skill
from opencognit.domain.approval import Approval, ApprovalKind, ApprovalStatus
from opencognit.domain.company import Company, CompanyStatus
from opencognit.domain.errors import VersionConflict
from opencognit.domain.message import Entity, decode
from opencognit.domain.records import Snapshot, Unit
from opencognit.domain.task import RANK, Priority, Task, TaskStatus
from opencognit.store.database import sqlite3
from opencognit.store.store import Store
from tests.store.units import COMPANY_ID, NOW, new_id

EVER: dict[str, Any] = {"version": 1, "created_at": NOW, "updated_at": NOW}
SMALL: dict[str, Entity] = {
    "company": Company(id=new_id(), name="Acme", **EVER),
    "agent": Agent(id=new_id(), company_id=COMPANY_ID, name="Ada", role="Engineer", **EVER),
    "task_lock": Task(id=new_id(), company_id=COMPANY_ID, title="Build it", **EVER),
    "approval": Approval(id=new_id(), company_id=COMPANY_ID, title="May I?", **EVER),
}
FULL: dict[str, Entity] = {
    "company": Company(
        id=new_id(),
        name="Straße & Söhne 'GmbH' \u2028 \U0001f680",
        description="d" * 100_000,
        goal="",
        status=CompanyStatus.PAUSED,
        work_dir="/srv/acme",
        budget_cents=10**12,
        currency="EUR",
        **EVER,
    ),
    "agent": Agent(
        id=new_id(),
        company_id=COMPANY_ID,
        name="Ada",
        role="Engineer",
        status=AgentStatus.RUNNING,
        reports_to=new_id(),
        skills=(Skill(id=new_id(), name="Python", proficiency=90),),
        adapter="bash",
        adapter_config={"befehl": "true", "nested": {"list": [1, 2.5, None, True]}},
        spent_cents=Decimal("12345.678901"),
        reserved_cents=Decimal("0.000001"),
        heartbeat_on=True,
        next_heartbeat=NOW,
        message_count=3,
        **EVER,
    ),
    "task_lock": Task(
        id=new_id(),
        company_id=COMPANY_ID,
        title="Build it",
        description="ÄÖÜ",
        status=TaskStatus.IN_PROGRESS,
        priority=Priority.CRITICAL,
        assignee_id=new_id(),
        goal_id=new_id(),
        parent_id=new_id(),
        blocked_by=(new_id(), new_id()),
        due_at=NOW,
        attempts=2,
        next_attempt_at=NOW,
        lock_run_id="run",
        locked_by=new_id(),
        locked_at=NOW,
        lock_expires_at=NOW,
        lock_token=7,
        **EVER,
    ),
    "approval": Approval(
        id=new_id(),
        company_id=COMPANY_ID,
        kind=ApprovalKind.BUDGET,
        title="More money",
        payload={"cents": 5},
        status=ApprovalStatus.APPROVED,
        decided_at=NOW,
        **EVER,
    ),
}
KINDS = list(SMALL)
TABLES = {"company": "companies", "agent": "agents", "task_lock": "tasks", "approval": "approvals"}


def unit(kind: str, before: Entity | None, entity: Entity | None) -> Unit:
    (one,) = {one.id for one in (before, entity) if one is not None}
    return Unit(snapshot=Snapshot(kind=kind, id=one, before=before, entity=entity), now=NOW)


async def loaded(store: Store, kind: str, entity: Entity) -> Entity | None:
    body = await store.queries.load(kind, entity.id)
    return decode(body, type(entity)) if body is not None else None


def columns(path: Path, kind: str, entity: Entity) -> dict[str, Any]:
    """All columns of the row but the body."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    row = connection.execute(f"SELECT * FROM {TABLES[kind]} WHERE id = ?", (entity.id,)).fetchone()  # noqa: S608 - ours
    connection.close()
    return {name: row[name] for name in row.keys() if name not in ("seq", "body", "id", "company_id")}  # noqa: SIM118 - a Row is no dict


@pytest.mark.parametrize("entities", [SMALL, FULL], ids=["small", "full"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_comes_back_as_it_was(store: Store, kind: str, entities: dict[str, Entity]) -> None:
    await store.commit(unit(kind, None, entities[kind]))
    assert await loaded(store, kind, entities[kind]) == entities[kind]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_next_state_takes_the_place_of_the_one_before(store: Store, kind: str) -> None:
    before = SMALL[kind]
    after = replace(FULL[kind], id=before.id, version=2)
    await store.commit(unit(kind, None, before))
    await store.commit(unit(kind, before, after))
    assert await loaded(store, kind, before) == after


@pytest.mark.parametrize("kind", KINDS)
async def test_the_columns_follow_the_state_wherever_it_goes(store: Store, path: Path, kind: str) -> None:
    """An update writes the changed columns only; in the end they must be those of a row written at once."""
    small = SMALL[kind]
    full = replace(FULL[kind], id=small.id, version=2)
    again = replace(small, version=3)
    await store.commit(unit(kind, None, small))
    first = columns(path, kind, small)
    await store.commit(unit(kind, small, full))
    twin = replace(full, id=new_id())
    await store.commit(unit(kind, None, twin))
    assert columns(path, kind, full) == columns(path, kind, twin)
    await store.commit(unit(kind, full, again))
    assert columns(path, kind, again) == {**first, "version": 3}


async def test_the_columns_are_what_lists_filter_and_sort_by(store: Store, path: Path) -> None:
    task = FULL["task_lock"]
    assert isinstance(task, Task)
    await store.commit(unit("task_lock", None, task))
    found = columns(path, "task_lock", task)
    assert found["rank"] == RANK[Priority.CRITICAL]
    assert found["words"] == "build it\näöü"
    assert (found["status"], found["assignee_id"], found["lock_expires_at"]) == ("in_progress", task.assignee_id, NOW)


async def test_an_agent_whose_heartbeat_is_off_has_none_to_wait_for(store: Store, path: Path) -> None:
    agent = replace(FULL["agent"], id=new_id(), heartbeat_on=False)
    await store.commit(unit("agent", None, agent))
    assert columns(path, "agent", agent)["next_heartbeat"] is None


@pytest.mark.parametrize("kind", KINDS)
async def test_what_follows_another_version_is_refused(store: Store, kind: str) -> None:
    before = SMALL[kind]
    await store.commit(unit(kind, None, before))
    stale = replace(before, version=7)
    with pytest.raises(VersionConflict):
        await store.commit(unit(kind, stale, replace(FULL[kind], id=before.id, version=8)))
    assert await loaded(store, kind, before) == before


@pytest.mark.parametrize("kind", KINDS)
async def test_what_exists_cannot_be_created_again(store: Store, kind: str) -> None:
    await store.commit(unit(kind, None, SMALL[kind]))
    with pytest.raises(VersionConflict):
        await store.commit(unit(kind, None, SMALL[kind]))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_does_not_exist_cannot_be_changed(store: Store, kind: str) -> None:
    with pytest.raises(VersionConflict):
        await store.commit(unit(kind, SMALL[kind], replace(SMALL[kind], version=2)))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_erased_snapshot_is_gone(store: Store, kind: str) -> None:
    await store.commit(unit(kind, None, SMALL[kind]))
    await store.commit(unit(kind, SMALL[kind], None))
    assert await loaded(store, kind, SMALL[kind]) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_what_has_moved_on_is_not_erased(store: Store, kind: str) -> None:
    before = SMALL[kind]
    await store.commit(unit(kind, None, before))
    await store.commit(unit(kind, before, replace(before, version=2)))
    with pytest.raises(VersionConflict):
        await store.commit(unit(kind, before, None))
    assert await loaded(store, kind, before) is not None


async def test_two_versions_of_one_state_in_the_same_commit_both_count(store: Store) -> None:
    """An actor waits for its commit, but one may be asked anew before the first is answered."""
    first = SMALL["company"]
    second, third = replace(first, version=2), replace(first, version=3)
    units = [unit("company", None, first), unit("company", first, second), unit("company", second, third)]
    await asyncio.gather(*map(store.commit, units))
    assert await loaded(store, "company", first) == third


async def test_what_is_not_there_loads_as_nothing(store: Store) -> None:
    assert await store.queries.load("company", new_id()) is None
