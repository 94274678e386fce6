"""Calls to the outside, which cannot be turned against what is inside.

URLs come from users and agents, so none may lead to this machine, its network or its cloud's metadata
service, unless the server's settings name the place. What is checked is the address that is really connected
to: a name is resolved once, and only the addresses that passed are handed on. Redirects are not followed.
"""

import ipaddress
import re
import socket
import sys
from functools import lru_cache
from types import SimpleNamespace
from typing import Final, NamedTuple, TypeAlias

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from aiohttp.tracing import Trace

from opencognit.domain.errors import Forbidden, ValidationFailed

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_TIMEOUT: Final = aiohttp.ClientTimeout(total=300, connect=10)
"""Of a call, in seconds, from its start to the last byte."""


class ForbiddenAddress(Forbidden):
    """The call would have led to a place that calls must not reach. Trying again does not help.

    The message never says what a name resolved to, as that would be a map of the inner network.
    """

    sentence = "This address must not be called from here, unless the server's settings allow it"


def check_url(url: str, allowed: frozenset[str] = frozenset()) -> None:
    """Refuse a URL that can be seen to be wrong before it is kept. Names are not resolved yet.

    Args:
        url: to be called later.
        allowed: see `guarded_session`.

    Raises:
        ValidationFailed: not an absolute http or https URL, one with a user or password in it, or one that
            names an address that must not be called.
        ValueError: an entry of `allowed` names no place.
    """
    permitted = _allow_list(allowed)
    try:
        parsed = yarl.URL(url)
        _refuse_unless_callable(parsed, permitted)
    except ForbiddenAddress as error:
        raise ValidationFailed.of("url", error.message) from error
    except ValueError as error:
        raise ValidationFailed.of("url", "is not a URL") from error
    if parsed.user is not None or parsed.password is not None:
        raise ValidationFailed.of("url", "holds a user or password, which everybody could read")


def guarded_session(
    allowed: frozenset[str] = frozenset(),
    *,
    timeout: aiohttp.ClientTimeout = DEFAULT_TIMEOUT,
    resolver: AbstractResolver | None = None,
    connections: int = 100,
) -> aiohttp.ClientSession:
    """A session for URLs that come from users or agents.

    Make it on the event loop, and close it or use `async with`. It keeps no cookies, as it may serve several
    companies. Its calls raise `ForbiddenAddress` for any other scheme than http and https, for a proxy, for a
    redirect (unless the call says `allow_redirects=False` and looks for itself), and for an address that is
    not a public one.

    Args:
        allowed: places that may be called although they are not public: `host`, `host:port`, `10.0.0.5:8080`,
            `[::1]:8080`, `10.1.0.0/16`. A host's name stands for whatever it resolves to, but not for its
            addresses: they have to be named as such.
        timeout: of each call that names no other.
        resolver: what turns names into addresses; the system's own if None. The session closes it.
        connections: at once, at most; 0 for any number. Further calls wait, which counts as part of their time.

    Raises:
        ValueError: an entry of `allowed` names no place.
    """
    permitted = _allow_list(allowed)
    guarded = _GuardedResolver(resolver or DefaultResolver(), permitted)
    redirects = aiohttp.TraceConfig()
    redirects.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=_GuardedConnector(guarded, permitted, connections),
        timeout=timeout,
        trace_configs=[redirects],
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    # Also because a redirect to another host would be sent the headers, and with them API keys.
    redirect.response.close()
    raise ForbiddenAddress("The answer is a redirect, which is not followed; give the final address instead")


class _GuardedResolver(AbstractResolver):
    """Hands on only the addresses that may be called."""

    def __init__(self, inner: AbstractResolver, permitted: "_AllowList") -> None:
        self._inner = inner
        self._permitted = permitted

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self._permitted.names(host, port):
            return found
        passed = [result for result in found if self._permitted.reaches(ipaddress.ip_address(result["host"]), port)]
        if found and not passed:
            raise ForbiddenAddress
        return passed

    @override
    async def close(self) -> None:
        await self._inner.close()


class _GuardedConnector(aiohttp.TCPConnector):
    """Checks what needs no resolver, which aiohttp therefore does not ask: addresses given as such."""

    def __init__(self, resolver: _GuardedResolver, permitted: "_AllowList", connections: int) -> None:
        super().__init__(resolver=resolver, limit=connections)
        self._guarded_resolver = resolver
        self._permitted = permitted

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        # Here, not in the session: every call passes, however it is made, and so do pooled connections.
        _refuse_unless_callable(req.url, self._permitted)
        if req.proxy is not None:
            raise ForbiddenAddress("A proxy would connect in our place, unchecked")
        return await super().connect(req, traces, timeout)

    @override
    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        await self._guarded_resolver.close()


def _refuse_unless_callable(url: yarl.URL, permitted: "_AllowList") -> None:
    if url.scheme not in ("http", "https"):
        raise ForbiddenAddress("Only http and https addresses can be called")
    host, port = url.raw_host, url.port
    if not host or port is None:
        raise ForbiddenAddress("The address names no host")
    if permitted.names(host, port):
        return
    addresses = _known_addresses(host)
    if addresses and not any(permitted.reaches(address, port) for address in addresses):
        raise ForbiddenAddress


def _known_addresses(host: str) -> tuple[Address, ...]:
    """The addresses that a host has without asking a resolver; none for a name."""
    try:
        return (ipaddress.ip_address(host),)
    except ValueError:
        # 127.1, 2130706433, 0x7f.0.0.1: the system would take them for addresses.
        if re.fullmatch(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?", host, re.IGNORECASE):
            raise ForbiddenAddress("Write the address in its usual form") from None
    # RFC 6761, 6.3: these names are always loopback.
    return _LOOPBACK if f".{host.rstrip('.').lower()}".endswith(".localhost") else ()


_LOOPBACK: Final = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


# What the IANA registries of special-purpose addresses and of multicast keep back (RFC 6890 and its
# successors), written out, because what Python's `is_global` says differs from version to version.
_NOT_PUBLIC_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public address, but in Azure the host machine's
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)

# All else is loopback, link-local, private, multicast, or an IPv4 address in disguise (mapped, NAT64).
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # with Teredo, another disguise
        "2001:db8::/32",
        "2002::/16",  # 6to4, likewise
        "3fff::/20",
    )
)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


class _Place(NamedTuple):
    """An allowed place. Port None stands for any."""

    name: str | None
    network: Network | None
    port: int | None


class _AllowList:
    """What the settings name."""

    def __init__(self, entries: frozenset[str]) -> None:
        self._places = tuple(_place(entry) for entry in entries)

    def names(self, host: str, port: int) -> bool:
        """Whether this name is allowed, whatever it resolves to."""
        name = host.rstrip(".").lower()
        return any(place.name == name and place.port in (None, port) for place in self._places)

    def reaches(self, address: Address, port: int) -> bool:
        """Whether this address is public or allowed."""
        return _is_public(address) or any(
            place.network is not None and address in place.network and place.port in (None, port)
            for place in self._places
        )


@lru_cache(maxsize=16)
def _allow_list(entries: frozenset[str]) -> _AllowList:
    return _AllowList(entries)


def _place(entry: str) -> _Place:
    network = _network(entry)
    if network is not None:
        return _Place(None, network, None)
    wrong = f"{entry!r} is not a host, host:port, address or network (10.0.0.0/8)"
    try:
        url = yarl.URL(f"http://{entry}")
    except ValueError as error:
        raise ValueError(wrong) from error
    host = url.raw_host
    if not host or re.search(r"[/?#@\s]", entry):
        raise ValueError(wrong)
    network = _network(host)
    name = host.rstrip(".").lower() if network is None else None
    return _Place(name, network, url.explicit_port)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
