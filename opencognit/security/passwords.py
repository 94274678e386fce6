"""Passwords, kept as bcrypt hashes and worked out on two threads of their own.

Each password is hashed with SHA-256 first, so that bcrypt, which takes 72 bytes, still sees all of it. One
hash takes about 0.2 s of a core by design: it never runs on the event loop, and only so many may wait.
"""

import asyncio
import base64
import hmac
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final, TypeVar

import bcrypt

from opencognit.domain.errors import Draining, Unavailable

THREADS: Final = 2
"""Hashes at once; each takes a core for as long as it runs."""

MAX_WAITING: Final = 64
"""Hashes that may wait for a thread: some 7 s of work. More are refused."""

# Keyed by purpose: a plain SHA-256 could be tested against digests that leaked elsewhere, without knowing
# their passwords.
_PURPOSE: Final = b"opencognit password 1"

Result = TypeVar("Result")


class Passwords:
    """Hashes and verifies passwords, without holding up the event loop.

    A hash that was made with other `rounds` stays good, but takes its own time to verify; whoever changes the
    setting should hash again at the next sign-in, or an unknown account is told apart by the time.
    """

    def __init__(self, rounds: int = 12, *, max_waiting: int = MAX_WAITING) -> None:
        """Prepare the threads.

        Args:
            rounds: bcrypt's cost, 4 to 31; each more doubles the time.
            max_waiting: how many may wait while all threads are busy.
        """
        self._rounds = rounds
        # Right in form and cost, of no password: verifying against it takes what a real one takes.
        self._nobody = bcrypt.gensalt(rounds) + b"." * 31
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._places = BoundedSemaphore(THREADS + max_waiting)
        self._closed = False

    async def hash(self, password: str) -> str:
        """The hash to store for a new password.

        Raises:
            Unavailable: too many wait already, or the server is shutting down.
        """
        return await self._on_thread(lambda: bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode())

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether this is the password that `stored` was made of.

        `None`, for an account that does not exist, is never right, and takes as long as a wrong password.

        Raises:
            Unavailable: too many wait already, or the server is shutting down.
        """
        hashed = self._nobody if stored is None else stored.encode()
        matches = await self._on_thread(lambda: bcrypt.checkpw(_digest(password), hashed))
        return matches and stored is not None

    def close(self) -> None:
        """Take nothing more; what still waits is answered with `Draining`. Does not block."""
        self._closed = True
        self._threads.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[], Result]) -> Result:
        if self._closed:
            raise Draining
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many passwords wait to be checked; try again")
        pending = self._threads.submit(self._unless_closed, work)
        # On the future, not around the await: a caller that gives up frees no thread.
        pending.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(pending)

    def _unless_closed(self, work: Callable[[], Result]) -> Result:
        if self._closed:
            raise Draining
        return work()


def _digest(password: str) -> bytes:
    # NFC: the same text typed on another keyboard is the same password (NIST SP 800-63B-4, 3.1.1.2).
    # Base64, because bcrypt would stop at a zero byte.
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(_PURPOSE, text, "sha256"))
