"""What one run does outside that may not simply be done again: recorded before it begins, and again with its result.

After a crash, an effect without a result is never repeated by itself: a person is asked (`escalation.py`). The record
is the write-ahead log of what a database cannot take back (J. Gray, "Notes on Data Base Operating Systems", 1978).
"""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from opencognit.domain.agent import NoteEffects
from opencognit.domain.kinds import AGENT
from opencognit.domain.origin import Origin
from opencognit.domain.run import Effect, Run, open_effect

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

KEPT: Final = 50
"""Effects of a run that are remembered; the newest stay."""

TOLD: Final = 500
"""Characters of an effect and of its result that are remembered."""


class RunEffects:
    """The effects of one run.

    Attributes:
        all: what was begun so far, oldest first.
        answering: the messages that the run answers, if it does.
    """

    def __init__(self, system: "ActorSystem", run: Run, origin: Origin) -> None:
        self.all: tuple[Effect, ...] = ()
        self.answering: tuple[str, ...] = ()
        self._system = system
        self._run = run
        self._origin = origin

    @property
    def uncertain(self) -> Effect | None:
        """What has begun and has no result yet."""
        return open_effect(self.all)

    async def begin(self, what: str) -> None:
        """Record that this is about to be done; durable on return.

        Raises:
            DomainError: it could not be recorded, so it must not be done.
        """
        effect = Effect(description=what[:TOLD], began_at=self._system.clock.now())
        await self._note((*self.all, effect)[-KEPT:])

    async def end(self, result: str) -> None:
        """Record what came of the newest one."""
        await self._note((*self.all[:-1], replace(self.all[-1], result=result[:TOLD])))

    def ended(self, result: str) -> tuple[Effect, ...]:
        """All of them, for the record of a run that has come to its end; one that is still open ended with it."""
        if self.uncertain is None:
            return self.all
        return (*self.all[:-1], replace(self.all[-1], result=result[:TOLD]))

    async def _note(self, effects: tuple[Effect, ...]) -> None:
        note = NoteEffects(run_id=self._run.id, effects=effects, answering=self.answering)
        await self._system.ask(AGENT, self._run.agent_id, note, origin=self._origin)
        self.all = effects
