"""Orders sent to a real web service: what it is told and what it may answer."""

import asyncio
from decimal import Decimal

import pytest

from opencognit.domain.run import TokenUsage
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.port import Outcome, ProviderFailed
from tests.providers.toolbox import FakeToolbox, order
from tests.providers.web_service import Service, json, replying, send


async def test_a_json_answer_is_the_outcome(http: HttpProvider, service: Service) -> None:
    service.reply = json(
        ergebnis="12 anvils",
        status="in_review",
        kostenCent=1.25,
        usage={"inputTokens": 7, "outputTokens": 3},
        modell="own",
    )
    outcome = await send(http, service)
    assert outcome == Outcome(
        result="12 anvils",
        status="in_review",
        cost_cents=Decimal("1.25"),
        usage=TokenUsage(input_tokens=7, output_tokens=3),
        model="own",
    )


async def test_a_plain_text_is_the_result(http: HttpProvider, service: Service) -> None:
    service.reply = replying(text="zwölf")
    assert (await send(http, service)).result == "zwölf"


async def test_a_cost_that_is_not_named_is_an_estimate(http: HttpProvider, service: Service) -> None:
    assert (await send(http, service)).cost_estimated


async def test_an_error_in_the_answer_is_a_failure_of_the_task(http: HttpProvider, service: Service) -> None:
    service.reply = json(fehler="no anvils found")
    assert (await send(http, service)).error == "no anvils found"


async def test_the_service_is_sent_the_whole_task(http: HttpProvider, service: Service) -> None:
    await send(http, service, kopfzeilen={"Authorization": "Bearer canary"})
    assert service.bodies == [
        {
            "runId": "run-1",
            "aufgabeId": "task-1",
            "titel": "Count the anvils",
            "beschreibung": "All of them.",
            "kommentare": ["Bob: hurry"],
            "ergebnisseDerBlocker": ["Open the store: done"],
            "agent": {
                "id": "agent-1",
                "name": "Ada",
                "rolle": "Engineer",
                "systemPrompt": "Be brief.",
                "skills": ["Sums: add numbers"],
            },
            "unternehmen": {"id": "company-1", "name": "Acme", "ziel": "Sell anvils"},
            "rueckruf": {"url": "http://127.0.0.1:3201/api/rueckruf/run-1", "token": "once-only"},
        }
    ]
    assert service.headers[0]["Authorization"] == "Bearer canary"


async def test_the_same_work_has_the_same_key_in_every_run_and_other_work_another(
    http: HttpProvider, service: Service
) -> None:
    for work in ({}, {"run_id": "run-2"}, {"comments": ("Bob: once more",)}):
        await http.work(order(config={"url": service.url}, **work), FakeToolbox())
    first, again, other = (headers["Idempotency-Key"] for headers in service.headers)
    assert first == again != other


async def test_after_202_the_answer_comes_by_call_back(http: HttpProvider, service: Service) -> None:
    service.reply = replying(status=202)
    toolbox = FakeToolbox()
    running = asyncio.create_task(send(http, service, toolbox))
    await toolbox.callback_opened.wait()
    assert toolbox.callback is not None
    toolbox.callback.given.set_result({"ergebnis": "later", "kostenCent": 2})
    outcome = await running
    assert (outcome.result, outcome.cost_cents) == ("later", Decimal(2))


async def test_a_bad_call_back_is_a_failure(http: HttpProvider, service: Service) -> None:
    service.reply = replying(status=202)
    toolbox = FakeToolbox()
    running = asyncio.create_task(send(http, service, toolbox))
    await toolbox.callback_opened.wait()
    assert toolbox.callback is not None
    toolbox.callback.given.set_result({"ergebnis": "later", "kostenCent": "10abc"})
    with pytest.raises(ProviderFailed, match="kostenCent"):
        await running


async def test_cancelling_closes_the_connection() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    listening = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    provider = HttpProvider(allowed_addresses=frozenset({address}))
    async with listening:
        running = asyncio.create_task(provider.work(order(config={"url": f"http://{address}"}), FakeToolbox()))
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(gone.wait(), 5)
    await provider.close()
