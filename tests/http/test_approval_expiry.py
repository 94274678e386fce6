"""Approvals that nobody decides in time."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.approval import RequestApproval
from opencognit.domain.instants import after
from opencognit.domain.kinds import APPROVAL
from opencognit.domain.origin import Origin
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


async def asked(api: Api, company: Json, **fields: Any) -> Json:
    return dict(await api.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?", **fields}))


async def read(api: Api, approval: Json) -> Json:
    return dict((await api.get(f"/api/genehmigungen/{approval['id']}")).json)


async def test_what_nobody_decides_expires_at_its_time(
    owner: Api, company: Json, *, clock: ManualClock, follow: Follow
) -> None:
    follower = await follow(owner)
    due = after(clock.now(), 60)
    approval = await asked(owner, company, laeuftAbAm=due)
    assert approval["laeuftAbAm"] == due
    await clock.advance(59)
    assert await read(owner, approval) == approval
    await clock.advance(1)
    await follower.until("approval_updated", genehmigungId=approval["id"], status="expired")
    assert (await read(owner, approval))["entschiedenVon"] is None


@pytest.mark.parametrize("verb", ["genehmigen", "ablehnen", "ueberarbeiten", "zuruecknehmen"])
async def test_what_has_expired_is_decided_no_more(owner: Api, company: Json, clock: ManualClock, verb: str) -> None:
    approval = await asked(owner, company, laeuftAbAm=after(clock.now(), 60))
    await clock.advance(60)
    assert_error(await owner.post(f"/api/genehmigungen/{approval['id']}/{verb}"), 409, "ALREADY_DECIDED")
    assert (await read(owner, approval))["status"] == "expired"


async def test_what_was_sent_back_expires_too(owner: Api, company: Json, *, clock: ManualClock, follow: Follow) -> None:
    follower = await follow(owner)
    approval = await asked(owner, company, laeuftAbAm=after(clock.now(), 60))
    await owner.make(f"/api/genehmigungen/{approval['id']}/ueberarbeiten")
    await clock.advance(60)
    await follower.until("approval_updated", genehmigungId=approval["id"], status="expired")


async def test_what_was_decided_does_not_expire(owner: Api, company: Json, clock: ManualClock) -> None:
    approval = await asked(owner, company, laeuftAbAm=after(clock.now(), 60))
    decided = await owner.make(f"/api/genehmigungen/{approval['id']}/genehmigen")
    await clock.advance(120)
    assert await read(owner, approval) == decided


async def test_the_task_of_what_has_expired_goes_on(
    owner: Api, company: Json, *, clock: ManualClock, follow: Follow
) -> None:
    task = await owner.task(company)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"status": "blocked"})
    follower = await follow(owner)
    await asked(owner, company, laeuftAbAm=after(clock.now(), 60), payload={"aufgabeId": task["id"]})
    await clock.advance(60)
    await follower.until("task_updated", taskId=task["id"], status="todo")
    (comment,) = (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json
    assert (comment["autorTyp"], "expired" in comment["inhalt"]) == ("system", True)


@pytest.mark.parametrize("moment", ["2026-04-05T09:59:59Z", "2026-04-05", "2026-02-30T10:00:00Z", "soon", 5])
async def test_a_bad_time_to_expire_is_refused(owner: Api, company: Json, moment: Any) -> None:
    body = {"titel": "May I?", "laeuftAbAm": moment}
    answer = await owner.post(f"/api/unternehmen/{company['id']}/genehmigungen", body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == ["laeuftAbAm"]


async def test_a_companys_deletion_takes_what_would_expire_along(
    owner: Api, company: Json, runtime: Runtime, clock: ManualClock
) -> None:
    await asked(owner, company, laeuftAbAm=after(clock.now(), 60))
    await owner.delete(f"/api/unternehmen/{company['id']}")
    await clock.advance(60)
    assert runtime.system.restarts == 0


class TestWithADefault:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(approvals={"expire_after_seconds": 3600})

    async def test_the_setting_is_for_those_who_name_no_time(
        self, owner: Api, company: Json, clock: ManualClock
    ) -> None:
        without, named = await asked(owner, company), await asked(owner, company, laeuftAbAm=after(clock.now(), 60))
        assert without["laeuftAbAm"] == after(clock.now(), 3600)
        assert named["laeuftAbAm"] == after(clock.now(), 60)


async def test_without_the_setting_nothing_expires(owner: Api, company: Json) -> None:
    assert (await asked(owner, company))["laeuftAbAm"] is None


async def test_what_was_due_while_the_server_was_down_expires_at_its_start(tmp_path: Path, clock: ManualClock) -> None:
    async with Runtime(tmp_path, settings=quick_settings(), clock=clock) as runtime:
        company = await runtime.create_company(name="Acme")
        request = RequestApproval(title="May I?", expires_at=after(clock.now(), 60))
        approval = await runtime.system.create(APPROVAL, request, origin=Origin(company_id=company.id))
    await clock.advance(120)
    async with Runtime(tmp_path, settings=quick_settings(), clock=clock) as runtime:
        events = runtime.events(since=0)
        async with asyncio.timeout(20):
            while (await anext(events)).type != "approval_updated":
                pass
        await events.aclose()
        state = await runtime.system.state(APPROVAL, approval.id)
        assert state is not None
        assert state.status == "expired"
