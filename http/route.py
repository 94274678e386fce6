"""The route table: each route says its method, its path, what it is about, and the right that it needs.

What it takes and answers, it says by the types of its handler: `Request[CreateTask]` has that body, and
`Request[None, Paging]` that query. Access, requests, answers, tenancy tests and the OpenAPI document read this table; a
route that is not in it does not exist.
"""

import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web

from opencognit.domain.caller import Right
from opencognit.domain.errors import DomainError
from opencognit.domain.message import Entity
from opencognit.domain.query import Query
from opencognit.http.request import Listing, Request

Handler = Callable[[Request], Awaitable[Any]]
H = TypeVar("H", bound=Handler)

EXAMPLE_ID: Final = "0197f3a5-2b6c-7e41-8d0a-5c1f9e7b3a64"
"""For examples of bodies that name something."""

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT: Final = "Last-Event-ID"
"""The header by which a client says how far it has read a stream (HTML Standard, 9.2)."""

_PARAMETER = re.compile(r"\{(\w+)\}")


class Subject(StrEnum):
    """What `{id}` in the path names; from it follows the company that the request is about."""

    PUBLIC = "public"
    """Nothing; and nobody needs to sign in."""
    SIGNED_IN = "signed_in"
    """Nothing that belongs to a company; any signed-in user."""
    COMPANY = "company"
    AGENT = "agent"
    TASK = "task"
    RUN = "run"
    APPROVAL = "approval"
    MEETING = "meeting"
    GOAL = "goal"
    ROUTINE = "routine"
    TRIGGER = "trigger"
    SUBSCRIPTION = "subscription"


class Agents(StrEnum):
    """What an agent's own token may do with a route."""

    NEVER = "never"
    COMPANY = "company"
    """In its own company."""
    ITSELF = "itself"
    """Only where the subject is the agent itself."""


class Proof(StrEnum):
    """By what a route that is public knows its caller all the same."""

    ONE_TIME_TOKEN = "one_time_token"  # noqa: S105 - no secret
    """The token that an order was sent out with, as the bearer."""
    SIGNATURE = "signature"
    """A signature of the body, as the Standard Webhooks specification says."""


class Written(msgspec.Struct, frozen=True):
    """What is in a response that a handler writes itself: `Annotated[web.Response, Written(Inbox)]`."""

    kind: Any
    media_type: str = "application/json"
    also: tuple[int, ...] = ()
    """Other statuses with which it comes."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    method: str
    path: str
    handler: Handler
    subject: Subject
    right: Right | None
    agents: Agents
    status: int
    secret: bool
    """Whether its answer holds a secret, which is then only ever kept sealed."""
    proof: Proof | None
    errors: tuple[type[DomainError], ...]
    """What it may refuse beside what every route of its kind may."""
    body: Any
    """The type of its body; None where it takes none."""
    query: type[Query] | None
    answer: Any
    """The type of its answer: a struct, a `Listing` of them, or `Written`."""
    is_document: bool
    """Whether its body may come as YAML, too, and be as large as `server.largest_import_bytes` says."""
    example: dict[str, Any] | msgspec.Struct | None
    """A body that it takes: a value, or fields by their English names."""

    @property
    def resource(self) -> str:
        """What it belongs to: the name of its file."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        """Its resource and its handler: `tasks_checkout`."""
        return f"{self.resource}_{self.handler.__name__}"

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return _PARAMETER.findall(self.path)

    @property
    def is_list(self) -> bool:
        """Whether it answers with a list."""
        return get_origin(self.answer) is Listing

    @property
    def element(self) -> Any:
        """The type of what it answers with; of one element, where that is a list."""
        if isinstance(self.answer, Written):
            return self.answer.kind
        return get_args(self.answer)[0] if self.is_list else self.answer

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of its answer."""
        return (self.status, *(self.answer.also if isinstance(self.answer, Written) else ()))

    @property
    def has_version(self) -> bool:
        """Whether its answer has a version, and so an `ETag`."""
        return isinstance(self.answer, type) and issubclass(self.answer, Entity)

    @property
    def is_stream(self) -> bool:
        """Whether its answer goes on for as long as the client wants it."""
        return isinstance(self.answer, Written) and self.answer.media_type == EVENT_STREAM

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether the same request again gives the first answer again."""
        return self.method == "POST"

    @property
    def takes_version(self) -> bool:
        """Whether `If-Match` makes it conditional."""
        return self.method in ("PATCH", "DELETE")


class Routes:
    """The routes of one resource."""

    def __init__(self) -> None:
        self.table: list[Route] = []

    def add(
        self,
        method: str,
        path: str,
        *,
        subject: Subject,
        right: Right | None = None,
        agents: Agents = Agents.NEVER,
        status: int = 200,
        secret: bool = False,
        proof: Proof | None = None,
        errors: tuple[type[DomainError], ...] = (),
        is_document: bool = False,
        example: dict[str, Any] | msgspec.Struct | None = None,
    ) -> Callable[[H], H]:
        """Enter a handler into the table.

        Raises:
            ValueError: a route about something of a company names no right, or a handler not what it answers.
        """
        if right is None and subject not in (Subject.PUBLIC, Subject.SIGNED_IN):
            raise ValueError(f"{method} {path} needs a right")

        def enter(handler: H) -> H:
            body, query = _taken(handler)
            self.table.append(
                Route(
                    method=method,
                    path=path,
                    handler=handler,
                    subject=subject,
                    right=right,
                    agents=agents,
                    status=status,
                    secret=secret,
                    proof=proof,
                    errors=errors,
                    body=body,
                    query=query,
                    answer=_answered(handler),
                    is_document=is_document,
                    example=example,
                )
            )
            return handler

        return enter


def _taken(handler: Handler) -> tuple[Any, type[Query] | None]:
    """The types of body and query that a handler's `Request[...]` names; None where it takes none."""
    body, query = get_args(handler.__annotations__["request"]) or (None, None)
    has_query = isinstance(query, type) and issubclass(query, Query)
    return None if body is type(None) else body, query if has_query else None


def _answered(handler: Handler) -> Any:
    """The type that a handler answers with."""
    answer = handler.__annotations__.get("return")
    if get_origin(answer) is Annotated:
        answer = next((part for part in get_args(answer) if isinstance(part, Written)), None)
    is_class = isinstance(answer, type)
    if answer in (None, Any) or (is_class and (issubclass(answer, web.StreamResponse) or issubclass(answer, Generic))):
        raise ValueError(f"{handler.__module__}.{handler.__name__}() does not say what it answers")
    return answer
