"""Small actors to experiment on, and ways to talk to them that are bounded in time."""

import asyncio

from opencognit.actors.asyncio_actor import AsyncioActor

WAIT = 30
"""Seconds after which something that should happen is taken for not happening."""


class Echo(AsyncioActor):
    def on_receive(self, message):
        return message


class Doing(AsyncioActor):
    """Does what the message says: a function of the actor, plain or async."""

    def __init__(self, *, on_start=None, on_stop=None, on_failure=None):
        super().__init__()
        self._on_start, self._on_stop, self._on_failure = on_start, on_stop, on_failure
        self.log: list[object] = []

    def on_start(self):
        return self._on_start(self) if self._on_start else None

    def on_stop(self):
        return self._on_stop(self) if self._on_stop else None

    def on_failure(self, *_exc_info):
        return self._on_failure(self) if self._on_failure else None

    def on_receive(self, message):
        return message(self)


class Small(Echo):
    mailbox_limit = 3


def crash(error):
    """A message that raises."""

    def raise_it(_actor):
        raise error

    return raise_it


def note(what):
    """A message that leaves a note in the actor's log and answers with the whole log."""

    def write(actor):
        actor.log.append(what)
        return list(actor.log)

    return write


async def ask(ref, message):
    async with asyncio.timeout(WAIT):
        return await ref.ask(message, block=False)


async def ending(future):
    """How an answer ended: its value, or its error."""
    async with asyncio.timeout(WAIT):
        try:
            return await future
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            return error
