"""The route table: each route says its method, its path, what it is about, and the right that it needs.

Access, tenancy tests and documentation read this table; a route that is not in it does not exist.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from opencognit.domain.caller import Right

if TYPE_CHECKING:
    from opencognit.http.request import Request

Handler = Callable[["Request"], Awaitable[Any]]
H = TypeVar("H", bound=Handler)


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


class Agents(StrEnum):
    """What an agent's own token may do with a route."""

    NEVER = "never"
    COMPANY = "company"
    """In its own company."""
    ITSELF = "itself"
    """Only where the subject is the agent itself."""


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
    ) -> Callable[[H], H]:
        """Enter a handler into the table.

        Raises:
            ValueError: a route about something of a company names no right.
        """
        if right is None and subject not in (Subject.PUBLIC, Subject.SIGNED_IN):
            raise ValueError(f"{method} {path} needs a right")

        def enter(handler: H) -> H:
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
                )
            )
            return handler

        return enter
