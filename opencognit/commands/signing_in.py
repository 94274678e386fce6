"""Signing in and out."""

import contextlib
import os

import click
from msgspec.structs import replace

from opencognit.commands.login import Login, forget, login_file, remember, remembered
from opencognit.commands.session import Session, at_server, opened, refusals_in_a_sentence
from opencognit.domain.caller import User
from opencognit.domain.errors import NotAuthenticated

PASSWORD = "OPENCOGNIT_PASSWORD"  # noqa: S105 - the name of a variable


@click.command()
@click.option("--url", envvar="OPENCOGNIT_URL", help="The server's address.")
@click.option("--email", help="Whose account; asked for otherwise.")
@click.option("--register", "name", metavar="NAME", help="Open an account in this name first.")
@click.option("--token", envvar="OPENCOGNIT_TOKEN", help="Keep this token, such as an agent's, instead of signing in.")
def login(url: str | None, email: str | None, name: str | None, token: str | None) -> None:
    """Sign in, and stay so until `opencognit logout`.

    The password is asked for, or taken from the variable OPENCOGNIT_PASSWORD.
    """
    address = url or remembered().url
    with refusals_in_a_sentence(), opened(Login(url=address, token=token)) as client:
        if token is None:
            email = email or click.prompt("E-mail")
            password = os.environ.get(PASSWORD) or click.prompt(
                "Password", hide_input=True, confirmation_prompt=name is not None
            )
            if name is not None:
                token = client.auth.register(name=name, email=email, password=password).token
            else:
                token = client.auth.sign_in(email=email, password=password).token
        else:
            # Agents have no account, but companies.
            next(client.companies.list(limit=1), None)
    remember(Login(url=address, token=token))
    click.echo(f"Signed in at {address}. The token is in {login_file()}.", err=True)


@click.command()
def logout() -> None:
    """Sign out: the token ends, and is kept no longer."""
    kept = remembered()
    if kept.token is not None:
        # A token that has ended already is no hindrance.
        with refusals_in_a_sentence(), opened(kept) as client, contextlib.suppress(NotAuthenticated):
            client.auth.sign_out()
    forget()
    click.echo("Signed out.", err=True)


@click.command()
@at_server
def whoami(session: Session) -> None:
    """Who is signed in, and where."""
    session.output.one(
        User,
        session.client.auth.me.raw(),
        lambda user: {"Name": user.name, "E-mail": user.email, "Role": user.role, "Server": session.login.url},
    )


def choose_company(company_id: str) -> None:
    """Commands are about this company from now on."""
    remember(replace(remembered(), company_id=company_id))
