"""P8: events are complete and in order, for clients that drop and come back, over restarts and `kill -9`.

The numbers of the events have no gaps, so what a client must have seen is known without asking the server: each number
once, in order.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.builders import Api
from tests.http.event_reader import reading
from tests.http.sockets import bearer
from tests.server_process import ServerProcess

SEED = int(os.environ.get("EVENTS_SEED", "8"))
ENDS = int(os.environ.get("KILLS", "6"))
WRITERS, CLIENTS = 3, 3
DROPS = 0.05
"""How often a client drops after an event."""

Json = dict[str, Any]


class Client:
    """One who follows a company, drops at random, and resumes after the last event that it has read.

    Attributes:
        seen: the numbers of the events that it has read.
        created: the tasks that it was told of.
    """

    def __init__(self, chance: random.Random) -> None:
        self.seen: list[int] = []
        self.created: list[str] = []
        self.resumed = 0
        self._chance = chance
        self._progress = asyncio.Event()

    def reads(self, event: Json) -> bool:
        """Note one event; whether to read on."""
        self.seen.append(event["seq"])
        if event["type"] == "task_created":
            self.created.append(event["data"]["taskId"])
        self._progress.set()
        return self._chance.random() >= DROPS

    async def has_read(self, last: int) -> None:
        """Wait until it has read the event of this number."""
        while not self.seen or self.seen[-1] < last:
            await self._progress.wait()
            self._progress.clear()

    async def over_the_socket(self, api: Api, _company: Json) -> None:
        """Follow over `/ws` until the connection ends or is dropped."""
        async with api.session.ws_connect(api.url + "/ws", headers=bearer(api)) as socket:
            await socket.send_json({"type": "subscribe", "since": self.seen[-1] if self.seen else 0})
            has_begun = False
            async for frame in socket:
                message = frame.json()
                assert message["type"] != "resync"
                if not has_begun:
                    has_begun = message["type"] == "subscribed"
                elif not self.reads(message):
                    return

    async def over_the_stream(self, api: Api, company: Json) -> None:
        """Follow over Server-Sent Events until the connection ends or is dropped."""
        headers = {"Last-Event-ID": str(self.seen[-1])} if self.seen else {}
        async with reading(api, company, "?since=0", **headers) as reader:
            async for event in reader:
                assert event["type"] != "resync"
                if event["type"] != "subscribed" and not self.reads(event):
                    return


async def again_and_again(once: Callable[[], Awaitable[None]], is_up: asyncio.Event, is_over: asyncio.Event) -> None:
    """Do it until it is over; while the server is away, wait."""
    while not is_over.is_set():
        await is_up.wait()
        # That the server goes is noticed here before or after it is noticed there.
        with contextlib.suppress(aiohttp.ClientError):
            await once()
        await asyncio.sleep(0)


@pytest.mark.slow
async def test_clients_that_drop_and_resume_miss_no_event_and_see_none_twice(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    is_up, is_enough, acknowledged = asyncio.Event(), asyncio.Event(), asyncio.Queue[str]()
    async with (
        ServerProcess(tmp_path / "data") as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        is_up.set()
        owner = await Api(session, server.url).somebody()
        company = await owner.company()
        clients = [Client(random.Random(chance.random())) for _ in range(2 * CLIENTS)]
        ways = [
            client.over_the_socket if number % 2 else client.over_the_stream for number, client in enumerate(clients)
        ]

        async def write() -> None:
            answer = await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "Small"})
            # Only a server that is about to end may refuse.
            assert answer.status == 201 or (answer.status == 503 and not is_up.is_set()), answer
            if answer.status == 201:
                acknowledged.put_nowait(answer.json["id"])

        async def follow(client: Client, way: Callable[[Api, Json], Awaitable[None]]) -> None:
            client.resumed += 1
            await way(owner, company)

        writing = [asyncio.ensure_future(again_and_again(write, is_up, is_enough)) for _ in range(WRITERS)]
        following = [
            asyncio.ensure_future(
                again_and_again(lambda client=client, way=way: follow(client, way), is_up, asyncio.Event())
            )
            for client, way in zip(clients, ways, strict=True)
        ]
        try:
            written = [await _some(acknowledged, following, chance)]
            for number in range(ENDS):
                is_up.clear()
                await server.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
                await server.start()
                is_up.set()
                written.append(await _some(acknowledged, following, chance))
            is_enough.set()
            await asyncio.gather(*writing)
            last = await _newest(owner)
            await _all(asyncio.gather(*(client.has_read(last) for client in clients)), following)
        finally:
            for task in (*writing, *following):
                task.cancel()
            await asyncio.gather(*writing, *following, return_exceptions=True)
    known = {task for tasks in written for task in tasks}
    for client in clients:
        assert client.seen == list(range(1, last + 1))
        assert known <= set(client.created)
        assert client.resumed > ENDS


async def _some(
    acknowledged: asyncio.Queue[str], following: list["asyncio.Task[None]"], chance: random.Random
) -> list[str]:
    """Some of what was written from now on."""
    count = chance.randint(20, 50)

    async def take() -> list[str]:
        return [await acknowledged.get() for _ in range(count)]

    tasks: list[str] = await _all(asyncio.ensure_future(take()), following)
    return tasks


async def _all(wanted: "asyncio.Future[Any]", following: list["asyncio.Task[None]"]) -> Any:
    """Wait for this, and for no client that has failed."""
    await asyncio.wait([wanted, *following], return_when=asyncio.FIRST_COMPLETED, timeout=40)
    for task in following:
        if task.done():
            await task
    assert wanted.done(), "Not all was read"
    return await wanted


async def _newest(api: Api) -> int:
    """The number of the newest event there is."""
    async with api.session.ws_connect(api.url + "/ws", headers=bearer(api)) as socket:
        await socket.send_json({"type": "subscribe"})
        answer = await socket.receive_json(timeout=10)
    seq: int = answer["seq"]
    return seq
