"""An OpenAI-compatible API, its wire faked: what a model does, what it is told, and what that costs."""

from decimal import Decimal
from typing import Any

import pytest

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.run import TokenUsage
from opencognit.providers.openai_compatible import (
    CUSTOM,
    GEMINI,
    KINDS,
    OLLAMA,
    OPENROUTER,
    Kind,
    OpenAiCompatibleProvider,
)
from opencognit.providers.port import ProviderFailed
from opencognit.providers.prices import PriceList
from tests.providers.anthropic_wire import key_of
from tests.providers.openai_wire import MODEL, OpenAiWire, call, chunk, stream, work, written
from tests.providers.toolbox import FakeToolbox, order


def provider_of(kind: Kind, *allowed: str) -> OpenAiCompatibleProvider:
    return OpenAiCompatibleProvider(kind, key_for=key_of, prices=PriceList(), allowed_addresses=frozenset(allowed))


async def test_the_model_works_with_its_tools_until_it_finishes(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.calls(call("comment", text="Counting."), call("create_subtask", "call-2", title="Count the rest"))
    openai_wire.calls(call("finish", result="12 anvils", status="in_review"))
    outcome = await work(openai, toolbox)
    assert (outcome.result, outcome.status, outcome.model) == ("12 anvils", "in_review", MODEL)
    assert toolbox.comments == ["Counting."]
    assert openai_wire.bodies[1]["messages"][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                call("comment", text="Counting."),
                call("create_subtask", "call-2", title="Count the rest"),
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": "The comment is written."},
        {"role": "tool", "tool_call_id": "call-2", "content": "Subtask subtask-1 is created."},
    ]


async def test_text_is_shown_as_it_comes(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.says("12", " anvils")
    assert (await work(openai, toolbox)).result == "12 anvils"
    assert toolbox.heard == ["12", " anvils"]


async def test_the_request_asks_for_a_stream_with_its_usage(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.says("done")
    await work(openai, toolbox, maxTokens=77)
    [body] = openai_wire.bodies
    assert (body["model"], body["stream"], body["stream_options"]) == (MODEL, True, {"include_usage": True})
    assert body["max_completion_tokens"] == 77
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "finish" in {tool["function"]["name"] for tool in body["tools"]}
    assert openai_wire.headers[0]["authorization"] == "Bearer key-of-company-1"


async def test_cached_tokens_are_priced_as_cache_reads(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.says("done", prompt=1100, completion=10, cached=1000)
    await work(openai, toolbox)
    [booked] = toolbox.booked
    assert booked.usage == TokenUsage(input_tokens=100, output_tokens=10, cache_read_tokens=1000)
    # Dollars for a million tokens: 2 in, 8 out, 0.50 from the cache.
    assert (booked.cost_cents, booked.cost_estimated) == (Decimal("0.078"), False)


async def test_an_unknown_model_is_booked_at_the_stated_price(openai_wire: OpenAiWire, toolbox: FakeToolbox) -> None:
    openai_wire.says("done", api="https://models.example.com/v1/chat/completions")
    provider = provider_of(CUSTOM)
    await provider.work(order(config={"modell": "own", "basisUrl": "https://models.example.com/v1"}), toolbox)
    await provider.close()
    [booked] = toolbox.booked
    assert booked.cost_cents == Decimal("0.225")
    assert booked.cost_estimated


@pytest.mark.parametrize(
    ("kind", "config", "called"),
    [
        (OPENROUTER, {}, ("https://openrouter.ai/api/v1", "Bearer key-of-company-1")),
        (GEMINI, {}, ("https://generativelanguage.googleapis.com/v1beta/openai", "Bearer key-of-company-1")),
        (OLLAMA, {}, ("http://localhost:11434/v1", None)),
        (CUSTOM, {"basisUrl": "https://x.example/v1/"}, ("https://x.example/v1", None)),
        (CUSTOM, {"basisUrl": "https://x.example", "apiKey": "k"}, ("https://x.example", "Bearer k")),
    ],
)
async def test_each_kind_is_called_at_its_own_place_with_its_own_key(
    openai_wire: OpenAiWire, toolbox: FakeToolbox, kind: Kind, config: dict[str, Any], called: tuple[str, str | None]
) -> None:
    place, key = called
    openai_wire.says("done", api=f"{place}/chat/completions")
    provider = provider_of(kind)
    assert (await work(provider, toolbox, **config)).result == "done"
    await provider.close()
    assert openai_wire.headers[0].get("authorization") == key


@pytest.mark.parametrize(
    ("kind", "config"),
    [(OLLAMA, {}), (CUSTOM, {"basisUrl": "http://localhost:11434/v1", "kostenlos": True})],
)
async def test_what_is_free_costs_nothing_and_is_counted(
    openai_wire: OpenAiWire, toolbox: FakeToolbox, kind: Kind, config: dict[str, Any]
) -> None:
    openai_wire.says("done", api="http://localhost:11434/v1/chat/completions")
    provider = provider_of(kind)
    await work(provider, toolbox, **config)
    await provider.close()
    [booked] = toolbox.booked
    assert (booked.cost_cents, booked.usage.input_tokens) == (Decimal(0), 100)
    assert toolbox.metered_calls[0].worst.cost_cents == 0


async def test_a_call_says_first_what_it_can_cost_at_most(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.says("done")
    await work(openai, toolbox, maxTokens=1000)
    [metered] = toolbox.metered_calls
    assert metered.worst.cost_cents > toolbox.booked[0].cost_cents
    assert metered.worst.usage.output_tokens == 1000
    assert "key-of" not in metered.provider_key


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        (written("comment", '{"text": "he'), "not valid JSON"),
        (written("comment", '"text"'), "object"),
        (call("comment", text=7), "text"),
        (call("delete_company"), "delete_company"),
    ],
)
async def test_a_malformed_call_is_told_to_the_model(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, tool: dict[str, Any], told: str
) -> None:
    openai_wire.calls(tool)
    openai_wire.calls(call("finish", result="done"))
    assert (await work(openai, toolbox)).result == "done"
    said, answer = openai_wire.bodies[1]["messages"][2:]
    assert answer["content"].startswith("Error: ")
    assert told in answer["content"]
    assert said["tool_calls"][0]["function"]["arguments"].startswith("{")
    assert toolbox.comments == []


async def test_a_call_that_comes_in_pieces_is_put_together(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.answers(
        body=stream(
            chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "finish", "arguments": ""}}]),
            chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"result": '}}]),
            chunk(tool_calls=[{"index": 0, "id": "", "function": {"name": "finish", "arguments": '"done"}'}}]),
            finish="tool_calls",
        )
    )
    assert (await work(openai, toolbox)).result == "done"


async def test_calls_that_share_an_index_are_told_apart_by_their_ids(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    calls = [call("comment", "a", text="one"), call("comment", "b", text="two")]
    openai_wire.answers(body=stream(*(chunk(tool_calls=[{"index": 0, **one}]) for one in calls), finish="stop"))
    openai_wire.calls(call("finish", result="done"))
    await work(openai, toolbox)
    assert toolbox.comments == ["one", "two"]


async def test_a_signature_of_thoughts_is_handed_back(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    signed = {**call("comment", text="hello"), "extra_content": {"google": {"thought_signature": "abc"}}}
    openai_wire.calls(signed)
    openai_wire.calls(call("finish", result="done"))
    await work(openai, toolbox)
    assert openai_wire.bodies[1]["messages"][2]["tool_calls"] == [signed]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "http://169.254.169.254/v1", "http://10.0.0.1/v1"])
def test_a_private_address_is_refused_when_it_is_saved(address: str) -> None:
    with pytest.raises(ValidationFailed):
        provider_of(CUSTOM).validate({"modell": "own", "basisUrl": address})


def test_a_private_address_that_the_settings_name_is_taken() -> None:
    config = {"modell": "own", "basisUrl": "http://127.0.0.1:8000/v1"}
    provider_of(CUSTOM, "127.0.0.1:8000").validate(config)


async def test_a_name_that_leads_to_a_private_address_is_not_called(toolbox: FakeToolbox) -> None:
    provider = provider_of(CUSTOM)
    config = {"modell": "own", "basisUrl": "http://localhost:9/v1", "apiKey": "secret"}
    with pytest.raises(ProviderFailed, match="must not be called") as refused:
        await provider.work(order(config=config), toolbox)
    await provider.close()
    assert not refused.value.transient


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (OLLAMA, {}),
        (CUSTOM, {"modell": "own"}),
        (CUSTOM, {"basisUrl": "https://x.example"}),
        (CUSTOM, {"modell": "own", "basisUrl": "ftp://x.example"}),
        (CUSTOM, {"modell": "own", "basisUrl": "https://x.example?key=1"}),
        (OPENROUTER, {"kostenlos": True}),
        (OPENROUTER, {"basisUrl": "https://x.example"}),
        (OPENROUTER, {"ersatzModelle": ["a b"]}),
    ],
)
def test_a_bad_configuration_is_refused_when_it_is_saved(kind: Kind, config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        provider_of(kind).validate(config)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_adapter_says_what_it_can_do(kind: Kind) -> None:
    able = provider_of(kind).abilities
    assert (able.tools, able.streaming, able.repeatable) == (True, True, True)
    assert able.cost_known is (kind is not CUSTOM)
