"""`/ws`: committed events, live and from where a client left off, for those who may see them now.

A socket is first told who it is (or tells us, within five seconds), then it follows. It never makes anyone wait: its
queue is bounded, and a client that does not read is cut off with 4008.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from opencognit.actors.event_hub import Subscription
from opencognit.domain.caller import Caller
from opencognit.domain.errors import DomainError, Forbidden, NotAuthenticated
from opencognit.domain.message import encode
from opencognit.domain.wire_names import FIELDS
from opencognit.http.access import caller_by_token, caller_of, same_origin
from opencognit.runtime import Runtime

NOT_AUTHENTICATED: Final = 4401
TOO_SLOW: Final = 4008
SIGN_IN_WITHIN: Final = 5.0
"""Seconds."""
SEND_WITHIN: Final = 10.0
"""Seconds that one message may take to leave, before the client counts as one that does not read."""
CHECK_EVERY: Final = 1.0
"""Seconds between two looks at whether the token is still good."""
LARGEST_MESSAGE: Final = 64 * 1024

_log = structlog.get_logger("opencognit.websocket")


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may send."""

    type: str
    token: str | None = None
    company_ids: tuple[str, ...] | None = msgspec.field(name="unternehmenIds", default=None)
    types: tuple[str, ...] | None = None
    since: int | None = None


class Sockets:
    """All open sockets of one server."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: set[web.WebSocketResponse] = set()

    async def handle(self, raw: web.Request) -> web.StreamResponse:
        """Serve one socket until it ends."""
        if not same_origin(raw, self._runtime):
            raise Forbidden("Pages of another origin cannot open this socket")
        socket = web.WebSocketResponse(heartbeat=30, max_msg_size=LARGEST_MESSAGE, compress=False)
        await socket.prepare(raw)
        self._open.add(socket)
        try:
            signed_in = await self._sign_in(raw, socket)
            if signed_in is None:
                await socket.close(code=NOT_AUTHENTICATED, message=b"Not authenticated")
            else:
                await Follower(self._runtime, socket, *signed_in).serve()
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Tell all clients that the server goes away."""
        closing = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"The server is shutting down")
            for socket in list(self._open)
        ]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _sign_in(self, raw: web.Request, socket: web.WebSocketResponse) -> tuple[Caller, str | None] | None:
        """The caller and, if it came apart from the headers, the token."""
        token = raw.query.get("token")
        try:
            if token is not None:
                return caller_by_token(token, self._runtime), token
            if "Authorization" in raw.headers or raw.cookies:
                return caller_of(raw, self._runtime), None
        except NotAuthenticated:
            return None
        try:
            first = await socket.receive(timeout=SIGN_IN_WITHIN)
            message = msgspec.json.decode(first.data, type=ClientMessage)
            if message.type != "auth" or message.token is None:
                return None
            return caller_by_token(message.token, self._runtime), message.token
        except (TimeoutError, TypeError, msgspec.MsgspecError, NotAuthenticated):
            return None


class Follower:
    """One signed-in socket."""

    def __init__(self, runtime: Runtime, socket: web.WebSocketResponse, caller: Caller, _token: str | None) -> None:
        self._runtime = runtime
        self._socket = socket
        self._caller = caller
        self._subscription = Subscription(lambda company_id: runtime.directory.may_see(caller, company_id))
        self._sending = asyncio.Lock()
        self._sent_up_to = 0

    async def serve(self) -> None:
        """Send events and answer messages until one side closes."""
        hub = self._runtime.hub
        self._sent_up_to = hub.subscribe(self._subscription)
        tasks = [
            asyncio.ensure_future(work()) for work in (self._send_events, self._answer_messages, self._watch_session)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.unsubscribe(self._subscription)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, (ConnectionError, TimeoutError)):
                    _log.error("socket_failed", exc_info=outcome)
            if not self._socket.closed:
                await self._cut(WSCloseCode.INTERNAL_ERROR, b"")

    async def _send_events(self) -> None:
        while not self._subscription.overflowed:
            events = await self._subscription.take()
            async with self._sending:
                for event, text in events:
                    if event.seq > self._sent_up_to:
                        await self._send(text)
                        self._sent_up_to = event.seq
        await self._cut(TOO_SLOW, b"Too slow")

    async def _answer_messages(self) -> None:
        async for frame in self._socket:
            if frame.type is WSMsgType.TEXT:
                await self._answer(frame.data)
            else:
                await self._complain("Send JSON as text")

    async def _watch_session(self) -> None:
        while await self._still_signed_in():  # noqa: ASYNC110 - expiry is a matter of time, not of an event
            await asyncio.sleep(CHECK_EVERY)
        await self._cut(NOT_AUTHENTICATED, b"The token is no longer good")

    async def _still_signed_in(self) -> bool:
        session_id = self._caller.session_id or ""
        return self._runtime.directory.session(session_id, self._runtime.clock.now()) is not None

    async def _answer(self, text: str) -> None:
        try:
            message = msgspec.json.decode(text, type=ClientMessage)
        except (msgspec.MsgspecError, RecursionError) as error:
            await self._complain(f"Not understood: {error}")
            return
        match message.type:
            case "ping":
                await self._reply({"type": "pong", "timestamp": self._runtime.clock.now()})
            case "auth":
                await self._reply({"type": "authenticated"})
            case "subscribe":
                await self._subscribe(message)
            case _:
                await self._complain("Unknown type: send subscribe or ping")

    async def _subscribe(self, message: ClientMessage) -> None:
        subscription, hub = self._subscription, self._runtime.hub
        subscription.companies = frozenset(message.company_ids) if message.company_ids is not None else None
        subscription.types = frozenset(message.types) if message.types is not None else None
        async with self._sending:
            until = hub.last_seq
            narrowed = {"unternehmenIds": message.company_ids, "types": message.types}
            reply: dict[str, Any] = {"type": "subscribed", "seq": until}
            reply |= {name: value for name, value in narrowed.items() if value is not None}
            if message.since is None:
                await self._send(encode(reply))
                return
            oldest, newest = await self._runtime.queries.event_range()
            if message.since + 1 < oldest or message.since > newest:
                await self._send(encode({"type": "resync", "seq": until}))
                return
            await self._send(encode({**reply, "since": message.since}))
            async for event in self._runtime.replay(subscription, since=message.since, until=until):
                await self._send(event.message())
            self._sent_up_to = max(self._sent_up_to, until)

    async def _complain(self, sentence: str) -> None:
        await self._reply({"type": "error", "code": "VALIDATION_ERROR", FIELDS["error"]: sentence})

    async def _reply(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._send(encode(message))

    async def _send(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN):
                await self._socket.send_str(text.decode())
        except TimeoutError:
            await self._cut(TOO_SLOW, b"Too slow")
            raise

    async def _cut(self, code: int, why: bytes) -> None:
        """Close; a client that does not read does not get to hold us up with the closing either."""
        try:
            async with asyncio.timeout(1):
                await self._socket.close(code=code, message=why)
        except (TimeoutError, ConnectionError, DomainError):
            pass
        transport = self._socket._req.transport if self._socket._req is not None else None  # noqa: SLF001
        if transport is not None and not self._socket.closed:
            transport.abort()
