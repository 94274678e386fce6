"""Tools that work with files, commands and pages: all that an agent touches outside of its company's records."""

import sys
from typing import Annotated, ClassVar

from msgspec import Meta

from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.port import Toolbox

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

Path = Annotated[str, Meta(min_length=1, max_length=1000, description="Inside your workspace, such as notes/plan.md.")]


class ListFiles(AgentTool, frozen=True, kw_only=True):
    """List a folder of your workspace."""

    name: ClassVar[str] = "list_files"

    path: Annotated[str, Meta(max_length=1000, description="The folder; leave out for the whole workspace's top.")] = (
        "."
    )

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """List it."""
        return ToolAnswer(text=await toolbox.list_files(self.path))


class ReadFile(AgentTool, frozen=True, kw_only=True):
    """Read a text file of your workspace."""

    name: ClassVar[str] = "read_file"

    path: Path

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Read it."""
        return ToolAnswer(text=await toolbox.read_file(self.path))


class WriteFile(AgentTool, frozen=True, kw_only=True):
    """Write a text file in your workspace; one that is there is replaced."""

    name: ClassVar[str] = "write_file"

    path: Path
    content: Annotated[str, Meta(max_length=500_000, description="The whole content.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Write it."""
        await toolbox.write_file(self.path, self.content)
        return ToolAnswer(text=f"{self.path} is written.")


class RunCommand(AgentTool, frozen=True, kw_only=True):
    """Run a shell command in your workspace, without a network, and see its output."""

    name: ClassVar[str] = "run_command"

    command: Annotated[str, Meta(min_length=1, max_length=30_000, pattern=r"^[^\x00]+$", description="For bash.")]
    repeatable: Annotated[
        bool,
        Meta(description="true only if it does no harm to run it a second time, as with tests, builds and searches."),
    ] = False

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Run it."""
        return ToolAnswer(text=await toolbox.run_command(self.command, repeatable=self.repeatable))


class FetchUrl(AgentTool, frozen=True, kw_only=True):
    """Read a public page or document by its URL. Only text comes back."""

    name: ClassVar[str] = "fetch_url"

    url: Annotated[str, Meta(min_length=1, max_length=2000)]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Fetch it."""
        return ToolAnswer(text=await toolbox.fetch_url(self.url))


WORKSPACE_TOOLS: tuple[type[AgentTool], ...] = (ListFiles, ReadFile, WriteFile, RunCommand, FetchUrl)
