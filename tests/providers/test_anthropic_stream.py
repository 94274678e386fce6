"""The real `anthropic` package at work, its wire faked: answers that come piece by piece, and break off."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.prices import PriceList
from tests.providers.anthropic_wire import (
    MODEL,
    Unreadable,
    Wire,
    event,
    events,
    failure,
    key_of,
    results,
    text,
    use,
    work,
)
from tests.providers.toolbox import FakeToolbox, order

# 8192 tokens of output, at 15 dollars for a million.
OUTPUT = Decimal("12.288")


async def test_text_is_shown_as_it_comes(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(text("12 anvils"), text("and a door"), stop="end_turn")
    outcome = await work(claude, toolbox)
    assert toolbox.heard == ["12 a", "nvils", "\n\n", "and a", " door"]
    assert outcome.output == "".join(toolbox.heard)


async def test_what_is_said_in_two_steps_stands_apart(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(text("One."), use("comment", text="hello"))
    wire.replies(text("Two."), stop="end_turn")
    outcome = await work(claude, toolbox)
    assert "".join(toolbox.heard) == outcome.output == "One.\n\nTwo."


async def test_text_is_shown_before_the_answer_has_ended(toolbox: FakeToolbox) -> None:
    go_on = asyncio.Event()
    whole = events([text("12 anvils")], stop="end_turn")

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write("".join(whole[:4]).encode())
        await go_on.wait()
        await response.write("".join(whole[4:]).encode())
        return response

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        provider = ClaudeProvider(key_for=key_of, prices=PriceList(), base_url=str(server.make_url("/")))
        running = asyncio.create_task(provider.work(order(config={"modell": MODEL}), toolbox))
        await toolbox.said("12 a")
        assert not running.done()
        go_on.set()
        assert (await running).result == "12 anvils"
        await provider.close()


async def test_the_counts_are_those_of_the_end(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    *before, _delta, stop = events([text("done")], stop="end_turn", cache_read_input_tokens=50)
    last = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"input_tokens": 120, "output_tokens": 30})
    wire.answers(body="".join([*before, last, stop]))
    await work(claude, toolbox)
    [booked] = toolbox.booked
    assert (booked.usage.input_tokens, booked.usage.output_tokens, booked.usage.cache_read_tokens) == (120, 30, 50)


@pytest.mark.parametrize("kept", range(1, 8))
async def test_an_answer_that_ends_early_counts_its_input_and_the_most_it_can_have_written(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, kept: int
) -> None:
    whole = events([text("12 anvils")], stop="end_turn")
    assert len(whole) == 8
    wire.answers(body="".join(whole[:kept]))
    refused = await failure(claude, toolbox)
    assert refused.transient
    assert refused.partial.cost_estimated
    assert refused.partial.usage.input_tokens == 100
    # Its sum is known once it has come.
    assert refused.partial.usage.output_tokens == (10 if kept == 7 else 8192)
    assert toolbox.booked == []


@pytest.mark.parametrize(
    ("kind", "transient"),
    [("overloaded_error", True), ("api_error", True), ("rate_limit_error", True), ("invalid_request_error", False)],
)
async def test_an_error_inside_the_stream_counts_as_spent(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, kind: str, transient: bool
) -> None:
    error = event("error", error={"type": kind, "message": "sorry"})
    wire.answers(body="".join([*events([text("12 anvils")])[:4], error]))
    refused = await failure(claude, toolbox)
    assert refused.transient is transient
    assert "sorry" in str(refused)
    assert refused.partial.cost_cents == OUTPUT + Decimal("0.03")
    assert refused.partial.cost_estimated


async def test_an_error_before_anything_was_counted_counts_as_spent(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.answers(body=event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    refused = await failure(claude, toolbox)
    assert refused.transient
    assert refused.partial.cost_cents > OUTPUT


async def test_a_connection_that_breaks_off_in_the_middle_counts_as_spent(toolbox: FakeToolbox) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write("".join(events([text("12 anvils")])[:4]).encode())
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        provider = ClaudeProvider(key_for=key_of, prices=PriceList(), base_url=str(server.make_url("/")))
        refused = await failure(provider, toolbox)
        await provider.close()
    assert refused.transient
    assert refused.partial.usage.input_tokens == 100
    assert refused.partial.cost_cents == OUTPUT + Decimal("0.03")


@pytest.mark.parametrize("written", ['{"text": "he', "text", "[1,"])
async def test_an_input_that_is_no_json_is_told_to_the_model(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, written: str
) -> None:
    wire.replies({"type": "tool_use", "id": "call-1", "name": "comment", "input": Unreadable(written)})
    wire.replies(use("finish", result="done"))
    assert (await work(claude, toolbox)).result == "done"
    [result] = results(wire.bodies[1])
    assert result["is_error"]
    assert "not valid JSON" in result["content"]
    assert wire.bodies[1]["messages"][1]["content"][0]["input"] == {}
    assert toolbox.comments == []


@pytest.mark.parametrize(
    "strange",
    [
        event("something_new", data=[1, 2]),
        event("content_block_delta", index=0, delta={"type": "new_delta", "news": 1}),
        ": a comment\n\n",
    ],
)
async def test_what_is_not_known_is_skipped(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, strange: str
) -> None:
    whole = events([text("12 anvils")], stop="end_turn")
    wire.answers(body="".join([*whole[:4], strange, *whole[4:]]))
    assert (await work(claude, toolbox)).result == "12 anvils"


async def test_thoughts_are_handed_back_with_their_signature(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    def thinking(**delta: Any) -> str:
        return event("content_block_delta", index=1, delta=delta)

    whole = events([use("comment", text="hello")])
    thought = [
        event("content_block_start", index=1, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        thinking(type="thinking_delta", thinking="Hm."),
        thinking(type="signature_delta", signature="abc"),
        event("content_block_stop", index=1),
    ]
    wire.answers(body="".join([*whole[:-2], *thought, *whole[-2:]]))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    assert wire.bodies[1]["messages"][1]["content"][1] == {"type": "thinking", "thinking": "Hm.", "signature": "abc"}
    assert toolbox.heard == []
