"""What the demonstration shows: live tables on a terminal, plain lines elsewhere."""

import sys
from collections import deque
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from opencognit.demo_company import ASSIGNMENTS
from opencognit.domain.company import Company
from opencognit.domain.events import Activity, AgentStatusChanged
from opencognit.domain.task import Task, TaskStatus
from opencognit.domain.wire_names import FIELDS, PATHS, TASK_EVENT_FIELDS

LINES = 10
"""Events that are shown at once."""

_COLOURS = {"done": "green", "in_progress": "cyan", "blocked": "yellow", "todo": "white", "running": "cyan"}


class View:
    """The screen; a context manager around the live part."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._agents: dict[str, tuple[str, str, str]] = {}
        self._tasks: dict[str, Task] = {}
        self._events: deque[str] = deque(maxlen=LINES)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, sentence: str) -> None:
        """One line about what goes on."""
        self._events.append(sentence)
        self._show(sentence)

    def agent(self, agent_id: str, name: str, role: str) -> None:
        """An agent was hired."""
        self._agents[agent_id] = (name, role, "idle")
        self.say(f"Hired {name}: {role}")

    def task(self, task: Task) -> None:
        """A task is new or has changed."""
        self._tasks[task.id] = task
        self._show(None)

    def event(self, event: dict[str, Any]) -> None:
        """An event came by the WebSocket."""
        data = event["data"] if isinstance(event.get("data"), dict) else {}
        if event["type"] == AgentStatusChanged.type and data[FIELDS["agent_id"]] in self._agents:
            name, role, _ = self._agents[data[FIELDS["agent_id"]]]
            self._agents[data[FIELDS["agent_id"]]] = (name, role, data["status"])
        if event["type"] == Activity.type:
            self.say(f"{data[FIELDS['actor_name']]}: {data['text']}")
        elif event["type"] in ("tasks_unblocked", "run_finished"):
            unblocked = data.get(TASK_EVENT_FIELDS["task_ids"], [])
            self.say(f"[{event['type']}] {data.get('status') or ', '.join(unblocked)}")

    def results(self, tasks: list[Task]) -> None:
        """The table of results."""
        table = Table(title="What they found", show_lines=True)
        for column in ("Task", "Who", "Status", "Result"):
            table.add_column(column)
        for task in tasks:
            name = self._agents.get(task.assignee_id or "", ("", "", ""))[0]
            colour = _COLOURS.get(task.status, "red")
            table.add_row(task.title, name, f"[{colour}]{task.status}[/]", task.result or "")
        self._console.print(table)

    def how_to_look(self, url: str, token: str, company: Company, *, keep: bool) -> None:
        """How to see the same in the API."""
        done = sum(task.status is TaskStatus.DONE for task in self._tasks.values())
        self._console.print(f"{done} of {len(self._tasks)} tasks are done.", highlight=False)
        if not keep:
            command = "python -m opencognit" if sys.argv[0].endswith(".py") else sys.argv[0]
            self._console.print(f"To look around in its API afterwards, keep it running: {command} demo --keep")
            return
        base = f"{url}/api/{PATHS['companies']}/{company.id}"
        print(f"\nThe same in the API, until you press Ctrl-C:\n\n  TOKEN={token}")  # noqa: T201 - to be copied as it is
        for path in (PATHS["tasks"], PATHS["agents"], PATHS["activity"]):
            print(f'  curl -H "Authorization: Bearer $TOKEN" {base}/{path}')  # noqa: T201

    def _show(self, line: str | None) -> None:
        if self._console.is_terminal:
            self._live.update(self._screen())
        elif line is not None:
            self._console.print(line, highlight=False, markup=False)

    def _screen(self) -> Group:
        agents = Table("Agent", "Does", "Now", expand=True)
        for name, role, status in self._agents.values():
            agents.add_row(name, role, f"[{_COLOURS.get(status, 'white')}]{status}[/]")
        tasks = Table("Task", "Priority", "Status", expand=True)
        for task in self._tasks.values():
            tasks.add_row(task.title, task.priority, f"[{_COLOURS.get(task.status, 'white')}]{task.status}[/]")
        done = sum(task.status is TaskStatus.DONE for task in self._tasks.values())
        progress = ProgressBar(total=len(ASSIGNMENTS), completed=done)
        return Group(agents, tasks, progress, Panel("\n".join(self._events).replace("[", r"\["), title="Events"))
