"""Posts events to other programs, signed as the Standard Webhooks specification says (github.com/standard-webhooks).

Each try is signed anew, as the time is part of what is signed; the id of the message stays the same. What a receiver
answers beyond its status is not read: it is nobody's business here, and may be endless.
"""

from collections.abc import Sequence
from typing import Final

import aiohttp
from standardwebhooks import Webhook

from opencognit.domain.delivery import Posted
from opencognit.domain.instants import Instant, Seconds, moment
from opencognit.providers.retry_after import retry_after
from opencognit.security.outbound import check_url, guarded_session

_CONNECT_SECONDS: Final = 10


class EventPost:
    """The way out for events.

    Args:
        allowed_addresses: private places that may be called; see `opencognit.security.outbound`.
        time_limit: seconds in which a receiver has to answer.
    """

    def __init__(self, *, allowed_addresses: frozenset[str] = frozenset(), time_limit: Seconds = 20) -> None:
        self._allowed = allowed_addresses
        self._time_limit = time_limit
        self._kept_session: aiohttp.ClientSession | None = None

    def check(self, url: str) -> None:
        """Refuse an address that can be seen to be wrong. Raises `ValidationFailed`."""
        check_url(url, self._allowed)

    async def post(self, url: str, body: bytes, *, message_id: str, secrets: Sequence[str], now: Instant) -> Posted:
        """Try once.

        Args:
            url: where to.
            body: JSON.
            message_id: the same whenever the same is sent.
            secrets: each signs.
            now: the present moment.

        Raises:
            ForbiddenAddress: the address, or what its name resolves to, must not be called.
        """
        headers = _signed(body, message_id=message_id, secrets=secrets, now=now)
        try:
            async with self._session().post(url, data=body, headers=headers, allow_redirects=False) as response:
                return _posted(response)
        except TimeoutError:
            return Posted(error=f"It did not answer within {self._time_limit:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Posted(error=f"It cannot be reached ({type(error).__name__})")

    async def close(self) -> None:
        """Close the connections."""
        if self._kept_session is not None:
            await self._kept_session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._kept_session is None:
            timeout = aiohttp.ClientTimeout(total=self._time_limit, sock_connect=_CONNECT_SECONDS)
            # Each subscription has one call at a time; were there a limit, slow receivers could use it up for all.
            self._kept_session = guarded_session(self._allowed, timeout=timeout, connections=0)
        return self._kept_session


def _signed(body: bytes, *, message_id: str, secrets: Sequence[str], now: Instant) -> dict[str, str]:
    when = moment(now)
    return {
        "Content-Type": "application/json",
        "User-Agent": "OpenCognit",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, when, body.decode()) for secret in secrets),
    }


def _posted(response: aiohttp.ClientResponse) -> Posted:
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - the class of successes
        return Posted(status=status)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        return Posted(status=status, error="It answered with a redirect, which is not followed")
    return Posted(
        status=status, error=f"It answered with the status {status}", retry_after=retry_after(response.headers)
    )
