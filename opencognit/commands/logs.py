"""`opencognit logs`: what happened in a company."""

import contextlib
from itertools import islice

import click
import msgspec

from opencognit.client.calls import understood
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import plain
from opencognit.domain.events import Activity
from opencognit.domain.instants import moment


@click.command()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many of the newest entries.")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@in_company
def logs(session: Session, *, limit: int, follow: bool) -> None:
    """What happened, the newest last."""
    company_id = session.company.id
    # Before the entries are read, so that nothing is missed between them and the first event.
    events = session.client.events(company_ids=[company_id], types=[Activity.type]) if follow else iter(())
    bodies = list(islice(session.client.companies.activity.raw(company_id, limit=min(limit, 500)), limit))
    if session.output.as_json and not follow:
        click.echo(b"[" + b",".join(bodies) + b"]")
        return
    shown = set()
    for body in reversed(bodies):
        entry = understood(body, Activity)
        shown.add(entry.id)
        _print(session, body, entry)
    with contextlib.suppress(KeyboardInterrupt):
        for event in events:
            if isinstance(event.data, Activity) and event.data.id not in shown:
                _print(session, msgspec.json.encode(event.data), event.data)


def line(entry: Activity) -> str:
    """An entry for people."""
    at = moment(entry.created_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{at}  {plain(entry.actor_name)}: {plain(entry.text)}"


def _print(session: Session, body: bytes, entry: Activity) -> None:
    click.echo(body if session.output.as_json else line(entry))
