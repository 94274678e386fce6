import asyncio
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.errors import Forbidden, ValidationFailed
from opencognit.security.outbound import ForbiddenAddress, check_url, guarded_session

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Answering(AbstractResolver):
    """Answers every name with these addresses, one after the other where there are several answers."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.closed = False

    @override
    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    @override
    async def close(self) -> None:
        self.closed = True


class Place(TestServer):
    """A server on loopback that notes who came."""

    visits: list[str]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    visits: list[str] = []

    async def visited(request: web.Request) -> web.Response:
        visits.append(request.path)
        location = request.query.get("to")
        if location is not None:
            return web.Response(status=302, headers={"Location": location})
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/{path:.*}", visited)
    server = Place(app, host="127.0.0.1")
    server.visits = visits
    async with server:
        yield server


async def get(
    url: str, *allowed: str, resolver: AbstractResolver | None = None, follow: bool = True
) -> tuple[int, str]:
    async with (
        guarded_session(frozenset(allowed), resolver=resolver) as session,
        session.get(url, allow_redirects=follow) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "0.0.0.0",  # noqa: S104 - called, not bound to
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
    ],
)  # fmt: skip
async def test_loopback_is_refused_in_every_spelling(place: Place, host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await get(f"http://{host}:{place.port}/")
    assert place.visits == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1."])
async def test_addresses_in_unusual_forms_are_refused(place: Place, host: str) -> None:
    with pytest.raises((ForbiddenAddress, aiohttp.InvalidURL)):
        await get(f"http://{host}:{place.port}/")
    assert place.visits == []


@pytest.mark.parametrize("allow", ["127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8"])
async def test_an_address_that_the_settings_name_is_reached(place: Place, allow: str) -> None:
    assert await get(f"http://127.0.0.1:{place.port}/", allow.format(port=place.port)) == (200, "here")


@pytest.mark.parametrize("allow", ["localhost", "LocalHost", "localhost:{port}", "127.0.0.0/8"])
async def test_a_name_is_reached_if_it_or_its_address_is_allowed(place: Place, allow: str) -> None:
    allowed = allow.format(port=place.port)
    assert await get(f"http://localhost:{place.port}/", allowed, "::1") == (200, "here")


@pytest.mark.parametrize(
    "allow",
    ["127.0.0.1:1", "127.0.0.2", "10.0.0.0/8", "localhost", "[::1]:1", "::1", "example.org", "0.0.0.1"],
)
async def test_allowing_one_place_allows_no_other(place: Place, allow: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await get(f"http://127.0.0.1:{place.port}/", allow)
    assert place.visits == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ],
)
async def test_a_name_that_resolves_to_what_is_inside_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddress) as refused:
        await get("http://looks-harmless.example/", resolver=Answering([address]))
    assert address not in refused.value.message


async def test_of_several_addresses_only_the_allowed_ones_are_connected_to(place: Place) -> None:
    resolver = Answering(["10.0.0.1", "127.0.0.1", "169.254.169.254"])
    assert await get(f"http://mixed.example:{place.port}/", "127.0.0.1", resolver=resolver) == (200, "here")


async def test_a_name_is_checked_each_time_that_it_is_resolved(place: Place) -> None:
    resolver = Answering(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://rebinding.example:{place.port}/"
    async with guarded_session(frozenset({"127.0.0.1"}), resolver=resolver) as session:
        async with session.get(url, headers={"Connection": "close"}) as response:
            assert await response.text() == "here"
        assert isinstance(session.connector, aiohttp.TCPConnector)
        session.connector.clear_dns_cache()
        with pytest.raises(ForbiddenAddress):
            await session.get(url)


@pytest.mark.parametrize("to", ["http://127.0.0.1:{port}/inside", "http://169.254.169.254/", "/other", "file:///etc"])
async def test_a_redirect_is_refused(place: Place, to: str) -> None:
    async with guarded_session(frozenset({f"localhost:{place.port}"})) as session:
        with pytest.raises(ForbiddenAddress, match="redirect"):
            await session.get(f"http://localhost:{place.port}/start", params={"to": to.format(port=place.port)})
    assert place.visits == ["/start"]


async def test_whoever_follows_no_redirects_sees_the_answer(place: Place) -> None:
    status, _ = await get(f"http://127.0.0.1:{place.port}/?to=http://10.0.0.1/", "127.0.0.1", follow=False)
    assert status == 302


async def test_a_proxy_is_refused(place: Place) -> None:
    async with guarded_session(frozenset({"127.0.0.1"})) as session:
        with pytest.raises(ForbiddenAddress, match="proxy"):
            await session.get("http://example.org/", proxy=f"http://127.0.0.1:{place.port}")
    assert place.visits == []


async def test_a_web_socket_is_no_way_round(place: Place) -> None:
    async with guarded_session() as session:
        with pytest.raises(ForbiddenAddress):
            await session.ws_connect(f"ws://127.0.0.1:{place.port}/")
    assert place.visits == []


async def test_an_open_connection_is_used_again(place: Place) -> None:
    async with guarded_session(frozenset({"127.0.0.1"})) as session:
        for _ in range(3):
            async with session.get(f"http://127.0.0.1:{place.port}/") as response:
                assert response.status == 200


async def test_closing_the_session_closes_its_resolver() -> None:
    resolver = Answering([])
    async with guarded_session(resolver=resolver):
        assert not resolver.closed
    assert resolver.closed


async def test_a_refusal_is_not_taken_for_a_failure_of_the_network() -> None:
    with pytest.raises(ForbiddenAddress) as refused:
        await get("http://10.0.0.1/")
    assert isinstance(refused.value, Forbidden)
    assert not isinstance(refused.value, aiohttp.ClientError | OSError | asyncio.TimeoutError)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org/v1?x=1", "http://example.org:8080", "http://93.184.216.34/", "http://[2606:4700::1111]/",
        "https://münchen.example/", "http://localhost.example.org/", "http://10.example.org/",
    ],
)  # fmt: skip
def test_public_urls_may_be_kept(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "/path", "//example.org/", "http://", "http:///path", "ftp://example.org/", "file:///etc/passwd",
        "javascript:alert(1)", "gopher://example.org/", "unix:///run/docker.sock", "http://example.org:99999/",
        "http://[::1", "http://user:secret@example.org/", "http://user@example.org/",
        "http://localhost/", "http://api.localhost./", "http://127.0.0.1/", "http://127.1/", "http://2130706433/",
        "http://0x7f.1/", "http://\uff11\uff12\uff17.0.0.1/", "http://10.1.2.3/", "http://172.31.0.1/", "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data", "http://100.100.100.200/", "http://168.63.129.16/", "http://0.0.0.0/",
        "http://224.0.0.1/", "http://240.0.0.1/", "http://255.255.255.255/", "http://[::]/", "http://[::1]/",
        "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[ff02::1]/", "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::808:808]/", "http://[2002:7f00:1::]/", "http://[2001::1]/", "http://[::127.0.0.1]/",
    ],
)  # fmt: skip
def test_other_urls_may_not_be_kept(url: str) -> None:
    with pytest.raises(ValidationFailed, match="url"):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:11434/", "localhost:11434"),
        ("http://127.0.0.1:11434/", "127.0.0.1:11434"),
        ("http://[::1]:11434/", "[::1]:11434"),
        ("http://[fd00::5]/", "fd00::/8"),
        ("https://10.1.2.3/", "10.1.2.3:443"),
        ("http://[64:ff9b::808:808]/", "64:ff9b::/96"),
    ],
)
def test_a_url_that_the_settings_name_may_be_kept(url: str, allowed: str) -> None:
    check_url(url, frozenset({allowed}))
    with pytest.raises(ValidationFailed):
        check_url(url, frozenset({"192.0.2.1"}))


@pytest.mark.parametrize(
    "entry", ["", "http://localhost", "10.0.0.1/8", "localhost/", "a b", "user@host", "host:port", "::1:80:x"]
)
def test_a_setting_that_names_no_place_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        check_url("http://example.org/", frozenset({entry}))


@given(st.ip_addresses())
def test_no_address_that_python_knows_not_to_be_global_may_be_kept(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_global and not address.is_multicast:
        return
    host = f"[{address}]" if address.version == 6 else str(address)
    with pytest.raises(ValidationFailed):
        check_url(f"http://{host}/")
