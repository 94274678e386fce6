"""Where a message comes from: who asks, under which conditions, and which answer must be remembered."""

from collections.abc import Callable

import msgspec

from opencognit.domain.caller import SYSTEM, Caller


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


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Goes with a message in its envelope."""

    caller: Caller = SYSTEM
    request_id: str | None = None
    expected_version: int | None = None
    """The version that the entity must have (`If-Match`)."""
    answer: PendingAnswer | None = None


INSIDE = Origin()
"""From the runtime itself."""
