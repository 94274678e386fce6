"""What every command that asks a server has in common: its options, its client, and errors in a sentence.

@task.command("list")
@in_company
def list_(session: Session) -> None:
session.output.rows(Task, session.client.tasks.list.raw(session.company.id), …)
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import click
from msgspec.structs import replace

from opencognit.client import BlockingClient, ClientError, Retries
from opencognit.commands.login import Login, remembered
from opencognit.commands.naming import names_one
from opencognit.commands.showing import Output
from opencognit.domain.company import Company
from opencognit.domain.errors import DomainError, NotAuthenticated

Command = Callable[..., None]

RETRIES = Retries(tries=4, shortest=0.2, longest=5)
"""A person waits a few seconds, and not longer."""


class Session:
    """What a command works with.

    Attributes:
        client: of the server, as whoever is signed in.
        output: takes the answer.
        login: the server's address and the token.
    """

    def __init__(self, client: BlockingClient, login: Login, *, as_json: bool, company: str | None) -> None:
        self.client = client
        self.output = Output(as_json=as_json)
        self.login = login
        self._named = company

    @cached_property
    def company(self) -> Company:
        """The company that the command is about: the one that is named, or chosen, or the only one."""
        companies = self.client.companies
        if self._named is not None:
            return names_one(self._named, companies.list(), get=companies.get, name=_name, what="company")
        if self.login.company_id is not None:
            return companies.get(self.login.company_id)
        found = list(companies.list())
        if len(found) == 1:
            return found[0]
        if not found:
            raise click.ClickException("You belong to no company: found one by `opencognit company create NAME`.")
        raise click.ClickException(
            f"Which company? Name it by --company, or choose it by `opencognit company use NAME`: "
            f"{', '.join(sorted(company.name for company in found))}."
        )


def at_server(command: Command) -> Command:
    """Give a command the options of a server, and a `Session` as its first argument."""

    @click.option("--url", envvar="OPENCOGNIT_URL", help="The server's address; else where you are signed in.")
    @click.option("--token", envvar="OPENCOGNIT_TOKEN", help="Instead of the one that `opencognit login` keeps.")
    @click.option("--json", "as_json", is_flag=True, help="Print the server's JSON.")
    @functools.wraps(command)
    def run(
        *given: Any, url: str | None, token: str | None, as_json: bool, company_named: str | None = None, **options: Any
    ) -> None:
        login = chosen(url, token)
        with refusals_in_a_sentence(), opened(login) as client:
            command(Session(client, login, as_json=as_json, company=company_named), *given, **options)

    return run


def in_company(command: Command) -> Command:
    """The same for a command that is about a company."""
    return click.option(
        "--company",
        "company_named",
        envvar="OPENCOGNIT_COMPANY",
        help="The company, by its name, its id or the beginning of that.",
    )(at_server(command))


def chosen(url: str | None, token: str | None) -> Login:
    """The login that these options mean; a token that was kept goes to its own server alone."""
    kept = remembered()
    if url is not None and url.rstrip("/") != kept.url.rstrip("/"):
        kept = Login(url=url)
    return replace(kept, token=token or kept.token)


@contextmanager
def opened(login: Login) -> Iterator[BlockingClient]:
    """A client for this login."""
    try:
        client = BlockingClient(login.url, login.token, retries=RETRIES)
    except ValueError as error:
        raise click.ClickException(f"{error}.") from error
    with client:
        yield client


@contextmanager
def refusals_in_a_sentence() -> Iterator[None]:
    """What is refused, or cannot be, is one sentence on standard error and exit code 1."""
    try:
        yield
    except NotAuthenticated as error:
        raise click.ClickException(f"{error.message}. `opencognit login` does that.") from error
    except (DomainError, ClientError) as error:
        raise click.ClickException(f"{error.message.rstrip('.')}.") from error


def _name(company: Company) -> str:
    return company.name
