"""P8, for other programs: no event is missed by a webhook over `kill -9`, and what comes twice is known by its id."""

import asyncio
import contextlib
import os
import random
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.builders import Api
from tests.http.event_receiver import Answers, Json, Received, Receiver, receiving, subscribed
from tests.server_process import ServerProcess

SEED = int(os.environ.get("EVENTS_SEED", "8"))
KILLS = int(os.environ.get("KILLS", "6"))
WRITERS = 3
SETTINGS = {
    "OPENCOGNIT_WEBHOOKS__ALLOWED_ADDRESSES": '["127.0.0.1"]',
    "OPENCOGNIT_WEBHOOKS__RETRY_DELAYS_SECONDS": f"[{', '.join(['0.1'] * 100)}]",
}


@pytest.mark.slow
async def test_no_event_is_missed_over_kills_and_repeats_are_known_by_their_id(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with (
        ServerProcess(tmp_path / "data", **SETTINGS) as server,
        receiving() as steady,
        receiving() as moody,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        moody.answers = answering_now_and_then(chance)
        owner = await Api(session, server.url).somebody()
        company = await owner.company()
        secrets = [(await subscribed(owner, company, one.url))["secret"] for one in (steady, moody)]
        acknowledged: list[str] = []
        for _ in range(KILLS):
            wanted = len(steady.received) + chance.randrange(5, 40)
            writing = [asyncio.ensure_future(write(owner, company, acknowledged)) for _ in range(WRITERS)]
            await steady.until(lambda received, wanted=wanted: len(received) >= wanted)
            await server.end()
            await asyncio.gather(*writing)
            await server.start()
        acknowledged.append((await owner.task(company))["id"])

        for receiver, secret in ((steady, secrets[0]), (moody, secrets[1])):
            await receiver.until(lambda received: set(acknowledged) <= {task_of(one) for one in received})
            assert_each_is_known_by_its_id(receiver, secret)
        first = list({one.id: one.event["seq"] for one in steady.received}.values())
        assert first == sorted(first), "who always answers gets them in order"
        assert len(moody.received) > len({one.id for one in moody.received})


async def write(owner: Api, company: Json, acknowledged: list[str]) -> None:
    """Give tasks until the server is gone."""
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            acknowledged.append((await owner.task(company))["id"])


def answering_now_and_then(chance: random.Random) -> Answers:
    """Take half of what comes; of the rest, say that it failed, or drop the connection."""

    async def answering(received: Received) -> web.StreamResponse:
        mood = chance.random()
        if mood < 0.2:
            received.drop()
        return web.Response(status=204 if mood < 0.7 else 500)

    return answering


def assert_each_is_known_by_its_id(receiver: Receiver, secret: str) -> None:
    """The same id means the same message, another id another event, and each is signed."""
    bodies: dict[str, bytes] = {}
    for one in receiver.received:
        assert bodies.setdefault(one.id, one.body) == one.body
        one.signed_by(secret)
    events = [one.event["seq"] for one in {one.id: one for one in receiver.received}.values()]
    assert len(events) == len(set(events))


def task_of(received: Received) -> str:
    task: str = received.event["data"]["taskId"]
    return task
