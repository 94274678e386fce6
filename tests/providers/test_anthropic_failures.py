"""The real `anthropic` package at work, its wire faked: what can go wrong with a call."""

import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError, SocketTimeoutError

from opencognit.domain.errors import ValidationFailed
from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.port import Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from tests.providers.anthropic_wire import API, Wire, answered, event, failure, key_of, text, use, work
from tests.providers.toolbox import FakeToolbox, order


@pytest.mark.parametrize("key", [None, "", " ", "sk-ünicode", "two\nlines"])
async def test_without_a_usable_key_nothing_is_called(wire: Wire, toolbox: FakeToolbox, key: str | None) -> None:
    async def stored(_company: str, _name: str) -> str | None:
        return key

    provider = ClaudeProvider(key_for=stored, prices=PriceList())
    with pytest.raises(ProviderFailed, match="API key") as raised:
        await provider.work(order(), toolbox)
    assert not raised.value.transient
    assert wire.bodies == []


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        (400, False),
        (401, False),
        (402, False),
        (404, False),
        (413, False),
        (429, True),
        (500, True),
        (529, True),
    ],
)
async def test_only_what_may_pass_is_tried_again_and_not_by_us(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, status: int, transient: bool
) -> None:
    wire.answers(
        status=status,
        headers={"Retry-After": "63"},
        body=json.dumps({"type": "error", "error": {"type": "some_error", "message": "sorry"}}),
    )
    refused = await failure(claude, toolbox)
    assert refused.transient is transient
    assert refused.retry_after == 63
    assert "sorry" in str(refused)
    assert refused.partial == Outcome()
    assert len(wire.bodies) == 1


@pytest.mark.parametrize("before", ["Incorrect API key: ", "x" * 290])
@pytest.mark.parametrize("status", [401, 200])
async def test_a_key_that_the_provider_repeats_is_not_passed_on(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, status: int, before: str
) -> None:
    """Not even the beginning of it, where what is said is cut."""
    key = await key_of(order().company_id, "anthropic_api_key")
    error = {"type": "authentication_error", "message": f"{before}{key}."}
    body = json.dumps({"type": "error", "error": error}) if status == 401 else event("error", error=error)
    wire.answers(status=status, body=body)
    said = str(await failure(claude, toolbox))
    assert before in said
    assert "key-of" not in said


async def test_a_redirect_is_not_followed_with_the_key(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.answers(status=307, headers={"Location": API})
    assert not (await failure(claude, toolbox)).transient
    assert len(wire.bodies) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"id": "msg_1", "content": [',
        "",
        "<html>",
        '"text"',
        '{"content": [], "model": "m", "stop_reason": "end_turn"}',
        answered([], input_tokens="10abc"),
        answered([], input_tokens=-1),
        answered([{"type": "text"}]),
        answered([{"type": "tool_use", "name": "comment"}]),
    ],
)
async def test_an_answer_that_cannot_be_read_counts_as_spent(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, body: str
) -> None:
    wire.answers(body=body)
    refused = await failure(claude, toolbox)
    assert refused.transient
    assert refused.partial.cost_estimated
    # 8192 tokens of output alone, at 15 dollars for a million.
    assert refused.partial.cost_cents > Decimal("12.2")
    assert toolbox.booked == []


async def test_a_call_that_was_never_answered_counts_as_spent(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.fails(SocketTimeoutError("timeout"))
    refused = await failure(claude, toolbox)
    assert refused.transient
    assert refused.partial.cost_cents > Decimal("12.2")


async def test_a_connection_that_breaks_off_may_be_tried_again(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.fails(ServerDisconnectedError())
    assert (await failure(claude, toolbox)).transient


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        ("max_tokens", "maxTokens"),
        ("refusal", "refused"),
        ("model_context_window_exceeded", "too long"),
        ("something_new", "something_new"),
    ],
)
async def test_a_stop_that_is_no_end_is_a_failure_of_the_task(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, stop: str, said: str
) -> None:
    wire.replies(text("So far"), stop=stop)
    outcome = await work(claude, toolbox)
    assert said in (outcome.error or "")
    assert outcome.output == "So far"
    assert len(toolbox.booked) == 1


async def test_an_empty_answer_is_a_failure_of_the_task(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(text(" "), stop="end_turn")
    assert (await work(claude, toolbox)).error


async def test_an_empty_text_is_not_sent_back(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    wire.replies(text(""), use("comment", text="hello"))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    assert wire.bodies[1]["messages"][1]["content"] == [use("comment", text="hello")]


async def test_the_steps_are_limited(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    for _ in range(3):
        wire.replies(use("comment", text="again"))
    outcome = await work(claude, toolbox, maxSchritte=2)
    assert outcome.error == "The task was not finished in 2 steps"
    assert len(wire.bodies) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"modell": ""},
        {"modell": "a b"},
        {"modell": 5},
        {"maxTokens": 0},
        {"maxTokens": "8"},
        {"maxTokens": 100_000},
        {"maxSchritte": 0},
        {"temperature": 1},
    ],
)
def test_a_bad_configuration_is_refused_when_it_is_saved(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        ClaudeProvider(key_for=key_of, prices=PriceList()).validate(config)


def test_a_good_configuration_is_taken() -> None:
    provider = ClaudeProvider(key_for=key_of, prices=PriceList())
    provider.validate({})
    provider.validate({"modell": "claude-opus-4-8", "maxTokens": 1000, "maxSchritte": 5})
