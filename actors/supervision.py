"""When a failed actor may try again: at once, after a pause, or not for a while.

The rule is Erlang's restart intensity ("supervisor", OTP Design Principles): an actor that fails more than
`RESTARTS` times in `WINDOW` seconds is not brought back at once any more; here it is quarantined for `QUARANTINE`.
These are seconds of the machine, not of the company's clock: they protect the processor.
"""

from collections import deque
from typing import Final

from opencognit.domain.errors import Unavailable

RESTARTS: Final = 5
WINDOW: Final = 60.0
QUARANTINE: Final = 60.0
FIRST_PAUSE: Final = 0.005


class ActorCrashed(Unavailable):
    """The actor failed while it handled this message; it is being restarted from its last durable state."""

    code = "INTERNAL_ERROR"
    status = 500
    sentence = "Something went wrong on our side; look at what is there before you try again"


class FailureLog:
    """The recent failures of one actor."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=RESTARTS + 1)

    def add(self, now: float) -> float | None:
        """Count a failure; returns the pause before the restart in seconds, or None for quarantine.

        The pause doubles with each failure inside the window: 5, 10, 20, 40, 80 ms.
        """
        self._times.append(now)
        recent = sum(1 for time in self._times if now - time < WINDOW)
        if recent > RESTARTS:
            return None
        return FIRST_PAUSE * (1 << (recent - 1))
