"""Time, ids and randomness as the runtime is given them, so that a test can run a month in a second."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import uuid_utils

from opencognit.domain.instants import Instant, instant, moment

LONGEST_SLEEP: Final = 60.0
"""Seconds after which a timer looks at the clock again, because wall clocks jump and machines sleep."""


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """Where the runtime reads the time and sets its reminders."""

    def now(self) -> Instant:
        """The present moment."""

    def call_at(self, when: Instant, callback: Callable[[], None]) -> Timer:
        """Call back on the loop as soon as `when` has come, never before."""


class IdSource(Protocol):
    """Where ids and secrets come from."""

    def new_id(self) -> str:
        """A UUID; later ones sort after earlier ones."""

    def new_secret(self) -> str:
        """At least 256 random bits, safe in a URL."""


class Jitter(Protocol):
    """Where chance comes from, so that those who failed together do not come back together."""

    def fraction(self) -> float:
        """From 0 to just below 1."""


class SystemClock:
    """The machine's own clock. Make it on the loop that it shall call back on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._second = 0
        self._millisecond = 0
        self._written = ""
        self._now = Instant("")

    def now(self) -> Instant:
        """The present moment."""
        # Asked for several times on the way of each request, so each part is written only when it changes.
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        millisecond = rest // 1_000_000
        if second != self._second:
            self._written = instant(datetime.fromtimestamp(second, UTC))[:-4]
        elif millisecond == self._millisecond:
            return self._now
        self._second, self._millisecond = second, millisecond
        self._now = Instant(f"{self._written}{millisecond:03}Z")
        return self._now

    def call_at(self, when: Instant, callback: Callable[[], None]) -> Timer:
        """Call back on the loop as soon as `when` has come."""
        return _WallTimer(self._loop, moment(when), callback)


class _WallTimer:
    __slots__ = ("_callback", "_handle", "_loop", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, when: datetime, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._when = when.timestamp()
        self._callback = callback
        self._handle = loop.call_later(self._wait(), self._due)

    def _wait(self) -> float:
        return min(max(self._when - time.time(), 0.0), LONGEST_SLEEP)

    def _due(self) -> None:
        if time.time() < self._when:
            # A millisecond more, since the loop's clock may be a little ahead of the wall's.
            self._handle = self._loop.call_later(self._wait() + 0.001, self._due)
        else:
            self._callback()

    def cancel(self) -> None:
        self._handle.cancel()


class SystemJitter:
    """The operating system's randomness."""

    def __init__(self) -> None:
        self._source = random.SystemRandom()

    def fraction(self) -> float:
        """From 0 to just below 1."""
        return self._source.random()


class SystemIds:
    """UUIDv7 and the operating system's randomness."""

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562): sorts by the time of its making."""
        return str(uuid_utils.uuid7())

    def new_secret(self) -> str:
        """256 random bits."""
        return secrets.token_urlsafe(32)
