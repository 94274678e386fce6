"""An OpenAI-compatible API, faked on the wire, and how a test puts an agent to work with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aioresponses import CallbackResult, aioresponses

from opencognit.providers.openai_compatible import OpenAiCompatibleProvider
from opencognit.providers.port import Outcome, ProviderFailed
from tests.providers.toolbox import FakeToolbox, order

OPENAI_API = "https://api.openai.com/v1/chat/completions"
MODEL = "gpt-4.1"
DONE = "data: [DONE]\n\n"


class OpenAiWire:
    """Answers each call with the next of the prepared replies and keeps what was sent."""

    def __init__(self, fake: aioresponses) -> None:
        self._fake = fake
        self.urls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def says(self, *words: str, finish: str = "stop", api: str = OPENAI_API, **usage: Any) -> None:
        """The next reply is this text."""
        self.answers(body=stream(*(chunk(content=word) for word in words), finish=finish, **usage), api=api)

    def calls(self, *tools: dict[str, Any], finish: str = "tool_calls", api: str = OPENAI_API, **usage: Any) -> None:
        """The next reply calls these tools."""
        pieces = [chunk(tool_calls=[{"index": index, **tool}]) for index, tool in enumerate(tools)]
        self.answers(body=stream(*pieces, finish=finish, **usage), api=api)

    def answers(self, *, before: Callable[[], Any] | None = None, api: str = OPENAI_API, **fields: Any) -> None:
        """The next answer, whatever it is; `before` is awaited first."""

        async def answer(url: object, **kwargs: Any) -> CallbackResult:
            self.urls.append(str(url))
            self.bodies.append(json.loads(kwargs["data"]))
            self.headers.append({name.lower(): value for name, value in kwargs["headers"].items()})
            if before is not None:
                await before()
            return CallbackResult(**fields)

        self._fake.post(api, callback=answer)

    def fails(self, exception: Exception) -> None:
        """The next call does not come through."""
        self._fake.post(OPENAI_API, exception=exception)


def call(name: str, call_id: str = "call-1", **arguments: Any) -> dict[str, Any]:
    return written(name, json.dumps(arguments), call_id)


def written(name: str, arguments: str, call_id: str = "call-1") -> dict[str, Any]:
    """A tool call whose arguments are this text."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def data(**fields: Any) -> str:
    """One event of a stream."""
    return f"data: {json.dumps(fields)}\n\n"


def chunk(*, finish: str | None = None, **delta: Any) -> str:
    return data(id="c1", model=MODEL, choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def counted(prompt: Any = 100, completion: Any = 10, cached: Any = 0) -> str:
    """The chunk of the usage."""
    details = {"cached_tokens": cached}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return data(id="c1", model=MODEL, choices=[], usage=usage)


def stream(*chunks: str, finish: str = "stop", **usage: Any) -> str:
    """A whole answer as it comes over the wire."""
    return "".join([": a comment\n\n", *chunks, chunk(finish=finish), counted(**usage), DONE])


async def work(provider: OpenAiCompatibleProvider, toolbox: FakeToolbox, **config: Any) -> Outcome:
    return await provider.work(order(config={"modell": MODEL, **config}), toolbox)


async def failure(provider: OpenAiCompatibleProvider, toolbox: FakeToolbox) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as raised:
        await work(provider, toolbox)
    return raised.value
