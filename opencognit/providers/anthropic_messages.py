"""One call to Anthropic's Messages API: the official client makes it, and its stream of events is read strictly.

A call whose answer was lost may have been charged, and is reported with the most that it can have cost: what was
counted until then, and the most that it can have written.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from opencognit.domain.message import encode
from opencognit.domain.run import TokenUsage
from opencognit.providers.anthropic_stream import Assembly
from opencognit.providers.chat_model import Reply
from opencognit.providers.output import reason
from opencognit.providers.port import Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from opencognit.providers.retry_after import retry_after

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic, AsyncStream
    from anthropic.types import RawMessageStreamEvent

VENDOR = "anthropic"

_CONNECT_SECONDS = 30.0
_PASSING = frozenset({408, 409, 429})
_SERVER_ERROR = 500


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, in the API's own words."""

    model: str
    max_tokens: int
    system: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    tool_choice: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def fields(self) -> dict[str, Any]:
        """Those that are set."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not msgspec.UNSET}


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays for a call, and by whose prices it is counted."""

    company_id: str
    api_key: str


class MessagesApi:
    """The connection to the API, for all companies; each call brings its key.

    Args:
        base_url: where the API is.
        prices: what lost calls are estimated by.
    """

    def __init__(self, *, base_url: str, prices: PriceList) -> None:
        self._base_url = base_url
        self._prices = prices
        self._client: AsyncAnthropic | None = None
        self._making = asyncio.Lock()

    async def call(
        self, request: MessagesRequest, payer: Payer, *, time_limit: float, hear: Callable[[str], None]
    ) -> tuple[Reply, Outcome]:
        """Send the request and take in the answer as it comes.

        Args:
            request: what is asked.
            payer: who pays.
            time_limit: seconds without anything coming.
            hear: given the text as it comes.

        Returns:
            The whole answer, and what it used and cost.

        Raises:
            ProviderFailed: there is no usable answer.
        """
        client = (await self.connected()).with_options(api_key=payer.api_key)
        assembly = Assembly(hear, key=payer.api_key)
        try:
            async with self._stream(client, request, time_limit) as stream:
                # The events as they came: the client would build its own without looking at their numbers.
                async for event in stream.raw_events(stream.response):
                    if event.data:
                        assembly.take(event.data)
            reply = assembly.reply()
        except ProviderFailed as error:
            raise self._with_cost(error, request, payer, assembly) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            lost = ProviderFailed(f"Anthropic's answer cannot be read: {error}", transient=True)
            raise self._with_cost(lost, request, payer, assembly) from error
        return reply, self._outcome(assembly.usage(), payer, model=reply.model)

    @asynccontextmanager
    async def _stream(
        self, client: "AsyncAnthropic", request: MessagesRequest, time_limit: float
    ) -> "AsyncIterator[AsyncStream[RawMessageStreamEvent]]":
        """The opened stream; what goes wrong with it is raised as `ProviderFailed`."""
        import httpx2
        from anthropic import APIConnectionError, APIStatusError, Timeout

        timeout = Timeout(time_limit, connect=_CONNECT_SECONDS)
        try:
            stream = await client.messages.create(**request.fields(), stream=True, timeout=timeout)
        except APIStatusError as error:
            raise _refusal(error, key=client.api_key) from error
        except APIConnectionError as error:
            raise _unreached(error.__cause__) from error
        try:
            async with stream:
                yield stream
        except httpx2.TransportError as error:
            # The client lets these through as they are once the answer has begun.
            raise ProviderFailed(f"Anthropic broke off ({type(error).__name__})", transient=True) from error

    def _with_cost(
        self, error: ProviderFailed, request: MessagesRequest, payer: Payer, assembly: Assembly
    ) -> ProviderFailed:
        """The same failure with what the call may have cost at most."""
        if isinstance(error, _Refused):
            return error
        counted = assembly.counted(most_output=request.max_tokens)
        partial = self.most(request, payer)
        if counted is not None:
            partial = msgspec.structs.replace(self._outcome(counted, payer, model=request.model), cost_estimated=True)
        return ProviderFailed(str(error), transient=error.transient, retry_after=error.retry_after, partial=partial)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    def most(self, request: MessagesRequest, payer: Payer) -> Outcome:
        """The most that this can have cost."""
        usage = self._prices.worst_case(prompt_bytes=len(encode(request)), max_tokens=request.max_tokens)
        return msgspec.structs.replace(self._outcome(usage, payer, model=request.model), cost_estimated=True)

    def _outcome(self, usage: TokenUsage, payer: Payer, *, model: str) -> Outcome:
        cost = self._prices.cost(usage, vendor=VENDOR, model=model, company_id=payer.company_id)
        return Outcome(usage=usage, cost_cents=cost.cents, cost_estimated=cost.estimated, model=model)

    async def connected(self) -> "AsyncAnthropic":
        """The client, with the price list at hand."""
        async with self._making:
            if self._client is None:
                # In a thread: the package takes more than a second to import, the prices another 0.4.
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    def _connect(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic, DefaultAioHttpClient

        self._prices.load()
        return AsyncAnthropic(
            api_key="given with each call",
            base_url=self._base_url,
            # A redirect would be sent the key.
            http_client=DefaultAioHttpClient(follow_redirects=False),
            # Trying again is for who knows the budget and outlives a restart.
            max_retries=0,
        )


class _Refused(ProviderFailed):
    """Nothing was charged."""


def _unreached(cause: BaseException | None) -> ProviderFailed:
    kind = ProviderFailed if _was_sent(cause) else _Refused
    return kind(f"Anthropic could not be reached or broke off ({type(cause).__name__})", transient=True)


def _refusal(error: "APIStatusError", *, key: str | None) -> ProviderFailed:
    status = error.status_code
    advice = error.response.headers.get("x-should-retry")
    transient = status in _PASSING or status >= _SERVER_ERROR
    said = reason(error.api_message or "", secret=key)
    return _Refused(
        f"Anthropic answered with status {status}" + (f": {said}" if said else ""),
        transient=transient if advice not in ("true", "false") else advice == "true",
        retry_after=retry_after(error.response.headers),
    )


def _was_sent(cause: BaseException | None) -> bool:
    """Whether the request has left us, so that it may be charged: no answer in time, or half of one."""
    import httpx2

    unsent = isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return isinstance(cause, httpx2.TimeoutException | httpx2.ReadError) and not unsent
