"""The command line: what runs a server here, each command one call into the runtime, and what asks one that runs."""

import asyncio
import gc
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import platformdirs

from opencognit import __version__
from opencognit.commands import COMMANDS
from opencognit.domain.errors import DomainError
from opencognit.domain.message import encode
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.log_output import log_to_stderr
from opencognit.security.keys import KeyFileRefused
from opencognit.settings import Settings, SettingsError

DataFolder = click.Path(file_okay=False, path_type=Path)


@click.group()
@click.version_option(__version__, prog_name="opencognit")
def main() -> None:
    """OpenCognit: companies of AI agents, run by actors."""


for _command in COMMANDS:
    main.add_command(_command)


@main.command()
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 for a free one.")
@click.option("--data", type=DataFolder, help="The folder for the database and the keys.")
@click.option("--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="A settings file (TOML).")
def serve(host: str | None, port: int | None, data: Path | None, config: Path | None) -> None:
    """Start the server."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings.load(config, overrides={"server": given})
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    log_to_stderr()
    _run(_serve(settings, data or _default_data()))


@main.command()
@click.option("--data", type=DataFolder, help="Keep the company in this folder, and go on with it if it is there.")
@click.option("--keep", is_flag=True, help="Go on serving when all is done.")
def demo(data: Path | None, keep: bool) -> None:
    """Found a company of agents and watch it work; needs no key and no network."""
    from opencognit.demo import run_demo

    if not _run(run_demo(data, keep=keep)):
        sys.exit(1)


@main.command("dry-run")
@click.option("--data", type=DataFolder, help="The data folder; it is copied, and a server may go on working in it.")
@click.option("--company", help="Its id or name, if there are several.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it runs on.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, another course of things.")
@click.option("--failing", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="The share that fails.")
@click.option("--cents", type=click.FloatRange(0, 10**6), default=10, show_default=True, help="Cost of an attempt.")
@click.option("--minutes", type=click.FloatRange(0, 1440), default=10, show_default=True, help="Length of an attempt.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.option("--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="The server's settings.")
def dry_run(
    *, data: Path | None, company: str | None, config: Path | None, as_json: bool, cents: float, **assumed: Any
) -> None:
    """See what a company would do in the next days: a copy of it, offline, in seconds, with scripted work."""
    from opencognit.dry_run import Assumptions, dry_run, print_report

    assumptions = Assumptions(cents=Decimal(str(cents)), **assumed)
    try:
        report = dry_run(data or _default_data(), company, assumptions, settings=Settings.load(config))
    except (SettingsError, DomainError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(encode(report).decode())
    else:
        print_report(report)


@main.group()
def keys() -> None:
    """The keys that lie beside the database."""


@keys.command()
@click.option("--data", type=DataFolder, help="The data folder; no server may be working on it.")
@click.option("--tokens", is_flag=True, help="Also a new key for tokens: everyone has to sign in again, agents too.")
@click.option("--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="The server's settings.")
def rotate(data: Path | None, config: Path | None, tokens: bool) -> None:
    """Seal all secrets with a new key; the old one opens nothing any more."""
    from opencognit.key_rotation import rotate_keys

    try:
        settings = Settings.load(config)
        done = rotate_keys(data or _default_data(), tokens=tokens, allow_old_sqlite=settings.store.allow_old_sqlite)
    except (SettingsError, DomainError, KeyFileRefused) as error:
        raise click.ClickException(str(error)) from error
    if done.finished:
        click.echo("A rotation that was cut off earlier was brought to its end.")
    click.echo(f"Secrets sealed with the new key: {done.resealed}. The old key is gone.")
    if done.unreadable:
        click.echo(f"Secrets that could not be opened before either, to be entered again: {done.unreadable}.")
    if done.copies:
        click.echo(f"The secrets in these copies of the database can no longer be opened: {', '.join(done.copies)}.")
    if tokens:
        click.echo("All tokens have ended: sign in again, and give the agents new ones.")


def _default_data() -> Path:
    return Path(platformdirs.user_data_dir("opencognit", appauthor=False))


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on the fastest loop there is; a refusal becomes one sentence."""
    try:
        if sys.platform == "win32":
            return asyncio.run(work)
        import uvloop

        return uvloop.run(work)
    except (DomainError, KeyFileRefused) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


async def _serve(settings: Settings, data: Path) -> None:
    from opencognit.http.server import listening
    from opencognit.runtime import Runtime

    is_new = not (data / "opencognit.db").exists()
    stop = _stop_signal()
    async with Runtime(data, settings=settings) as runtime, listening(runtime) as url:
        _calm_the_collector()
        _greet(url, data, is_new=is_new)
        await stop.wait()
        click.echo("Stopping: what is under way may end first.", err=True)


def _calm_the_collector() -> None:
    """Let the garbage collector look at what is new, and less often.

    The modules and the actors live as long as the process. Without this, walking over them again and again takes a
    sixth of the time in which tasks are created (`make bench`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    return stop


def _greet(url: str, data: Path, *, is_new: bool) -> None:
    host = url.removeprefix("http://").rpartition(":")[0]
    click.echo(f"OpenCognit {__version__} listens on {url}; its data is in {data}", err=True)
    if not ipaddress.ip_address(host.strip("[]")).is_loopback:
        click.echo("Others can reach this address: put a proxy that speaks TLS in front of it.", err=True)
    if is_new:
        example = {"name": "Jane", "email": "jane@example.com", FIELDS["password"]: "secure-password-123"}
        click.echo(
            "\nThis is a new server. Register the first user, who becomes its admin:\n\n"
            f"  curl -X POST {url}/api/auth/{PATHS['register']} -H 'Content-Type: application/json' \\\n"
            f"    -d '{json.dumps(example)}'\n\n"
            "The answer holds a token: send it as `Authorization: Bearer <token>`. README.md goes on from there.\n",
            err=True,
        )
