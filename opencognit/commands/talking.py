"""`opencognit chat`: what people and an agent say to each other."""

import contextlib
from collections import deque

import click

from opencognit.client.calls import understood
from opencognit.commands.finding import agent_names, the_agent
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import plain, when
from opencognit.domain.chat import ChatMessage
from opencognit.domain.errors import Forbidden
from opencognit.domain.events import ChatMessageSent
from opencognit.domain.instants import Instant


@click.command()
@click.argument("agent_named", metavar="AGENT", shell_complete=agent_names)
@click.argument("words", nargs=-1)
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, help="How much of the conversation.")
@click.option("--follow", is_flag=True, help="Go on with what is said from now on, until Ctrl-C.")
@in_company
def chat(session: Session, agent_named: str, words: tuple[str, ...], *, limit: int, follow: bool) -> None:
    """Say something to an agent, or without WORDS show the conversation with it."""
    agent, company_id, talk = the_agent(session, agent_named), session.company.id, session.client.chat
    # Before anything is read or said, so that nothing is missed between that and the first event.
    events = session.client.events(company_ids=[company_id], types=[ChatMessageSent.type]) if follow else iter(())
    if words:
        bodies = [talk.send.raw(company_id, words=" ".join(words), recipient_id=agent.id)]
    else:
        bodies = list(deque(talk.list.raw(company_id, agent_id=agent.id, limit=500), maxlen=limit))
    shown = {understood(body, ChatMessage).id for body in bodies}
    if session.output.as_json and not follow:
        click.echo(bodies[0] if words else b"[" + b",".join(bodies) + b"]")
        return
    for body in bodies:
        message = understood(body, ChatMessage)
        _say(session, body.decode(), message.created_at, message.sender_name, message.words)
    _are_read(session, agent.id)
    with contextlib.suppress(KeyboardInterrupt):
        for event in events:
            said = event.data
            if isinstance(said, ChatMessageSent) and said.agent_id == agent.id and said.id not in shown:
                _say(session, event.raw, said.created_at, said.sender_name, said.words)
                _are_read(session, agent.id)


def _say(session: Session, raw: str, at: Instant, name: str, words: str) -> None:
    click.echo(raw if session.output.as_json else f"{when(at)}  {plain(name)}: {plain(words)}")


def _are_read(session: Session, agent_id: str) -> None:
    """What a person has seen is read; an observer changes nothing by looking."""
    if not session.output.as_json:
        with contextlib.suppress(Forbidden):
            session.client.chat.mark_read(session.company.id, agent_id=agent_id)
