"""A server that speaks the wire formats of Anthropic and of OpenAI, streamed, and answers by a script.

It stands where a provider's API would: the real clients talk to it over HTTP. It counts what it has charged.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One call, whichever format it came in."""

    model: str
    system: str
    tools: frozenset[str]
    forced: str | None
    """The tool that must be called."""
    messages: tuple[str, ...]
    """What was said and what tools have answered, oldest first, each as text."""
    key: str

    def says(self, words: str) -> bool:
        """Whether the words stand anywhere in the conversation, the standing prompt included."""
        return words in self.system or any(words in message for message in self.messages)


@dataclass(frozen=True)
class Call:
    """A tool call of the model; `arguments` is sent as it is when it is text."""

    name: str
    arguments: Json | str


@dataclass(frozen=True)
class Say:
    """A reply."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    input_tokens: int = 1000
    output_tokens: int = 100
    cached_tokens: int = 0
    breaks_off: bool = False
    """The connection ends in the middle of the reply."""


@dataclass(frozen=True)
class Refuse:
    """An error instead of a reply."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "refused by the script"


Script = Callable[[Turn], Awaitable[Say | Refuse]]


class LlmServer:
    """The server.

    Attributes:
        turns: all calls, oldest first.
        charged: (model, input, cached, output) tokens of each whole reply.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.turns: list[Turn] = []
        self.charged: list[tuple[str, int, int, int]] = []
        self.url = ""

    async def anthropic(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/messages`."""
        body = await request.json()
        turn = Turn(
            model=body["model"],
            system=_text(body.get("system", "")),
            tools=frozenset(tool["name"] for tool in body.get("tools", [])),
            forced=body.get("tool_choice", {}).get("name"),
            messages=tuple(_text(message["content"]) for message in body["messages"]),
            key=request.headers.get("x-api-key") or request.headers["Authorization"].removeprefix("Bearer "),
        )
        assert body["stream"] is True
        return await self._answer(request, turn, _anthropic_events)

    async def openai(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`."""
        body = await request.json()
        choice = body.get("tool_choice")
        turn = Turn(
            model=body["model"],
            system="\n".join(_text(one["content"]) for one in body["messages"] if one["role"] == "system"),
            tools=frozenset(tool["function"]["name"] for tool in body.get("tools", [])),
            forced=choice["function"]["name"] if isinstance(choice, dict) else None,
            messages=tuple(_text(one.get("content") or "") for one in body["messages"] if one["role"] != "system"),
            key=request.headers.get("Authorization", "").removeprefix("Bearer "),
        )
        assert body["stream"] is True
        return await self._answer(request, turn, _openai_events)

    async def _answer(
        self, request: web.Request, turn: Turn, events: Callable[[str, Say], Iterator[str]]
    ) -> web.StreamResponse:
        self.turns.append(turn)
        reply = await self.script(turn)
        if isinstance(reply, Refuse):
            error = {"type": "error", "error": {"type": "api_error", "message": reply.message}}
            return web.json_response(error, status=reply.status, headers=reply.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        lines = list(events(turn.model, reply))
        for line in lines[: len(lines) // 2] if reply.breaks_off else lines:
            await response.write(line.encode())
        if reply.breaks_off:
            assert request.transport is not None
            request.transport.close()
        else:
            self.charged.append((turn.model, reply.input_tokens, reply.cached_tokens, reply.output_tokens))
            await response.write_eof()
        return response


@asynccontextmanager
async def llm_server(script: Script) -> AsyncIterator[LlmServer]:
    """A running server."""
    server = LlmServer(script)
    app = web.Application()
    app.router.add_post("/v1/messages", server.anthropic)
    app.router.add_post("/v1/chat/completions", server.openai)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = (block.get("text") or block.get("content") or json.dumps(block.get("input", "")) for block in content)
    return "\n".join(part if isinstance(part, str) else _text(part) for part in parts)


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _anthropic_events(model: str, reply: Say) -> Iterator[str]:
    def event(kind: str, **data: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"

    usage = {
        "input_tokens": reply.input_tokens,
        "cache_read_input_tokens": reply.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})
    index = 0
    if reply.text:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        half = len(reply.text) // 2
        for piece in (reply.text[:half], reply.text[half:]):
            yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        yield event("content_block_stop", index=index)
        index += 1
    for call in reply.calls:
        block = {"type": "tool_use", "id": f"call_{index}", "name": call.name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        arguments = _arguments(call)
        half = len(arguments) // 2
        for piece in (arguments[:half], arguments[half:]):
            yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=index)
        index += 1
    stop = "tool_use" if reply.calls else "end_turn"
    delta = {"stop_reason": stop, "stop_sequence": None}
    yield event("message_delta", delta=delta, usage={"output_tokens": reply.output_tokens})
    yield event("message_stop")


def _openai_events(model: str, reply: Say) -> Iterator[str]:
    def chunk(choices: list[Json], **more: Any) -> str:
        data = {"id": "chat_1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices}
        return f"data: {json.dumps(data | more)}\n\n"

    def delta(**fields: Any) -> list[Json]:
        return [{"index": 0, "delta": fields, "finish_reason": None}]

    yield chunk(delta(role="assistant", content=""))
    half = len(reply.text) // 2
    for piece in (reply.text[:half], reply.text[half:]):
        if piece:
            yield chunk(delta(content=piece))
    for index, call in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        yield chunk(
            delta(tool_calls=[{"index": index, "id": f"call_{index}", "type": "function", "function": function}])
        )
        arguments = _arguments(call)
        half = len(arguments) // 2
        for piece in (arguments[:half], arguments[half:]):
            yield chunk(delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]))
    yield chunk([{"index": 0, "delta": {}, "finish_reason": "tool_calls" if reply.calls else "stop"}])
    usage = {
        "prompt_tokens": reply.input_tokens + reply.cached_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.cached_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }
    yield chunk([], usage=usage)
    yield "data: [DONE]\n\n"
