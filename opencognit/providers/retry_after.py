"""How long a server asks us to wait: the `Retry-After` header, in both of its forms."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 9


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that a response names (RFC 9110, 10.2.3).

    A date is compared with the response's own `Date`, so that a clock that differs from the server's does no
    harm.

    Args:
        headers: those of the response, looked up without regard to case.

    Returns:
        Seconds, never negative; None where the header is missing or cannot be read.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        # Not through a date parser first: it takes "120" for the year 120.
        return float(value) if len(value) <= _MOST_DIGITS else None
    until = _instant(value)
    if until is None:
        return None
    now = _instant(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _instant(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
