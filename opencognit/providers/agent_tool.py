"""What a tool is: a struct whose docstring is what the model reads, and whose fields are the schema of its input."""

from typing import ClassVar

import msgspec

from opencognit.providers.port import Outcome, Toolbox


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool call came to."""

    text: str
    """For the model."""
    failed: bool = False
    outcome: Outcome | None = None
    """Set when the call ends the work."""


class AgentTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The root of all tools. What permission one needs, `domain.permission.PERMISSION_OF` says by its name."""

    name: ClassVar[str]

    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Do it."""
        raise NotImplementedError
