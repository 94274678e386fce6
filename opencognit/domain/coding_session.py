"""The session of a command-line agent: what it remembers of a task, by the id under which it can be resumed."""

import msgspec

from opencognit.domain.message import Message
from opencognit.domain.run import TokenUsage

KEPT = 30 * 24 * 3600.0
"""Seconds for which an unused session is remembered; the command lines themselves forget after about a month, too."""


class CodingSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it was last seen."""

    adapter: str
    """Whose session it is; another command line does not know it."""
    id: str
    usage: TokenUsage = TokenUsage()
    """What all runs of it have used together, for a command line that counts so."""


class KeepCodingSession(Message[None], frozen=True, kw_only=True):
    """Internal: resume this session when the agent works on the task again; None for a new one."""

    task_id: str
    session: CodingSession | None
