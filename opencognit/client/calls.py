"""The table of calls: each says its path, its method, what it takes and what it is answered with, for both clients.

    class Tasks(Resource[Mode]):
        create = TASKS.call("POST", Task, CreateTask)

`client.tasks.create(company_id, title="Build it")` then takes the company's id and the fields of `CreateTask`, and is
answered with a `Task`: the type checker knows it all. The asyncio client awaits it, the blocking one waits for it.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from copy import copy
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from urllib.parse import quote

import msgspec
from aiohttp import hdrs

from opencognit.client.connection import Connection, Outgoing
from opencognit.client.errors import UnexpectedAnswer
from opencognit.domain.message import decode, encode

P = ParamSpec("P")
Ids = ParamSpec("Ids")
R = TypeVar("R")

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on the loop of a blocking client, and waits for it."""

_NAMED = re.compile(r"\{\w+\}")


class Awaiting:
    """Marks what belongs to the asyncio client."""


class Blocking:
    """Marks what belongs to the blocking client."""


Mode = TypeVar("Mode")
"""`Awaiting` or `Blocking`."""


class Resource(Generic[Mode]):
    """One kind of thing on the server, and what can be done with it."""

    def __init__(self, connection: Connection, run: Run | None) -> None:
        self.connection = connection
        self.blocking_run = run
        self.expected_version: int | None = None

    def at(self, version: int) -> Self:
        """The same, for a change that is refused with `VersionConflict` if what it is about has another version now.

        `client.tasks.at(task.version).update(task.id, title="Other")`
        """
        narrowed = copy(self)
        narrowed.expected_version = version
        return narrowed


class Call(Generic[P, R]):
    """One entry of the table. As an attribute of a resource it is what can be called: an `Asked`, or a `Waited`.

    Attributes:
        method, path: what it asks.
        answer: the type of what it is answered with.
        fields: what makes its body (or, of a GET, its query) of keyword arguments; None where it takes none.
    """

    def __init__(
        self,
        method: str,
        path: str,
        answer: type[R],
        fields: Callable[..., object] | None,
        *,
        accepted: int | None = None,
        repeatable: bool = True,
    ) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        self.fields = fields
        self._accepted = accepted
        self._repeatable = repeatable

    @overload
    def __get__(self, resource: Resource[Awaiting], owner: type) -> "Asked[P, R]": ...
    @overload
    def __get__(self, resource: Resource[Blocking], owner: type) -> "Waited[P, R]": ...
    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        if resource is None:
            return self
        asked = Asked(self, resource)
        return asked if resource.blocking_run is None else Waited(asked, resource.blocking_run)

    def outgoing(self, ids: tuple[Any, ...], given: Mapping[str, Any], *, version: int | None = None) -> Outgoing:
        """The request for such arguments.

        Raises:
            TypeError: they are none that it takes.
        """
        named = _NAMED.findall(self.path)
        if len(ids) != len(named):
            raise TypeError(f"{self.method} {self.path} takes {len(named)} ids, not {len(ids)}")
        words = self._in_wire_words(given)
        is_query = self.method == hdrs.METH_GET
        path = self.path
        for name, value in zip(named, ids, strict=True):
            path = path.replace(name, quote(str(value), safe=""))
        return Outgoing(
            method=self.method,
            path=path,
            query={name: _as_text(value) for name, value in words.items() if value is not None} if is_query else {},
            body=None if is_query or self.fields is None else encode(words),
            version=version,
            accepted=self._accepted,
            repeatable=self._repeatable,
        )

    def _in_wire_words(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Only what is given: what is not, the server knows better."""
        if self.fields is None:
            if given:
                raise TypeError(f"{self.method} {self.path} takes no {', '.join(given)}")
            return {}
        made = self.fields(**given)
        if not isinstance(made, msgspec.Struct):
            return dict(given)
        names = dict(zip(made.__struct_fields__, made.__struct_encode_fields__, strict=True))
        return {names[name]: value for name, value in given.items() if value is not msgspec.UNSET}


class Asked(Generic[P, R]):
    """A call that is awaited."""

    def __init__(self, call: Call[P, R], resource: Resource[Any]) -> None:
        self._call = call
        self._resource = resource

    async def __call__(self, *ids: P.args, **fields: P.kwargs) -> R:
        """Ask; a refusal is raised as the `DomainError` that it is."""
        return understood(await self.raw(*ids, **fields), self._call.answer)

    async def raw(self, *ids: P.args, **fields: P.kwargs) -> bytes:
        """The answer's JSON, as the server wrote it."""
        resource = self._resource
        outgoing = self._call.outgoing(ids, fields, version=resource.expected_version)
        return (await resource.connection.send(outgoing)).body


class Waited(Generic[P, R]):
    """A call that waits for its answer."""

    def __init__(self, asked: Asked[P, R], run: Run) -> None:
        self._asked = asked
        self._run = run

    def __call__(self, *ids: P.args, **fields: P.kwargs) -> R:
        """Ask; a refusal is raised as the `DomainError` that it is."""
        answer: R = self._run(self._asked(*ids, **fields))
        return answer

    def raw(self, *ids: P.args, **fields: P.kwargs) -> bytes:
        """The answer's JSON, as the server wrote it."""
        body: bytes = self._run(self._asked.raw(*ids, **fields))
        return body


class Pages(Generic[P, R]):
    """An entry of the table for a list. As an attribute of a resource it is `AskedPages`, or `WaitedPages`.

    Attributes:
        call: the call for one page.
        row: the type of one row.
    """

    def __init__(self, path: str, row: type[R], query: Callable[..., object]) -> None:
        self.call: Call[P, list[msgspec.Raw]] = Call(hdrs.METH_GET, path, list[msgspec.Raw], query)
        self.row = row

    @overload
    def __get__(self, resource: Resource[Awaiting], owner: type) -> "AskedPages[P, R]": ...
    @overload
    def __get__(self, resource: Resource[Blocking], owner: type) -> "WaitedPages[P, R]": ...
    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        if resource is None:
            return self
        asked = AskedPages(self, resource)
        return asked if resource.blocking_run is None else WaitedPages(asked, resource.blocking_run)


class AskedPages(Generic[P, R]):
    """A list that is gone through with `async for`; it fetches one page after the other."""

    def __init__(self, pages: Pages[P, R], resource: Resource[Any]) -> None:
        self._pages = pages
        self._resource = resource

    async def __call__(self, *ids: P.args, **fields: P.kwargs) -> AsyncGenerator[R]:
        """Every row from `offset` on; `limit` is how many are fetched at a time."""
        async for row in self.raw(*ids, **fields):
            yield understood(row, self._pages.row)

    async def raw(self, *ids: P.args, **fields: P.kwargs) -> AsyncGenerator[bytes]:
        """The JSON of every row, as the server wrote it."""
        outgoing = self._pages.call.outgoing(ids, fields)
        while True:
            reply = await self._resource.connection.send(outgoing)
            for row in understood(reply.body, list[msgspec.Raw]):
                yield bytes(row)
            if reply.following is None:
                return
            outgoing = msgspec.structs.replace(outgoing, query=reply.following)


class WaitedPages(Generic[P, R]):
    """A list that is gone through with `for`; it fetches one page after the other."""

    def __init__(self, asked: AskedPages[P, R], run: Run) -> None:
        self._asked = asked
        self._run = run

    def __call__(self, *ids: P.args, **fields: P.kwargs) -> Iterator[R]:
        """Every row from `offset` on; `limit` is how many are fetched at a time."""
        return waited(self._asked(*ids, **fields), self._run)

    def raw(self, *ids: P.args, **fields: P.kwargs) -> Iterator[bytes]:
        """The JSON of every row, as the server wrote it."""
        return waited(self._asked.raw(*ids, **fields), self._run)


def understood(body: bytes, wanted: type[R]) -> R:
    """The value that the server's JSON stands for.

    Raises:
        UnexpectedAnswer: it is of another form, such as a much newer server's.
    """
    try:
        return decode(body, wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(f"The server's answer is not what was asked for: {error}", status=200) from error


def waited(rows: AsyncIterator[R], run: Run) -> Iterator[R]:
    """The same, waiting for each."""
    nothing = object()
    while (row := run(_next(rows, nothing))) is not nothing:
        yield row


async def _next(rows: AsyncIterator[R], default: object) -> R | object:
    return await anext(rows, default)


class Path(Generic[Ids]):
    """A path of the API. `Path[[str]]` names one id, as `/api/tasks/{id}` does."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __truediv__(self, words: str) -> "Path[Ids]":
        return Path(f"{self._path}/{words}")

    @overload
    def call(self, method: str, answer: type[R], *, accepted: int | None = None) -> Call[Ids, R]: ...
    @overload
    def call(
        self: "Path[[]]", method: str, answer: type[R], fields: Callable[P, object], *, repeatable: bool = True
    ) -> Call[P, R]: ...
    @overload
    def call(
        self: "Path[[str]]", method: str, answer: type[R], fields: Callable[P, object]
    ) -> Call[Concatenate[str, P], R]: ...
    @overload
    def call(
        self: "Path[[str, str]]", method: str, answer: type[R], fields: Callable[P, object]
    ) -> Call[Concatenate[str, str, P], R]: ...
    def call(
        self, method: str, answer: type[Any], fields: Callable[..., object] | None = None, **options: Any
    ) -> Call[Any, Any]:
        """What is done there by this method, and answered with this; with the fields of a body, or of a GET's query."""
        return Call(method, self._path, answer, fields, **options)

    @overload
    def pages(self: "Path[[]]", row: type[R], query: Callable[P, object]) -> Pages[P, R]: ...
    @overload
    def pages(self: "Path[[str]]", row: type[R], query: Callable[P, object]) -> Pages[Concatenate[str, P], R]: ...
    def pages(self, row: type[Any], query: Callable[..., object]) -> Pages[Any, Any]:
        """The list there, of such rows."""
        return Pages(self._path, row, query)


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
