"""A company's events as Server-Sent Events (HTML Standard, 9.2): what `/ws` sends, for programs that speak only HTTP.

Each event has its number as `id`, so a client that comes back with `Last-Event-ID` goes on where it was. A client that
does not read is cut off, and nobody waits for it.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import structlog
from aiohttp import web

from opencognit.domain.caller import Caller
from opencognit.domain.errors import Draining, EventsGone
from opencognit.domain.events import Published
from opencognit.domain.message import encode
from opencognit.http.following import Following
from opencognit.http.request import Request
from opencognit.http.route import EVENT_STREAM
from opencognit.runtime import Runtime

KEEP_ALIVE: Final = 15.0
"""Seconds of silence after which a client is shown that the connection is alive."""
SEND_WITHIN: Final = 10.0
"""Seconds that one message may take to leave, before the client counts as one that does not read."""
END_WITHIN: Final = 1.0
"""Seconds that the message under way may still take when the stream has to end."""

_log = structlog.get_logger("opencognit.event_stream")


class Streams:
    """All open streams of one server."""

    def __init__(self) -> None:
        self._open: set[EventStream] = set()

    async def serve(self, request: Request, *, types: tuple[str, ...] | None, since: int | None) -> web.StreamResponse:
        """Answer with a company's events until one side ends it.

        Raises:
            Draining: the server is about to end.
        """
        if request.runtime.draining:
            raise Draining
        stream = EventStream(request.runtime, request.raw, request.caller, request.company_id)
        self._open.add(stream)
        try:
            return await stream.serve(request_id=request.origin.request_id, types=types, since=since)
        finally:
            self._open.discard(stream)

    async def close(self, _app: web.Application) -> None:
        """End all streams: the server goes away, and their clients come back by themselves."""
        for stream in self._open:
            stream.end()


STREAMS: Final = web.AppKey[Streams]("streams")


class EventStream:
    """One client's stream of one company."""

    def __init__(self, runtime: Runtime, raw: web.Request, caller: Caller, company_id: str) -> None:
        self._runtime = runtime
        self._raw = raw
        self._caller = caller
        self._company_id = company_id
        self._following = Following(runtime, caller, when_signed_out=self.end, when_too_slow=self._cut)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_writing = False
        self._response = web.StreamResponse()

    def end(self) -> None:
        """Send nothing more."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def serve(
        self, *, request_id: str | None, types: tuple[str, ...] | None, since: int | None
    ) -> web.StreamResponse:
        """Send events until one side ends it, the client is too slow, or it may see them no longer."""
        listener = self._following.listener
        listener.companies = frozenset({self._company_id})
        listener.types = None if types is None else frozenset(types)
        headers = self._response.headers
        headers["Content-Type"] = EVENT_STREAM
        headers["Cache-Control"] = "no-store"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Request-Id"] = request_id or ""
        self._response.force_close()
        await self._response.prepare(self._raw)
        with self._following.watching_session(), self._watching_members():
            sending = asyncio.ensure_future(self._send_all(since))
            try:
                await asyncio.wait([sending, self._ended], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._following.stop()
                self.end()
                await self._stop(sending)
        return self._response

    @contextlib.contextmanager
    def _watching_members(self) -> Iterator[None]:
        directory = self._runtime.directory
        directory.watch_members(self._company_id, self._end_unless_member)
        self._end_unless_member()
        try:
            yield
        finally:
            directory.unwatch_members(self._company_id, self._end_unless_member)

    def _end_unless_member(self) -> None:
        if not self._runtime.directory.may_see(self._caller, self._company_id):
            self.end()

    async def _stop(self, sending: "asyncio.Task[None]") -> None:
        if self._is_writing:
            await asyncio.wait([sending], timeout=END_WITHIN)
        if self._is_writing:
            self._cut()
        sending.cancel()
        (outcome,) = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            _log.error("stream_failed", exc_info=outcome)

    def _cut(self) -> None:
        """Drop the connection. Merely closing it would keep what is unsent in memory until the client reads."""
        if self._raw.transport is not None:
            self._raw.transport.abort()
        self.end()

    # Sending

    async def _send_all(self, since: int | None) -> None:
        if since is None:
            await self._greet("subscribed", self._following.start())
        elif not await self._following.is_kept(since, self._following.listener.companies):
            await self._greet("resync", self._following.start())
        else:
            await self._greet("subscribed", since)
            try:
                async for event in self._following.missed(since):
                    await self._send(_framed(event.type, event.message(), event.seq))
            except EventsGone:
                # A client so slow, or a log so short, that what it still had to read has gone meanwhile.
                await self._greet("resync", self._following.start())
        await self._send_what_comes()

    async def _send_what_comes(self) -> None:
        listener = self._following.listener
        while not self._ended.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.arrival(), KEEP_ALIVE)
            waiting = listener.taken()
            if not waiting:
                # All up to the newest event is sent or not for this client: it need not look at that again.
                await self._send(b": still here\nid: %d\n\n" % self._runtime.hub.last_seq)
            for event, text in waiting:
                # They may have lost the right to see it while it waited.
                if listener.wants(event):
                    await self._send(_framed(event.type, text, event.seq if isinstance(event, Published) else None))

    async def _greet(self, kind: str, seq: int) -> None:
        """So that a client which drops before the first event knows where to go on, too."""
        await self._send(_framed(kind, encode({"type": kind, "seq": seq}), seq))

    async def _send(self, text: bytes) -> None:
        if self._ended.done():
            return
        patience = asyncio.get_running_loop().call_later(SEND_WITHIN, self._cut)
        self._is_writing = True
        try:
            await self._response.write(text)
        finally:
            self._is_writing = False
            patience.cancel()


def _framed(kind: str, message: bytes, seq: int | None) -> bytes:
    """One event of the stream; what has no number leaves the client's as it is."""
    number = b"" if seq is None else b"id: %d\n" % seq
    return b"%sevent: %s\ndata: %s\n\n" % (number, kind.encode(), message)
