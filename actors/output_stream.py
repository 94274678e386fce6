"""What a run says, on its way to those who follow: at once when it was silent, gathered while it talks.

A run that talks fast sends one message every tenth of a second, with all that it said meanwhile; of a flood only the
newest is shown, as the whole is kept with the run.
"""

from typing import TYPE_CHECKING, Final

from opencognit.domain.events import RunOutput
from opencognit.domain.instants import after
from opencognit.domain.run import Run

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem
    from opencognit.clock import Timer

BETWEEN: Final = 0.1
"""Seconds between two messages of one run."""

LONGEST: Final = 16_000
"""Characters of one message; the newest stay."""


class OutputStream:
    """The live output of one run.

    Args:
        system: whose followers it is shown to, and whose clock it goes by.
        run: whose output it is.
    """

    def __init__(self, system: "ActorSystem", run: Run) -> None:
        self._system = system
        self._run = run
        self._gathered = ""
        self._pause: Timer | None = None
        self._ended = False

    def add(self, text: str) -> None:
        """Show it now, or with what comes until the next message."""
        if self._ended:
            return
        self._gathered = (self._gathered + text)[-LONGEST:]
        if self._pause is None:
            self._go_on()

    def end(self) -> None:
        """Show what is left; nothing comes after it."""
        self._ended = True
        if self._pause is not None:
            self._pause.cancel()
        if self._gathered:
            self._show()

    def _go_on(self) -> None:
        """Show what was gathered and pause; where nothing was, the next text is shown at once."""
        self._pause = None
        if self._gathered:
            self._show()
            clock = self._system.clock
            self._pause = clock.call_at(after(clock.now(), BETWEEN), self._go_on)

    def _show(self) -> None:
        run, text = self._run, self._gathered
        self._gathered = ""
        self._system.surroundings.show(
            RunOutput(company_id=run.company_id, agent_id=run.agent_id, task_id=run.task_id, run_id=run.id, text=text)
        )
