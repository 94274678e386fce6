"""Settings: the defaults, then a file, then the environment, then what the program says; later ones win."""

import os
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencognit.actors.ports import Limits

PREFIX = "OPENCOGNIT_"


class SettingsError(ValueError):
    """A setting has a value that it cannot have; the message says which, and where it came from."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `config/default.toml`, which says what each setting means."""


class Server(Section, frozen=True, kw_only=True):
    """`[server]`."""

    host: str
    port: int
    public_url: str
    allowed_origins: tuple[str, ...]
    grace_seconds: float


class StoreSection(Section, frozen=True, kw_only=True):
    """`[store]`."""

    allow_old_sqlite: bool


class Accounts(Section, frozen=True, kw_only=True):
    """`[accounts]`."""

    session_seconds: float
    agent_token_seconds: float
    bcrypt_rounds: int


class Work(Section, frozen=True, kw_only=True):
    """`[work]`."""

    lease_seconds: float
    run_time_limit_seconds: float
    runs_at_once: int
    tasks_per_heartbeat: int
    retry_delays_seconds: tuple[float, ...]


class Actors(Section, frozen=True, kw_only=True):
    """`[actors]`."""

    ask_deadline_seconds: float
    passivate_after_seconds: float


class Agents(Section, frozen=True, kw_only=True):
    """`[agents]`."""

    work_dirs: tuple[str, ...]
    bash_enabled: bool
    bash_sandbox: Literal["auto", "bubblewrap", "none"]
    bash_memory_mb: int
    http_allowed_addresses: tuple[str, ...]
    anthropic_base_url: str


class Settings(Section, frozen=True, kw_only=True):
    """All settings, checked."""

    server: Server
    store: StoreSection
    accounts: Accounts
    work: Work
    actors: Actors
    agents: Agents

    @classmethod
    def load(
        cls,
        file: Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Settings":
        """Read the settings.

        Args:
            file: a TOML file in the form of `config/default.toml`.
            environment: `OPENCOGNIT_<SECTION>__<NAME>` variables; the process's own by default.
            overrides: values by section and name that win over all others.

        Raises:
            SettingsError: a value cannot be used, or a setting does not exist.
        """
        defaults = tomllib.loads((files("opencognit.config") / "default.toml").read_text("utf-8"))
        chosen = defaults
        sources: list[tuple[str, Mapping[str, Mapping[str, Any]]]] = []
        if file is not None:
            sources.append((str(file), _read(file)))
        sources.append(("the environment", _from_environment(environment or os.environ)))
        sources.append(("the arguments", overrides or {}))
        settings = msgspec.convert(defaults, cls)
        for source, values in sources:
            chosen = {
                **chosen,
                **{name: {**chosen.get(name, {}), **section} for name, section in values.items()},
            }
            try:
                settings = msgspec.convert(chosen, cls, strict=False)
            except msgspec.ValidationError as error:
                raise SettingsError(f"A setting from {source} cannot be used: {error}") from error
        return settings

    def limits(self, *, agents_folder: Path) -> Limits:
        """What the actors need of the settings."""
        return Limits(
            lease=self.work.lease_seconds,
            run_time_limit=self.work.run_time_limit_seconds,
            runs_at_once=self.work.runs_at_once,
            tasks_per_heartbeat=self.work.tasks_per_heartbeat,
            retry_delays=self.work.retry_delays_seconds,
            ask_deadline=self.actors.ask_deadline_seconds,
            passivate_after=self.actors.passivate_after_seconds,
            agents_folder=agents_folder,
            work_dirs=tuple(Path(folder) for folder in self.agents.work_dirs),
            public_url=self.server.public_url or f"http://localhost:{self.server.port}",
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings in {file} cannot be read: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for variable, text in environment.items():
        section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
        if variable.startswith(PREFIX) and separator:
            values.setdefault(section, {})[name] = _value(text)
    return values


def _value(text: str) -> Any:
    """A list in TOML's form is a list; all else is converted by the setting's type."""
    if text.startswith("["):
        return tomllib.loads(f"value = {text}")["value"]
    return text
