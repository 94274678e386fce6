"""Whether a message was signed as the Standard Webhooks specification says (github.com/standard-webhooks).

The sender signs `id.timestamp.body` with HMAC-SHA256 and sends the three headers below. The reference library is not
used here: it reads the machine's own clock, and a malformed signature makes it fail rather than refuse.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Final

from opencognit.domain.instants import Instant, Seconds, moment
from opencognit.domain.webhook import SECRET_PREFIX

MESSAGE_ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

TOLERANCE: Final[Seconds] = 300
"""How far the sender's clock may be from ours, and how long a recorded message could be sent again."""

_VERSION: Final = "v1,"
_ID: Final = re.compile(r"[!-~]{1,255}")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, *, now: Instant) -> bool:
    """Whether one of the signatures is that of this secret, and the message is new enough.

    Args:
        secret: as the sender was given it, `whsec_` and base64.
        headers: of the request, found in any case.
        body: exactly as it came.
        now: the present moment.
    """
    message_id, timestamp = headers.get(MESSAGE_ID, ""), headers.get(TIMESTAMP, "")
    if not _ID.fullmatch(message_id) or not _DIGITS.fullmatch(timestamp):
        return False
    expected = _VERSION + _signature(secret, f"{message_id}.{timestamp}.", body)
    given = headers.get(SIGNATURE, "").split(" ")
    # Each is compared, so that the time tells nothing.
    matches = [hmac.compare_digest(one.encode("utf-8", "replace"), expected.encode()) for one in given]
    return any(matches) and abs(moment(now).timestamp() - int(timestamp)) <= TOLERANCE


def _signature(secret: str, head: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, head.encode() + body, "sha256")).decode()
