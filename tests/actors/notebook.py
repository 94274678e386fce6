"""A persistent actor to experiment on: its snapshot is a company's, and it does what it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.ports import Limits, Outside, Post, SecretKeeper, Surroundings
from opencognit.actors.system import ActorSystem
from opencognit.clock import SystemIds
from opencognit.domain.company import Company
from opencognit.domain.directory import Directory
from opencognit.domain.errors import Duplicate
from opencognit.domain.kinds import COMPANY
from opencognit.domain.message import Message
from opencognit.store.store import Store
from opencognit.testing import ManualClock


class Open(Message[Company], frozen=True, kw_only=True):
    """Begin the notebook."""

    name: str


class Rename(Message[Company], frozen=True, kw_only=True):
    """Give it another name."""

    name: str


class Do(Message[Any], frozen=True):
    """Whatever the function does with the actor."""

    what: Callable[[Any], Awaitable[Any]]


class Notebook(PersistentActor[Company]):
    kind = COMPANY
    protocol = Open | Rename | Do
    mailbox_limit = 5

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pencilled: list[str] = []
        self.quarantined_for: BaseException | None = None
        self.rests = asyncio.Event()
        self.has_left = asyncio.Event()

    @override
    def forget(self) -> None:
        self.pencilled.clear()

    @override
    async def quarantined(self, error: BaseException) -> None:
        self.quarantined_for = error
        self.rests.set()

    @override
    def leave(self) -> None:
        super().leave()
        self.has_left.set()

    async def open(self, message: Open) -> Company:
        if message.name == "refused":
            raise Duplicate
        return await self.persist(Company(id=self.id, name=message.name))

    async def rename(self, message: Rename) -> Company:
        return await self.persist(replace(self.existing(), name=message.name))

    async def do(self, message: Do) -> Any:
        return await message.what(self)


@asynccontextmanager
async def system_of_notebooks(folder: Path, *, clock: ManualClock) -> AsyncIterator[ActorSystem]:
    """A system with a real store in this folder."""
    store = await Store.open(folder / "notebooks.db", publish=lambda _events: None, allow_old_sqlite=True)
    surroundings = Surroundings(
        store=store,
        clock=clock,
        ids=SystemIds(),
        directory=Directory(),
        providers={},
        secrets=cast("SecretKeeper", None),
        outside=cast("Outside", None),
        post=cast("Post", None),
        limits=Limits(ask_deadline=20),
    )
    system = ActorSystem(surroundings, {"company": Notebook})
    try:
        yield system
    finally:
        await system.close()
        await store.close()


def live(system: ActorSystem, entity_id: str) -> Notebook | None:
    """The notebook, if it is awake."""
    return next((cast("Notebook", actor) for actor in system.live() if actor.id == entity_id), None)


def crash(error: BaseException) -> Do:
    """A message whose handler raises."""

    async def raise_it(_actor: Notebook) -> None:
        raise error

    return Do(raise_it)


def pencil(text: str) -> Do:
    """A message that notes something in memory alone, and answers with all such notes."""

    async def write(actor: Notebook) -> list[str]:
        actor.pencilled.append(text)
        return list(actor.pencilled)

    return Do(write)
