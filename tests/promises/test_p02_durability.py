"""P2: a write that was answered with a 2xx survives `kill -9`.

Four writers keep what each 2xx said; the server is killed at a random moment, started again, and asked for everything.
`make nightly` does it 500 times.
"""

import asyncio
import os
import random
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.builders import Api
from tests.server_process import ServerProcess

WRITERS = 4
KILLS = int(os.environ.get("KILLS", "30"))


class Writer:
    """Writes to tasks of its own, and keeps what it was told.

    Attributes:
        tasks: by id, the newest body that a 2xx held.
        comments: by task, the ids of those that were accepted.
        agents: by id, the newest body.
        in_flight: the entity whose write was cut off, if one was: it may be there or not.
    """

    def __init__(self, api: Api, company: dict[str, Any], seed: int) -> None:
        self.api = api
        self.company = company
        self.tasks: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[str]] = {}
        self.agents: dict[str, dict[str, Any]] = {}
        self.in_flight: str | None = None
        self.written = 0
        self._touched: set[str] = set()
        self._random = random.Random(seed)

    async def write(self) -> None:
        """Write until the server is gone."""
        with suppress(aiohttp.ClientError):
            while True:
                await self._write_something()
                self.written += 1
                self.in_flight = None

    async def check(self, *, everything: bool = False) -> None:
        """What was answered (since the last check) is there, as it was answered."""
        for known, path in ((self.tasks, "/api/aufgaben/"), (self.agents, "/api/experten/")):
            for id_ in known if everything else known.keys() & self._touched:
                body = known[id_]
                answer = await self.api.get(path + id_)
                assert answer.status == 200, f"lost: {body}"
                if answer.json != body:
                    # Only the write that was cut off may have gone further than its writer knows.
                    assert id_ == self.in_flight, f"{answer.json} is not {body}"
                    assert answer.json["version"] == body["version"] + 1
                    known[id_] = answer.json
        for id_ in self.comments if everything else self.comments.keys() & self._touched:
            ids = self.comments[id_]
            answer = await self.api.get(f"/api/aufgaben/{id_}/kommentare?limit=500")
            found = [comment["id"] for comment in answer.json]
            assert [comment_id for comment_id in found if comment_id in ids] == ids
        self.in_flight = None
        self._touched.clear()

    async def _write_something(self) -> None:
        chance = self._random.random()
        if not self.agents or chance < 0.05:
            agent = await self.api.agent(self.company)
            self.agents[agent["id"]] = agent
            self._touched.add(agent["id"])
        elif len(self.tasks) < 3 or chance < 0.2:
            task = await self.api.task(self.company, beschreibung="x" * self._random.randrange(2_000))
            self.tasks[task["id"]] = task
            self._touched.add(task["id"])
        elif chance < 0.4:
            id_ = self._random.choice(list(self.tasks))
            comment = await self.api.make(f"/api/aufgaben/{id_}/kommentare", {"inhalt": "Noted"})
            self.comments.setdefault(id_, []).append(comment["id"])
            self._touched.add(id_)
        elif chance < 0.5:
            await self._change(self.agents, "PATCH", "/api/experten/{}", {"titel": f"Title {chance}"})
        else:
            await self._change_task()

    async def _change_task(self) -> None:
        id_ = self._random.choice(list(self.tasks))
        task = self.tasks[id_]
        if task["executionLockedBy"]:
            body = {"expertId": task["executionLockedBy"], "executionToken": task["executionToken"]}
            await self._change(self.tasks, "POST", "/api/aufgaben/{}/release", body, id_)
        elif self._random.random() < 0.5:
            await self._change(self.tasks, "PATCH", "/api/aufgaben/{}", {"titel": f"Title {self.written}"}, id_)
        else:
            agent = task["zugewiesenAn"] or self._random.choice(list(self.agents))
            await self._change(self.tasks, "POST", "/api/aufgaben/{}/checkout", {"expertId": agent}, id_)

    async def _change(
        self, known: dict[str, dict[str, Any]], method: str, path: str, body: Any, id_: str | None = None
    ) -> None:
        self.in_flight = id_ or self._random.choice(list(known))
        self._touched.add(self.in_flight)
        answer = await self.api.call(method, path.format(self.in_flight), body)
        assert answer.status == 200, answer
        known[self.in_flight] = answer.json


async def test_nothing_that_was_answered_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    moments = random.Random(2)
    server = ServerProcess(tmp_path)
    await server.start()
    async with aiohttp.ClientSession() as session:
        admin = await Api(session, server.url).somebody()
        writers = [Writer(admin, await admin.company(), seed) for seed in range(WRITERS)]
        for _ in range(KILLS):
            writing = [asyncio.ensure_future(writer.write()) for writer in writers]
            await asyncio.sleep(moments.uniform(0.02, 0.4))
            await server.end()
            await asyncio.gather(*writing)
            await server.start()
            check_file(tmp_path / "opencognit.db")
            await asyncio.gather(*(writer.check() for writer in writers))
        await asyncio.gather(*(writer.check(everything=True) for writer in writers))
        await server.end()
    written = sum(writer.written for writer in writers)
    assert written > 10 * KILLS
    print(f"{KILLS} kills, {written} writes answered, none lost")


def check_file(path: Path) -> None:
    """The database is whole, and its events are numbered without a gap."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        first, last, count = database.execute("SELECT min(seq), max(seq), count(*) FROM events").fetchone()
        assert last - first + 1 == count
    finally:
        database.close()
