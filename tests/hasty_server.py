"""The server in a process of its own, as `python -m tests.hasty_server serve …`, for which ten minutes are a second.

The environment variable HASTY_SINCE says (in seconds, as `time.time()`) when it was as late there as anywhere else, so
that the time goes on over a restart.
"""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from opencognit import runtime
from opencognit.cli import main
from opencognit.clock import Timer
from opencognit.domain.instants import Instant, instant, moment

SPEED: Final = 600
SINCE: Final = float(os.environ.get("HASTY_SINCE", "0"))


class HastyClock:
    """A clock that runs fast."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> Instant:
        return instant(datetime.fromtimestamp(SINCE + (time.time() - SINCE) * SPEED, UTC))

    def call_at(self, when: Instant, callback: Callable[[], None]) -> Timer:
        seconds = (moment(when) - moment(self.now())).total_seconds() / SPEED
        # A little later, since an instant has milliseconds only, and never before its time.
        return self._loop.call_later(max(seconds, 0) + 0.001, callback)


if __name__ == "__main__":
    runtime.SystemClock = HastyClock  # type: ignore[misc, assignment]
    main()
