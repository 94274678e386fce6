"""`opencognit approval`: what agents ask the board, and its answers."""

import click

from opencognit.commands.finding import the_approval
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import Columns, when
from opencognit.domain.approval import OPEN, Approval, ApprovalStatus

named = click.argument("approval_named", metavar="APPROVAL")
"""The approval that a command is about."""

noted = click.option("--note", help="What the asker is told.")
"""What goes with a decision."""

COLUMNS: Columns[Approval] = {
    "TITLE": lambda approval: approval.title,
    "KIND": lambda approval: approval.kind,
    "STATUS": lambda approval: approval.status,
    "ASKED": lambda approval: when(approval.created_at),
    "EXPIRES": lambda approval: when(approval.expires_at),
    "ID": lambda approval: approval.id,
}


@click.group()
def approval() -> None:
    """Approvals: what agents ask the board.

    APPROVAL is a title, an id, or the beginning of one, as long as it means one approval only.
    """


@approval.command("list")
@click.option(
    "--status",
    type=click.Choice([status.value for status in ApprovalStatus]),
    multiple=True,
    help="Only these; may be given several times. Those that wait for you by default.",
)
@in_company
def list_(session: Session, status: tuple[str, ...]) -> None:
    """What waits for the board."""
    wanted = tuple(map(ApprovalStatus, status)) or (ApprovalStatus.PENDING,)
    rows = session.client.approvals.list.raw(session.company.id, status=wanted)
    session.output.rows(Approval, rows, COLUMNS, nothing="Nothing waits for the board.")


@approval.command()
@named
@in_company
def show(session: Session, approval_named: str) -> None:
    """One approval."""
    body = session.client.approvals.get.raw(the_approval(session, approval_named).id)
    session.output.one(Approval, body, _in_full)


@approval.command()
@named
@noted
@in_company
def approve(session: Session, approval_named: str, note: str | None) -> None:
    """Say yes."""
    found = the_approval(session, approval_named, among=OPEN)
    session.output.done(Approval, session.client.approvals.approve.raw(found.id, note=note), _how_it_stands)


@approval.command()
@named
@noted
@in_company
def reject(session: Session, approval_named: str, note: str | None) -> None:
    """Say no."""
    found = the_approval(session, approval_named, among=OPEN)
    session.output.done(Approval, session.client.approvals.reject.raw(found.id, note=note), _how_it_stands)


@approval.command()
@named
@noted
@in_company
def revise(session: Session, approval_named: str, note: str | None) -> None:
    """Send it back to whoever asked."""
    found = the_approval(session, approval_named, among=OPEN)
    session.output.done(Approval, session.client.approvals.revise.raw(found.id, note=note), _how_it_stands)


def _how_it_stands(approval: Approval) -> str:
    return f"“{approval.title}” is {approval.status}."


def _in_full(approval: Approval) -> dict[str, object]:
    return {
        "Title": approval.title,
        "Kind": approval.kind,
        "Status": approval.status,
        "Description": approval.description,
        "Asked by": approval.requested_by,
        "Asked": when(approval.created_at),
        "Expires": when(approval.expires_at),
        **{f"  {name}": value for name, value in approval.payload.items()},
        "Decided": when(approval.decided_at),
        "Note": approval.decision_note,
        "Error": approval.execution_error,
        "Id": approval.id,
    }
