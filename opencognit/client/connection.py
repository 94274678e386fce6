"""One server, as a client reaches it: a request is sent until it has its answer.

It is sent again after a lost connection, 429 and 503. A POST bears an `Idempotency-Key`, the same in each try, so it
has one effect; other requests may be repeated because they say how something shall be, not how it shall change.
"""

import asyncio
import itertools
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from opencognit.client.errors import ClientError, ServerUnreachable, UnexpectedAnswer, error_of
from opencognit.client.retries import Retries
from opencognit.clock import SystemIds
from opencognit.domain.errors import DomainError, NotFound, RateLimited, Unavailable
from opencognit.domain.message import Success, encode

GATEWAYS: Final = frozenset({502, 503, 504})
"""Statuses by which something in front of the server says that it does not reach it."""

_ids = SystemIds()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        path: with all that it names filled in.
        version: of what is to be changed; None for any.
        accepted: the status of an error that is an answer all the same.
        repeatable: whether it may be sent again when nobody knows what became of it.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: bytes | None = None
    version: int | None = None
    accepted: int | None = None
    repeatable: bool = True


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, read whole. `following` is the query of a list's next page; None for the last."""

    status: int
    body: bytes
    retry_after: float | None = None
    following: Mapping[str, str] | None = None


class Connection:
    """The way to one server.

    Args:
        url: its address, such as `http://localhost:3201`.
        token: a user's or an agent's; None for what needs none.
        timeout: seconds that one try may take.
        retries: how often, and after which pauses.

    Raises:
        ValueError: the address is none of http or https.
    """

    def __init__(self, url: str, token: str | None, *, timeout: float, retries: Retries) -> None:
        self.url = URL(url.rstrip("/"))
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError(f"{url} is no address of a server: it begins with http:// or https://")
        self.token = token
        self.retries = retries
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No cookies: who asks is said by the token alone.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout)
        # What is sent again is for us to know, who judge the answer by it. (aiohttp's own test client does the same.)
        self._session._retry_connection = False  # noqa: SLF001
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open connections."""
        if self._session is None:
            raise RuntimeError("The client is not open: use it as a context manager")
        return self._session

    @property
    def credentials(self) -> dict[str, str]:
        """The header that says who asks."""
        return {} if self.token is None else {hdrs.AUTHORIZATION: f"Bearer {self.token}"}

    async def send(self, outgoing: Outgoing) -> Reply:
        """Send a request until it has its answer.

        Raises:
            DomainError: the server's refusal.
            ClientError: there was no answer, or none of OpenCognit's.
        """
        key = _ids.new_id() if outgoing.method == hdrs.METH_POST else None
        perhaps_done = False
        for tried in itertools.count(1):
            try:
                reply = await self._try(outgoing, key)
            except (aiohttp.ClientError, TimeoutError) as error:
                failure: DomainError | ClientError = self.unreachable(error)
                is_unsent = isinstance(error, aiohttp.ClientConnectorError)
            else:
                if reply.status < 300 or reply.status == outgoing.accepted:  # noqa: PLR2004 - a success
                    return reply
                failure = error_of(reply.body, status=reply.status, retry_after=reply.retry_after)
                if perhaps_done and outgoing.method == hdrs.METH_DELETE and isinstance(failure, NotFound):
                    return Reply(status=200, body=encode(Success()))
                is_unsent = isinstance(failure, RateLimited)
            perhaps_done = perhaps_done or not is_unsent
            pause = self._pause(tried, failure)
            if pause is None or not (is_unsent or _may_be_repeated(outgoing)):
                raise failure
            await asyncio.sleep(pause)
        raise AssertionError

    async def _try(self, outgoing: Outgoing, key: str | None) -> Reply:
        headers = self.credentials
        if outgoing.body is not None:
            headers[hdrs.CONTENT_TYPE] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        if outgoing.version is not None:
            headers[hdrs.IF_MATCH] = f'"{outgoing.version}"'
        url = self.url.with_path(self.url.path.rstrip("/") + outgoing.path, encoded=True).update_query(outgoing.query)
        async with self.session.request(
            outgoing.method, url, data=outgoing.body, headers=headers, allow_redirects=False
        ) as response:
            following = response.links.get("next")
            return Reply(
                status=response.status,
                body=await response.read(),
                retry_after=_seconds(response.headers.get(hdrs.RETRY_AFTER)),
                following=None if following is None else dict(URL(following["url"]).query),
            )

    def _pause(self, tried: int, failure: DomainError | ClientError) -> float | None:
        """Seconds after which it may be tried again; None: it is of no use."""
        match failure:
            case RateLimited() | Unavailable():
                return self.retries.pause(tried, asked_for=failure.retry_after)
            case ServerUnreachable():
                return self.retries.pause(tried)
            case UnexpectedAnswer() if failure.status in GATEWAYS:
                return self.retries.pause(tried)
        return None

    def unreachable(self, error: Exception) -> ServerUnreachable:
        """What a lost connection means, in a sentence."""
        failure = ServerUnreachable(f"The server at {self.url} cannot be reached: {_in_words(error)}")
        failure.__cause__ = error
        return failure


def _may_be_repeated(outgoing: Outgoing) -> bool:
    """Whether the same again does no harm: a change of one version has another outcome the second time."""
    return outgoing.repeatable and outgoing.version is None


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error
        return os.strerror(reason.errno) if reason.errno and reason.errno > 0 else reason.strerror or str(reason)
    return str(error) or type(error).__name__


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
