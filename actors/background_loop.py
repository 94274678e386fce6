"""The event loop for programs that have none: one daemon thread, started when the first actor needs it."""

import asyncio
import logging
import threading

_log = logging.getLogger("pykka")

_starting = threading.Lock()
_running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None


def background_loop() -> asyncio.AbstractEventLoop:
    """The shared background loop, running. Callable from any thread."""
    global _running  # noqa: PLW0603 - one loop for the whole process is the point
    with _starting:
        # A fork takes the loop along, but not its thread.
        if _running is None or _running[0].is_closed() or not _running[1].is_alive():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_run, args=(loop,), name="actors", daemon=True)
            thread.start()
            _running = loop, thread
        return _running[0]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException:  # noqa: BLE001 - a task that ends with SystemExit must not silence all the others
            _log.exception("The actors' event loop was interrupted and goes on")
