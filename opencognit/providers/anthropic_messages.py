"""One call to Anthropic's Messages API: the official client does it, and what comes back is read strictly.

The client takes any JSON for an answer; here its numbers are checked, because they are money. A call whose
answer was lost may have been charged, and is reported with the most that it can have cost.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from opencognit.domain.message import decode, encode
from opencognit.domain.run import TokenUsage
from opencognit.providers.exchange import Tokens
from opencognit.providers.port import Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from opencognit.providers.retry_after import retry_after

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

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


class ReplyUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What was charged, as the API counts it."""

    input_tokens: Tokens
    output_tokens: Tokens
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None

    def tokens(self) -> TokenUsage:
        """The same in our words."""
        return TokenUsage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_input_tokens or 0,
            cache_write_tokens=self.cache_creation_input_tokens or 0,
        )


class TextBlock(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Something that the model says."""

    text: str


class ToolUse(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    """A tool that the model wants to be called."""

    id: str
    name: str
    input: Any


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; the blocks stay as they are, because they are sent again with the next call."""

    content: list[dict[str, Any]]
    model: str
    stop_reason: str | None
    usage: ReplyUsage

    def __post_init__(self) -> None:
        # Read once here, so that a malformed block is refused like any other malformed answer.
        self.texts()
        self.tool_uses()

    def texts(self) -> list[TextBlock]:
        """What the model says, in order."""
        return [msgspec.convert(block, TextBlock) for block in self.content if block.get("type") == "text"]

    def tool_uses(self) -> list[ToolUse]:
        """What the model wants to be called, in order."""
        return [msgspec.convert(block, ToolUse) for block in self.content if block.get("type") == "tool_use"]

    def repeatable(self) -> list[dict[str, Any]]:
        """The blocks as they may be sent back; the API returns empty texts, but does not take them."""
        return [block for block in self.content if block.get("type") != "text" or block["text"].strip()]


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

    async def call(self, request: MessagesRequest, *, api_key: str, time_limit: float, company_id: str) -> Reply:
        """Send the request and wait for the whole reply.

        Args:
            request: what is asked.
            api_key: who pays.
            time_limit: seconds without an answer.
            company_id: whose prices a lost answer is estimated by.

        Raises:
            ProviderFailed: there is no usable reply.
        """
        client = (await self.connected()).with_options(api_key=api_key)
        from anthropic import APIConnectionError, APIStatusError, Timeout

        timeout = Timeout(time_limit, connect=_CONNECT_SECONDS)
        fields: dict[str, Any] = msgspec.structs.asdict(request)
        try:
            response = await client.messages.with_raw_response.create(**fields, timeout=timeout)
            return decode(await response.read(), Reply)
        except APIStatusError as error:
            raise _refusal(error) from error
        except APIConnectionError as error:
            partial = self.most(request, company_id=company_id) if _was_sent(error) else None
            raise ProviderFailed(
                f"Anthropic could not be reached or broke off ({type(error.__cause__).__name__})",
                transient=True,
                partial=partial,
            ) from error
        except msgspec.DecodeError as error:
            raise ProviderFailed(
                f"Anthropic's answer cannot be read: {error}",
                transient=True,
                partial=self.most(request, company_id=company_id),
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    def most(self, request: MessagesRequest, *, company_id: str) -> Outcome:
        """The most that this can have cost."""
        usage = self._prices.worst_case(prompt_bytes=len(encode(request)), max_tokens=request.max_tokens)
        cost = self._prices.cost(usage, vendor=VENDOR, model=request.model, company_id=company_id)
        return Outcome(usage=usage, cost_cents=cost.cents, cost_estimated=True, model=request.model)

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


def _refusal(error: "APIStatusError") -> ProviderFailed:
    status = error.status_code
    advice = error.response.headers.get("x-should-retry")
    transient = status in _PASSING or status >= _SERVER_ERROR
    reason = (error.api_message or "")[:300]
    return ProviderFailed(
        f"Anthropic answered with status {status}" + (f": {reason}" if reason else ""),
        transient=transient if advice not in ("true", "false") else advice == "true",
        retry_after=retry_after(error.response.headers),
    )


def _was_sent(error: Exception) -> bool:
    """Whether the request has left us, so that it may be charged: no answer in time, or half of one."""
    import httpx2

    cause = error.__cause__
    unsent = isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return isinstance(cause, httpx2.TimeoutException | httpx2.ReadError) and not unsent
