"""Where a message comes from: who asks, under which conditions, and which answer must be remembered."""

from collections.abc import Callable

import msgspec

from opencognit.domain.caller import SYSTEM, Caller
from opencognit.domain.instants import Instant
from opencognit.domain.message import encode
from opencognit.domain.records import Answer


class PendingAnswer:
    """An answer that is to be saved in the same commit as the change, so that a retry gets it again.

    Attributes:
        saved: whether a commit has taken it.
    """

    __slots__ = ("caller", "fingerprint", "key", "saved", "seal", "status")

    def __init__(
        self, *, caller: str, key: str, fingerprint: str, status: int, seal: Callable[[bytes], bytes] | None
    ) -> None:
        self.caller = caller
        self.key = key
        self.fingerprint = fingerprint
        self.status = status
        self.seal = seal
        self.saved = False

    def record(self, reply: object, now: Instant) -> Answer:
        """The answer as the store keeps it."""
        body = encode(reply)
        return Answer(
            caller=self.caller,
            key=self.key,
            fingerprint=self.fingerprint,
            status=self.status,
            body=self.seal(body) if self.seal else body,
            sealed=self.seal is not None,
            created_at=now,
        )


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Goes with a message in its envelope."""

    caller: Caller = SYSTEM
    request_id: str | None = None
    company_id: str | None = None
    """The company that the request is about; new entities are made in it."""
    expected_version: int | None = None
    """The version that the entity must have (`If-Match`)."""
    answer: PendingAnswer | None = None


INSIDE = Origin()
"""From the runtime itself."""
