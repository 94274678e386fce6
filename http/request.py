"""A request that was let in: who asks, about which company and entity, and the ways to the actors."""

from collections.abc import Coroutine, Mapping
from typing import Any, Generic

import msgspec
from aiohttp import web
from typing_extensions import TypeVar

from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.errors import Forbidden
from opencognit.domain.kinds import Kind
from opencognit.domain.message import Message
from opencognit.domain.origin import Origin
from opencognit.domain.query import Paging
from opencognit.http.decoding import decode_body, read_document
from opencognit.runtime import Runtime
from opencognit.store.reading import Page

R = TypeVar("R")
Body = TypeVar("Body", covariant=True, default=Any)  # noqa: PLC0105 - `Request[Body]` reads as it is meant
Asked = TypeVar("Asked", covariant=True, default=Any)  # noqa: PLC0105
Element = TypeVar("Element")


class Listing(msgspec.Struct, Generic[Element], frozen=True):
    """A page of a list of such elements, on its way to the client."""

    page: Page
    limit: int
    offset: int
    newest_first: bool = False

    def following(self) -> Mapping[str, int] | None:
        """The query parameters of the next page; None for the last."""
        if self.newest_first:
            older = self.page.older
            return None if older is None else {"limit": self.limit, "before": older}
        offset = self.offset + self.limit
        return {"limit": self.limit, "offset": offset} if offset < self.page.total else None


class Request(Generic[Body, Asked]):
    """What a route works with: `Request[CreateTask]` has that body, `Request[None, Paging]` that query and no body.

    Attributes:
        raw: aiohttp's request.
        runtime: everything behind HTTP.
        caller: who asks, from the token.
        company_id: the company that the request is about; empty for routes without one.
        subject: the committed state of what `{id}` names; None for routes without one.
        query: the parameters of the query; None for routes that take none.
        origin: goes with every message.
    """

    def __init__(
        self,
        raw: web.Request,
        runtime: Runtime,
        *,
        caller: Caller,
        company_id: str,
        subject: Any,
        origin: Origin,
        body: type[Body],
        query: Asked,
    ) -> None:
        self.raw = raw
        self.runtime = runtime
        self.caller = caller
        self.company_id = company_id
        self.subject = subject
        self.origin = origin
        self.query = query
        self._body = body

    @property
    def id(self) -> str:
        """What `{id}` in the path names."""
        return self.raw.match_info["id"].lower()

    @property
    def agent_id(self) -> str | None:
        """The calling agent; None where a person calls."""
        return self.caller.id if self.caller.kind is CallerKind.AGENT else None

    async def body(self) -> Body:
        """The body, decoded and checked.

        Raises:
            ValidationFailed: it is not JSON, or not of this form.
            UnsupportedMediaType: it says that it is something other than JSON.
        """
        return await decode_body(self.raw, self._body)

    async def document(self) -> bytes:
        """The body as JSON, which may have come as YAML; of routes that take documents.

        Raises:
            ValidationFailed: it is not YAML, although it says so.
            UnsupportedMediaType: it says that it is neither.
        """
        return await read_document(self.raw)

    def ask(
        self, kind: Kind[Any], message: Message[R], *, entity_id: str | None = None, wait: float = 0
    ) -> Coroutine[Any, Any, R]:
        """Ask the actor of the subject, or another one.

        Args:
            kind: which kind of actor.
            message: what is asked.
            entity_id: another than `{id}`.
            wait: seconds that the answer may take beyond the usual.
        """
        system = self.runtime.system
        return system.ask(
            kind,
            entity_id or self.id,
            message,
            origin=self.origin,
            deadline=system.limits.ask_deadline + wait,
        )

    def create(self, kind: Kind[Any], message: Message[R]) -> Coroutine[Any, Any, R]:
        """Ask a new actor to come into being."""
        return self.runtime.system.create(kind, message, origin=self.origin)

    def act_as(self, agent_id: str) -> None:
        """Refuse an agent that wants to act as another one.

        Raises:
            Forbidden: it does.
        """
        if self.agent_id is not None and self.agent_id != agent_id.lower():
            raise Forbidden("An agent acts only as itself")

    def paging(self: "Request[Any, Paging]") -> tuple[int, int]:
        """(limit, offset) of a list."""
        return self.query.limit, self.query.offset
