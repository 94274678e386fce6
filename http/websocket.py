"""`/ws`: committed events, live and from where a client left off, for those who may see them now.

A socket is first told who it is (or tells us, within five seconds), then it follows. It never makes anyone wait: its
queue is bounded, and a client that does not read is cut off with 4008. It follows everything until it subscribes: a
client that resumes with `since` starts with what comes after the answer `subscribed`, and skips what came before it.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from opencognit.domain.caller import Caller
from opencognit.domain.errors import Draining, EventsGone, Forbidden, NotAuthenticated
from opencognit.domain.message import encode
from opencognit.domain.wire_names import FIELDS
from opencognit.http.access import caller_by_token, caller_of, same_origin
from opencognit.http.answering import COOKIE
from opencognit.http.following import Following
from opencognit.runtime import Runtime

NOT_AUTHENTICATED: Final = 4401
TOO_SLOW: Final = 4008
SIGN_IN_WITHIN: Final = 5.0
"""Seconds."""
SEND_WITHIN: Final = 10.0
"""Seconds that one message may take to leave, before the client counts as one that does not read."""
CLOSE_WITHIN: Final = 1.0
"""Seconds that a client has to answer our closing; then the connection is dropped."""
LARGEST_MESSAGE: Final = 64 * 1024

_log = structlog.get_logger("opencognit.websocket")


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client may send."""

    type: str
    token: str | None = None
    company_ids: tuple[str, ...] | None = msgspec.field(name="unternehmenIds", default=None)
    types: tuple[str, ...] | None = None
    since: int | None = None


class Line:
    """One socket and the connection that it runs on."""

    def __init__(self, raw: web.Request) -> None:
        self.socket = web.WebSocketResponse(heartbeat=30, max_msg_size=LARGEST_MESSAGE, compress=False)
        self._raw = raw
        self._closing: asyncio.Future[bool] | None = None

    async def send(self, text: bytes) -> None:
        """Send one message; waits while the client does not read, and must not be cancelled before `cut`.

        What aiohttp waits with is one future for all who send: cancelled once, it lets nobody wait any more.
        """
        await self.socket.send_str(text.decode())

    async def cut(self, code: int, why: str) -> None:
        """Close; a client that does not read does not get to hold us up with the closing either."""
        transport = self._raw.transport
        if self._closing is None:
            self._closing = asyncio.ensure_future(self.socket.close(code=code, message=why.encode()))
        await asyncio.wait([self._closing], timeout=CLOSE_WITHIN)
        if not self._closing.done() and transport is not None:
            # Merely closing it would keep what is unsent in memory until the client reads.
            transport.abort()


class Sockets:
    """All open sockets of one server."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: set[Line] = set()

    async def handle(self, raw: web.Request) -> web.StreamResponse:
        """Serve one socket until it ends."""
        if not same_origin(raw, self._runtime):
            raise Forbidden("Pages of another origin cannot open this socket")
        if self._runtime.draining:
            raise Draining
        line = Line(raw)
        await line.socket.prepare(raw)
        self._open.add(line)
        try:
            caller = await self._sign_in(raw, line)
            if caller is None:
                await line.cut(NOT_AUTHENTICATED, "Not authenticated")
            else:
                await Follower(self._runtime, line, caller).serve()
        finally:
            self._open.discard(line)
        return line.socket

    async def close(self) -> None:
        """Tell all clients that the server goes away."""
        closing = [line.cut(WSCloseCode.GOING_AWAY, "The server is shutting down") for line in self._open]
        await asyncio.gather(*closing)

    async def _sign_in(self, raw: web.Request, line: Line) -> Caller | None:
        token = raw.query.get("token")
        try:
            if token is not None:
                return caller_by_token(token, self._runtime)
            if "Authorization" in raw.headers or COOKIE in raw.cookies:
                return caller_of(raw, self._runtime)
            first = await line.socket.receive_str(timeout=SIGN_IN_WITHIN)
            message = msgspec.json.decode(first, type=ClientMessage)
            if message.type != "auth":
                return None
            caller = caller_by_token(message.token or "", self._runtime)
            await line.send(encode({"type": "authenticated"}))
        except (TimeoutError, TypeError, RecursionError, ConnectionError, msgspec.MsgspecError, NotAuthenticated):
            return None
        return caller


class Follower:
    """One signed-in socket."""

    def __init__(self, runtime: Runtime, line: Line, caller: Caller) -> None:
        self._runtime = runtime
        self._line = line
        self._caller = caller
        self._end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._following = Following(
            runtime,
            caller,
            when_signed_out=lambda: self._end_with(NOT_AUTHENTICATED, "The token is no longer good"),
            when_too_slow=lambda: self._end_with(TOO_SLOW, "Too slow"),
        )
        self._listener = self._following.listener
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Send events and answer messages until one side closes, the client is too slow, or its session ends."""
        with self._following.watching_session():
            self._following.start()
            tasks = [asyncio.ensure_future(work()) for work in (self._send_events, self._answer_messages)]
            endings: list[asyncio.Future[Any]] = [*tasks, self._end]
            try:
                await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._following.stop()
                self._end_with(WSCloseCode.INTERNAL_ERROR, "")
                try:
                    if not self._sending.locked():
                        await _stop(tasks)
                    await self._line.cut(*self._end.result())
                finally:
                    await _stop(tasks)

    def _end_with(self, code: int, why: str) -> None:
        if not self._end.done():
            self._end.set_result((code, why))

    # Sending

    async def _send_events(self) -> None:
        while True:
            await self._listener.arrival()
            async with self._sending:
                await self._send_waiting()

    async def _send_waiting(self) -> None:
        while waiting := self._listener.taken():
            for event, text in waiting:
                # They may have lost the right to see it while it waited.
                if self._listener.wants(event):
                    await self._send(text)

    async def _send(self, text: bytes) -> None:
        patience = asyncio.get_running_loop().call_later(SEND_WITHIN, self._end_with, TOO_SLOW, "Too slow")
        try:
            await self._line.send(text)
        finally:
            patience.cancel()

    async def _reply(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._send(encode(message))

    async def _complain(self, sentence: str) -> None:
        await self._reply({"type": "error", "code": "VALIDATION_ERROR", FIELDS["error"]: sentence})

    # Answering

    async def _answer_messages(self) -> None:
        async for frame in self._line.socket:
            if frame.type is WSMsgType.TEXT:
                await self._answer(frame.data)
            else:
                await self._complain("Send JSON as text")

    async def _answer(self, text: str) -> None:
        try:
            message = msgspec.json.decode(text, type=ClientMessage)
        except (msgspec.MsgspecError, RecursionError) as error:
            await self._complain(f"Not understood: {error}")
            return
        match message.type:
            case "ping":
                await self._reply({"type": "pong", "timestamp": self._runtime.clock.now()})
            case "auth" if self._is_me(message.token or ""):
                await self._reply({"type": "authenticated"})
            case "auth":
                await self._complain("This socket is signed in by another token; open a new one")
            case "subscribe":
                await self._subscribe(message)
            case _:
                await self._complain("Unknown type: send subscribe or ping")

    def _is_me(self, token: str) -> bool:
        try:
            return caller_by_token(token, self._runtime).id == self._caller.id
        except NotAuthenticated:
            return False

    async def _subscribe(self, message: ClientMessage) -> None:
        async with self._sending:
            if message.since is None:
                await self._narrow(message, "subscribed")
            elif not await self._following.is_kept(message.since, _chosen(message.company_ids)):
                await self._narrow(message, "resync")
            else:
                await self._resume(message, message.since)

    async def _narrow(self, message: ClientMessage, answer: str) -> None:
        """What came before the answer is sent as it was asked for; what comes after it, as it is asked for now."""
        await self._send_waiting()
        reply = self._narrowed(message, answer)
        await self._send(encode(reply))

    async def _resume(self, message: ClientMessage, since: int) -> None:
        """What was missed is sent as it is asked for now, and nothing that waited as it was asked for before."""
        self._following.stop()
        reply = self._narrowed(message, "subscribed") | {"since": since}
        await self._send(encode(reply))
        try:
            async for event in self._following.missed(since):
                await self._send(event.message())
        except EventsGone:
            # A client so slow, or a log so short, that what it still had to read has gone meanwhile.
            self._following.start()
            await self._send(encode(self._narrowed(message, "resync")))

    def _narrowed(self, message: ClientMessage, answer: str) -> dict[str, Any]:
        wanted = {"unternehmenIds": message.company_ids, "types": message.types}
        self._listener.companies = _chosen(message.company_ids)
        self._listener.types = _chosen(message.types)
        given = {name: value for name, value in wanted.items() if value is not None}
        return {"type": answer, "seq": self._runtime.hub.last_seq, **given}


def _chosen(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


async def _stop(tasks: list["asyncio.Task[None]"]) -> None:
    """Cancel these and wait for them; done with them, the list is empty."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            _log.error("socket_failed", exc_info=outcome)
    tasks.clear()
