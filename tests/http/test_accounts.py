"""Accounts over HTTP: registering, signing in and out, the profile, the password, and how guessing is slowed."""

import asyncio
import sqlite3
from typing import Any

import aiohttp
import jwt
import pytest

from opencognit.domain.errors import Unavailable
from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock
from tests.builders import Answer, Api, assert_error

Json = dict[str, Any]

PASSWORD = "correct horse battery"


async def register(api: Api, email: str = "jane@example.com", password: str = PASSWORD, **fields: Any) -> Answer:
    body = {"name": "Jane", "email": email, "passwort": password, **fields}
    return await api.with_token(None).post("/api/auth/registrieren", body)


async def sign_in(api: Api, email: str = "jane@example.com", password: str = PASSWORD) -> Answer:
    return await api.with_token(None).post("/api/auth/anmelden", {"email": email, "passwort": password})


async def change(api: Api, old: str, new: str) -> Answer:
    return await api.call("PUT", "/api/auth/passwort", {"altesPasswort": old, "neuesPasswort": new})


@pytest.fixture
def held(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> "HeldPasswords":
    """Passwords that are looked at, and whose verdict is then held back."""
    return HeldPasswords(runtime, monkeypatch)


class HeldPasswords:
    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked_at: asyncio.Queue[str] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.hold = True
        self._verify = runtime.passwords.verify
        monkeypatch.setattr(runtime.passwords, "verify", self._verified_late)

    async def _verified_late(self, password: str, stored: str | None) -> bool:
        is_right = await self._verify(password, stored)
        if self.hold:
            self.looked_at.put_nowait(password)
            await self.go_on.wait()
        return is_right


@pytest.fixture
async def jane(admin: Api) -> Api:
    """A user who is no admin."""
    answer = await register(admin)
    signed_in = admin.with_token(answer.json["token"])
    signed_in.user = answer.json["benutzer"]
    return signed_in


class TestRegistering:
    async def test_answers_the_user_and_a_token_that_is_good(self, nobody: Api) -> None:
        answer = await register(nobody)
        assert answer.status == 201
        user = answer.json["benutzer"]
        assert (user["name"], user["email"]) == ("Jane", "jane@example.com")
        assert {"id", "name", "email", "rolle", "erstelltAm"} <= user.keys()
        assert "passwort" not in answer.text
        assert (await nobody.with_token(answer.json["token"]).get("/api/auth/ich")).json == user

    async def test_makes_the_first_user_admin_and_nobody_else(self, nobody: Api) -> None:
        answers = await asyncio.gather(*(register(nobody, f"user{number}@example.com") for number in range(8)))
        assert [answer.status for answer in answers] == [201] * 8
        roles = sorted(answer.json["benutzer"]["rolle"] for answer in answers)
        assert roles == ["admin"] + ["mitglied"] * 7

    async def test_of_two_with_one_email_at_once_one_succeeds(self, admin: Api) -> None:
        answers = await asyncio.gather(register(admin), register(admin, "JANE@Example.COM"))
        assert sorted(answer.status for answer in answers) == [201, 409]
        assert_error(next(answer for answer in answers if answer.status == 409), 409, "EMAIL_TAKEN")

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": ""},
            {"name": "   "},
            {"name": "x" * 201},
            {"email": "jane"},
            {"email": "jane@home"},
            {"email": "a b@example.com"},
            {"email": "jane\0@example.com"},
            {"email": "jane@example.com\n"},
            {"email": "x" * 320 + "@example.com"},
            {"passwort": "short"},
            {"passwort": "x" * 1025},
            {"passwort": None},
            {"rolle": "admin"},
        ],
        ids=str,
    )
    async def test_refuses_what_is_wrong(self, nobody: Api, fields: Json) -> None:
        body = {"name": "Jane", "email": "jane@example.com", "passwort": PASSWORD, **fields}
        answer = await nobody.post("/api/auth/registrieren", body)
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert answer.json["details"][0]["feld"] in fields

    async def test_counts_all_of_a_long_password(self, jane: Api) -> None:
        long = "x" * 1000
        await register(jane, "long@example.com", long)
        assert (await sign_in(jane, "long@example.com", long)).status == 200
        assert_error(await sign_in(jane, "long@example.com", "x" * 999 + "y"), 401, "INVALID_CREDENTIALS")

    async def test_keeps_no_password_in_the_clear(self, nobody: Api, runtime: Runtime) -> None:
        await register(nobody)
        database = sqlite3.connect(f"file:{runtime.data / 'opencognit.db'}?mode=ro", uri=True)
        dump = "\n".join(database.iterdump())
        database.close()
        assert "jane@example.com" in dump
        assert PASSWORD not in dump


class TestSigningIn:
    async def test_answers_as_registering_does(self, jane: Api) -> None:
        answer = await sign_in(jane)
        assert (answer.status, answer.json["benutzer"]) == (200, jane.user)
        assert (await jane.with_token(answer.json["token"]).get("/api/auth/ich")).status == 200

    async def test_compares_the_email_without_case(self, jane: Api) -> None:
        assert (await sign_in(jane, "Jane@EXAMPLE.com")).status == 200

    async def test_answers_a_wrong_password_and_an_unknown_email_alike(self, jane: Api) -> None:
        wrong, unknown = await sign_in(jane, password="something else"), await sign_in(jane, "who@example.com")
        assert_error(wrong, 401, "INVALID_CREDENTIALS")
        assert_error(unknown, 401, "INVALID_CREDENTIALS")
        assert wrong.json["fehler"] == unknown.json["fehler"]

    async def test_sets_a_cookie_that_scripts_cannot_read_and_that_signs_in(self, jane: Api, url: str) -> None:
        answer = await sign_in(jane)
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        assert (await jane.with_token(None).get("/api/auth/ich", headers=headers)).json == jane.user
        foreign = headers | {"Origin": "https://evil.example"}
        answer = await jane.with_token(None).post("/api/unternehmen", {"name": "Acme"}, headers=foreign)
        assert_error(answer, 401, "NOT_AUTHENTICATED")
        own = headers | {"Origin": url}
        assert (await jane.with_token(None).post("/api/unternehmen", {"name": "Acme"}, headers=own)).status == 201

    async def test_with_a_bad_token_is_not_made_good_by_the_cookie(self, jane: Api) -> None:
        cookie = {"Cookie": f"opencognit_token={jane.token}"}
        assert_error(await jane.with_token("bad").get("/api/auth/ich", headers=cookie), 401, "NOT_AUTHENTICATED")

    @pytest.mark.parametrize("field", ["email", "passwort"])
    async def test_needs_both_email_and_password(self, jane: Api, field: str) -> None:
        body = {"email": "jane@example.com", "passwort": PASSWORD}
        del body[field]
        answer = await jane.with_token(None).post("/api/auth/anmelden", body)
        assert_error(answer, 400, "VALIDATION_ERROR")
        assert answer.json["details"][0]["feld"] == field

    async def test_forgets_nothing_when_the_user_signs_in_elsewhere(self, jane: Api) -> None:
        await sign_in(jane)
        assert (await jane.get("/api/auth/ich")).status == 200


class TestGuessing:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.mark.parametrize("email", ["jane@example.com", "nobody@example.com"])
    async def test_is_slowed_whether_there_is_such_an_account_or_not(
        self, jane: Api, clock: ManualClock, email: str
    ) -> None:
        for _ in range(5):
            assert_error(await sign_in(jane, email, "a wrong guess"), 401, "INVALID_CREDENTIALS")
        refused = await sign_in(jane, email, "a wrong guess")
        assert_error(refused, 429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) >= 1
        await clock.advance(2)
        assert_error(await sign_in(jane, email, "a wrong guess"), 401, "INVALID_CREDENTIALS")

    async def test_waits_from_the_verdict_on_and_not_from_the_try(
        self, jane: Api, clock: ManualClock, held: HeldPasswords
    ) -> None:
        held.hold = False
        for _ in range(4):
            await sign_in(jane, password="a wrong guess")
        held.hold = True
        fifth = asyncio.ensure_future(sign_in(jane, password="a wrong guess"))
        await held.looked_at.get()
        await clock.advance(60)
        held.go_on.set()
        assert_error(await fifth, 401, "INVALID_CREDENTIALS")
        assert_error(await sign_in(jane), 429, "RATE_LIMITED")

    async def test_is_forgiven_by_the_right_password(self, jane: Api) -> None:
        for _ in range(2):
            for _ in range(4):
                assert_error(await sign_in(jane, password="a wrong guess"), 401, "INVALID_CREDENTIALS")
            assert (await sign_in(jane)).status == 200

    async def test_of_the_old_password_is_slowed_too_and_signs_nobody_out(self, jane: Api) -> None:
        for _ in range(5):
            assert_error(await change(jane, "a wrong guess", "another password"), 401, "INVALID_CREDENTIALS")
        assert_error(await change(jane, PASSWORD, "another password"), 429, "RATE_LIMITED")
        assert (await jane.get("/api/auth/ich")).status == 200

    async def test_is_not_counted_while_the_server_is_too_busy_to_look(
        self, jane: Api, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def busy(_password: str, _stored: str | None) -> bool:
            raise Unavailable(retry_after=1)

        with monkeypatch.context() as patched:
            patched.setattr(runtime.passwords, "verify", busy)
            for _ in range(6):
                answer = await sign_in(jane)
                assert_error(answer, 503, "UNAVAILABLE")
                assert answer.headers["Retry-After"] == "1"
        assert (await sign_in(jane)).status == 200

    async def test_of_one_account_slows_no_other(self, jane: Api) -> None:
        for _ in range(6):
            await sign_in(jane, "nobody@example.com", "a wrong guess")
        assert (await sign_in(jane)).status == 200


class TestSigningOut:
    async def test_revokes_this_token_alone(self, jane: Api) -> None:
        other = jane.with_token((await sign_in(jane)).json["token"])
        answer = await jane.post("/api/auth/abmelden")
        assert (answer.status, answer.json) == (200, {"success": True})
        assert_error(await jane.get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")
        assert (await other.get("/api/auth/ich")).status == 200

    async def test_ends_what_the_cookie_was_good_for(self, jane: Api) -> None:
        await jane.post("/api/auth/abmelden")
        cookie = {"Cookie": f"opencognit_token={jane.token}"}
        assert_error(await jane.with_token(None).get("/api/auth/ich", headers=cookie), 401, "NOT_AUTHENTICATED")

    async def test_twice_is_refused(self, jane: Api) -> None:
        await jane.post("/api/auth/abmelden")
        assert_error(await jane.post("/api/auth/abmelden"), 401, "NOT_AUTHENTICATED")

    async def test_is_open_to_agents_who_have_no_profile(self, jane: Api) -> None:
        agent = await jane.agent_api(await jane.agent(await jane.company()))
        assert_error(await agent.get("/api/auth/ich"), 403, "FORBIDDEN")
        assert (await agent.post("/api/auth/abmelden")).status == 200
        assert_error(await agent.get("/api/unternehmen"), 401, "NOT_AUTHENTICATED")

    async def test_takes_the_cookie_away(self, jane: Api) -> None:
        answer = await jane.post("/api/auth/abmelden")
        assert 'opencognit_token=""' in answer.headers["Set-Cookie"]


class TestThePassword:
    async def test_is_changed_and_all_tokens_are_revoked(self, jane: Api) -> None:
        other = jane.with_token((await sign_in(jane)).json["token"])
        assert (await change(jane, PASSWORD, "another password")).status == 200
        for api in (jane, other):
            assert_error(await api.get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")
        assert_error(await sign_in(jane), 401, "INVALID_CREDENTIALS")
        assert (await sign_in(jane, password="another password")).status == 200

    async def test_is_not_changed_by_whoever_does_not_know_it(self, jane: Api) -> None:
        assert_error(await change(jane, "a wrong guess", "another password"), 401, "INVALID_CREDENTIALS")
        assert (await jane.get("/api/auth/ich")).status == 200

    @pytest.mark.parametrize("new", [PASSWORD, "short", "x" * 1025])
    async def test_must_be_new_and_long_enough(self, jane: Api, new: str) -> None:
        assert_error(await change(jane, PASSWORD, new), 400, "VALIDATION_ERROR")

    async def test_that_was_right_when_a_sign_in_began_is_no_longer_good_once_changed(
        self, jane: Api, held: HeldPasswords
    ) -> None:
        late = asyncio.ensure_future(sign_in(jane))
        await held.looked_at.get()
        held.hold = False
        assert (await change(jane, PASSWORD, "another password")).status == 200
        held.go_on.set()
        assert_error(await late, 401, "INVALID_CREDENTIALS")

    async def test_is_changed_once_by_two_who_know_the_old_one(self, jane: Api, held: HeldPasswords) -> None:
        late = asyncio.ensure_future(change(jane, PASSWORD, "the late password"))
        await held.looked_at.get()
        held.hold = False
        assert (await change(jane, PASSWORD, "another password")).status == 200
        held.go_on.set()
        assert_error(await late, 401, "INVALID_CREDENTIALS")
        assert (await sign_in(jane, password="another password")).status == 200


class TestTokens:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_expire_when_their_time_is_over(self, jane: Api, runtime: Runtime, clock: ManualClock) -> None:
        await clock.advance(runtime.settings.accounts.session_seconds - 1)
        assert (await jane.get("/api/auth/ich")).status == 200
        await clock.advance(1)
        assert_error(await jane.get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer " + "x" * 7000])
    async def test_that_are_none_are_refused(self, jane: Api, header: str) -> None:
        headers = {"Authorization": header}
        assert_error(await jane.with_token(None).get("/api/auth/ich", headers=headers), 401, "NOT_AUTHENTICATED")

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    @pytest.mark.parametrize("algorithm", ["none", "HS512", "another key"])
    async def test_signed_in_another_way_are_refused(self, jane: Api, runtime: Runtime, algorithm: str) -> None:
        claims = jwt.decode(jane.token or "", options={"verify_signature": False})
        key = b"k" * 64 if algorithm == "another key" else runtime.signing_key
        forged = jwt.encode(
            claims, None if algorithm == "none" else key, algorithm if algorithm != "another key" else "HS256"
        )
        assert_error(await jane.with_token(forged).get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")


async def test_sign_ins_outlive_a_restart(nobody: Api, jane: Api, runtime: Runtime) -> None:
    signed_out = jane.with_token((await sign_in(jane)).json["token"])
    await signed_out.post("/api/auth/abmelden")
    data, settings = runtime.data, runtime.settings
    await runtime.stop()

    async with (
        Runtime(data, settings=settings) as again,
        listening(again, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession() as session,
    ):
        assert (await Api(session, url, jane.token).get("/api/auth/ich")).json == jane.user
        assert_error(await Api(session, url, signed_out.token).get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")
