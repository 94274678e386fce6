"""`opencognit routine`: tasks that are given again and again."""

from itertools import islice

import click

from opencognit.commands.finding import agent_names, the_agent, the_routine
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import Columns, when
from opencognit.domain.execution import Execution
from opencognit.domain.message import Success
from opencognit.domain.routine import Routine, RoutineStatus, Trigger, TriggerKind
from opencognit.domain.task import Priority

named = click.argument("routine_named", metavar="ROUTINE")
"""The routine that a command is about."""

COLUMNS: Columns[Routine] = {
    "TITLE": lambda routine: routine.title,
    "STATUS": lambda routine: routine.status,
    "TRIGGERS": lambda routine: ", ".join(map(_in_short, routine.triggers)) or None,
    "NEXT": lambda routine: when(routine.next_due_at()),
    "LAST": lambda routine: when(routine.last_execution_at),
    "ID": lambda routine: routine.id,
}

EXECUTIONS: Columns[Execution] = {
    "FIRED": lambda execution: when(execution.created_at),
    "BY": lambda execution: execution.source,
    "STATUS": lambda execution: execution.status,
    "ENDED": lambda execution: when(execution.completed_at),
    "TASK": lambda execution: execution.task_id,
    "ERROR": lambda execution: execution.error,
}


@click.group()
def routine() -> None:
    """Routines: tasks that are given again and again.

    ROUTINE is a title, an id, or the beginning of one, as long as it means one routine only.
    """


@routine.command("list")
@in_company
def list_(session: Session) -> None:
    """The company's routines."""
    rows = session.client.routines.list.raw(session.company.id)
    session.output.rows(Routine, rows, COLUMNS, nothing="There are no routines yet.")


@routine.command()
@click.argument("title")
@click.option("--description", help="Of its tasks; `{{name}}` is filled from the payload.")
@click.option("--assign", metavar="AGENT", help="Who does them.", shell_complete=agent_names)
@click.option("--priority", type=click.Choice([one.value for one in Priority]), default="medium", help="Of its tasks.")
@click.option("--cron", help="When: five fields, such as '0 9 * * 1-5', or @daily.")
@click.option("--time-zone", default="UTC", show_default=True, help="Of the schedule, such as Europe/Berlin.")
@in_company
def create(
    session: Session,
    title: str,
    *,
    description: str | None,
    assign: str | None,
    priority: str,
    cron: str | None,
    time_zone: str,
) -> None:
    """Give the company a routine, with a schedule if `--cron` says when."""
    routines = session.client.routines
    made = routines.create(
        session.company.id,
        title=title,
        description=description,
        assignee_id=None if assign is None else the_agent(session, assign).id,
        priority=Priority(priority),
    )
    if cron is not None:
        routines.create_trigger(made.id, kind=TriggerKind.SCHEDULE, cron=cron, time_zone=time_zone)
    session.output.done(
        Routine,
        routines.get.raw(made.id),
        lambda routine: (
            f"“{routine.title}” is {routine.status}, next: {when(routine.next_due_at()) or 'by hand'} ({routine.id})."
        ),
    )


@routine.command("run")
@named
@in_company
def run_(session: Session, routine_named: str) -> None:
    """Fire it now."""
    body = session.client.routines.fire.raw(the_routine(session, routine_named).id)
    session.output.done(Execution, body, lambda execution: f"Fired: {execution.status} (task {execution.task_id}).")


@routine.command()
@named
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@in_company
def history(session: Session, routine_named: str, limit: int) -> None:
    """What became of each firing, the newest first."""
    rows = session.client.routines.executions.raw(the_routine(session, routine_named).id, limit=min(limit, 500))
    session.output.rows(Execution, islice(rows, limit), EXECUTIONS, nothing="It has not fired yet.")


@routine.command()
@named
@in_company
def pause(session: Session, routine_named: str) -> None:
    """Let it rest: it fires no more until it is resumed."""
    _become(session, routine_named, RoutineStatus.PAUSED)


@routine.command()
@named
@in_company
def resume(session: Session, routine_named: str) -> None:
    """Let it fire again."""
    _become(session, routine_named, RoutineStatus.ACTIVE)


@routine.command()
@named
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_company
def delete(session: Session, routine_named: str, *, yes: bool) -> None:
    """Erase it with its history; its tasks stay."""
    found = the_routine(session, routine_named)
    if not yes:
        click.confirm(f"Erase “{found.title}”?", abort=True, err=True)
    session.output.done(Success, session.client.routines.delete.raw(found.id), lambda _: f"“{found.title}” is erased.")


def _become(session: Session, routine_named: str, status: RoutineStatus) -> None:
    body = session.client.routines.update.raw(the_routine(session, routine_named).id, status=status)
    session.output.done(Routine, body, lambda routine: f"“{routine.title}” is {routine.status}.")


def _in_short(trigger: Trigger) -> str:
    words = f"{trigger.cron} {trigger.time_zone}" if trigger.kind is TriggerKind.SCHEDULE else trigger.kind
    return words if trigger.is_active else f"{words} (off)"
