"""Anthropic's API, faked on the wire, and how a test puts an agent to work with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aioresponses import CallbackResult, aioresponses

from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.port import Outcome, ProviderFailed
from tests.providers.toolbox import FakeToolbox, order

API = "https://api.anthropic.test/v1/messages"
MODEL = "claude-sonnet-4-6"


class Wire:
    """Answers each call with the next of the prepared replies and keeps what was sent."""

    def __init__(self, fake: aioresponses) -> None:
        self._fake = fake
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def replies(self, *blocks: dict[str, Any], stop: str = "tool_use", **usage: Any) -> None:
        """The next reply of the model."""
        self.answers(body=answered(list(blocks), stop=stop, **usage))

    def answers(self, *, before: Callable[[], Any] | None = None, **fields: Any) -> None:
        """The next answer, whatever it is; `before` is awaited first."""

        async def answer(_url: object, **kwargs: Any) -> CallbackResult:
            self.bodies.append(json.loads(kwargs["data"]))
            self.headers.append({name.lower(): value for name, value in kwargs["headers"].items()})
            if before is not None:
                await before()
            return CallbackResult(**fields)

        self._fake.post(API, callback=answer)

    def fails(self, exception: Exception) -> None:
        """The next call does not come through."""
        self._fake.post(API, exception=exception)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def answered(blocks: list[dict[str, Any]], *, stop: str = "tool_use", **usage: Any) -> str:
    """A reply of the model as it comes over the wire."""
    return "".join(events(blocks, stop=stop, **usage))


def events(blocks: list[dict[str, Any]], *, stop: str = "tool_use", **usage: Any) -> list[str]:
    """The events of a reply; texts and inputs come in two pieces."""
    counts = {"input_tokens": 100, "output_tokens": 10, **usage}
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**counts, "output_tokens": 1},
    }
    return [
        event("message_start", message=start),
        event("ping"),
        *(one for index, block in enumerate(blocks) for one in _block(index, block)),
        event(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": counts["output_tokens"]},
        ),
        event("message_stop"),
    ]


def event(kind: str, **fields: Any) -> str:
    """One event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _block(index: int, block: dict[str, Any]) -> list[str]:
    begun, pieces = dict(block), []
    match block:
        case {"type": "text", "text": words}:
            begun["text"] = ""
            pieces = [{"type": "text_delta", "text": part} for part in _halves(words)]
        case {"type": "tool_use", "input": arguments}:
            begun["input"] = {}
            written = arguments if isinstance(arguments, Unreadable) else json.dumps(arguments)
            pieces = [{"type": "input_json_delta", "partial_json": part} for part in _halves(written)]
    return [
        event("content_block_start", index=index, content_block=begun),
        *(event("content_block_delta", index=index, delta=piece) for piece in pieces),
        event("content_block_stop", index=index),
    ]


class Unreadable(str):
    """An input as the model wrote it, which need not be JSON."""

    __slots__ = ()


def _halves(words: str) -> tuple[str, str]:
    middle = len(words) // 2
    return words[:middle], words[middle:]


def use(name: str, call_id: str = "call-1", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


async def key_of(company_id: str, _name: str) -> str | None:
    return f"key-of-{company_id}"


async def work(provider: ClaudeProvider, toolbox: FakeToolbox, **config: Any) -> Outcome:
    return await provider.work(order(config={"modell": MODEL, **config}), toolbox)


async def failure(provider: ClaudeProvider, toolbox: FakeToolbox) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as raised:
        await work(provider, toolbox)
    return raised.value


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool results that a call brings back to the model."""
    return [{k: v for k, v in block.items() if k != "cache_control"} for block in body["messages"][-1]["content"]]
