"""What `opencognit watch` shows on a terminal: the company at a glance, who works on what, and what happened last."""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from opencognit.commands.showing import coloured, money, plain
from opencognit.domain.figures import AgentLine, Dashboard
from opencognit.domain.task import Task

MOST_AGENTS = 15
MOST_TASKS = 12
MOST_LINES = 200
"""Of what happened; as many as fit are shown."""


class Screen:
    """The picture, drawn anew whenever something in it changes.

    Attributes:
        connected: whether the picture is true now.
    """

    def __init__(self) -> None:
        self.connected = True
        self._board: Dashboard | None = None
        self._tasks: tuple[Task, ...] = ()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def show(self, board: Dashboard, tasks: Iterable[Task]) -> None:
        """This is how the company stands now."""
        self._board, self._tasks = board, tuple(tasks)

    def say(self, line: str) -> None:
        """This has just happened."""
        self._lines.append(line)

    def __rich_console__(self, console: Console, _options: object) -> Iterable[RenderableType]:
        """The picture, as high as the terminal."""
        if self._board is None:
            yield Text("Connecting …")
            return
        head = [self._header(self._board), self._agents(self._board.all_agents), self._work()]
        used = len(console.render_lines(Group(*head), console.options, pad=False)) + 2
        lines = list(self._lines)[-max(console.height - used - 1, 1) :]
        yield from head
        yield Panel(
            Text("\n".join(lines), overflow="ellipsis", no_wrap=True), title="What happened", title_align="left"
        )

    def _header(self, board: Dashboard) -> RenderableType:
        company, tasks, costs = board.company, board.tasks, board.costs
        now = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        state = coloured(company.status) if self.connected else Text("no connection, trying again", style="bold red")
        first = Text.assemble((plain(company.name), "bold"), "  ", state, f"  {now}  ", ("q: quit", "dim"))
        budget = (
            f" of {money(costs.budget_in_all, company.currency)} ({costs.percent} %)" if costs.budget_in_all else ""
        )
        second = Text(
            f"{tasks.open} open, {tasks.in_progress} in progress, {tasks.blocked} blocked, {tasks.done} done · "
            f"{money(costs.spent_in_all, company.currency)}{budget} this month"
        )
        if board.pending_approvals:
            second.append(f" · {board.pending_approvals} waiting for you", style="yellow")
        return Group(first, second)

    def _agents(self, agents: tuple[AgentLine, ...]) -> RenderableType:
        titles = {task.id: task.title for task in self._tasks}
        made = Table("AGENT", "ROLE", "STATUS", "WORKS ON", "SPENT", box=None, pad_edge=False, expand=True)
        # Whoever works is of interest first.
        for agent in sorted(agents, key=lambda one: one.status != "running")[:MOST_AGENTS]:
            task_id = agent.current_task_id
            work = None if task_id is None else titles.get(task_id, task_id)
            made.add_row(*map(coloured, (agent.name, agent.role, agent.status, work, money(agent.spent_cents))))
        if len(agents) > MOST_AGENTS:
            made.add_row(Text(f"and {len(agents) - MOST_AGENTS} more", style="dim"))
        return Group("", made)

    def _work(self) -> RenderableType:
        made = Table("TASK", "STATUS", "PRIORITY", box=None, pad_edge=False, expand=True)
        for task in self._tasks[:MOST_TASKS]:
            made.add_row(*map(coloured, (task.title, task.status, task.priority)))
        return Group("", made)
