"""What happens in a company, as it happens."""

import re
from typing import Annotated, Final

from aiohttp import web

from opencognit.domain.caller import Right
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.query import Place, Query
from opencognit.domain.wire_names import PATHS
from opencognit.http.event_stream import STREAMS
from opencognit.http.request import Request
from opencognit.http.route import EVENT_STREAM, LAST_EVENT, Agents, Routes, Subject, Written

routes = Routes()

_NUMBER: Final = re.compile(r"[0-9]{1,15}")


class EventQuery(Query, frozen=True, kw_only=True):
    """Which events."""

    types: tuple[str, ...] | None = None
    """Only events of these types; all by default."""
    since: Place | None = None
    """First those that came after the event of this number."""


@routes.add(
    "GET",
    f"/api/{PATHS['companies']}/{{id}}/{PATHS['events']}",
    subject=Subject.COMPANY,
    right=Right.READ,
    agents=Agents.COMPANY,
)
async def stream(
    request: Request[None, EventQuery],
) -> Annotated[web.StreamResponse, Written(str, media_type=EVENT_STREAM)]:
    """The company's events as Server-Sent Events, each with its number as `id`; it goes on until one side ends it.

    The first is `subscribed`, or `resync` if what came after `since` is no longer kept.
    """
    read = request.raw.headers.get(LAST_EVENT)
    if read is not None and not _NUMBER.fullmatch(read):
        raise ValidationFailed.of(LAST_EVENT, "must be the number of an event")
    since = request.query.since if read is None else int(read)
    return await request.raw.app[STREAMS].serve(request, types=request.query.types, since=since)
