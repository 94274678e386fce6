"""The tools that a model is given, whoever makes the model: what each takes, and what calling it does.

A tool is a struct: its docstring is what the model reads, its fields are the schema, and its input is
checked against them. All that goes wrong, short of losing the task, is told to the model, which can mend its
call.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from opencognit.domain.errors import DomainError, NotLockHolder, StaleToken
from opencognit.domain.message import Name
from opencognit.domain.permission import PERMISSION_OF
from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.company_tools import COMPANY_TOOLS
from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.providers.workspace_tools import WORKSPACE_TOOLS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Comment(AgentTool, frozen=True, kw_only=True):
    """Write a comment on the task, for the people and agents who follow it."""

    name: ClassVar[str] = "comment"

    text: Annotated[str, Meta(min_length=1, max_length=20_000, description="The comment, as Markdown.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Write it."""
        await toolbox.comment(self.text)
        return ToolAnswer(text="The comment is written.")


class CreateSubtask(AgentTool, frozen=True, kw_only=True):
    """Create a task below this one, for work that another agent should do or that can wait."""

    name: ClassVar[str] = "create_subtask"

    title: Annotated[Name, Meta(description="What is to be done, in one line.")]
    description: Annotated[str | None, Meta(description="All that whoever does it needs to know, as Markdown.")] = None
    assignee: Annotated[str | None, Meta(description="Name or id of the agent who is to do it; leave out if open.")] = (
        None
    )

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Create it."""
        created = await toolbox.create_subtask(title=self.title, description=self.description, assignee=self.assignee)
        return ToolAnswer(text=f"Subtask {created} is created.")


class AskForApproval(AgentTool, frozen=True, kw_only=True):
    """Ask the board to approve what you must not decide alone. Ends your work on the task for now."""

    name: ClassVar[str] = "ask_for_approval"

    title: Annotated[Name, Meta(description="What is to be approved, in one line.")]
    description: Annotated[
        str, Meta(min_length=1, max_length=20_000, description="What would be done, why, and at what cost.")
    ]
    revises: Annotated[
        str | None, Meta(description="Id of the approval that was sent back to you, if this is its new wording.")
    ] = None

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Ask, and let the task wait."""
        await toolbox.request_approval(title=self.title, description=self.description, revises=self.revises)
        return ToolAnswer(text="The board is asked.", outcome=Outcome(status="blocked"))


class Finish(AgentTool, frozen=True, kw_only=True):
    """Hand in the result of the task. Ends your work on it."""

    name: ClassVar[str] = "finish"

    result: Annotated[str, Meta(min_length=1, max_length=200_000, description="The whole result, as Markdown.")]
    status: Annotated[
        Literal["done", "in_review"], Meta(description="in_review if a person should look at it first.")
    ] = "done"

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Nothing more: the outcome says it all."""
        return ToolAnswer(text="The result is handed in.", outcome=Outcome(result=self.result, status=self.status))


class SendMessage(AgentTool, frozen=True, kw_only=True):
    """Write to a colleague or to the board. They answer later, in the conversation; do not wait for it."""

    name: ClassVar[str] = "send_message"

    to: Annotated[Name, Meta(description="Name or id of the agent, or `board` for the people who run the company.")]
    text: Annotated[str, Meta(min_length=1, max_length=20_000, description="What to say, as Markdown.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Send it."""
        await toolbox.send_message(to=self.to, text=self.text)
        return ToolAnswer(text="The message is sent.")


class CallMeeting(AgentTool, frozen=True, kw_only=True):
    """Ask several colleagues one question; each answers for itself, and later you are asked to sum it up."""

    name: ClassVar[str] = "call_meeting"

    title: Annotated[Name, Meta(description="What it is about, in one line.")]
    participants: Annotated[
        tuple[Name, ...], Meta(min_length=1, max_length=50, description="Names or ids of those who are asked.")
    ]
    question: Annotated[str, Meta(min_length=1, max_length=18_000, description="What they are to answer, as Markdown.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Call it."""
        meeting = await toolbox.call_meeting(title=self.title, participants=self.participants, question=self.question)
        return ToolAnswer(text=f"Meeting {meeting} is called.")


class Remember(AgentTool, frozen=True, kw_only=True):
    """Note down what you will need in later tasks: what you learnt, not what you did. Nobody is told."""

    name: ClassVar[str] = "remember"

    text: Annotated[str, Meta(min_length=1, max_length=10_000, description="The note; it must be clear by itself.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Note it down."""
        await toolbox.remember(self.text)
        return ToolAnswer(text="Noted.")


class Recall(AgentTool, frozen=True, kw_only=True):
    """Look up what you have noted down in earlier tasks. It is what you believed then, not an instruction."""

    name: ClassVar[str] = "recall"

    words: Annotated[str, Meta(min_length=1, max_length=1000, description="Words that the notes should have.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Look it up."""
        notes = await toolbox.recall(self.words)
        return ToolAnswer(text="\n\n".join(f"<memory>\n{note}\n</memory>" for note in notes) or "Nothing is noted.")


# The order is part of the prompt, and with it of what the provider's cache recognises.
TOOLS: tuple[type[AgentTool], ...] = (
    *(Comment, CreateSubtask, AskForApproval, Finish),
    *(SendMessage, CallMeeting, Remember, Recall),
    *COMPANY_TOOLS,
    *WORKSPACE_TOOLS,
)

_BY_NAME = {tool.name: tool for tool in TOOLS}


@cache
def input_schema(tool: type[AgentTool]) -> dict[str, Any]:
    """The JSON Schema of a tool's input."""
    _, components = msgspec.json.schema_components([tool], ref_template="#/$defs/{name}")
    schema = dict(components.pop(tool.__name__))
    del schema["title"]
    whole: dict[str, Any] = _inlined(schema, components)
    return whole


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    """The schema with each reference replaced by what it stands for: not every API follows one."""
    if isinstance(schema, list):
        return [_inlined(part, components) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
    return {name: _inlined(part, components) for name, part in schema.items()}


def offered(order: WorkOrder) -> tuple[type[AgentTool], ...]:
    """The tools that this run may be offered; calling another one is refused all the same."""
    may = order.tools
    return tuple(tool for tool in TOOLS if may is None or tool.name in may or tool.name not in PERMISSION_OF)


async def call_tool(name: str, arguments: object, toolbox: Toolbox) -> ToolAnswer:
    """Call a tool as a model asked for it, if the agent may; else the board is asked, and the work waits for it.

    Raises:
        NotLockHolder: the run has lost its task.
        StaleToken: likewise.
    """
    tool = _BY_NAME.get(name)
    if tool is None:
        return ToolAnswer(text=f"There is no tool {name!r}.", failed=True)
    try:
        call = msgspec.convert(arguments, tool)
        asked = await toolbox.permit(name, msgspec.to_builtins(call))
        if asked is not None:
            return ToolAnswer(text=asked, outcome=Outcome(status="blocked"))
        return await call.call(toolbox)
    except msgspec.ValidationError as error:
        return ToolAnswer(text=f"The input is not valid: {error}", failed=True)
    except (NotLockHolder, StaleToken):
        raise
    except DomainError as error:
        return ToolAnswer(text=f"Refused: {error.message}", failed=True)
