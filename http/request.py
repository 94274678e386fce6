"""A request that was let in: who asks, about which company and entity, and the ways to the actors."""

import math
import re
from collections.abc import Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.errors import Forbidden, ValidationFailed
from opencognit.domain.kinds import Kind
from opencognit.domain.message import Message
from opencognit.domain.origin import Origin
from opencognit.http.decoding import decode_body
from opencognit.runtime import Runtime
from opencognit.store.reading import Page

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 500

_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})

# What `float` takes beyond this (blanks, underscores, exponents) is a slip of whoever wrote the query.
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class Listing(msgspec.Struct, frozen=True):
    """A page of a list, on its way to the client."""

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


class Request:
    """What a route works with.

    Attributes:
        raw: aiohttp's request.
        runtime: everything behind HTTP.
        caller: who asks, from the token.
        company_id: the company that the request is about; empty for routes without one.
        subject: the committed state of what `{id}` names; None for routes without one.
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
    ) -> None:
        self.raw = raw
        self.runtime = runtime
        self.caller = caller
        self.company_id = company_id
        self.subject = subject
        self.origin = origin

    @property
    def id(self) -> str:
        """What `{id}` in the path names."""
        return self.raw.match_info["id"].lower()

    @property
    def agent_id(self) -> str | None:
        """The calling agent; None where a person calls."""
        return self.caller.id if self.caller.kind is CallerKind.AGENT else None

    async def body(self, wanted: type[T]) -> T:
        """The body, decoded and checked.

        Raises:
            ValidationFailed: it is not JSON, or not of this form.
            UnsupportedMediaType: it says that it is something other than JSON.
        """
        return await decode_body(self.raw, wanted)

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

    # Query parameters

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        # Parsing even an empty one costs more than all that most routes do with it.
        return self.raw.query if self.raw.query_string else _NO_PARAMETERS

    def known_query(self, *names: str) -> None:
        """Refuse parameters that nobody reads: a misspelt filter must not show everything.

        Raises:
            ValidationFailed: there is another one.
        """
        for name in self.query:
            if name not in names:
                raise ValidationFailed.of(name, f"is not one of {', '.join(names)}")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number from the query.

        Raises:
            ValidationFailed: it is none, or outside the bounds.
        """
        text = self.query.get(name)
        if text is None:
            return default
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not least <= value <= most:
            raise ValidationFailed.of(name, f"must be a number from {least:g} to {most:g}")
        return value

    def whole_number(self, name: str, default: int, *, least: int, most: int = 2**53) -> int:
        """A whole number from the query.

        Raises:
            ValidationFailed: it is none, or too small or large.
        """
        value = self.number(name, default, least=least, most=most)
        if value != int(value):
            raise ValidationFailed.of(name, "must be a whole number")
        return int(value)

    def paging(self) -> tuple[int, int]:
        """(limit, offset) of a list."""
        limit = self.whole_number("limit", DEFAULT_LIMIT, least=1, most=LARGEST_LIMIT)
        return limit, self.whole_number("offset", 0, least=0)

    def before(self) -> int | None:
        """Where the page before this one of a list read newest first has ended; a `Link` names it."""
        return self.whole_number("before", 0, least=0) if "before" in self.query else None
