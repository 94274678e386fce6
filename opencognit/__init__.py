"""OpenCognit: an actor-model runtime for companies made of AI agents.

A program embeds a whole runtime (`Runtime`, `BlockingRuntime`), or uses the actor library alone (`AsyncioActor`).
"""

from opencognit.actors.asyncio_actor import AsyncioActor, Later
from opencognit.actors.asyncio_future import AsyncioFuture, WouldDeadlockError
from opencognit.actors.system import ActorSystem
from opencognit.blocking import BlockingRuntime
from opencognit.domain.errors import DomainError, MailboxFull
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, TASK_LOCK
from opencognit.runtime import Runtime
from opencognit.settings import Settings, SettingsError

__version__ = "0.1.0"

__all__ = [
    "AGENT",
    "APPROVAL",
    "COMPANY",
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
