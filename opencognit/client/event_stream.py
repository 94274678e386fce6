"""The server's events, one after the other, over its WebSocket.

The stream knows the number of the last event that it gave. When the connection is lost, it connects again and asks for
what came after that number: none is missed, and none is given twice. What the server no longer keeps, it cannot send;
then comes a `Resync` in its place.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import aiohttp
import msgspec
from aiohttp import WSMsgType

from opencognit.client.connection import GATEWAYS, Connection
from opencognit.client.errors import ServerUnreachable, UnexpectedAnswer
from opencognit.domain.errors import Forbidden, NotAuthenticated, RateLimited, ValidationFailed
from opencognit.domain.events import KINDS, Event, RunOutput
from opencognit.domain.wire_names import FIELDS

SIGNED_OUT: Final = 4401
"""The code with which the server closes the socket of a token that is no good."""
HEARTBEAT: Final = 20.0
"""Seconds between two signs of life; a connection without any is lost."""
SUBSCRIBED_WITHIN: Final = 30.0
"""Seconds that the server has to answer a subscription."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one event, far beyond any that there is."""


class Resync(msgspec.Struct, frozen=True, kw_only=True):
    """Events were missed that the server no longer keeps: whoever follows has to read anew what it wants to know."""

    since: int | None
    """The last event that was seen."""


class StreamedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    Attributes:
        seq: its number; None for the output of a run, which is sent once and is no event.
        type: its name on the wire; `resync` for a `Resync`.
        company_id: where it happened; None for a `Resync`.
        timestamp: when.
        data: what, as a struct of `opencognit.domain.events`; a dictionary where this client does not know it.
        raw: the message's JSON, as the server wrote it.
    """

    seq: int | None
    type: str
    company_id: str | None
    timestamp: str | None
    data: Event | RunOutput | Resync | dict[str, Any]
    raw: str


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    type: str
    seq: int | None = None
    company_id: str | None = None
    timestamp: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error: str = ""


class _Subscribe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    company_ids: tuple[str, ...] | None = msgspec.field(name=FIELDS["company_id"] + "s", default=None)
    types: tuple[str, ...] | None = None
    since: int | None = None
    type: str = msgspec.field(default_factory=lambda: "subscribe")
    """A factory, so that it is not left out."""


class EventStream:
    """Events without end: `async for event in stream`, or `await anext(stream)`, also with a time limit around it.

    Attributes:
        seq: the number of the last event; what comes next came after it. None before the first connection.
        connected: whether there is a connection now.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        company_ids: Iterable[str] | None,
        types: Iterable[str] | None,
        since: int | None,
        patience: float | None,
    ) -> None:
        self.seq = since
        self._connection = connection
        self._company_ids = None if company_ids is None else tuple(company_ids)
        self._types = None if types is None else tuple(types)
        self._patience = patience
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._was_connected = False
        self._resync: StreamedEvent | None = None

    def __aiter__(self) -> Self:
        return self

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._socket is not None

    async def __anext__(self) -> StreamedEvent:
        """The next event; waits for it.

        Raises:
            NotAuthenticated: the token is missing, expired or revoked.
            ServerUnreachable: there is no connection, for longer than the stream has patience.
            UnexpectedAnswer: what answers there is not OpenCognit.
        """
        while True:
            if self._resync is not None:
                resync, self._resync = self._resync, None
                return resync
            if self._socket is None:
                await self._connect()
            elif (event := await self._receive(self._socket)) is not None:
                return event

    async def connect(self) -> None:
        """Connect now, so that nothing is missed that happens from now on; the first event would do it otherwise."""
        if self._socket is None:
            await self._connect()

    async def aclose(self) -> None:
        """Close the connection; the next event would open another one."""
        if self._socket is not None:
            socket, self._socket = self._socket, None
            await socket.close()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> StreamedEvent | None:
        """The next event of this socket; None if there was another message, or the socket is closed now."""
        frame = await socket.receive()
        if frame.type is not WSMsgType.TEXT:
            # Why it ended, the next connection tells: a token that is no good has none.
            self._socket = None
            await socket.close()
            return None
        message = msgspec.json.decode(frame.data, type=_Wire)
        if message.seq is not None:
            if self.seq is not None and message.seq <= self.seq:
                return None
            self.seq = message.seq
        return _event(message, frame.data)

    async def _connect(self) -> None:
        """Open a socket that goes on after the last event."""
        loop = asyncio.get_running_loop()
        retries = self._connection.retries
        began = loop.time()
        if self._was_connected:
            # Not all that a server has let go come back at once, and none again and again without a pause.
            await asyncio.sleep(retries.spread(1))
        for tried in itertools.count(1):
            try:
                await self._subscribe()
            except ServerUnreachable:
                pause = retries.spread(tried) if self._was_connected else retries.pause(tried)
                is_over = self._patience is not None and loop.time() - began > self._patience
                if pause is None or is_over:
                    raise
            else:
                return
            await asyncio.sleep(pause)

    async def _subscribe(self) -> None:
        socket = await self._opened()
        try:
            wish = _Subscribe(company_ids=self._company_ids, types=self._types, since=self.seq)
            async with asyncio.timeout(SUBSCRIBED_WITHIN):
                await socket.send_str(msgspec.json.encode(wish).decode())
                answer, text = await self._answer(socket)
        except (ConnectionError, TimeoutError) as error:
            await socket.close()
            raise self._connection.unreachable(error) from error
        except BaseException:
            await socket.close()
            raise
        if answer.type == "resync":
            self._resync = StreamedEvent(
                seq=answer.seq,
                type=answer.type,
                company_id=None,
                timestamp=None,
                data=Resync(since=self.seq),
                raw=text,
            )
        if answer.type == "resync" or self.seq is None:
            self.seq = answer.seq
        self._socket, self._was_connected = socket, True

    async def _opened(self) -> aiohttp.ClientWebSocketResponse:
        connection = self._connection
        url = connection.url / "ws"
        try:
            return await connection.session.ws_connect(
                url, headers=connection.credentials, heartbeat=HEARTBEAT, max_msg_size=LARGEST
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (RateLimited.status, *GATEWAYS):
                raise connection.unreachable(error) from error
            if error.status == Forbidden.status:
                raise Forbidden from error
            raise UnexpectedAnswer(f"There are no events at {url} ({error.status})", status=error.status) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise connection.unreachable(error) from error

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse) -> tuple[_Wire, str]:
        """The answer to our subscription; what comes before it is not what was asked for."""
        while True:
            frame = await socket.receive()
            if frame.type is not WSMsgType.TEXT:
                if socket.close_code == SIGNED_OUT:
                    raise NotAuthenticated
                raise ConnectionResetError("the connection was closed")
            message = msgspec.json.decode(frame.data, type=_Wire)
            if message.type in ("subscribed", "resync"):
                return message, frame.data
            if message.type == "error":
                raise ValidationFailed(message.error)


_KINDS: Final[Mapping[str, type[Event] | type[RunOutput]]] = {RunOutput.type: RunOutput, **KINDS}
"""By their names on the wire."""


def _event(message: _Wire, text: str) -> StreamedEvent:
    return StreamedEvent(
        seq=message.seq,
        type=message.type,
        company_id=message.company_id,
        timestamp=message.timestamp,
        data=_understood(message),
        raw=text,
    )


def _understood(message: _Wire) -> Event | RunOutput | dict[str, Any]:
    kind = _KINDS.get(message.type)
    if kind is not None:
        # A newer server may say more than this client knows.
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.json.decode(message.data, type=kind)
    return msgspec.json.decode(message.data, type=dict[str, Any])
