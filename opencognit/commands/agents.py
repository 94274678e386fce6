"""`opencognit agent`: hiring agents, looking at them, pausing and waking them."""

from itertools import islice
from typing import Any, BinaryIO

import click

from opencognit.commands import files
from opencognit.commands.finding import agent_names, the_agent
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import Columns, money, when
from opencognit.domain.agent import Agent
from opencognit.domain.agent_list import AgentsImport, read_agents
from opencognit.domain.message import Success
from opencognit.domain.run import Run

COLUMNS: Columns[Agent] = {
    "NAME": lambda agent: agent.name,
    "ROLE": lambda agent: agent.role,
    "STATUS": lambda agent: agent.status,
    "ADAPTER": lambda agent: agent.adapter,
    "HEARTBEAT": lambda agent: f"every {agent.heartbeat_interval} s" if agent.heartbeat_on else None,
    "SPENT": lambda agent: money(agent.spent_cents),
    "ID": lambda agent: agent.id,
}

RUNS: Columns[Run] = {
    "STARTED": lambda run: when(run.started_at),
    "ENDED": lambda run: when(run.ended_at),
    "STATUS": lambda run: run.status,
    "WOKEN BY": lambda run: run.source,
    "COST": lambda run: money(run.cost_cents),
    "TASK": lambda run: run.task_id,
    "ERROR": lambda run: run.error,
    "ID": lambda run: run.id,
}

named = click.argument("agent_named", metavar="AGENT", shell_complete=agent_names)
"""The agent that a command is about."""


@click.group()
def agent() -> None:
    """Agents: hire them, look at them, pause and wake them.

    AGENT is a name, an id, or the beginning of one, as long as it means one agent only.
    """


@agent.command("list")
@in_company
def list_(session: Session) -> None:
    """The company's agents."""
    rows = session.client.agents.list.raw(session.company.id)
    session.output.rows(Agent, rows, COLUMNS, nothing="There are no agents yet.")


@agent.command()
@click.argument("name")
@click.option("--role", required=True, help="What it does, such as Engineer.")
@click.option("--title", help="What it is called beside its name.")
@click.option("--adapter", help="How it works, such as claude; without one, your own programs work for it.")
@click.option("--reports-to", metavar="AGENT", help="Whom it works for.", shell_complete=agent_names)
@click.option("--prompt", "system_prompt", help="What it is told before each task.")
@click.option("--budget", "budget_cents", type=click.IntRange(0), default=0, help="Cents that it may spend in a month.")
@click.option("--heartbeat", type=click.IntRange(5), metavar="SECONDS", help="How often it looks for work by itself.")
@click.option("--orchestrator", "is_orchestrator", is_flag=True, help="It plans for the others.")
@in_company
def hire(session: Session, *, reports_to: str | None, heartbeat: int | None, **fields: Any) -> None:
    """Hire an agent."""
    superior = None if reports_to is None else the_agent(session, reports_to).id
    if heartbeat is not None:
        fields |= {"heartbeat_on": True, "heartbeat_interval": heartbeat}
    body = session.client.agents.create.raw(session.company.id, reports_to=superior, **fields)
    session.output.done(Agent, body, lambda hired: f"Hired {hired.name}, {hired.role} ({hired.id}).")


@agent.command("import")
@files.given
@in_company
def import_(session: Session, file: BinaryIO) -> None:
    """Hire all agents of a list, as JSON or YAML, or none; `-` reads it from standard input."""
    with files.problems_told(file):
        wish = read_agents(files.json_in(file))
        body = session.client.agents.import_list.raw(session.company.id, agents=wish.agents)
    session.output.done(AgentsImport, body, lambda report: f"Hired {report.count} agents.")


@agent.command()
@named
@in_company
def show(session: Session, agent_named: str) -> None:
    """One agent."""
    body = session.client.agents.get.raw(the_agent(session, agent_named).id)
    session.output.one(Agent, body, _in_full)


@agent.command()
@named
@in_company
def pause(session: Session, agent_named: str) -> None:
    """Let the step under way end, start nothing new."""
    body = session.client.agents.pause.raw(the_agent(session, agent_named).id)
    session.output.done(Agent, body, _how_it_is)


@agent.command()
@named
@in_company
def resume(session: Session, agent_named: str) -> None:
    """Work again, also after an error."""
    body = session.client.agents.resume.raw(the_agent(session, agent_named).id)
    session.output.done(Agent, body, _how_it_is)


@agent.command()
@named
@in_company
def wake(session: Session, agent_named: str) -> None:
    """Let it look for work now."""
    body = session.client.agents.wake.raw(the_agent(session, agent_named).id)
    session.output.done(Agent, body, lambda woken: f"{woken.name} is woken.")


@agent.command()
@named
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@in_company
def runs(session: Session, agent_named: str, limit: int) -> None:
    """What it has worked on, the newest first."""
    rows = session.client.agents.runs.raw(the_agent(session, agent_named).id, limit=min(limit, 500))
    session.output.rows(Run, islice(rows, limit), RUNS, nothing="It has not worked yet.")


@agent.command()
@named
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_company
def fire(session: Session, agent_named: str, *, yes: bool) -> None:
    """Let it go: its run ends, its open tasks are nobody's."""
    found = the_agent(session, agent_named)
    if not yes:
        click.confirm(f"Let {found.name} go?", abort=True, err=True)
    session.output.done(Success, session.client.agents.delete.raw(found.id), lambda _: f"{found.name} is gone.")


@agent.command()
@named
@in_company
def token(session: Session, agent_named: str) -> None:
    """A token with which a program acts as this agent; it is shown this once."""
    found = the_agent(session, agent_named)
    if session.output.as_json:
        click.echo(session.client.agents.issue_token.raw(found.id))
    else:
        click.echo(session.client.agents.issue_token(found.id).token)


def _how_it_is(agent: Agent) -> str:
    return f"{agent.name} is {agent.status}."


def _in_full(agent: Agent) -> dict[str, object]:
    return {
        "Name": agent.name,
        "Role": agent.role,
        "Title": agent.title,
        "Status": agent.status,
        "Works on": agent.current_task_id,
        "Adapter": agent.adapter,
        "Heartbeat": f"every {agent.heartbeat_interval} s" if agent.heartbeat_on else "when it is woken",
        "Last heartbeat": when(agent.last_heartbeat),
        "Reports to": agent.reports_to,
        "Orchestrator": "yes" if agent.is_orchestrator else None,
        "Skills": ", ".join(skill.name for skill in agent.skills) or None,
        "Spent": money(agent.spent_cents) + (f" of {money(agent.budget_cents)}" if agent.budget_cents else ""),
        "Last error": agent.last_error,
        "Prompt": agent.system_prompt,
        "Id": agent.id,
    }
