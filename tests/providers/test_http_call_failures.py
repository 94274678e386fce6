"""Orders sent to a real web service: what can go wrong."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from opencognit.domain.errors import ValidationFailed
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.port import Outcome, ProviderFailed
from tests.providers.toolbox import FakeToolbox, order
from tests.providers.web_service import Service, failure, replying


@pytest.mark.parametrize(
    "answer",
    [
        '{"ergebnis": "x", "kostenCent": -1}',
        '{"ergebnis": "x", "kostenCent": "10abc"}',
        '{"ergebnis": "x", "kostenCent": "5"}',
        '{"ergebnis": "x", "kostenCent": NaN}',
        '{"ergebnis": "x", "kostenCent": 1e999}',
        '{"ergebnis": "x", "kostenCent": true}',
        '{"ergebnis": "x", "usage": {"inputTokens": -5}}',
        '{"ergebnis": "x", "usage": {"inputTokens": 1.5}}',
        '{"ergebnis": "x", "kosten": 5}',
        '{"ergebnis": "x", "status": "todo"}',
        '{"ergebnis": 7}',
        '["x"]',
        "{}",
        '{"ergebnis": "x"',
        "",
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_a_failure(http: HttpProvider, service: Service, answer: str) -> None:
    service.reply = replying(text=answer, content_type="application/json")
    refused = await failure(http, service)
    assert not refused.transient
    assert refused.partial == Outcome()


async def test_an_answer_of_another_kind_is_a_failure(http: HttpProvider, service: Service) -> None:
    service.reply = replying(text="<p>done</p>", content_type="text/html")
    assert "text/html" in str(await failure(http, service))


async def test_429_says_when_to_come_back_in_seconds(http: HttpProvider, service: Service) -> None:
    service.reply = replying(status=429, headers={"Retry-After": "120"})
    refused = await failure(http, service)
    assert (refused.transient, refused.retry_after) == (True, 120)


async def test_429_says_when_to_come_back_by_a_date(http: HttpProvider, service: Service) -> None:
    now = datetime(2031, 5, 1, 12, tzinfo=UTC)
    service.reply = replying(
        status=429,
        headers={
            "Date": format_datetime(now, usegmt=True),
            "Retry-After": format_datetime(now + timedelta(seconds=63), usegmt=True),
        },
    )
    assert (await failure(http, service)).retry_after == 63


@pytest.mark.parametrize("value", ["soon", "-5", "", "1" * 400, "²"])
async def test_a_retry_after_that_cannot_be_read_says_nothing(http: HttpProvider, service: Service, value: str) -> None:
    service.reply = replying(status=503, headers={"Retry-After": value})
    refused = await failure(http, service)
    assert (refused.transient, refused.retry_after) == (True, None)


@pytest.mark.parametrize(
    ("status", "transient"), [(400, False), (401, False), (404, False), (429, True), (500, True), (503, True)]
)
async def test_only_what_may_pass_is_tried_again(
    http: HttpProvider, service: Service, status: int, transient: bool
) -> None:
    service.reply = replying(status=status)
    assert (await failure(http, service)).transient is transient


async def test_a_redirect_is_not_followed(http: HttpProvider, service: Service) -> None:
    service.reply = replying(status=307, headers={"Location": service.url})
    refused = await failure(http, service)
    assert "redirect" in str(refused)
    assert len(service.bodies) == 1


async def test_a_huge_answer_is_cut_off(http: HttpProvider, service: Service) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            for _ in range(1000):
                await response.write(b"x" * 65_536)
                sent += 65_536
        except ConnectionError:
            return response
        return response

    service.reply = endless
    assert "larger than 1 MiB" in str(await failure(http, service))
    assert sent < 30_000_000


async def test_a_connection_that_breaks_off_may_be_tried_again(http: HttpProvider, service: Service) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    service.reply = hang_up
    assert (await failure(http, service)).transient


async def test_a_service_that_is_not_there_may_be_tried_again() -> None:
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    provider = HttpProvider(allowed_addresses=frozenset({f"127.0.0.1:{port}"}))
    with pytest.raises(ProviderFailed, match="could not be reached") as raised:
        await provider.work(order(config={"url": f"http://127.0.0.1:{port}/?key=canary"}), FakeToolbox())
    await provider.close()
    assert raised.value.transient
    assert "canary" not in str(raised.value)


async def test_a_service_that_never_answers_is_cut_at_the_agents_limit(http: HttpProvider, service: Service) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.reply = never
    refused = await failure(http, service, zeitlimitSek=0.2)
    assert not refused.transient
    assert "in time" in str(refused)


async def test_an_address_inside_is_not_called(service: Service) -> None:
    provider = HttpProvider()
    refused = await failure(provider, service)
    await provider.close()
    assert not refused.transient
    assert service.bodies == []


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"url": ""},
        {"url": "example.org"},
        {"url": "ftp://example.org/"},
        {"url": "http://169.254.169.254/latest"},
        {"url": "https://example.org", "method": "GET"},
        {"url": "https://example.org", "kopfzeilen": {"X": 1}},
        {"url": "https://example.org", "kopfzeilen": {"X Y": "1"}},
        {"url": "https://example.org", "kopfzeilen": {"X": "a\r\nY: b"}},
        {"url": "https://example.org", "kopfzeilen": {"Host": "inside"}},
        {"url": "https://example.org", "zeitlimitSek": -1},
    ],
)
def test_a_bad_configuration_is_refused_when_it_is_saved(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        HttpProvider().validate(config)


def test_a_good_configuration_is_taken() -> None:
    HttpProvider().validate(
        {"url": "https://example.org/work", "kopfzeilen": {"Authorization": "Bearer x"}, "zeitlimitSek": 30}
    )
