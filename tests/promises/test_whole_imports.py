"""An import is there as a whole or not at all, whenever the server is killed in the middle of it."""

import asyncio
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.builders import Api
from tests.server_process import ServerProcess

KILLS = int(os.environ.get("KILLS", "8"))
SIZE = 400

Json = dict[str, Any]
SAID = {"autorName": "Jane", "inhalt": "Hello"}


class Killed:
    """Asks something of a server that is killed meanwhile, again and again, at moments all over the time it takes."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self._server = server
        self._moments = random.Random(seed)
        self._usual = 0.0
        self.unanswered = 0

    async def measure(self, api: Api, path: str, body: Any) -> Json:
        began = time.monotonic()
        made: Json = await api.make(path, body)
        self._usual = time.monotonic() - began
        return made

    async def ask(self, api: Api, path: str, body: Any) -> bool:
        """Whether it was answered before the kill."""
        asking = asyncio.ensure_future(api.post(path, body))
        await asyncio.sleep(self._moments.uniform(0.2, 1.1) * self._usual)
        await self._server.end()
        try:
            was_answered = (await asking).status == 201
        except aiohttp.ClientError:
            was_answered = False
        self.unanswered += not was_answered
        await self._server.start()
        return was_answered


@pytest.mark.slow
async def test_a_list_of_agents_is_hired_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    agents = [{"name": "Boss", "rolle": "CEO"}]
    agents += [{"name": f"Agent {number}", "rolle": "R", "reportsTo": "Boss"} for number in range(SIZE - 1)]
    async with ServerProcess(tmp_path) as server, aiohttp.ClientSession() as session:
        api, killed = await Api(session, server.url).somebody(), Killed(server, seed=4)
        await killed.measure(api, f"/api/unternehmen/{(await api.company())['id']}/experten/import", agents)
        for _ in range(KILLS):
            company = f"/api/unternehmen/{(await api.company())['id']}"
            was_answered = await killed.ask(api, f"{company}/experten/import", agents)
            hired = (await api.get(f"{company}/experten?limit=1")).headers["X-Total-Count"]
            assert hired == f"{SIZE}" if was_answered else hired in ("0", f"{SIZE}")
    assert killed.unanswered > 0


def company_file(size: int) -> Json:
    """A company with something of everything."""
    return {
        "format": "opencognit-company",
        "formatVersion": 1,
        "unternehmen": {"name": "Acme"},
        "experten": [{"id": f"a{number}", "name": f"Agent {number}", "rolle": "R"} for number in range(size)],
        "ziele": [{"id": "g", "titel": "Fly"}],
        "aufgaben": [
            {"id": f"t{number}", "titel": "T", "zugewiesenAn": f"a{number}", "kommentare": [SAID]}
            for number in range(size)
        ],
        "routinen": [{"id": f"r{number}", "titel": "R", "triggers": [{"kind": "webhook"}]} for number in range(size)],
    }


@pytest.mark.slow
async def test_a_company_is_founded_from_a_file_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    file = company_file(SIZE)
    async with ServerProcess(tmp_path) as server, aiohttp.ClientSession() as session:
        api, killed = await Api(session, server.url).somebody(), Killed(server, seed=5)
        known = {(await killed.measure(api, "/api/unternehmen/import", file))["id"]}
        for _ in range(KILLS):
            was_answered = await killed.ask(api, "/api/unternehmen/import", file)
            new = {company["id"] for company in (await api.get("/api/unternehmen?limit=500")).json} - known
            assert len(new) == 1 if was_answered else len(new) <= 1
            for company in new:
                exported = (await api.get(f"/api/unternehmen/{company}/export")).json
                parts = [len(exported[name]) for name in ("experten", "ziele", "aufgaben", "routinen")]
                assert parts == [SIZE, 1, SIZE, SIZE]
                assert all(task["kommentare"] for task in exported["aufgaben"])
            known |= new
    assert killed.unanswered > 0
    with closing(sqlite3.connect(tmp_path / "opencognit.db")) as database:
        for table in ("agents", "goals", "tasks", "routines", "comments", "memberships"):
            (left,) = database.execute(
                f"SELECT count(*) FROM {table} WHERE company_id NOT IN (SELECT id FROM companies)"  # noqa: S608
            )
            assert left == (0,), f"{table} of companies that are not there"
