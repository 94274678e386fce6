"""Tools that change tasks, goals and staff. Whoever uses them, the company's own rules decide what they do."""

import sys
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from opencognit.domain.goal import Progress
from opencognit.domain.message import Name
from opencognit.domain.plan import PlannedTask
from opencognit.domain.task import Priority
from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.port import Toolbox

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

Id = Annotated[str, Meta(min_length=1, max_length=100, description="Its id.")]
Words = Annotated[str, Meta(min_length=1, max_length=20_000)]


class ReadTask(AgentTool, frozen=True, kw_only=True):
    """Read a task of the company: its description, status, result and comments."""

    name: ClassVar[str] = "read_task"

    task: Id

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Read it."""
        return ToolAnswer(text=await toolbox.read_task(self.task))


class UpdateTask(AgentTool, frozen=True, kw_only=True):
    """Change a task below the one that you work on: assign it, set what it waits for, cancel or reopen it."""

    name: ClassVar[str] = "update_task"

    task: Id
    title: Name | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    assignee: Annotated[str | None | UnsetType, Meta(description="Name or id of an agent; null for nobody.")] = UNSET
    blocked_by: Annotated[
        tuple[Annotated[str, Meta(max_length=100)], ...] | UnsetType,
        Meta(description="Ids of all tasks that must be done before it."),
    ] = UNSET
    status: Literal["backlog", "todo", "done", "cancelled"] | UnsetType = UNSET

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Change it."""
        status = await toolbox.update_task(self.task, _changes(self, without="task"))
        return ToolAnswer(text=f"The task is changed; it is {status}.")


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task of the plan."""

    key: Annotated[str, Meta(min_length=1, max_length=60, description="A short word by which other steps name it.")]
    title: Name
    description: Annotated[Words | None, Meta(description="All that whoever does it needs to know.")] = None
    assignee: Annotated[str | None, Meta(description="Name of the agent; leave out to let skill and load decide.")] = (
        None
    )
    skill: Annotated[Name | None, Meta(description="Without an assignee: what they should know.")] = None
    priority: Priority = Priority.MEDIUM
    after: Annotated[
        tuple[Annotated[str, Meta(max_length=100)], ...], Meta(description="Keys of the steps it waits for.")
    ] = ()


class Plan(AgentTool, frozen=True, kw_only=True):
    """Create several tasks at once, with what each waits for. Either all are created or none."""

    name: ClassVar[str] = "plan"

    tasks: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=50)]
    goal: Annotated[str | None, Meta(description="The goal's id; leave out for the goal of this task.")] = None

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Create them."""
        tasks = [
            PlannedTask(
                key=step.key,
                title=step.title,
                description=step.description,
                assignee_id=step.assignee,
                skill=step.skill,
                priority=step.priority,
                after=step.after,
            )
            for step in self.tasks
        ]
        ids = await toolbox.plan(tasks, self.goal)
        return ToolAnswer(text="All tasks are created: " + ", ".join(f"{key} is {id_}" for key, id_ in ids.items()))


class CreateGoal(AgentTool, frozen=True, kw_only=True):
    """Set the company a goal, or a part of one."""

    name: ClassVar[str] = "create_goal"

    title: Name
    description: Words | None = None
    parent: Annotated[str | None, Meta(description="Id of the goal that it is a part of.")] = None

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Set it."""
        goal_id = await toolbox.create_goal(title=self.title, description=self.description, parent=self.parent)
        return ToolAnswer(text=f"Goal {goal_id} is set.")


class UpdateGoal(AgentTool, frozen=True, kw_only=True):
    """Change a goal's progress, or close it: achieved or cancelled."""

    name: ClassVar[str] = "update_goal"

    goal: Id
    progress: Annotated[Progress | UnsetType, Meta(description="Percent; only of a goal that has no tasks.")] = UNSET
    status: Literal["active", "achieved", "cancelled"] | UnsetType = UNSET

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Change it."""
        status = await toolbox.update_goal(self.goal, _changes(self, without="goal"))
        return ToolAnswer(text=f"The goal is changed; it is {status}.")


class Hire(AgentTool, frozen=True, kw_only=True):
    """Ask the board to hire an agent who would report to you. Nobody is hired before it has agreed."""

    name: ClassVar[str] = "hire"

    agent_name: Annotated[Name, Meta(description="The name of the new agent.")]
    role: Name
    title: Name | None = None
    abilities: Words | None = None
    instructions: Annotated[Words | None, Meta(description="The agent's standing instructions.")] = None
    reason: Annotated[Words, Meta(description="For the board: why the company needs this agent.")]

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Ask for it."""
        fields = {
            "name": self.agent_name,
            "role": self.role,
            "title": self.title,
            "abilities": self.abilities,
            "system_prompt": self.instructions,
        }
        approval_id = await toolbox.hire(reason=self.reason, fields=fields)
        return ToolAnswer(text=f"The board is asked (approval {approval_id}); go on with something else.")


class Report(AgentTool, frozen=True, kw_only=True):
    """Report to the board: what was reached, what is in the way, what it should know."""

    name: ClassVar[str] = "report"

    text: Words

    @override
    async def call(self, toolbox: Toolbox) -> ToolAnswer:
        """Report it."""
        await toolbox.report(self.text)
        return ToolAnswer(text="The board is told.")


COMPANY_TOOLS: tuple[type[AgentTool], ...] = (ReadTask, UpdateTask, Plan, CreateGoal, UpdateGoal, Hire, Report)


def _changes(tool: AgentTool, *, without: str) -> dict[str, Any]:
    """The fields that the model has named."""
    return {
        name: value for name, value in msgspec.structs.asdict(tool).items() if value is not UNSET and name != without
    }
