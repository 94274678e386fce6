"""P7: an effect outside is recorded before it begins, and one that was cut off is repeated only if it may be.

Commands write down when they begin; the server is killed while they run, again and again. No command of an agent whose
work may not be repeated begins a second time unless the board has said so; all others come to their end by themselves.
`make nightly` does it 500 times.
"""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.builders import Api, Follower
from tests.server_process import ServerProcess

KILLS = int(os.environ.get("KILLS", "8"))
AGENTS = 3
TASKS = 3 * KILLS
COMMAND = 'echo "$OPENCOGNIT_RUN_ID" >> begun; sleep 0.1; echo done'


class Firm:
    """A company of agents with commands, and a board that says yes to all it is asked.

    Attributes:
        company: which one.
        granted: by task, how often the board has said yes.
    """

    def __init__(self, data: Path, api: Api, company: dict[str, Any]) -> None:
        self.granted: Counter[str] = Counter()
        self._data = data
        self._api = api
        self.company = company

    def begun(self) -> list[str]:
        """The run of each command of this company that has begun."""
        files = self._data.glob(f"agents/{self.company['id']}/*/begun")
        return [line for file in files for line in file.read_text().splitlines()]

    def recorded(self) -> dict[str, Any]:
        """The runs in the database, by id."""
        with closing(sqlite3.connect(f"file:{self._data / 'opencognit.db'}?mode=ro", uri=True)) as database:
            return {id_: msgspec.json.decode(body) for id_, body in database.execute("SELECT id, body FROM runs")}

    async def answer(self) -> None:
        """Say yes to all that is asked."""
        for approval in (await self._api.get(f"/api/unternehmen/{self.company['id']}/genehmigungen")).json:
            assert approval["titel"].endswith("was interrupted"), approval
            await self._api.make(f"/api/genehmigungen/{approval['id']}/genehmigen")
            self.granted[approval["payload"]["aufgabeId"]] += 1

    async def until_all_is_done(self) -> None:
        """Answer until there is nothing left to do."""
        headers = {"Authorization": f"Bearer {self._api.token}"}
        async with self._api.session.ws_connect(f"{self._api.url}/ws", headers=headers) as socket:
            follower = Follower(socket)
            await socket.send_json({"type": "subscribe", "since": 0})
            path = f"/api/unternehmen/{self.company['id']}/aufgaben?limit=500&status=todo,in_progress,blocked"
            while (await self._api.get(path)).json:
                await self.answer()
                await follower.next()


async def firm(data: Path, api: Api, **config: Any) -> Firm:
    """A company whose agents have tasks."""
    company = await api.company()
    agents = [
        await api.agent(company, verbindungsTyp="bash", verbindungsConfig={"befehl": COMMAND, **config})
        for _ in range(AGENTS)
    ]
    for number in range(TASKS):
        await api.task(company, zugewiesenAn=agents[number % AGENTS]["id"])
    return Firm(data, api, company)


async def test_a_command_that_was_cut_off_is_not_begun_again_unless_the_board_says_so(tmp_path: Path) -> None:
    moments = random.Random(7)
    server = ServerProcess(tmp_path, OPENCOGNIT_AGENTS__BASH_ENABLED="true")
    await server.start()
    async with aiohttp.ClientSession() as session:
        admin = await Api(session, server.url).somebody()
        careful, repeatable = await firm(tmp_path, admin), await firm(tmp_path, admin, wiederholbar=True)
        for _ in range(KILLS):
            await asyncio.sleep(moments.uniform(0.05, 0.4))
            await server.end()
            recorded = careful.recorded()
            assert all(recorded[run_id]["wirkungen"] for run_id in careful.begun()), "begun before it was recorded"
            await server.start()
            await careful.answer()
        for one in (careful, repeatable):
            await one.until_all_is_done()
        await server.end()
    assert repeatable.granted.total() == 0
    recorded = careful.recorded()
    begun = Counter(recorded[run_id]["aufgabeId"] for run_id in careful.begun())
    assert len(begun) == TASKS
    again = {task_id: times - 1 for task_id, times in begun.items() if times > 1}
    assert all(times <= careful.granted[task_id] for task_id, times in again.items()), (again, careful.granted)
    assert again, "nothing was ever cut off"
    print(f"{KILLS} kills, {careful.granted.total()} questions, {sum(again.values())} begun again with a yes")
