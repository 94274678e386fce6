"""The event loop for programs that have none: one daemon thread, started when the first actor needs it."""

import asyncio
import logging
import threading

_log = logging.getLogger("pykka")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def background_loop() -> asyncio.AbstractEventLoop:
    """The shared background loop, running. Callable from any thread."""
    global _loop  # noqa: PLW0603 - one loop for the whole process is the point
    with _starting:
        if _loop is None or _loop.is_closed():
            loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(loop,), name="actors", daemon=True).start()
            _loop = loop
        return _loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException:  # noqa: BLE001 - a task that ends with SystemExit must not silence all the others
            _log.exception("The actors' event loop was interrupted and goes on")
