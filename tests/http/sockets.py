"""What the tests of the WebSocket say to it, and read from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from tests.builders import Api, Follower

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]
Open = Callable[..., Awaitable[aiohttp.ClientWebSocketResponse]]


def bearer(api: Api) -> Json:
    return {"Authorization": f"Bearer {api.token}"}


async def answer_to(socket: aiohttp.ClientWebSocketResponse, message: Json) -> Json:
    """The answer to a message, past the events that come before it."""
    await socket.send_json(message)
    follower = Follower(socket)
    while "seq" in (answer := await follower.next()) and answer["type"] not in ("subscribed", "resync"):
        pass
    return answer


async def is_signed_in(socket: aiohttp.ClientWebSocketResponse) -> bool:
    kind: str = (await answer_to(socket, {"type": "ping"}))["type"]
    return kind == "pong"


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code that the server closes with, past all that it sends before."""
    async with asyncio.timeout(8):
        async for _ in socket:
            pass
    return socket.close_code


async def everything(follower: Follower, last: int) -> list[Json]:
    """All events from the subscription's answer up to the one of this number."""
    events: list[Json] = []
    for message in follower.seen:
        events = [*events, message] if "data" in message else []
    while not events or events[-1]["seq"] < last:
        events.append(await follower.next())
    return events


async def newest(follow: Follow, api: Api) -> int:
    """The number of the newest event there is."""
    seq: int = (await follow(api)).seen[-1]["seq"]
    return seq


def numbers(events: list[Json]) -> list[int]:
    return [event["seq"] for event in events]


async def told(follower: Follower, kind: str, **data: Any) -> Json:
    """The data of the next event of this kind."""
    found: Json = (await follower.until(kind, **data))["data"]
    return found
