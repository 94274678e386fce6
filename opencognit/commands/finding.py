"""Finds what a command names, and completes names while they are typed."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from opencognit.client import BlockingClient, ClientError, Retries
from opencognit.commands.naming import is_beginning, names_one
from opencognit.commands.session import Session, chosen
from opencognit.domain.agent import Agent
from opencognit.domain.approval import Approval, ApprovalStatus
from opencognit.domain.company import Company
from opencognit.domain.errors import DomainError
from opencognit.domain.routine import Routine
from opencognit.domain.task import Task

MOST_WORDS = 20
"""Of a title by which the server looks for a task."""

COMPLETED_WITHIN = 2.0
"""Seconds."""


def the_agent(session: Session, text: str) -> Agent:
    """The agent that this names."""
    agents = session.client.agents
    rows = agents.list(session.company.id)
    return names_one(text, rows, get=agents.get, name=lambda agent: agent.name, what="agent")


def the_task(session: Session, text: str) -> Task:
    """The task that this names."""
    tasks = session.client.tasks
    # A title is looked for by the server; the beginning of an id it does not look for.
    words = "" if is_beginning(text) or len(text.split()) > MOST_WORDS else text
    rows = tasks.list(session.company.id, q=words, limit=500)
    return names_one(text, rows, get=tasks.get, name=lambda task: task.title, what="task")


def the_routine(session: Session, text: str) -> Routine:
    """The routine that this names."""
    routines = session.client.routines
    rows = routines.list(session.company.id)
    return names_one(text, rows, get=routines.get, name=lambda routine: routine.title, what="routine")


def the_approval(session: Session, text: str, *, among: Iterable[ApprovalStatus] = tuple(ApprovalStatus)) -> Approval:
    """The approval that this names; by its title or the beginning of its id, one of these statuses."""
    approvals = session.client.approvals
    rows = approvals.list(session.company.id, status=tuple(among))
    return names_one(text, rows, get=approvals.get, name=lambda approval: approval.title, what="approval")


def agent_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of agents that begin like this, for the shell."""
    return _completed(context, begun, lambda session: _named(session.client.agents.list(session.company.id)))


def company_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of companies that begin like this, for the shell."""
    return _completed(context, begun, lambda session: _named(session.client.companies.list()))


def _named(rows: Iterable[Agent] | Iterable[Company]) -> list[str]:
    return [row.name for row in rows]


def _completed(context: click.Context, begun: str, names: Callable[[Session], list[str]]) -> list[CompletionItem]:
    """None where the server does not say at once: whoever types shall not wait."""
    given = context.params
    login = chosen(given.get("url"), given.get("token"))
    try:
        with BlockingClient(login.url, login.token, timeout=COMPLETED_WITHIN, retries=Retries(tries=1)) as client:
            found = names(Session(client, login, as_json=True, company=given.get("company_named")))
    except (ClientError, DomainError, click.ClickException, ValueError):
        return []
    return [CompletionItem(name) for name in found if name.casefold().startswith(begun.casefold())]
