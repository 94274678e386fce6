"""An OpenAI-compatible API, its wire faked: what can go wrong with a call."""

import asyncio
import json
from decimal import Decimal

import pytest
from aiohttp import ClientPayloadError, SocketTimeoutError

from opencognit.providers.openai_compatible import OPENAI, OpenAiCompatibleProvider
from opencognit.providers.port import Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from tests.providers.anthropic_wire import key_of
from tests.providers.openai_wire import DONE, OPENAI_API, OpenAiWire, chunk, counted, data, failure, stream, work
from tests.providers.toolbox import FakeToolbox, order

# 8192 tokens of output alone, at 8 dollars for a million.
MOST = Decimal("6.5")


@pytest.mark.parametrize("key", [None, "", " ", "sk-ünicode", "two\nlines"])
async def test_without_a_usable_key_nothing_is_called(
    openai_wire: OpenAiWire, toolbox: FakeToolbox, key: str | None
) -> None:
    async def stored(_company: str, name: str) -> str | None:
        assert name == "openai_api_key"
        return key

    provider = OpenAiCompatibleProvider(OPENAI, key_for=stored, prices=PriceList())
    with pytest.raises(ProviderFailed, match="API key") as raised:
        await provider.work(order(), toolbox)
    await provider.close()
    assert not raised.value.transient
    assert openai_wire.bodies == []


@pytest.mark.parametrize(
    ("status", "transient"), [(400, False), (401, False), (402, False), (404, False), (429, True), (500, True)]
)
async def test_only_what_may_pass_is_tried_again_and_not_by_us(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, status: int, transient: bool
) -> None:
    openai_wire.answers(
        status=status, headers={"Retry-After": "63"}, body=json.dumps({"error": {"message": "sorry", "code": None}})
    )
    refused = await failure(openai, toolbox)
    assert (refused.transient, refused.retry_after) == (transient, 63)
    assert "sorry" in str(refused)
    assert refused.partial == Outcome()
    assert len(openai_wire.bodies) == 1


async def test_an_empty_account_is_not_waited_for(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.answers(status=429, body=json.dumps({"error": {"message": "sorry", "code": "insufficient_quota"}}))
    assert not (await failure(openai, toolbox)).transient


async def test_a_redirect_is_not_followed_with_the_key(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.answers(status=307, headers={"Location": OPENAI_API})
    refused = await failure(openai, toolbox)
    assert "redirect" in str(refused)
    assert not refused.transient
    assert len(openai_wire.bodies) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        '{"choices": []}',
        "data: {\n\n",
        "data: text\n\n",
        chunk(content="So far"),
        chunk(content="So far") + DONE,
        chunk(content="So far") + counted(),
        data(model="m", choices=[{"index": 0, "delta": {"content": 7}}]),
        stream(chunk(content="12"), prompt="10abc"),
        stream(chunk(content="12"), prompt=-1),
        stream(chunk(content="12"), prompt=10, cached=11),
        stream(chunk(content="12"), completion=1.5),
    ],
)
async def test_an_answer_that_cannot_be_read_counts_as_spent(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, body: str
) -> None:
    openai_wire.answers(body=body)
    refused = await failure(openai, toolbox)
    assert refused.transient
    assert refused.partial.cost_estimated
    assert refused.partial.cost_cents > MOST
    assert toolbox.booked == []


async def test_an_answer_without_its_usage_is_booked_at_the_most_it_can_cost(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    openai_wire.answers(body=chunk(content="12", finish="stop") + DONE)
    assert (await work(openai, toolbox)).result == "12"
    [booked] = toolbox.booked
    assert booked.cost_estimated
    assert booked.cost_cents > MOST


@pytest.mark.parametrize(("code", "transient"), [(429, True), (502, True), (400, False), ("server_error", True)])
async def test_an_error_inside_the_stream_counts_as_spent(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, code: object, transient: bool
) -> None:
    openai_wire.answers(body=chunk(content="So") + data(error={"code": code, "message": "sorry"}))
    refused = await failure(openai, toolbox)
    assert "sorry" in str(refused)
    assert refused.transient is transient
    assert refused.partial.cost_cents > MOST


@pytest.mark.parametrize("before", ["Incorrect API key: ", "x" * 290])
@pytest.mark.parametrize("status", [401, 200])
async def test_a_key_that_the_provider_repeats_is_not_passed_on(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, status: int, before: str
) -> None:
    """Not even the beginning of it, where what is said is cut."""
    key = await key_of(order().company_id, "openai_api_key")
    error = {"message": f"{before}{key}."}
    openai_wire.answers(status=status, body=json.dumps({"error": error}) if status == 401 else data(error=error))
    said = str(await failure(openai, toolbox))
    assert before in said
    assert "key-of" not in said


@pytest.mark.parametrize("error", [SocketTimeoutError("timeout"), ClientPayloadError("half")])
async def test_a_call_that_was_never_answered_counts_as_spent(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, error: Exception
) -> None:
    openai_wire.fails(error)
    refused = await failure(openai, toolbox)
    assert refused.transient
    assert refused.partial.cost_cents > MOST


@pytest.mark.parametrize(("finish", "said"), [("length", "maxTokens"), ("content_filter", "refused"), ("new", "new")])
async def test_a_stop_that_is_no_end_is_a_failure_of_the_task(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire, finish: str, said: str
) -> None:
    openai_wire.says("So far", finish=finish)
    outcome = await work(openai, toolbox)
    assert said in (outcome.error or "")
    assert outcome.output == "So far"
    assert len(toolbox.booked) == 1


async def test_cancelling_ends_the_call(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    openai_wire.answers(before=never)
    running = asyncio.create_task(work(openai, toolbox))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()
