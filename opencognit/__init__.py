"""OpenCognit: an actor-model runtime for companies made of AI agents.

A program embeds a whole runtime: `Runtime`, or `BlockingRuntime` where there is no asyncio, with its `Settings` (a
value that cannot be is a `SettingsError`). What is refused is a `DomainError`; `MailboxFull` is one to try again later.
`runtime.system`, an `ActorSystem`, reaches any actor by its kind (`COMPANY`, `AGENT`, `TASK_LOCK`, `APPROVAL`,
`GOAL`, `MEETING`, `ROUTINE`, `SUBSCRIPTION`) and id.

The actor library is of use alone: `AsyncioActor` is Pykka's actor on an event loop, answers come as `AsyncioFuture`,
a handler that answers afterwards returns `Later`, and what would block the loop raises `WouldDeadlockError`.
"""

from opencognit.actors.asyncio_actor import AsyncioActor, Later
from opencognit.actors.asyncio_future import AsyncioFuture, WouldDeadlockError
from opencognit.actors.system import ActorSystem
from opencognit.blocking import BlockingRuntime
from opencognit.domain.errors import DomainError, MailboxFull
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, GOAL, MEETING, ROUTINE, SUBSCRIPTION, TASK_LOCK
from opencognit.runtime import Runtime
from opencognit.settings import Settings, SettingsError

__version__ = "0.1.0"

__all__ = [
    "AGENT",
    "APPROVAL",
    "COMPANY",
    "GOAL",
    "MEETING",
    "ROUTINE",
    "SUBSCRIPTION",
    "TASK_LOCK",
    "ActorSystem",
    "AsyncioActor",
    "AsyncioFuture",
    "BlockingRuntime",
    "DomainError",
    "Later",
    "MailboxFull",
    "Runtime",
    "Settings",
    "SettingsError",
    "WouldDeadlockError",
    "__version__",
]
