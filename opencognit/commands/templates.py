"""`opencognit template`: companies that are ready to begin."""

from typing import Any

import click

from opencognit.client.calls import understood
from opencognit.commands.companies import founded
from opencognit.commands.session import Session, at_server
from opencognit.commands.showing import Columns, card, money, print_parts, table
from opencognit.domain.company_file import AgentInFile, CompanyFile, ImportedCompany
from opencognit.domain.company_template import Template
from opencognit.domain.wire_names import ADAPTER_FIELDS

COLUMNS: Columns[Template] = {
    "NAME": lambda template: template.name,
    "AGENTS": lambda template: len(template.agents),
    "BUDGET": lambda template: money(template.budget_cents, template.currency),
    "WHAT IT DOES": lambda template: template.description,
}

AGENTS: Columns[AgentInFile] = {
    "AGENT": lambda agent: agent.name,
    "ROLE": lambda agent: agent.role,
    "ADAPTER": lambda agent: agent.adapter,
    "BUDGET": lambda agent: money(agent.budget_cents) if agent.budget_cents else None,
}

named = click.argument("name")
"""The template that a command is about."""


@click.group()
def template() -> None:
    """Companies that are ready to begin: look at them, found one."""


@template.command("list")
@at_server
def list_(session: Session) -> None:
    """The templates of the server."""
    body = session.client.templates.list.raw()
    if session.output.as_json:
        click.echo(body)
    else:
        print_parts(table(understood(body, list[Template]), COLUMNS))


@template.command()
@named
@at_server
def show(session: Session, name: str) -> None:
    """One template; with --json as a file, to change it and then found a company by `opencognit company import`."""
    body = session.client.templates.get.raw(name)
    if session.output.as_json:
        click.echo(body)
        return
    file = understood(body, CompanyFile)
    about = {
        "Template": name,
        "What it does": file.company.description,
        "Goal": file.company.goal,
        "Budget": money(file.company.budget_cents, file.company.currency),
        "Begins with": "; ".join(task.title for task in file.tasks),
        "Routines": "; ".join(routine.title for routine in file.routines),
    }
    print_parts(card(about), "", table(file.agents, AGENTS))


@template.command()
@named
@click.option("--name", "company_name", help="Of the company.")
@click.option("--goal", help="What it wants to reach; its agents read it before each task.")
@click.option("--budget", "budget_cents", type=click.IntRange(0), help="Cents that it may spend in a month.")
@click.option("--currency", help="Of its money.")
@click.option("--time-zone", help="Of its calendar and its schedules, such as Europe/Berlin.")
@click.option("--adapter", help="By which all its agents work, such as openai.")
@click.option("--model", help="The vendor's name for the model that they use.")
@at_server
def use(session: Session, name: str, *, company_name: str | None, model: str | None, **options: Any) -> None:
    """Found a company from a template; it is yours, and paused."""
    given = {**options, "name": company_name}
    wish = {field: value for field, value in given.items() if value is not None}
    if model is not None:
        wish["adapter_config"] = {ADAPTER_FIELDS["model"]: model}
    body = session.client.templates.use.raw(name, **wish)
    session.output.done(ImportedCompany, body, founded)
