"""A client of a running server, typed: `Client` with asyncio, `BlockingClient` without.

Calls are by resource: `client.tasks.create(company_id, title="Build it")`. They are answered with the structs of
`opencognit.domain`, tried again where that is safe (`Retries`), and refused with the server's own `DomainError`. What
nobody said is a `ClientError`: `ServerUnreachable` or `UnexpectedAnswer`. Lists fetch one page after the other.
`client.events()` is an `EventStream` of `StreamedEvent`; what was missed for good is told by a `Resync`.
"""

from opencognit.client.blocking import BlockingClient
from opencognit.client.client import Client
from opencognit.client.errors import ClientError, ServerUnreachable, UnexpectedAnswer
from opencognit.client.event_stream import EventStream, Resync, StreamedEvent
from opencognit.client.retries import Retries

__all__ = [
    "BlockingClient",
    "Client",
    "ClientError",
    "EventStream",
    "Resync",
    "Retries",
    "ServerUnreachable",
    "StreamedEvent",
    "UnexpectedAnswer",
]
