"""Slows down whoever guesses passwords, without locking out whoever knows theirs.

Tries are counted three times, each with its own patience:

- by account and address together, strictly: after 5 failures a wait, from 1 s doubling to 15 min;
- by account, from anywhere, loosely (50 failures, at most 1 min): many addresses that guess one password;
- by address, for any account, loosely likewise: one address that tries one password on many accounts.

The strict wait can never be caused from elsewhere. The loose ones could, so a pair of account and address
that has signed in before is exempt from them: an attacker slows down strangers to the account, not its owner
at their usual place. The price: while somebody with many addresses attacks an account, its owner at a new
place waits for up to a minute, perhaps repeatedly; and behind a reverse proxy, where all share one address,
an owner waits with whoever guesses at the same account.

All is kept in memory, so a restart forgets it, and each count is of a bounded number: the entry that was
touched longest ago goes first. Whether an account exists is never asked, so the answer cannot tell.
"""

import hashlib
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from opencognit.domain.errors import RateLimited
from opencognit.domain.instants import Instant, Seconds, moment

MAX_ENTRIES: Final = 10_000
"""Pairs, accounts and addresses that are remembered, of each."""

FORGET_AFTER: Final[Seconds] = 3600
"""Failures that lie further back than this no longer count, once there were no more."""


@dataclass(frozen=True, kw_only=True)
class _Patience:
    free: int
    """Failures without a wait."""
    longest: Seconds

    def wait(self, failures: int) -> Seconds:
        beyond = failures - self.free
        # Capped before the power is taken: an endless attack would make an endless number.
        return min(self.longest, 2.0 ** min(beyond, 20)) if beyond >= 0 else 0


PAIR: Final = _Patience(free=5, longest=15 * 60)
ACCOUNT: Final = _Patience(free=50, longest=60)
ADDRESS: Final = _Patience(free=50, longest=60)


class SignInThrottle:
    """Counts failed sign-ins and says who has to wait. Used from one thread, the event loop's.

    Each try is `check`ed before the password is looked at, and settled afterwards by `failed`, `succeeded` or
    `withdrawn`. Until then it counts as failed: a hundred at once are a hundred, and breaking off hides none.

    The address is believed as it is given, so give the peer's, never a header that the client wrote.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        self._pairs = _Counts(PAIR, max_entries)
        self._accounts = _Counts(ACCOUNT, max_entries)
        self._addresses = _Counts(ADDRESS, max_entries)
        self._welcome: OrderedDict[bytes, None] = OrderedDict()
        self._max_entries = max_entries

    def check(self, account: str, address: str, *, now: Instant) -> None:
        """Count a try, unless it has to wait. A refused one is not counted, and makes the wait no longer.

        Args:
            account: the e-mail as it was typed; whether there is such an account does not matter.
            address: the IP address that the connection comes from.
            now: the time of the try.

        Raises:
            RateLimited: too soon; `retry_after` says in how many seconds it is not.
        """
        keys = _keys(account, address)
        seconds = _seconds(now)
        wait = self._pairs.remaining(keys.pair, seconds)
        if keys.pair not in self._welcome:
            elsewhere = self._accounts.remaining(keys.account, seconds)
            wait = max(wait, elsewhere, self._addresses.remaining(keys.address, seconds))
        if wait > 0:
            raise RateLimited(retry_after=wait)
        self._pairs.add(keys.pair, seconds)
        self._accounts.add(keys.account, seconds)
        self._addresses.add(keys.address, seconds)

    def failed(self, account: str, address: str, *, now: Instant) -> None:
        """The password was wrong, or there is no such account: the wait begins now."""
        keys = _keys(account, address)
        seconds = _seconds(now)
        self._pairs.touch(keys.pair, seconds)
        self._accounts.touch(keys.account, seconds)
        self._addresses.touch(keys.address, seconds)

    def succeeded(self, account: str, address: str) -> None:
        """The password was right: forget the pair's failures, and remember that the two belong together.

        What others did to the account, or from the address, stays counted: else an attacker could wipe it out
        with an account of their own, or wait for the owner to.
        """
        keys = _keys(account, address)
        self._pairs.forget(keys.pair)
        self._accounts.take_back(keys.account)
        self._addresses.take_back(keys.address)
        self._welcome[keys.pair] = None
        self._welcome.move_to_end(keys.pair)
        if len(self._welcome) > self._max_entries:
            self._welcome.popitem(last=False)

    def withdrawn(self, account: str, address: str) -> None:
        """The password was not looked at (the server was too busy): the try does not count."""
        keys = _keys(account, address)
        self._pairs.take_back(keys.pair)
        self._accounts.take_back(keys.account)
        self._addresses.take_back(keys.address)


class _Keys(NamedTuple):
    pair: bytes
    account: bytes
    address: bytes


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class _Counts:
    """Failures by key, the one touched longest ago first."""

    def __init__(self, patience: _Patience, max_entries: int) -> None:
        self._patience = patience
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, _Failures] = OrderedDict()

    def remaining(self, key: bytes, now: float) -> Seconds:
        entry = self._entries.get(key)
        if entry is None:
            return 0
        # A clock that was set back must not make anybody wait for longer than the wait.
        entry.last = min(entry.last, now)
        if now - entry.last > FORGET_AFTER:
            del self._entries[key]
            return 0
        # Instants have milliseconds; what floats add must not refuse the try at the very end of the wait.
        return max(0, round(entry.last + self._patience.wait(entry.count) - now, 3))

    def add(self, key: bytes, now: float) -> None:
        entry = self._entries.setdefault(key, _Failures(0, now))
        entry.count += 1
        self.touch(key, now)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def touch(self, key: bytes, now: float) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.last = now
            self._entries.move_to_end(key)

    def take_back(self, key: bytes) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.count -= 1
            if entry.count <= 0:
                del self._entries[key]

    def forget(self, key: bytes) -> None:
        self._entries.pop(key, None)


def _keys(account: str, address: str) -> _Keys:
    # Digests, so that a megabyte of an e-mail costs what a short one does, and none is kept in the clear.
    of_account = _key(account.strip().casefold())
    of_address = _key(_network(address))
    return _Keys(of_account + of_address, of_account, of_address)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _network(address: str) -> str:
    """The address, or for IPv6 the /64 that it is in: a single host can have all of one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or int(ip) >> 64)


def _seconds(now: Instant) -> float:
    return moment(now).timestamp()
