"""`BlockingClient`: the same for programs without asyncio."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from opencognit.client.calls import Blocking, waited
from opencognit.client.client import ANSWERED_WITHIN
from opencognit.client.connection import Connection
from opencognit.client.event_stream import EventStream, StreamedEvent
from opencognit.client.resources import Resources
from opencognit.client.retries import Retries
from opencognit.loop_thread import LoopThread


class BlockingClient(Resources[Blocking]):
    """A `Client` whose calls wait for their answers. Takes the same arguments.

    with BlockingClient("http://localhost:3201", token) as client:
        company = client.companies.create(name="Acme")
        for task in client.tasks.list(company.id):
            print(task.title)
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = ANSWERED_WITHIN,
        retries: Retries | None = None,
    ) -> None:
        self._loop = LoopThread()
        super().__init__(Connection(url, token, timeout=timeout, retries=retries or Retries()), self._loop.run)

    def __enter__(self) -> Self:
        self._loop.start()
        self._loop.run(self._connection.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._connection.__aexit__(kind, error, traceback))
        finally:
            self._loop.stop()

    def events(
        self,
        *,
        company_ids: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        since: int | None = None,
        patience: float | None = None,
    ) -> Iterator[StreamedEvent]:
        """What happens, as it happens; waits for each. It follows from this call on. See `Client.events`."""
        stream = EventStream(self._connection, company_ids=company_ids, types=types, since=since, patience=patience)
        if since is None:
            self._loop.run(stream.connect())
        return self._following(stream)

    def _following(self, stream: EventStream) -> Iterator[StreamedEvent]:
        try:
            yield from waited(stream, self._loop.run)
        finally:
            self._loop.run(stream.aclose())
