"""Group commit: what waits together becomes durable together, and a refusal takes nobody with it."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from opencognit.domain import records
from opencognit.domain.company import Company
from opencognit.domain.errors import (
    DependencyCycle,
    DomainError,
    EmailTaken,
    InternalError,
    NotFound,
    StorageUnavailable,
    VersionConflict,
)
from opencognit.domain.message import decode
from opencognit.domain.records import Blockers, Cost, Snapshot, Unit
from opencognit.domain.run import TokenUsage
from opencognit.domain.task import Task
from opencognit.store.database import sqlite3
from opencognit.store.records import WRITERS
from opencognit.store.store import Store
from opencognit.store.writer import BATCH
from tests.store.conftest import Groups, Lock, all_of
from tests.store.units import COMPANY_ID, NOW, account, event, founded, new_id, write


def blocked(task_id: str, blocker_id: str) -> Unit:
    blockers = Blockers(
        task_id=task_id, company_id=COMPANY_ID, blocker_ids=(blocker_id,), open_ids=frozenset({blocker_id})
    )
    return Unit(records=(blockers,), events=(event("blocked"),), now=NOW)


def booked(tokens: int) -> Unit:
    cost = Cost(
        **dict.fromkeys(("task_id", "run_id", "model")),
        id=new_id(),
        company_id=COMPANY_ID,
        agent_id=new_id(),
        usage=TokenUsage(input_tokens=tokens),
        micro_cents=1,
        estimated=False,
        day="2026-04-05",
        created_at=NOW,
    )
    return Unit(records=(cost,), events=(event("booked"),), now=NOW)


# Groups


async def test_many_writes_become_few_commits(store: Store, lock: Lock, groups: Groups) -> None:
    with lock.held():
        commits = [store.commit(write(founded())) for _ in range(300)]
        await asyncio.sleep(0)
    assert set(await all_of(commits)) == {None}
    assert len(groups.numbers()) == 300
    assert len(groups) <= 3


async def test_no_group_is_larger_than_a_batch(store: Store, lock: Lock, groups: Groups) -> None:
    with lock.held():
        commits = [store.commit(write(founded())) for _ in range(2 * BATCH + 5)]
    await all_of(commits)
    assert max(len(group) for group in groups) == BATCH


async def test_a_lone_write_waits_for_no_others(store: Store, groups: Groups) -> None:
    await store.commit(write(founded()))
    await store.commit(write(founded()))
    assert [len(group) for group in groups] == [1, 1]


# Refusals


REFUSED = {
    VersionConflict: [write(founded(version=5), before=founded(version=4))],
    EmailTaken: [account("taken@example.com")],
    DependencyCycle: [blocked(COMPANY_ID, COMPANY_ID)],
}


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda kind: kind.__name__)
async def test_a_refused_write_refuses_only_itself(
    store: Store, lock: Lock, groups: Groups, refusal: type[DomainError]
) -> None:
    await store.commit(account("taken@example.com"))
    before, after = [founded() for _ in range(20)], [founded() for _ in range(20)]
    units = [*map(write, before), *REFUSED[refusal], *map(write, after)]
    with lock.held():
        commits = [store.commit(unit) for unit in units]
    outcomes = await all_of(commits)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [refusal]
    assert isinstance(outcomes[20], refusal)
    for company in (*before, *after):
        assert await store.queries.load("company", company.id) is not None
    assert len(groups.numbers()) == 41


async def test_nothing_of_a_refused_unit_is_written(store: Store, groups: Groups) -> None:
    await store.commit(account("taken@example.com"))
    company = founded()
    refused = account("Taken@Example.com")
    unit = Unit(
        snapshot=Snapshot(kind="company", id=company.id, before=None, entity=company),
        records=refused.records,
        events=refused.events,
        now=NOW,
    )
    with pytest.raises(EmailTaken):
        await store.commit(unit)
    assert await store.queries.load("company", company.id) is None
    assert groups.numbers() == [1]


async def test_of_two_that_follow_the_same_state_one_is_refused(store: Store, lock: Lock) -> None:
    first = founded()
    await store.commit(write(first))
    rivals = [write(replace(first, version=2, name=name), before=first) for name in ("left", "right")]
    with lock.held():
        commits = [store.commit(unit) for unit in rivals]
    outcomes = await all_of(commits)
    assert outcomes[0] is None
    assert isinstance(outcomes[1], VersionConflict)
    body = await store.queries.load("company", first.id)
    assert body is not None
    assert decode(body, Company).name == "left"


async def test_two_that_close_a_circle_together_cannot_both_pass(store: Store, lock: Lock) -> None:
    one, other = new_id(), new_id()
    with lock.held():
        commits = [store.commit(blocked(one, other)), store.commit(blocked(other, one))]
    outcomes = await all_of(commits)
    assert outcomes[0] is None
    assert isinstance(outcomes[1], DependencyCycle)


async def test_what_was_on_its_way_into_an_erased_company_is_refused(store: Store, lock: Lock, groups: Groups) -> None:
    company = founded()
    await store.commit(write(company))
    late = Task(id=new_id(), company_id=company.id, title="Late", version=1, created_at=NOW, updated_at=NOW)
    creation = Unit(snapshot=Snapshot(kind="task_lock", id=late.id, before=None, entity=late), now=NOW)
    end = Snapshot(kind="company", id=company.id, before=company, entity=None)
    with lock.held():
        commits = [
            store.commit(Unit(events=(event("in time", company_id=company.id),), now=NOW)),
            store.commit(Unit(snapshot=end, records=(records.CompanyErased(company.id),), now=NOW)),
            store.commit(creation),
            store.commit(Unit(events=(event("late", company_id=company.id),), now=NOW)),
            store.commit(Unit(events=(event("elsewhere"),), now=NOW)),
        ]
    commits.append(store.commit(creation))
    in_time, erasure, *late_ones, elsewhere, later = await all_of(commits)
    assert (in_time, erasure, elsewhere) == (None, None, None)
    assert all(isinstance(outcome, NotFound) for outcome in (*late_ones, later))
    assert await store.queries.load("task_lock", late.id) is None
    left = await store.queries.events_after(1, 100, 100)
    assert [published.company_id for published in left] == [COMPANY_ID]


async def test_a_disk_that_is_full_is_told_to_whoever_it_hits(
    store: Store, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_cursor: object, _record: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setitem(WRITERS, records.Cost, full)
    with lock.held():
        commits = [store.commit(booked(1)), store.commit(write(founded()))]
    outcomes = await all_of(commits)
    assert isinstance(outcomes[0], StorageUnavailable)
    assert outcomes[1] is None


async def test_what_cannot_be_written_at_all_does_not_end_the_writer(store: Store, lock: Lock, groups: Groups) -> None:
    """A number over 64 bits is no error of SQLite's; whatever it is, others must go on."""
    with lock.held():
        commits = [store.commit(booked(10**30)), store.commit(write(founded()))]
    outcomes = await all_of(commits)
    assert isinstance(outcomes[0], InternalError)
    assert outcomes[1] is None
    await store.commit(write(founded()))
    assert groups.numbers() == [1, 2]


# Events


async def test_events_are_numbered_in_the_order_of_commits_without_a_gap(
    store: Store, lock: Lock, groups: Groups
) -> None:
    await store.commit(account("taken@example.com"))
    with lock.held():
        commits = [
            store.commit(account("taken@example.com") if number % 3 == 1 else write(founded(f"{number}")))
            for number in range(30)
        ]
    await all_of(commits)
    assert groups.numbers() == list(range(1, 22))
    told = [event.data for event in await store.queries.events_after(0, 100, 100)]
    assert [data.split(b'"name":"')[1].split(b'"')[0] for data in told[1:]] == [
        b"%d" % number for number in range(30) if number % 3 != 1
    ]


async def test_an_event_that_cannot_be_written_leaves_no_gap(store: Store, groups: Groups) -> None:
    half_a_character = "\ud800"
    with pytest.raises(InternalError):
        await store.commit(Unit(events=(event("fine"), event(half_a_character)), now=NOW))
    await store.commit(write(founded()))
    assert groups.numbers() == [1]


async def test_what_is_published_is_what_is_stored(store: Store, groups: Groups) -> None:
    for name in ("one", "two"):
        await store.commit(write(founded(name)))
    assert await store.queries.events_after(0, 100, 100) == [event for group in groups for event in group]


async def test_numbers_go_on_after_a_restart(path: Path, groups: Groups) -> None:
    for _ in range(2):
        store = await Store.open(path, publish=groups.add)
        await store.commit(write(founded()))
        await store.close()
    assert groups.numbers() == [1, 2]


async def test_no_number_is_given_twice_even_when_the_log_was_erased(path: Path, groups: Groups) -> None:
    store = await Store.open(path, publish=groups.add)
    await store.commit(write(founded()))
    await store.commit(Unit(records=(records.CompanyErased(COMPANY_ID),), now=NOW))
    assert await store.queries.events_after(0, 100, 100) == []
    await store.close()
    again = await Store.open(path, publish=groups.add)
    await again.commit(write(founded()))
    await again.close()
    assert groups.numbers() == [1, 2]


async def test_who_waits_is_answered_before_the_events_are_published(path: Path) -> None:
    done: list[bool] = []
    commits: list[asyncio.Future[None]] = []
    store = await Store.open(path, publish=lambda _events: done.extend(commit.done() for commit in commits))
    commits.append(store.commit(write(founded())))
    await commits[0]
    await store.close()
    assert done == [True]


# Reading


async def test_readers_see_only_what_is_committed(store: Store, lock: Lock) -> None:
    company = founded()
    with lock.held():
        commit = store.commit(write(company))
        assert await store.queries.load("company", company.id) is None
        assert not commit.done()
    await commit
    assert await store.queries.load("company", company.id) is not None


async def test_readers_do_not_wait_for_the_writer(store: Store, lock: Lock) -> None:
    with lock.held():
        commit = store.commit(write(founded()))
        async with asyncio.timeout(3):
            assert await store.queries.answers_at_all()
    await commit


# Closing


async def test_closing_commits_what_waits(path: Path) -> None:
    store = await Store.open(path, publish=lambda _events: None)
    companies = [founded() for _ in range(50)]
    commits = [store.commit(write(company)) for company in companies]
    await store.close()
    assert set(await all_of(commits)) == {None}
    again = await Store.open(path, publish=lambda _events: None)
    assert await again.queries.load("company", companies[-1].id) is not None
    await again.close()


async def test_a_closed_store_takes_nothing(path: Path) -> None:
    store = await Store.open(path, publish=lambda _events: None)
    await store.close()
    with pytest.raises(StorageUnavailable):
        await store.commit(write(founded()))
