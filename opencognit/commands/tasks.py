"""`opencognit task`: giving tasks, looking at them, saying something on them, handing them on."""

from itertools import islice
from typing import Any

import click

from opencognit.commands.finding import agent_names, the_agent, the_task
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import Columns, plain, when
from opencognit.domain.message import Success
from opencognit.domain.task import RELEASED_TO, Comment, Priority, Task, TaskStatus

named = click.argument("task_named", metavar="TASK")
"""The task that a command is about."""

STATUSES = click.Choice([status.value for status in TaskStatus])
RELEASABLE = click.Choice(sorted(status.value for status in RELEASED_TO))
PRIORITIES = click.Choice([priority.value for priority in Priority])


@click.group()
def task() -> None:
    """Tasks: give them, look at them, hand them on.

    TASK is a title, an id, or the beginning of one, as long as it means one task only.
    """


@task.command("list")
@click.option("--status", type=STATUSES, multiple=True, help="Only these; may be given several times.")
@click.option("--priority", type=PRIORITIES, multiple=True, help="Only these; may be given several times.")
@click.option("--agent", metavar="AGENT", help="Only those of this agent.", shell_complete=agent_names)
@click.option("--search", default="", metavar="WORDS", help="Only those with these words in title or description.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many.")
@in_company
def list_(
    session: Session, *, status: tuple[str, ...], priority: tuple[str, ...], agent: str | None, search: str, limit: int
) -> None:
    """The company's tasks, the oldest first."""
    rows = session.client.tasks.list.raw(
        session.company.id,
        status=tuple(map(TaskStatus, status)),
        priority=tuple(map(Priority, priority)),
        assignee_id=None if agent is None else the_agent(session, agent).id,
        q=search,
        limit=min(limit, 500),
    )
    names = {} if session.output.as_json else _names(session)
    columns: Columns[Task] = {
        "TITLE": lambda task: task.title,
        "STATUS": lambda task: task.status,
        "PRIORITY": lambda task: task.priority,
        "AGENT": lambda task: names.get(task.assignee_id or "", task.assignee_id),
        "DUE": lambda task: when(task.due_at),
        "ID": lambda task: task.id,
    }
    session.output.rows(Task, islice(rows, limit), columns, nothing="There are no such tasks.")


@task.command()
@click.argument("title")
@click.option("--description", help="What is to be done.")
@click.option("--assign", metavar="AGENT", help="Who does it.", shell_complete=agent_names)
@click.option("--priority", type=PRIORITIES, default="medium", show_default=True, help="How much it matters.")
@click.option("--due", "due_at", metavar="TIME", help="By when, such as 2026-05-01 or 2026-05-01T12:00:00Z.")
@click.option("--not-before", metavar="TIME", help="Nobody takes it before.")
@click.option("--after", metavar="TASK", multiple=True, help="A task that it waits for; may be given several times.")
@click.option("--below", metavar="TASK", help="The task that it is a part of.")
@in_company
def create(
    session: Session,
    title: str,
    *,
    assign: str | None,
    priority: str,
    after: tuple[str, ...],
    below: str | None,
    **fields: Any,
) -> None:
    """Give the company a task."""
    body = session.client.tasks.create.raw(
        session.company.id,
        title=title,
        assignee_id=None if assign is None else the_agent(session, assign).id,
        priority=Priority(priority),
        blocked_by=tuple(the_task(session, one).id for one in after),
        parent_id=None if below is None else the_task(session, below).id,
        **fields,
    )
    session.output.done(Task, body, lambda made: f"“{made.title}” is {made.status} ({made.id}).")


@task.command()
@named
@in_company
def show(session: Session, task_named: str) -> None:
    """One task, and what was said on it."""
    found = the_task(session, task_named)
    names = {} if session.output.as_json else _names(session)
    session.output.one(Task, session.client.tasks.get.raw(found.id), lambda task: _in_full(task, names))
    if not session.output.as_json:
        for comment in session.client.tasks.comments(found.id):
            click.echo(f"\n{when(comment.created_at)}  {plain(comment.author_name)}\n{plain(comment.content)}")


@task.command()
@named
@click.argument("words")
@in_company
def comment(session: Session, task_named: str, words: str) -> None:
    """Say something on a task; `@Name` wakes that agent."""
    body = session.client.tasks.comment.raw(the_task(session, task_named).id, content=words)
    session.output.done(Comment, body, lambda _: "Said.")


@task.command()
@named
@click.argument("agent", required=False, shell_complete=agent_names)
@in_company
def assign(session: Session, task_named: str, agent: str | None) -> None:
    """Give a task to an agent; without one, it is nobody's."""
    found = None if agent is None else the_agent(session, agent)
    task_id = the_task(session, task_named).id
    body = session.client.tasks.update.raw(task_id, assignee_id=None if found is None else found.id)
    whose = "nobody's" if found is None else f"{found.name}'s"
    session.output.done(Task, body, lambda task: f"“{task.title}” is {whose} and {task.status}.")


@task.command("set")
@named
@click.option("--title", help="Another one.")
@click.option("--description", help="What is to be done.")
@click.option("--status", type=STATUSES, help="Where it stands.")
@click.option("--priority", type=PRIORITIES, help="How much it matters.")
@click.option("--due", "due_at", metavar="TIME", help="By when.")
@click.option("--result", help="What came of it.")
@in_company
def set_(session: Session, task_named: str, *, status: str | None, priority: str | None, **fields: Any) -> None:
    """Change what is named of a task."""
    changed = {name: value for name, value in fields.items() if value is not None}
    if status is not None:
        changed["status"] = TaskStatus(status)
    if priority is not None:
        changed["priority"] = Priority(priority)
    if not changed:
        raise click.UsageError("Name what is to change.")
    body = session.client.tasks.update.raw(the_task(session, task_named).id, **changed)
    session.output.done(Task, body, _how_it_stands)


@task.command()
@named
@click.option(
    "--status",
    type=click.Choice(sorted(status.value for status in RELEASED_TO)),
    help="What it becomes; todo by default.",
)
@click.option("--result", help="What came of it.")
@in_company
def release(session: Session, task_named: str, *, status: str | None, result: str | None) -> None:
    """Take its lock away from whoever works on it."""
    wanted: dict[str, Any] = {} if status is None else {"status": TaskStatus(status)}
    if result is not None:
        wanted["result"] = result
    body = session.client.tasks.release.raw(the_task(session, task_named).id, **wanted)
    session.output.done(Task, body, _how_it_stands)


@task.command()
@named
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_company
def delete(session: Session, task_named: str, *, yes: bool) -> None:
    """Erase a task."""
    found = the_task(session, task_named)
    if not yes:
        click.confirm(f"Erase “{found.title}”?", abort=True, err=True)
    session.output.done(Success, session.client.tasks.delete.raw(found.id), lambda _: f"“{found.title}” is erased.")


def _names(session: Session) -> dict[str, str]:
    """The agents' names by their ids."""
    return {agent.id: agent.name for agent in session.client.agents.list(session.company.id)}


def _how_it_stands(task: Task) -> str:
    return f"“{task.title}” is {task.status}."


def _in_full(task: Task, names: dict[str, str]) -> dict[str, object]:
    return {
        "Title": task.title,
        "Status": task.status,
        "Priority": task.priority,
        "Agent": names.get(task.assignee_id or "", task.assignee_id),
        "Locked by": names.get(task.locked_by or "", task.locked_by),
        "Until": when(task.lock_expires_at),
        "Waits for": ", ".join(task.blocked_by) or None,
        "Not before": when(task.not_before),
        "Due": when(task.due_at),
        "Part of": task.parent_id,
        "Attempts": task.attempts or None,
        "Next attempt": when(task.next_attempt_at),
        "Created": when(task.created_at),
        "Completed": when(task.completed_at),
        "Description": task.description,
        "Result": task.result,
        "Id": task.id,
    }
