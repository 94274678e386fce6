"""Companies over HTTP: founding, changing, their members, and their end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.records import Unit
from opencognit.domain.system import ServerStatus
from opencognit.http.server import listening
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ScriptedProvider
from tests.builders import Answer, Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]

NO_ID = "00000000-0000-4000-8000-000000000000"


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
            "verbrauchtMonatCent": 0,
            "reserviertMonatCent": 0,
            "reservierungen": [],
            "budgetMonat": "",
            "gewarntBeiProzent": 0,
            "pausiertVon": None,
            "monatEndetAm": None,
            "waehrung": "USD",
            "zeitzone": "UTC",
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
            {"name": "\0"},
            {"name": "\x1c"},
            {"name": "\ufeff"},
            {"name": 5},
            {"name": "Acme", "budgetMonatCent": -1},
            {"name": "Acme", "budgetMonatCent": 1.5},
            {"name": "Acme", "budgetMonatCent": 2**63},
            {"name": "Acme", "waehrung": "dollars"},
            {"name": "Acme", "waehrung": "USD\n"},
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

    async def test_shows_an_agent_the_one_it_works_for(self, owner: Api, company: Json) -> None:
        await owner.company(name="Other")
        agent = await owner.agent_api(await owner.agent(company))
        assert (await agent.get("/api/unternehmen")).json == [company]
        assert (await agent.get(path(company))).json == company

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
        assert (await owner.get(path(company))).json["name"] == "One"

    async def test_is_seen_by_the_tag(self, owner: Api, company: Json) -> None:
        tag = (await owner.get(path(company))).headers["ETag"]
        unchanged = await owner.get(path(company), headers={"If-None-Match": tag})
        assert (unchanged.status, unchanged.text, unchanged.headers["ETag"]) == (304, "", tag)
        await owner.patch(path(company), {"name": "One"})
        assert (await owner.get(path(company), headers={"If-None-Match": tag})).json["name"] == "One"

    async def test_needs_an_owner_or_the_admin(self, admin: Api, company: Json, friend: Api) -> None:
        assert_error(await friend.patch(path(company), {"name": "Mine"}), 404, "NOT_FOUND")
        assert (await admin.patch(path(company), {"name": "Ours"})).json["name"] == "Ours"

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": None},
            {"name": " "},
            {"status": "closed"},
            {"status": None},
            {"budgetMonatCent": -1},
            {"budgetMonatCent": None},
            {"waehrung": "eur"},
            {"waehrung": "EURO"},
            {"id": NO_ID},
            {"version": 7},
        ],
        ids=str,
    )
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
        for outside in (str(tmp_path), f"{inside}/../../secret", "/", f"{inside}\0"):
            assert_error(await owner.patch(path(company), {"workDir": outside}), 400, "VALIDATION_ERROR")
            assert_error(
                await owner.post("/api/unternehmen", {"name": "A", "workDir": outside}), 400, "VALIDATION_ERROR"
            )
        assert (await owner.patch(path(company), {"workDir": None})).json["workDir"] is None


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

    async def test_of_two_owners_who_leave_at_once_one_stays(self, owner: Api, company: Json, friend: Api) -> None:
        await take_in(owner, company, friend, "eigentuemer")
        answers = await asyncio.gather(
            owner.delete(path(company, "mitglieder", friend.user["id"])),
            friend.delete(path(company, "mitglieder", owner.user["id"])),
        )
        assert 200 in [answer.status for answer in answers]
        left = [await user.get(path(company)) for user in (owner, friend)]
        assert sorted(answer.status for answer in left) == [200, 404]

    async def test_are_managed_by_owners_and_the_admin_alone(
        self, admin: Api, owner: Api, company: Json, friend: Api
    ) -> None:
        other = await owner.somebody("Other")
        assert_error(await take_in(friend, company, friend), 404, "NOT_FOUND")
        await take_in(owner, company, friend)
        assert_error(await take_in(friend, company, friend, "eigentuemer"), 403, "FORBIDDEN")
        assert_error(await friend.delete(path(company, "mitglieder", owner.user["id"])), 403, "FORBIDDEN")
        assert (await take_in(admin, company, other, "beobachter")).status == 201
        assert (await admin.delete(path(company, "mitglieder", other.user["id"]))).status == 200

    async def test_are_paged(self, owner: Api, company: Json, friend: Api) -> None:
        await take_in(owner, company, friend)
        first = await owner.get(path(company, "mitglieder?limit=1"))
        assert [one["name"] for one in first.json] == ["Owner"]
        assert first.headers["X-Total-Count"] == "2"
        rest = await owner.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
        assert [one["name"] for one in rest.json] == ["Friend"]
        assert "Link" not in rest.headers

    async def test_named_by_two_different_names_are_not_taken_in(self, owner: Api, company: Json, friend: Api) -> None:
        other = await owner.somebody("Other")
        for user_id in (friend.user["id"], NO_ID):
            body = {"benutzerId": user_id, "email": other.user["email"]}
            assert_error(await owner.post(path(company, "mitglieder"), body), 400, "VALIDATION_ERROR")
        assert await roles(owner, company) == {"Owner": "eigentuemer"}

    async def test_are_named_by_an_id_in_any_case(self, owner: Api, company: Json, friend: Api) -> None:
        user_id = friend.user["id"].upper()
        await owner.make(path(company, "mitglieder"), {"benutzerId": user_id})
        assert (await owner.delete(path(company, "mitglieder", user_id))).status == 200

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

    async def test_keep_their_order_over_a_restart(
        self, owner: Api, company: Json, friend: Api, runtime: Runtime, settings: Settings
    ) -> None:
        for member in (await owner.somebody("Zoe"), friend, await owner.somebody("Ann")):
            await take_in(owner, company, member)
        await take_in(owner, company, friend, "beobachter")
        before = (await owner.get(path(company, "mitglieder"))).json
        assert [one["name"] for one in before] == ["Owner", "Zoe", "Friend", "Ann"]
        await runtime.stop()
        async with Runtime(runtime.data, settings=settings) as again, listening(again, port=0) as url:
            owner = Api(owner.session, url, owner.token)
            assert (await owner.get(path(company, "mitglieder"))).json == before


class TestTheEnd:
    async def test_takes_all_that_belongs_to_it_along(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company, verbindungsTyp="scripted")
        task = await owner.task(company)
        assert (await owner.delete(path(company))).json == {"success": True}
        for gone in (path(company), f"/api/experten/{agent['id']}", f"/api/aufgaben/{task['id']}"):
            assert_error(await owner.get(gone), 404, "NOT_FOUND")
        assert (await owner.get("/api/unternehmen")).json == []

    async def test_comes_once(self, owner: Api, company: Json) -> None:
        answers = await asyncio.gather(*(owner.delete(path(company)) for _ in range(3)))
        assert sorted(answer.status for answer in answers) == [200, 404, 404]

    async def test_is_the_owners_or_the_admins_to_bring(
        self, admin: Api, owner: Api, company: Json, friend: Api
    ) -> None:
        assert_error(await friend.delete(path(company)), 404, "NOT_FOUND")
        await take_in(owner, company, friend)
        assert_error(await friend.delete(path(company)), 403, "FORBIDDEN")
        assert (await admin.delete(path(company))).status == 200

    async def test_does_not_come_when_another_version_was_meant(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company)
        refused = await owner.delete(path(company), headers={"If-Match": '"7"'})
        assert_error(refused, 409, "VERSION_CONFLICT")
        assert (await owner.get(f"/api/experten/{agent['id']}")).json == agent
        assert (await owner.delete(path(company), headers={"If-Match": '"1"'})).status == 200

    async def test_ends_the_work_under_way_and_the_agents_tokens(
        self, owner: Api, company: Json, worker: ScriptedProvider
    ) -> None:
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def endless(_order: WorkOrder, _toolbox: Toolbox) -> Outcome:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError("nobody sets it")

        worker.script = endless
        agent = await owner.agent(company, verbindungsTyp="scripted")
        token = await owner.agent_api(agent)
        await owner.task(company, zugewiesenAn=agent["id"])
        await asyncio.wait_for(begun.wait(), 5)
        assert (await owner.delete(path(company))).status == 200
        assert cancelled.is_set()
        assert_error(await token.get(path(company)), 401, "NOT_AUTHENTICATED")
        assert (await owner.get("/api/system/status")).json == {
            "aktiveAgenten": 0,
            "offeneAufgaben": 0,
            "heartbeatsHeute": 0,
        }

    @pytest.mark.parametrize(
        ("what", "body"), [("aufgaben", {"titel": "Late"}), ("experten", {"name": "L", "rolle": "E"})]
    )
    async def test_leaves_nothing_that_was_on_its_way(
        self,
        owner: Api,
        company: Json,
        *,
        runtime: Runtime,
        monkeypatch: pytest.MonkeyPatch,
        what: str,
        body: Json,
    ) -> None:
        on_its_way, go_on, commit = asyncio.Event(), asyncio.Event(), runtime.store.commit

        async def late(unit: Unit) -> None:
            if unit.snapshot is not None and unit.snapshot.kind != "company":
                on_its_way.set()
                await go_on.wait()
            await commit(unit)

        monkeypatch.setattr(runtime.store, "commit", late)
        creating = asyncio.ensure_future(owner.post(path(company, what), body))
        await on_its_way.wait()
        deleted = await owner.delete(path(company))
        go_on.set()
        assert (deleted.status, (await creating).status) == (200, 404)
        assert (await runtime.status()) == ServerStatus(active_agents=0, open_tasks=0, heartbeats_today=0)

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
