"""What a query of a list says, and the root of all queries."""

from typing import Annotated, Final

import msgspec

from opencognit.domain.wire_names import FIELDS

DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 500

Place = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Query(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """The root of all queries."""


class Paging(Query, frozen=True, kw_only=True):
    """Which part of a list; a `Link` names the next one."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT
    offset: Place = 0


class Backwards(Paging, frozen=True, kw_only=True):
    """Which part of a list read newest first."""

    before: Place | None = None
    """Where the page before this one has ended; a `Link` names it."""
