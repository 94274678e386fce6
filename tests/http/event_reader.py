"""Reads a company's stream of events as a program would that knows Server-Sent Events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.builders import Api
from tests.documented import assert_documented
from tests.http.sockets import Json, bearer
from tests.seen import saw_message


class EventReader:
    """One stream.

    Attributes:
        last_id: what a browser would send as `Last-Event-ID`.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id: str | None = None
        self._read = b""

    async def next(self) -> Json | None:
        """The next event, within twenty seconds; None at the end of the stream."""
        named: dict[str, str] = {}
        while line := (await self._line()).decode():
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                named[name] = value
                continue
            self.last_id = named.get("id", self.last_id)
            if "data" in named:
                return self._event(named)
            named = {}
        return None

    async def until(self, kind: str) -> Json:
        """The next event of this type."""
        while (event := await self.next()) is not None:
            if event["type"] == kind:
                return event
        raise AssertionError(f"The stream ended before {kind}")

    async def rest(self) -> list[Json]:
        """All events up to the end of the stream."""
        return [event async for event in self]

    async def __aiter__(self) -> AsyncIterator[Json]:
        while (event := await self.next()) is not None:
            yield event

    async def _line(self) -> bytes:
        # `readline` refuses lines longer than a buffer, such as events with a long result.
        async with asyncio.timeout(20):
            while b"\n" not in self._read:
                if not (chunk := await self.response.content.readany()):
                    return b""
                self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line + b"\n"

    @staticmethod
    def _event(named: dict[str, str]) -> Json:
        event: Json = json.loads(named["data"])
        saw_message(event)
        assert event["type"] == named["event"]
        assert str(event.get("seq")) == named.get("id", "None")
        return event


@contextlib.asynccontextmanager
async def reading(api: Api, company: Json, query: str = "", **headers: Any) -> AsyncIterator[EventReader]:
    """Read a company's stream; it has begun when the block does."""
    path = f"/api/unternehmen/{company['id']}/ereignisse{query}"
    async with api.session.get(api.url + path, headers={**bearer(api), **headers}) as response:
        response.raise_for_status()
        assert_documented("GET", path, status=response.status, headers=response.headers, json=None)
        try:
            yield EventReader(response)
        finally:
            response.close()
