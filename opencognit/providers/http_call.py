"""The `http` adapter: a task is done by a web service.

The order goes out as one JSON document. The service answers with 200 and the result, as JSON or as plain
text, or with 202 and posts the same JSON later to the address that the order names. An `Idempotency-Key` goes along
that is the same for as long as the order says the same, in this run or, after a crash, in the next one: a service that
keeps it does the work once, however often it is asked.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec.structs import replace

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import encode
from opencognit.domain.wire_names import ADAPTER_FIELDS, FIELDS
from opencognit.providers.exchange import (
    AdapterConfig,
    Answer,
    CallbackPart,
    OrderDocument,
    TimeLimit,
    read_config,
)
from opencognit.providers.port import Callback, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.retry_after import retry_after
from opencognit.security.outbound import ForbiddenAddress, check_url, guarded_session

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read at most."""

_CONNECT_SECONDS = 30
_OK, _ACCEPTED, _TOO_MANY, _SERVER_ERROR = 200, 202, 429, 500

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_OUR_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding"}
)


class HttpConfig(AdapterConfig, frozen=True, kw_only=True):
    """What an agent of this kind is configured with."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    """Where the order is posted."""
    headers: Annotated[dict[str, str], msgspec.Meta(max_length=50)] = msgspec.field(default_factory=dict)
    """Sent along, for instance `Authorization`."""
    time_limit: TimeLimit | None = None
    """Seconds for the whole answer, where the run's own limit is too long."""


class HttpProvider:
    """Posts the order to the agent's URL and waits for the answer.

    Args:
        allowed_addresses: private places that may be called; see `opencognit.security.outbound`.
    """

    name = "http"
    abilities = Abilities(tools=False, streaming=False, cost_known=False, repeatable=True)

    def __init__(self, *, allowed_addresses: frozenset[str] = frozenset()) -> None:
        self._allowed = allowed_addresses
        self._kept_session: aiohttp.ClientSession | None = None

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        read = read_config(config, HttpConfig)
        check_url(read.url, self._allowed)
        for name, value in read.headers.items():
            _check_header(name, value)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Post the order and return the answer, which may come by call-back. Raises `ProviderFailed`."""
        config = read_config(order.config, HttpConfig)
        # Opened first: the service may answer it before we have read its 202.
        callback = toolbox.open_callback()
        try:
            async with asyncio.timeout(config.time_limit):
                answer = await self._post(config, order, callback)
                return (answer or await _called_back(callback)).outcome()
        except TimeoutError as error:
            # The work has taken too long: that is an attempt, not a service that is away.
            raise ProviderFailed("The service did not answer in time", transient=False) from error
        except ForbiddenAddress as error:
            raise ProviderFailed(error.message, transient=False) from error
        except aiohttp.InvalidURL as error:
            raise ProviderFailed("The agent's URL is not one", transient=False) from error
        except aiohttp.ClientError as error:
            # Its kind alone: what it says may hold the URL, and that may hold a token.
            kind = type(error).__name__
            raise ProviderFailed(f"The service could not be reached ({kind})", transient=True) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._kept_session is not None:
            await self._kept_session.close()

    async def _post(self, config: HttpConfig, order: WorkOrder, callback: Callback) -> Answer | None:
        """The answer, or None when it is to come by call-back."""
        body = OrderDocument.of(order, callback=CallbackPart(url=callback.url, token=callback.token))
        headers = {
            **config.headers,
            "Content-Type": "application/json",
            "Accept": "application/json, text/plain",
            "Idempotency-Key": _key(order),
        }
        async with self._session().post(
            config.url,
            data=encode(body),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=order.time_limit, sock_connect=_CONNECT_SECONDS),
        ) as response:
            if response.status == _ACCEPTED:
                return None
            if response.status != _OK:
                raise _refusal(response)
            return _read_answer(await _bounded_body(response), response)

    def _session(self) -> aiohttp.ClientSession:
        if self._kept_session is None:
            self._kept_session = guarded_session(self._allowed)
        return self._kept_session


def _key(order: WorkOrder) -> str:
    return hashlib.sha256(encode(replace(OrderDocument.of(order), run_id=""))).hexdigest()[:32]


def _check_header(name: str, value: str) -> None:
    field = f"{FIELDS['adapter_config']}.{ADAPTER_FIELDS['headers']}"
    if not _HEADER_NAME.fullmatch(name):
        raise ValidationFailed.of(field, f"{name!r} is not the name of a header")
    if name.lower() in _OUR_HEADERS:
        raise ValidationFailed.of(field, f"{name} is set by the server")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValidationFailed.of(field, f"the value of {name} holds a control character")


async def _called_back(callback: Callback) -> Answer:
    return _strict(await callback.answer())


def _refusal(response: aiohttp.ClientResponse) -> ProviderFailed:
    status = response.status
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        return ProviderFailed(
            "The service answers with a redirect, which is not followed; give the final URL", transient=False
        )
    return ProviderFailed(
        f"The service answered with status {status}",
        transient=status == _TOO_MANY or status >= _SERVER_ERROR,
        retry_after=retry_after(response.headers),
    )


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > ANSWER_LIMIT:
            raise ProviderFailed("The service's answer is larger than 1 MiB", transient=False)
    return bytes(body)


def _read_answer(body: bytes, response: aiohttp.ClientResponse) -> Answer:
    kind = response.content_type
    if kind == "text/plain":
        return _strict({ADAPTER_FIELDS["result"]: body.decode(errors="replace")})
    if kind != "application/json":
        raise ProviderFailed(
            f"The service answered with {kind}; it must be application/json or text/plain", transient=False
        )
    try:
        return _strict(msgspec.json.decode(body))
    except msgspec.DecodeError as error:
        raise ProviderFailed(f"The service's answer is not JSON: {error}", transient=False) from error


def _strict(answer: object) -> Answer:
    try:
        return msgspec.convert(answer, Answer)
    except msgspec.ValidationError as error:
        raise ProviderFailed(f"The service's answer is not valid: {error}", transient=False) from error
