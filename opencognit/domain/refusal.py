"""The one form of all errors on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opencognit.domain.wire_names import ERROR_FIELDS


class Refusal(msgspec.Struct, frozen=True, kw_only=True, rename=ERROR_FIELDS, omit_defaults=True):
    """Why a request was refused."""

    message: str
    """A sentence for a person."""
    code: str
    """What it is, for a program."""
    status: int
    """The HTTP status."""
    request_id: str
    """Names the request, as the header `X-Request-Id` does."""
    details: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    """What else helps; of a request that is not valid, each field (`field`) and its problem."""
