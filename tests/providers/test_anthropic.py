"""The real `anthropic` package at work, its wire faked: what a model does and what it is told."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from opencognit.domain.errors import NotFound, StaleToken
from opencognit.domain.pricing import StatedPrices
from opencognit.domain.run import TokenUsage
from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.prices import PriceList
from tests.providers.anthropic_wire import (
    MODEL,
    Wire,
    key_of,
    results,
    text,
    use,
    work,
)
from tests.providers.toolbox import FakeToolbox, order


async def test_the_model_works_with_its_tools_until_it_finishes(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(
        text("Let me see."),
        use("comment", "call-1", text="Counting."),
        use("create_subtask", "call-2", title="Count the rest", assignee="Bob"),
    )
    wire.replies(use("finish", "call-3", result="12 anvils", status="in_review"))
    outcome = await work(claude, toolbox)
    assert (outcome.result, outcome.status, outcome.error) == ("12 anvils", "in_review", None)
    assert toolbox.comments == ["Counting."]
    assert toolbox.subtasks == [{"title": "Count the rest", "description": None, "assignee": "Bob"}]
    assert "".join(toolbox.heard) == "Let me see."
    assert results(wire.bodies[1]) == [
        {
            "type": "tool_result",
            "tool_use_id": "call-1",
            "content": "The comment is written.",
            "is_error": False,
        },
        {
            "type": "tool_result",
            "tool_use_id": "call-2",
            "content": "Subtask subtask-1 is created.",
            "is_error": False,
        },
    ]


async def test_an_answer_without_a_tool_is_the_result(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(text("12"), text("anvils"), stop="end_turn")
    assert (await work(claude, toolbox)).result == "12\n\nanvils"


async def test_asking_for_approval_blocks_the_task(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(
        use("ask_for_approval", title="Buy anvils", description="10 for 100 EUR"),
        use("comment", "call-2", text="too late"),
    )
    outcome = await work(claude, toolbox)
    assert (outcome.status, outcome.result) == ("blocked", None)
    assert toolbox.approvals == [{"title": "Buy anvils", "description": "10 for 100 EUR"}]
    assert toolbox.comments == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (use("comment"), "text"),
        (use("comment", text=7), "text"),
        (use("comment", text="x", tone="kind"), "tone"),
        (use("create_subtask", title=" "), "title"),
        (use("finish", result="x", status="cancelled"), "status"),
        ({"type": "tool_use", "id": "call-1", "name": "comment", "input": "text"}, "object"),
        (use("delete_company"), "delete_company"),
    ],
)
async def test_a_malformed_call_is_told_to_the_model(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, call: dict[str, Any], told: str
) -> None:
    wire.replies(call)
    wire.replies(use("finish", result="done"))
    assert (await work(claude, toolbox)).result == "done"
    [result] = results(wire.bodies[1])
    assert result["is_error"]
    assert told in result["content"]
    assert (toolbox.comments, toolbox.subtasks) == ([], [])


async def test_a_refused_call_is_told_to_the_model(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    toolbox.refuse = NotFound("There is no agent named Zoe")
    wire.replies(use("create_subtask", title="Count", assignee="Zoe"))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    [result] = results(wire.bodies[1])
    assert result["is_error"]
    assert "There is no agent named Zoe" in result["content"]


async def test_a_run_that_has_lost_its_task_ends(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    toolbox.refuse = StaleToken()
    wire.replies(use("comment", text="hello"))
    with pytest.raises(StaleToken):
        await work(claude, toolbox)


async def test_each_call_is_booked_with_its_price_and_reported_once(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(use("comment", text="hello"), cache_creation_input_tokens=2000)
    wire.replies(use("finish", result="done"), cache_read_input_tokens=3000)
    outcome = await work(claude, toolbox)
    # Dollars for a million tokens: 3 in, 15 out, 3.75 written to the cache, 0.30 read from it.
    assert [(booked.usage, booked.cost_cents) for booked in toolbox.booked] == [
        (
            TokenUsage(input_tokens=100, output_tokens=10, cache_write_tokens=2000),
            Decimal("0.795"),
        ),
        (TokenUsage(input_tokens=100, output_tokens=10, cache_read_tokens=3000), Decimal("0.135")),
    ]
    assert [booked.model for booked in toolbox.booked] == [MODEL, MODEL]
    assert not any(booked.cost_estimated for booked in toolbox.booked)
    assert (outcome.usage, outcome.cost_cents) == (TokenUsage(), Decimal(0))


async def test_the_standing_part_and_the_newest_message_are_marked_for_the_cache(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(use("comment", text="hello"))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    first, second = wire.bodies
    for body in (first, second):
        assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
        marked = [
            index
            for index, message in enumerate(body["messages"])
            if any("cache_control" in block for block in message["content"])
        ]
        assert marked == [len(body["messages"]) - 1]
    assert (first["system"], first["tools"]) == (second["system"], second["tools"])


async def test_the_standing_part_names_nothing_of_the_task(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    for title in ("Count the anvils", "Paint the door"):
        wire.replies(text("done"), stop="end_turn")
        await claude.work(order(title=title, run_id=title, task_id=title), toolbox)
    first, second = wire.bodies
    assert (first["system"], first["tools"]) == (second["system"], second["tools"])
    assert first["messages"] != second["messages"]
    assert first["model"] == "claude-sonnet-5-5"


async def test_the_model_reads_all_of_the_order(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(text("done"), stop="end_turn")
    await work(claude, toolbox)
    [body] = wire.bodies
    system = body["system"][0]["text"]
    for words in ("Ada", "Engineer", "Acme", "Sell anvils", "Be brief.", "Sums: add numbers"):
        assert words in system
    task = body["messages"][0]["content"][0]["text"]
    for words in ("Count the anvils", "All of them.", "Bob: hurry", "Open the store: done"):
        assert words in task


async def test_every_tool_has_a_schema_that_the_api_takes(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(text("done"), stop="end_turn")
    await work(claude, toolbox)
    tools = {tool["name"]: tool for tool in wire.bodies[0]["tools"]}
    assert {"comment", "create_subtask", "ask_for_approval", "finish", "plan"} <= set(tools)
    for tool in tools.values():
        assert tool["description"]
        assert tool["input_schema"]["type"] == "object"
        assert tool["input_schema"]["additionalProperties"] is False
        assert "$ref" not in json.dumps(tool)
    assert tools["finish"]["input_schema"]["required"] == ["result"]


async def test_each_company_pays_with_its_own_key(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    for company in ("acme", "umbrella"):
        wire.replies(text("done"), stop="end_turn")
        await claude.work(order(company_id=company), toolbox)
    assert [headers["authorization"] for headers in wire.headers] == [
        "Bearer key-of-acme",
        "Bearer key-of-umbrella",
    ]


async def test_a_paused_agent_gives_the_task_back_after_the_present_step(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    toolbox.paused_after = 1
    wire.replies(text("Begun."), use("comment", text="hello"))
    wire.replies(use("finish", result="done"))
    outcome = await work(claude, toolbox)
    assert (outcome.status, outcome.result, outcome.error) == ("todo", None, None)
    assert toolbox.comments == ["hello"]
    assert len(wire.bodies) == 1


async def test_cancelling_ends_the_call(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    wire.answers(before=never)
    running = asyncio.create_task(work(claude, toolbox))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def test_a_key_that_was_changed_is_used_by_the_next_run(wire: Wire, toolbox: FakeToolbox) -> None:
    keys = iter(("first-key", "second-key"))

    async def stored(_company: str, name: str) -> str | None:
        assert name == "anthropic_api_key"
        return next(keys)

    provider = ClaudeProvider(key_for=stored, prices=PriceList(), base_url="https://api.anthropic.test")
    for _ in range(2):
        wire.replies(use("finish", "call-1", result="12 anvils"))
        await work(provider, toolbox)
    await provider.close()
    assert [headers["authorization"].split()[-1] for headers in wire.headers] == ["first-key", "second-key"]


async def test_the_companys_own_price_is_what_a_call_costs(wire: Wire, toolbox: FakeToolbox) -> None:
    stated = StatedPrices()
    stated.set("company-1", models={MODEL: {"input": 1_000_000, "output": 2_000_000}}, fallback=None)
    provider = ClaudeProvider(key_for=key_of, prices=PriceList(stated=stated), base_url="https://api.anthropic.test")
    wire.replies(use("finish", "call-1", result="12 anvils"), input_tokens=100, output_tokens=10)
    await work(provider, toolbox)
    await provider.close()
    (booked,) = toolbox.booked
    assert (booked.cost_cents, booked.cost_estimated) == (Decimal(120), False)
    # 2,000,000 cents for a million of the 8192 tokens that it may write, beside the prompt.
    assert toolbox.metered_calls[0].worst.cost_cents > Decimal(16384)
