"""`Client`: a program's way to a running server, with asyncio."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from opencognit.client.calls import Awaiting
from opencognit.client.connection import Connection
from opencognit.client.event_stream import EventStream
from opencognit.client.resources import Resources
from opencognit.client.retries import Retries

ANSWERED_WITHIN = 90.0
"""Seconds: more than a request for a task's lock may stand in line."""


class Client(Resources[Awaiting]):
    """One server, and who asks it.

        async with Client("http://localhost:3201", token) as client:
            company = await client.companies.create(name="Acme")
            async for task in client.tasks.list(company.id, status=(TaskStatus.TODO,)):
                print(task.title)

    Args:
        url: the server's address.
        token: a user's, from `auth.sign_in`, or an agent's, from `agents.issue_token`; None for what needs none.
        timeout: seconds that one try of a request may take.
        retries: how often a request is tried, and after which pauses.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = ANSWERED_WITHIN,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(Connection(url, token, timeout=timeout, retries=retries or Retries()))

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, traceback)

    def events(
        self,
        *,
        company_ids: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        since: int | None = None,
        patience: float | None = None,
    ) -> EventStream:
        """What happens, as it happens, without a gap over lost connections and restarts of the server.

        Args:
            company_ids: only of these; all that may be seen by default.
            types: only of these names; all by default.
            since: first what came after the event of this number; 0 for all that is kept. From now on by default.
            patience: seconds without a connection after which it gives up; never by default, once it was connected.
        """
        return EventStream(self._connection, company_ids=company_ids, types=types, since=since, patience=patience)
