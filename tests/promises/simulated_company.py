"""A company in a runtime whose clock jumps, whose provider has moods, and whose server can be killed at any commit."""

import asyncio
import itertools
import shutil
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import hypothesis

from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.errors import DomainError
from opencognit.domain.origin import Origin
from opencognit.domain.records import Unit
from opencognit.runtime import Runtime
from opencognit.simulation import SameChance, SimulationLoop
from opencognit.testing import ManualClock, ScriptedProvider
from tests.conftest import quick_settings
from tests.promises.at_rest import AtRest
from tests.promises.moods import Moody

T = TypeVar("T")

HOUR = 3600.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files cost no time; what becomes of a disk is not the matter here."""
NAMES = ("Ada", "Bob", "Cem", "Eve")
SETTINGS = quick_settings(
    approvals={"expire_after_seconds": 20 * HOUR},
    # Few tries in a day without a provider: the same happens with each.
    work={"provider_pause_seconds": 2 * HOUR},
)


class NumberedIds:
    """Ids that are the same in each life, so that a life that fails fails again."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._numbers):012x}"

    def new_secret(self) -> str:
        return f"secret-{next(self._numbers)}"


class SimulatedCompany:
    """Three agents and an orchestrator, at the beginning.

    Attributes:
        runtime: the server that runs at present.
        provider: all that the agents work with.
    """

    runtime: Runtime

    def __init__(self) -> None:
        self._loop = SimulationLoop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._folder = TemporaryDirectory(prefix="opencognit-life-", dir=MEMORY)
        self._ids = NumberedIds()
        self._servers = itertools.count()
        self._copy: Path | None = None
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let something happen, and all that follows from it at once."""

        async def to_the_end() -> T:
            done = await work
            await self._loop.idle()
            return done

        return self._runner.run(to_the_end())

    async def _begin(self) -> None:
        self.clock = ManualClock(settle=self._loop.idle)
        self.provider = Moody(self.clock, NAMES)
        await self._open(self._new_folder())
        self.id = (await self.runtime.create_company(name="Acme")).id
        for name in NAMES:
            await self.runtime.create_agent(
                self.id, name=name, role="R", adapter="scripted", is_orchestrator=name == NAMES[-1]
            )
        caller = Caller(kind=CallerKind.BOARD, id=self._ids.new_id(), name="The board", company_id=self.id)
        self.board = Origin(caller=caller, company_id=self.id)

    # Its server

    def _new_folder(self) -> Path:
        return Path(self._folder.name) / f"server-{next(self._servers)}"

    async def _open(self, folder: Path) -> None:
        self._stack = AsyncExitStack()
        commands = ScriptedProvider(self.provider.command, name="bash")
        self.runtime = Runtime(
            folder,
            settings=SETTINGS,
            clock=self.clock,
            ids=self._ids,
            jitter=SameChance(),
            providers={"scripted": self.provider, "bash": commands},
        )
        self._loop.runtime = self.runtime
        await self._stack.enter_async_context(self.runtime)

    async def start_again(self) -> None:
        """Stop the server, which ends its runs, and start it."""
        await self._stack.aclose()
        await self._open(self.runtime.data)

    def kill_after(self, commits: int) -> None:
        """Kill the server after so many more commits, if it makes them; `mourn` starts it again."""
        store, commit, left = self.runtime.store, self.runtime.store.commit, commits

        def counted(unit: Unit) -> "asyncio.Future[None]":
            nonlocal left
            done = commit(unit)
            left -= 1
            if left == 0:
                store.finish()
                self._copy_all()
            return done

        store.commit = counted  # type: ignore[method-assign]
        if not commits:
            self._copy_all()

    async def mourn(self) -> bool:
        """Start the server that was killed, as the kill has left it; whether there was one."""
        if self._copy is None:
            return False
        # What the old one has done since its death is lost with its folder.
        old, copy, self._copy = self.runtime.data, self._copy, None
        await self._stack.aclose()
        shutil.rmtree(old)
        await self._open(copy)
        return True

    def _copy_all(self) -> None:
        self._copy = self._new_folder()
        shutil.copytree(self.runtime.data, self._copy)

    def close(self) -> None:
        """End."""
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()
            self._folder.cleanup()

    # What is there, and what is asked of it

    def at_rest(self, **known: Any) -> AtRest:
        """All that is stored now."""
        return AtRest(self.runtime, **known)

    async def told(self, kind: Any, entity_id: str, message: Any, *, origin: Origin | None = None) -> None:
        """A client's request: what it is answered with does not matter here, only what is left behind."""
        try:
            await self.runtime.ask(kind, entity_id, message, origin=origin or self.board)
        except DomainError as error:
            hypothesis.event(f"{type(message).__name__}: {type(error).__name__}")

    async def given(self, kind: Any, *messages: Any) -> None:
        """Likewise, for something new."""
        for message in messages:
            try:
                await self.runtime.system.create(kind, message, origin=self.board)
            except DomainError as error:
                hypothesis.event(f"{type(message).__name__}: {type(error).__name__}")
