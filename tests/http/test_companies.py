"""Companies over HTTP: founding, changing, their members, their activity, and their end."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def company(owner: Api) -> Json:
    return await owner.company()


@pytest.fixture
async def friend(owner: Api) -> Api:
    """A user who belongs to no company yet."""
    return await owner.somebody("Friend")


def path(company: Json, *more: str) -> str:
    return "/".join([f"/api/unternehmen/{company['id']}", *more])


async def take_in(owner: Api, company: Json, user: Api, role: str = "mitglied") -> Answer:
    return await owner.post(path(company, "mitglieder"), {"benutzerId": user.user["id"], "rolle": role})


async def roles(owner: Api, company: Json) -> dict[str, str]:
    return {one["name"]: one["rolle"] for one in (await owner.get(path(company, "mitglieder"))).json}


class TestFounding:
    async def test_needs_a_name_and_fills_in_the_rest(self, owner: Api) -> None:
        made = await owner.make("/api/unternehmen", {"name": "Acme"})
        assert made == {
            "id": made["id"],
            "name": "Acme",
            "beschreibung": None,
            "ziel": None,
            "status": "active",
            "workDir": None,
            "budgetMonatCent": 0,
            "waehrung": "USD",
            "version": 1,
            "erstelltAm": made["erstelltAm"],
            "aktualisiertAm": made["erstelltAm"],
        }
        assert (await owner.get(path(made))).json == made

    async def test_takes_every_field(self, owner: Api) -> None:
        fields = {"name": "Acme", "beschreibung": "Anvils", "ziel": "Sell", "budgetMonatCent": 5_000, "waehrung": "EUR"}
        made = await owner.make("/api/unternehmen", fields)
        assert {name: made[name] for name in fields} == fields

    async def test_makes_the_founder_its_owner(self, owner: Api, company: Json) -> None:
        assert await roles(owner, company) == {"Owner": "eigentuemer"}

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"name": ""},
            {"name": " "},
            {"name": "x" * 201},
            {"name": 5},
            {"name": "Acme", "budgetMonatCent": -1},
            {"name": "Acme", "budgetMonatCent": 1.5},
            {"name": "Acme", "budgetMonatCent": 2**63},
            {"name": "Acme", "waehrung": "dollars"},
            {"name": "Acme", "status": "paused"},
            {"name": "Acme", "workDir": "/etc"},
            {"name": "Acme", "colour": "red"},
        ],
        ids=str,
    )
    async def test_refuses_what_is_wrong(self, owner: Api, fields: Json) -> None:
        assert_error(await owner.post("/api/unternehmen", fields), 400, "VALIDATION_ERROR")
        assert (await owner.get("/api/unternehmen")).json == []


class TestListing:
    async def test_shows_users_their_own_and_an_admin_all(self, admin: Api, owner: Api, friend: Api) -> None:
        mine, theirs = await owner.company(name="Mine"), await friend.company(name="Theirs")
        assert (await owner.get("/api/unternehmen")).json == [mine]
        assert (await friend.get("/api/unternehmen")).json == [theirs]
        assert (await admin.get("/api/unternehmen")).json == [mine, theirs]

    async def test_is_paged_in_the_order_of_founding(self, owner: Api) -> None:
        made = [await owner.company(name=f"Company {number}") for number in range(5)]
        found: list[Json] = []
        url: str | None = "/api/unternehmen?limit=2"
        while url is not None:
            answer = await owner.get(url)
            assert answer.headers["X-Total-Count"] == "5"
            found += answer.json
            link = answer.headers.get("Link")
            url = link.partition(">")[0].removeprefix("<") if link else None
        assert found == made


class TestChanging:
    async def test_changes_what_is_named_and_null_clears(self, owner: Api, company: Json) -> None:
        await owner.patch(path(company), {"ziel": "Sell", "beschreibung": "Anvils"})
        changed = (await owner.patch(path(company), {"name": "Better", "ziel": None})).json
        assert (changed["name"], changed["ziel"], changed["beschreibung"], changed["version"]) == (
            "Better",
            None,
            "Anvils",
            3,
        )

    async def test_is_conditional_where_it_is_asked_to_be(self, owner: Api, company: Json) -> None:
        old = {"If-Match": '"1"'}
        assert (await owner.patch(path(company), {"name": "One"}, headers=old)).headers["ETag"] == '"2"'
        assert_error(await owner.patch(path(company), {"name": "Two"}, headers=old), 409, "VERSION_CONFLICT")
        assert (await owner.get(path(company), headers={"If-None-Match": '"2"'})).status == 304

    @pytest.mark.parametrize("fields", [{"name": None}, {"status": "closed"}, {"id": NO_ID}, {"version": 7}], ids=str)
    async def test_refuses_what_is_wrong(self, owner: Api, company: Json, fields: Json) -> None:
        assert_error(await owner.patch(path(company), fields), 400, "VALIDATION_ERROR")
        assert (await owner.get(path(company))).json == company

    async def test_a_paused_company_does_no_work_until_it_is_active_again(
        self, owner: Api, company: Json, worker: ScriptedProvider, follow: Follow
    ) -> None:
        stream = await follow(owner)
        await owner.patch(path(company), {"status": "paused"})
        agent = await owner.agent(company, verbindungsTyp="scripted")
        task = await owner.task(company, zugewiesenAn=agent["id"])
        await owner.make(f"/api/experten/{agent['id']}/wakeup")
        assert worker.orders == []
        await owner.patch(path(company), {"status": "active"})
        await stream.until("task_completed", taskId=task["id"])


class TestTheWorkingFolder:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        (tmp_path / "allowed").mkdir()
        return quick_settings(agents={"work_dirs": [str(tmp_path / "allowed")]})

    async def test_lies_below_one_that_the_server_allows(self, owner: Api, company: Json, tmp_path: Path) -> None:
        inside = str(tmp_path / "allowed" / "acme")
        assert (await owner.patch(path(company), {"workDir": inside})).json["workDir"] == inside
        for outside in (str(tmp_path), f"{inside}/../../secret", "/"):
            assert_error(await owner.patch(path(company), {"workDir": outside}), 400, "VALIDATION_ERROR")


class TestMembers:
    async def test_are_taken_in_by_id_or_by_email(self, owner: Api, company: Json, friend: Api) -> None:
        answer = await take_in(owner, company, friend)
        assert answer.status == 201
        assert answer.json["benutzerId"] == friend.user["id"]
        other = await owner.somebody("Other")
        await owner.make(path(company, "mitglieder"), {"email": other.user["email"].upper(), "rolle": "beobachter"})
        assert await roles(owner, company) == {"Owner": "eigentuemer", "Friend": "mitglied", "Other": "beobachter"}

    async def test_see_the_company_from_then_on_and_no_longer_once_put_out(
        self, owner: Api, company: Json, friend: Api
    ) -> None:
        assert_error(await friend.get(path(company)), 404, "NOT_FOUND")
        await take_in(owner, company, friend)
        assert (await friend.get(path(company))).status == 200
        assert (await owner.delete(path(company, "mitglieder", friend.user["id"]))).json == {"success": True}
        assert_error(await friend.get(path(company)), 404, "NOT_FOUND")

    async def test_may_do_what_their_role_allows(self, owner: Api, company: Json, friend: Api) -> None:
        await take_in(owner, company, friend, "beobachter")
        assert_error(await friend.post(path(company, "aufgaben"), {"titel": "T"}), 403, "FORBIDDEN")
        await take_in(owner, company, friend, "mitglied")
        assert (await friend.post(path(company, "aufgaben"), {"titel": "T"})).status == 201
        assert_error(await friend.patch(path(company), {"name": "Mine"}), 403, "FORBIDDEN")
        await take_in(owner, company, friend, "eigentuemer")
        assert (await friend.patch(path(company), {"name": "Mine"})).status == 200

    async def test_the_last_owner_stays_and_stays_owner(self, owner: Api, company: Json, friend: Api) -> None:
        me = owner.user["id"]
        assert_error(await owner.delete(path(company, "mitglieder", me)), 409, "INVALID_STATUS")
        assert_error(await take_in(owner, company, owner), 409, "INVALID_STATUS")
        await take_in(owner, company, friend, "eigentuemer")
        assert (await owner.delete(path(company, "mitglieder", me))).status == 200
        assert_error(await owner.get(path(company)), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "body", [{}, {"benutzerId": NO_ID}, {"email": "who@example.com"}, {"rolle": "king"}], ids=str
    )
    async def test_that_do_not_exist_are_not_taken_in(self, owner: Api, company: Json, body: Json) -> None:
        assert_error(await owner.post(path(company, "mitglieder"), body), 400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("user_id", [NO_ID, "nobody"])
    async def test_that_are_none_cannot_be_put_out(self, owner: Api, company: Json, user_id: str) -> None:
        assert_error(await owner.delete(path(company, "mitglieder", user_id)), 404, "NOT_FOUND")

    async def test_outlive_a_restart(self, owner: Api, company: Json, friend: Api, runtime: Runtime) -> None:
        await take_in(owner, company, friend, "beobachter")
        await runtime.stop()
        async with Runtime(runtime.data, settings=runtime.settings) as again:
            members = again.directory.members(company["id"])
            assert {user: role.value for user, role in members.items()} == {
                owner.user["id"]: "eigentuemer",
                friend.user["id"]: "beobachter",
            }


class TestActivity:
    async def test_tells_who_did_what_newest_first(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company, name="Ada")
        task = await owner.task(company, titel="Build it")
        await owner.make(f"/api/aufgaben/{task['id']}/kommentare", {"inhalt": "Hello"})
        feed = (await owner.get(path(company, "aktivitaet"))).json
        assert [entry["aktion"] for entry in feed] == [
            "task.commented",
            "task.created",
            "agent.created",
            "company.created",
        ]
        assert {entry["akteurName"] for entry in feed} == {"Owner"}
        assert feed[1]["entitaetId"] == task["id"]
        assert feed[2]["entitaetId"] == agent["id"]
        assert "Build it" in feed[1]["text"]

    async def test_is_paged_without_gap(self, owner: Api, company: Json) -> None:
        for _ in range(4):
            await owner.task(company)
        whole = (await owner.get(path(company, "aktivitaet"))).json
        parts = [(await owner.get(path(company, f"aktivitaet?limit=2&offset={at}"))).json for at in (0, 2, 4)]
        assert [entry for part in parts for entry in part] == whole
        assert len(whole) == 5


class TestTheEnd:
    async def test_takes_all_that_belongs_to_it_along(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company, verbindungsTyp="scripted")
        task = await owner.task(company)
        assert (await owner.delete(path(company))).json == {"success": True}
        for gone in (path(company), f"/api/experten/{agent['id']}", f"/api/aufgaben/{task['id']}"):
            assert_error(await owner.get(gone), 404, "NOT_FOUND")
        assert (await owner.get("/api/unternehmen")).json == []

    async def test_leaves_others_alone(self, owner: Api, company: Json) -> None:
        other = await owner.company(name="Other")
        task = await owner.task(other)
        await owner.delete(path(company))
        assert (await owner.get(f"/api/aufgaben/{task['id']}")).json == task

    async def test_leaves_nothing_in_the_database(self, owner: Api, company: Json, runtime: Runtime) -> None:
        agent = await owner.agent(company)
        task = await owner.task(company)
        await owner.make(f"/api/aufgaben/{task['id']}/kommentare", {"inhalt": "Hello"})
        await owner.make(f"/api/experten/{agent['id']}/token")
        await owner.delete(path(company))
        rows = runtime.store.queries._readers.rows
        for table, column in [
            *((table, "company_id") for table in ("agents", "tasks", "comments", "events", "memberships", "sessions")),
            ("companies", "id"),
        ]:
            count = f"SELECT count(*) FROM {table} WHERE {column} = ?"  # noqa: S608 - our own names
            assert rows(count, (company["id"],)) == [(0,)], table
