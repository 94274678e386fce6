"""What the parts of a company's file are drafted with: new ids for those of the file, and a list of what is wrong."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, overload

from opencognit.domain.circles import circle
from opencognit.domain.company_file import CompanyFile, MissingSecret
from opencognit.domain.instants import Instant
from opencognit.domain.problems import Problems
from opencognit.domain.records import Created, Record
from opencognit.domain.wire_names import FILE_FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

AT_ONCE: Final = 200
"""Parts that are drafted before others have their turn on the loop."""


class Part(Protocol):
    """Anything of the file that has an id."""

    @property
    def id(self) -> str:
        """By which the other parts name it."""


P = TypeVar("P", bound=Part)


class Named:
    """The parts of one kind, and the ids that they get.

    Args:
        rows: the parts.
        kind: the list's name in English.
        problems: takes up what is wrong.
    """

    def __init__(self, rows: Sequence[Part], kind: str, problems: Problems) -> None:
        self._rows = rows
        self._kind = kind
        self._problems = problems
        self.ids: dict[str, str] = {}

    async def number(self, new_id: Callable[[], str]) -> None:
        """Give each part its id."""
        async for place, row in calmly(self._rows, self):
            if row.id in self.ids:
                self._problems.add(f"{place}.id", "stands in the file more than once")
            self.ids[row.id] = new_id()

    def place(self, index: int) -> str:
        """Where a part stands in the file."""
        return f"{FILE_FIELDS[self._kind]}[{index}]"

    def of(self, key: str | None, place: str, field: str) -> str | None:
        """The id of the part that this field of another one names; a name that means nothing is noted."""
        if key is not None and key not in self.ids:
            self._problems.add(f"{place}.{FILE_FIELDS[field]}", f"is not one of the file's {self._kind}: {key!r}")
        return self.ids.get(key) if key is not None else None

    async def refuse_circle(self, field: str, leads_to: Sequence[tuple[str, ...]]) -> None:
        """Note a circle that the parts form by this field; for each part, what it names there."""
        ways = {row.id: others for row, others in zip(self._rows, leads_to, strict=True)}
        # In a thread: for a hundred thousand tasks it takes a second.
        found = await asyncio.to_thread(circle, ways)
        if found:
            at = next(index for index, row in enumerate(self._rows) if row.id == found[0])
            way = " → ".join((*found, found[0]))
            self._problems.add(f"{self.place(at)}.{FILE_FIELDS[field]}", f"goes round in a circle: {way}")


class Draft:
    """A company that is being drafted.

    Attributes:
        leaders: those of the file's agents that are orchestrators.
        missing: the secrets that have to be filled in.
        records: all that is to be written beside the company itself.
    """

    def __init__(self, system: "ActorSystem", file: CompanyFile, company_id: str, now: Instant) -> None:
        self.system = system
        self.file = file
        self.company_id = company_id
        self.now = now
        self.problems = Problems()
        self.agents = Named(file.agents, "agents", self.problems)
        self.goals = Named(file.goals, "goals", self.problems)
        self.tasks = Named(file.tasks, "tasks", self.problems)
        self.routines = Named(file.routines, "routines", self.problems)
        self._new: dict[str, str] = {}
        self.leaders: set[str] = set()
        self.missing: list[MissingSecret] = []
        self.records: list[Record] = []

    async def number(self) -> None:
        """Give all parts their ids; nothing can be drafted before."""
        for named in (self.agents, self.goals, self.tasks, self.routines):
            await named.number(self.new_id)
            self._new |= named.ids

    @overload
    def readdressed(self, text: str) -> str: ...
    @overload
    def readdressed(self, text: str | None) -> str | None: ...
    def readdressed(self, text: str | None) -> str | None:
        """A text that people and agents read, in which new ids stand for those of the file; only UUIDs can be told."""
        return text if text is None else _UUID.sub(lambda found: self._new.get(found[0], found[0]), text)

    def new_id(self) -> str:
        """A new id."""
        return self.system.ids.new_id()

    def created(self) -> list[Created]:
        """The entities among the records."""
        return [record for record in self.records if isinstance(record, Created)]


async def calmly(rows: Sequence[P], named: Named) -> AsyncIterator[tuple[str, P]]:
    """(the place of each part, the part); others have their turn in between."""
    for index, row in enumerate(rows):
        if index % AT_ONCE == 0:
            await asyncio.sleep(0)
        yield named.place(index), row
