"""P6: one effect for one `Idempotency-Key`, whatever becomes of the connection and of the server.

Every kind of POST is sent by two people with the same keys, each about things of their own. Its connection is dropped
at once; then it is sent five times more, also two at a time, while the server is killed right after one of its commits
and started again. `make nightly` does it 500 times.
"""

import asyncio
import json
import os
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.http.server import ROUTES
from tests.builders import Answer, Api, assert_error
from tests.promises.keyed_case import NOBODY, Post
from tests.promises.keyed_posts import KINDS, Posts
from tests.server_process import ServerProcess

SEED = int(os.environ.get("IDEMPOTENCY_SEED", "6"))
KILLS = int(os.environ.get("KILLS", "8"))
KILLS_OF_A_ROUND = 2
COMMITS = 8
"""The server dies after one of so many commits."""
CALL_BACK = "/api/laeufe/{id}/rueckruf"
ABOUT_THIS_ANSWER = ("date", "x-request-id", "idempotency-replayed")
"""Headers in which an answer that is given again may differ from the first."""

Json = dict[str, Any]


def test_every_post_that_takes_a_key_is_among_them() -> None:
    taking = {route.path for route in ROUTES if route.takes_idempotency_key}
    assert sorted(taking - {CALL_BACK}) == sorted(KINDS)


class Sent:
    """A POST that is sent again and again with one key.

    Attributes:
        answers: those that came.
        lost: how often none came.
    """

    def __init__(self, post: Post, key: str) -> None:
        self.post = post
        self.answers: list[Answer] = []
        self.lost = 0
        self._sender = post.sender()
        self._headers = {"Idempotency-Key": key, "Content-Type": "application/json", **dict(post.headers)}

    async def drop(self, *, late: bool) -> None:
        """Send it, and be gone: at once, or as soon as the answer comes, which is not read."""
        url, data = urlsplit(self._sender.url), self.post.data()
        headers = {"Host": url.netloc, "Content-Length": str(len(data)), **self._headers}
        if self._sender.token is not None:
            headers["Authorization"] = f"Bearer {self._sender.token}"
        lines = [f"POST {self.post.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        answer, connection = await asyncio.open_connection(url.hostname, url.port)
        connection.write("\r\n".join(lines).encode() + data)
        await connection.drain()
        if late:
            await answer.read(1)
        connection.close()
        await connection.wait_closed()

    async def ask(self) -> None:
        """Send it, and keep the answer, if one comes."""
        try:
            self.answers.append(await self._ask(self.post.data()))
        except aiohttp.ClientError:
            self.lost += 1

    async def assert_done_once(self) -> None:
        """All answers are the same; there is what they say, once; and another body is refused."""
        if self.post.signs_out:
            # Whoever has signed out is nobody, and what nobody asks is refused before a key is looked at.
            assert {answer.status for answer in self.answers} <= {200, 401}
            assert_error(await self.post.api.get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")
            return
        self._assert_one_answer()
        await self._assert_one_effect()
        if not self.post.is_public:
            assert_error(await self._ask(b'{"another": "body"}'), 409, "IDEMPOTENCY_CONFLICT")

    def assert_sessions(self, subjects: list[str]) -> None:
        """Whoever the answer lets in has as many sessions as they should."""
        if self.post.sessions is not None:
            answer = self.answers[-1].json
            subject = answer["benutzer"]["id"] if "benutzer" in answer else answer["expertId"]
            assert subjects.count(subject) == self.post.sessions, self.post.path

    async def _ask(self, data: bytes) -> Answer:
        return await self._sender.post(self.post.path, data=data, headers=self._headers)

    def _assert_one_answer(self) -> None:
        for answer in self.answers:
            assert answer.status in (200, 201), (self.post.path, answer)
        different = {(answer.status, answer.text, lasting(answer)) for answer in self.answers}
        assert len(different) <= 1, (self.post.path, different)
        made = [answer for answer in self.answers if not is_again(answer)]
        assert len(made) <= 1, (self.post.path, made)

    async def _assert_one_effect(self) -> None:
        api = self.post.api
        if self.post.subject is not None:
            assert (await api.get(self.post.subject)).json == self.answers[-1].json
        if self.post.rows is not None:
            path, wanted = self.post.rows
            found: list[Json] = []
            async with asyncio.timeout(20):
                # What follows from a decision comes a moment after it.
                while not found:
                    found = [row for row in (await api.get(path)).json if row.items() >= wanted.items()]
            assert len(found) == 1, (self.post.path, found)


def is_again(answer: Answer) -> bool:
    return "Idempotency-Replayed" in answer.headers


def lasting(answer: Answer) -> frozenset[tuple[str, str]]:
    """Its headers, but those that are about this one answer."""
    return frozenset((name, value) for name, value in answer.headers.items() if name.lower() not in ABOUT_THIS_ANSWER)


async def made_ready(admin: Api, number: int) -> list[Sent]:
    """Every kind of POST, from two owners of one company, with the same keys."""
    owner, friend = await admin.somebody(), await admin.somebody()
    company = await owner.company()
    await owner.agent(company, isOrchestrator=True)
    path, body = f"/api/unternehmen/{company['id']}/mitglieder", {"benutzerId": friend.user["id"]}
    await owner.make(path, {**body, "rolle": "eigentuemer"})
    return [
        Sent(await make_ready(Posts(api, company, f"{whose}-{number}-{kind}")), f"{number}-{kind}")
        for kind, make_ready in enumerate(KINDS.values())
        for whose, api in (("mine", owner), ("yours", friend))
    ]


async def killed_while(server: ServerProcess, after: Path, commits: int, sent: list[Sent]) -> None:
    """Send all of it; the server dies after so many commits, or when all is answered, and is started again."""
    # Put in its place whole: the server may look at any moment, and an empty file is no number.
    whole = after.with_suffix(".new")
    whole.write_text(str(commits))
    whole.replace(after)
    asking, dying = asyncio.gather(*(one.ask() for one in sent)), asyncio.ensure_future(server.died())
    either: list[asyncio.Future[Any]] = [asking, dying]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    await server.end()
    await asyncio.gather(asking, dying)
    after.unlink()  # noqa: ASYNC240 - likewise
    await server.start()


@pytest.mark.slow
async def test_what_is_sent_again_with_its_key_is_done_once_and_answered_the_same(tmp_path: Path) -> None:
    chance, after, rounds = random.Random(SEED), tmp_path / "after", -(-KILLS // KILLS_OF_A_ROUND)
    command = (sys.executable, "-m", "tests.dying_server")
    allowed = {"OPENCOGNIT_WEBHOOKS__ALLOWED_ADDRESSES": json.dumps([NOBODY])}
    sent: list[Sent] = []
    async with (
        ServerProcess(tmp_path / "data", command=command, DYING_AFTER=str(after), **allowed) as server,
        # No connection outlives its server.
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0, force_close=True)
        ) as session,
    ):
        admin = await Api(session, server.url).somebody()
        for number in range(rounds):
            of_round = await made_ready(admin, number)
            await asyncio.gather(*(one.drop(late=chance.random() < 0.3) for one in of_round))
            await killed_while(server, after, chance.randint(1, COMMITS), of_round)
            await killed_while(server, after, chance.randint(1, COMMITS), 2 * of_round)
            await asyncio.gather(*(one.ask() for one in 2 * of_round))
            await asyncio.gather(*(one.assert_done_once() for one in of_round))
            sent += of_round
    with closing(sqlite3.connect(tmp_path / "data" / "opencognit.db")) as database:
        subjects = [subject for (subject,) in database.execute("SELECT subject_id FROM sessions")]
    for one in sent:
        one.assert_sessions(subjects)
    lost, again = sum(one.lost for one in sent), sum(is_again(one.answers[0]) for one in sent)
    assert lost > rounds
    assert again > rounds, "nothing was ever done whose answer was lost"
    print(
        f"{KILLS_OF_A_ROUND * rounds} kills, {len(sent)} requests, {lost} without an answer, {again} done all the same"
    )


async def test_a_run_is_answered_once_by_its_call_back(tmp_path: Path) -> None:
    orders: asyncio.Queue[Json] = asyncio.Queue()

    async def work(request: web.Request) -> web.Response:
        orders.put_nowait(await request.json())
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/work", work)
    async with TestServer(app, host="127.0.0.1") as service, aiohttp.ClientSession() as session:
        url = service.make_url("/work")
        async with ServerProcess(
            tmp_path, OPENCOGNIT_AGENTS__HTTP_ALLOWED_ADDRESSES=json.dumps([url.authority])
        ) as server:
            owner = await Api(session, server.url).somebody()
            company = await owner.company()
            agent = await owner.agent(company, verbindungsTyp="http", verbindungsConfig={"url": str(url)})
            task = await owner.task(company, zugewiesenAn=agent["id"])
            back = (await orders.get())["rueckruf"]
            token, path = (("Authorization", f"Bearer {back['token']}"),), urlsplit(back["url"]).path
            sent = Sent(Post(owner, path, {"ergebnis": "ours"}, headers=token, is_public=True), "once")
            await sent.drop(late=False)
            await asyncio.gather(*(sent.ask() for _ in range(4)))
            async with asyncio.timeout(20):
                while (done := (await owner.get(f"/api/aufgaben/{task['id']}")).json)["status"] != "done":
                    pass
            await server.end()
            await server.start()
            await sent.ask()
            await sent.assert_done_once()
            assert len(sent.answers) == 5
            assert done["ergebnis"] == "ours"
            assert (await owner.get(f"/api/aufgaben/{task['id']}")).json == done
            assert len((await owner.get(f"/api/experten/{agent['id']}/laeufe")).json) == 1
