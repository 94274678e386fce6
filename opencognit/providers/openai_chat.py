"""One call to an OpenAI-compatible chat completions API, over aiohttp and with its stream read as it comes.

A call whose answer was lost may have been charged, and is reported with the most that it can have cost. The key
never follows a redirect.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp
import msgspec

from opencognit.domain.message import encode
from opencognit.domain.run import TokenUsage
from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.agent_tools import input_schema
from opencognit.providers.chat_model import Ask, Message, Reply, ToolCall, provider_key
from opencognit.providers.openai_stream import ApiError, Assembly
from opencognit.providers.output import reason
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from opencognit.providers.retry_after import retry_after
from opencognit.security.outbound import ForbiddenAddress

ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that are read at most."""

_CONNECT_SECONDS = 30
_REFUSAL_LIMIT = 64 * 1024
_OK, _SERVER_ERROR = 200, 500
_PASSING = frozenset({408, 409, 425, 429})
_SPENT = "insufficient_quota"
"""OpenAI's code for an empty account, which it answers with 429; waiting does not fill it."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where one company's calls go, and what they are counted by."""

    vendor: str
    """For a person."""
    price_vendor: str
    """Whose price list it is."""
    base_url: str
    key: str | None
    company_id: str
    """By whose prices they are counted."""
    free: bool = False
    """Whether its calls cost nothing."""
    most_tokens_field: str = "max_tokens"
    """How it calls the most that may be written."""


class ChatCompletions:
    """A `ChatModel` behind an endpoint.

    Args:
        session: makes the calls.
        endpoint: where they go.
        prices: what tokens cost.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint, prices: PriceList) -> None:
        self._session = session
        self._endpoint = endpoint
        self._prices = prices

    def said(self, text: str) -> Message:
        """What a person or the runtime says."""
        return {"role": "user", "content": text}

    def answered(self, answers: Sequence[tuple[ToolCall, ToolAnswer]]) -> Sequence[Message]:
        """The answers of the tools, each in a message of its own."""
        return [{"role": "tool", "tool_call_id": call.id, "content": _told(answer)} for call, answer in answers]

    def call(self, ask: Ask) -> MeteredCall[Reply]:
        """The call that asks this."""
        body = encode(self._body(ask))
        worst = self._most(ask, body)

        async def make() -> tuple[Reply, Outcome]:
            return await self._make(ask, body, worst)

        endpoint = self._endpoint
        key = provider_key(endpoint.price_vendor, f"{endpoint.base_url} {endpoint.key or ''}")
        return MeteredCall(provider_key=key, worst=worst, make=make)

    def _body(self, ask: Ask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": ask.model,
            self._endpoint.most_tokens_field: ask.max_tokens,
            "messages": [{"role": "system", "content": ask.system}, *ask.messages],
            "tools": [_tool(tool) for tool in ask.tools],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if ask.must_call is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": ask.must_call.name}}
        return body

    async def _make(self, ask: Ask, body: bytes, worst: Outcome) -> tuple[Reply, Outcome]:
        assembly = Assembly(self._endpoint.vendor, ask.model, ask.hear, key=self._endpoint.key)
        try:
            async with aclosing(self._events(body, ask.time_limit)) as events:
                async for data in events:
                    assembly.take(data)
            reply = assembly.reply()
        except _Refused:
            raise
        except ProviderFailed as error:
            raise ProviderFailed(str(error), transient=error.transient, partial=worst) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderFailed(
                f"{self._endpoint.vendor}'s answer cannot be read: {error}", transient=True, partial=worst
            ) from error
        usage = assembly.usage()
        if usage is None:
            return reply, worst
        return reply, self._outcome(usage, model=reply.model)

    def _most(self, ask: Ask, body: bytes) -> Outcome:
        """The most that this can cost."""
        most = self._prices.worst_case(prompt_bytes=len(body), max_tokens=ask.max_tokens)
        # Here a prompt that is kept for later costs no more than one that is not.
        usage = TokenUsage(input_tokens=most.cache_write_tokens, output_tokens=most.output_tokens)
        return msgspec.structs.replace(self._outcome(usage, model=ask.model), cost_estimated=True)

    def _outcome(self, usage: TokenUsage, *, model: str) -> Outcome:
        if self._endpoint.free:
            return Outcome(usage=usage, model=model)
        cost = self._prices.cost(
            usage, vendor=self._endpoint.price_vendor, model=model, company_id=self._endpoint.company_id
        )
        return Outcome(usage=usage, cost_cents=cost.cents, cost_estimated=cost.estimated, model=model)

    async def _events(self, body: bytes, time_limit: float) -> AsyncGenerator[bytes]:
        """The data of each event up to the end.

        Raises:
            ProviderFailed: there is no answer, or it broke off.
        """
        vendor = self._endpoint.vendor
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._endpoint.key:
            headers["Authorization"] = f"Bearer {self._endpoint.key}"
        try:
            async with self._session.post(
                f"{self._endpoint.base_url.rstrip('/')}/chat/completions",
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=time_limit, sock_connect=_CONNECT_SECONDS),
            ) as response:
                if response.status != _OK:
                    raise await self._refusal(response)
                async with aclosing(_event_data(response, vendor)) as events:
                    async for data in events:
                        yield data
        except ForbiddenAddress as error:
            raise _Refused(error.message, transient=False) from error
        except aiohttp.InvalidURL as error:
            raise _Refused(f"{vendor}'s URL is not one", transient=False) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _Refused(f"{vendor} could not be reached ({type(error).__name__})", transient=True) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its kind alone: what it says may hold the URL, and that may hold a token.
            raise ProviderFailed(f"{vendor} broke off ({type(error).__name__})", transient=True) from error

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderFailed:
        status, vendor = response.status, self._endpoint.vendor
        if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
            return _Refused(f"{vendor} answers with a redirect, which is not followed", transient=False)
        why = _reason(await response.content.read(_REFUSAL_LIMIT))
        said = reason(why.message, secret=self._endpoint.key)
        passing = status in _PASSING or status >= _SERVER_ERROR
        return _Refused(
            f"{vendor} answered with status {status}" + (f": {said}" if said else ""),
            transient=passing and _SPENT not in (why.code, why.type),
            retry_after=retry_after(response.headers),
        )


class _Refused(ProviderFailed):
    """Nothing was charged."""


class _Refusal(msgspec.Struct, frozen=True):
    error: ApiError | str = ""


def _reason(body: bytes) -> ApiError:
    """What a refusal says, if it says anything that can be read; Gemini wraps it in a list."""
    try:
        read = msgspec.json.decode(body, type=_Refusal | list[_Refusal])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ApiError()
    one = read if isinstance(read, _Refusal) else next(iter(read), _Refusal())
    return one.error if isinstance(one.error, ApiError) else ApiError(message=one.error)


async def _event_data(response: aiohttp.ClientResponse, vendor: str) -> AsyncGenerator[bytes]:
    """The data lines of a stream of server-sent events, up to `[DONE]` or the end."""
    size, rest = 0, b""
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > ANSWER_LIMIT:
            raise ProviderFailed(f"{vendor}'s answer is larger than 16 MiB", transient=False)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if (data := _data(line)) == b"[DONE]":
                return
            elif data:
                yield data
    if data := _data(rest):
        yield data


def _data(line: bytes) -> bytes:
    """What a line brings; nothing where it is a comment or names the event."""
    return line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""


def _tool(tool: type[AgentTool]) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.__doc__, "parameters": input_schema(tool)}
    return {"type": "function", "function": described}


def _told(answer: ToolAnswer) -> str:
    return f"Error: {answer.text}" if answer.failed else answer.text
