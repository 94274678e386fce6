"""An event loop in a thread of its own, for programs without asyncio."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class LoopThread:
    """The loop and its thread; there is neither before `start`."""

    def __init__(self) -> None:
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def start(self) -> None:
        """Start the thread."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="opencognit", daemon=True)
        self._running = loop, thread
        thread.start()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the loop and wait for its result; whoever is interrupted meanwhile no longer wants it.

        Raises:
            RuntimeError: the loop does not run.
        """
        if self._running is None:
            work.close()
            raise RuntimeError("This is not open: use it as a context manager")
        result = asyncio.run_coroutine_threadsafe(work, self._running[0])
        try:
            return result.result()
        except BaseException:
            result.cancel()
            raise

    def stop(self) -> None:
        """End the thread and close the loop."""
        if self._running is not None:
            (loop, thread), self._running = self._running, None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
