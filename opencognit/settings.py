"""Settings: the defaults, then a file, then the environment, then what the program says; later ones win."""

import os
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from opencognit.actors.ports import Limits

PREFIX = "OPENCOGNIT_"
TEN_YEARS: Final = 10 * 365 * 24 * 3600.0

Length = Annotated[float, msgspec.Meta(gt=0, le=TEN_YEARS)]
"""Seconds that something lasts."""

Pause = Annotated[float, msgspec.Meta(ge=0, le=TEN_YEARS)]
"""Seconds to wait; none at all is possible."""

Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""How many; with none, nothing would work."""

AnyCount = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""How many; 0 for no limit."""


class SettingsError(ValueError):
    """A setting has a value that it cannot have; the message says which, and where it came from."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `config/default.toml`, which says what each setting means."""


class Server(Section, frozen=True, kw_only=True):
    """`[server]`."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    public_url: str
    allowed_origins: tuple[str, ...]
    grace_seconds: Pause
    largest_import_bytes: Annotated[int, msgspec.Meta(ge=1024, le=2**31 - 1)]


class StoreSection(Section, frozen=True, kw_only=True):
    """`[store]`."""

    allow_old_sqlite: bool


class Accounts(Section, frozen=True, kw_only=True):
    """`[accounts]`."""

    session_seconds: Length
    agent_token_seconds: Length
    bcrypt_rounds: Annotated[int, msgspec.Meta(ge=4, le=31)]


class Work(Section, frozen=True, kw_only=True):
    """`[work]`."""

    lease_seconds: Length
    run_time_limit_seconds: Length
    runs_at_once: Count
    tasks_per_heartbeat: Count
    context_tokens: Annotated[int, msgspec.Meta(ge=2000, le=10_000_000)]
    retry_delays_seconds: Annotated[tuple[Pause, ...], msgspec.Meta(min_length=1)]
    costly_run_factor: Count
    costly_run_floor_cents: Annotated[int, msgspec.Meta(ge=0, le=10**12)]
    talk_turns: Count
    talk_retry_delays_seconds: tuple[Pause, ...]
    meeting_time_limit_seconds: Length
    provider_tries: Count
    provider_backoff_seconds: Length
    provider_patience_seconds: Pause
    provider_calls_at_once: Count
    provider_calls_per_minute: Count
    provider_failures_to_open: Count
    provider_pause_seconds: Length
    critic: Literal["auto", "off"]


class Actors(Section, frozen=True, kw_only=True):
    """`[actors]`."""

    ask_deadline_seconds: Length
    passivate_after_seconds: Length
    awake_at_most: Count


class Agents(Section, frozen=True, kw_only=True):
    """`[agents]`."""

    work_dirs: tuple[str, ...]
    bash_enabled: bool
    bash_sandbox: Literal["auto", "bubblewrap", "none"]
    bash_memory_mb: Count
    coding_agents_enabled: tuple[Literal["claude-code", "codex-cli", "gemini-cli"], ...]
    coding_agents_path: tuple[str, ...]
    coding_agents_memory_mb: Count
    commands_to_approve: tuple[str, ...]
    http_allowed_addresses: tuple[str, ...]
    anthropic_base_url: str
    ollama_base_url: str
    custom_allowed_addresses: tuple[str, ...]
    memories_per_agent: Count

    def __post_init__(self) -> None:
        for pattern in self.commands_to_approve:
            try:
                re.compile(pattern)
            except re.error as error:
                problem = f"{pattern!r} is not a regular expression: {error}"
                raise ValueError(problem) from error


class Approvals(Section, frozen=True, kw_only=True):
    """`[approvals]`."""

    expire_after_seconds: Pause


class Routines(Section, frozen=True, kw_only=True):
    """`[routines]`."""

    missed_after_seconds: Pause
    catch_up_limit: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    executions_kept_seconds: Length


class Retention(Section, frozen=True, kw_only=True):
    """`[retention]`."""

    activity_kept_seconds: Pause
    activity_kept: AnyCount
    events_kept_seconds: Pause
    events_kept: AnyCount
    run_output_kept_seconds: Pause
    run_output_kept_mb: AnyCount


KEEP_ALL: Final = Retention(
    activity_kept_seconds=0,
    activity_kept=0,
    events_kept_seconds=0,
    events_kept=0,
    run_output_kept_seconds=0,
    run_output_kept_mb=0,
)
"""No limit of anything."""


class Webhooks(Section, frozen=True, kw_only=True):
    """`[webhooks]`."""

    allowed_addresses: tuple[str, ...]
    time_limit_seconds: Length
    retry_delays_seconds: tuple[Pause, ...]
    disable_after_seconds: Length
    deliveries_kept: Count


class Settings(Section, frozen=True, kw_only=True):
    """All settings, checked."""

    server: Server
    store: StoreSection
    accounts: Accounts
    work: Work
    actors: Actors
    agents: Agents
    approvals: Approvals
    routines: Routines
    retention: Retention
    webhooks: Webhooks

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
        sources.append(("the environment", _from_environment(os.environ if environment is None else environment)))
        sources.append(("the arguments", overrides or {}))
        settings = msgspec.convert(defaults, cls)
        for source, values in sources:
            chosen = {
                **chosen,
                **{name: _merged(chosen.get(name, {}), section) for name, section in values.items()},
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
            context_tokens=self.work.context_tokens,
            commands_to_approve=self.agents.commands_to_approve,
            retry_delays=self.work.retry_delays_seconds,
            costly_run_factor=self.work.costly_run_factor,
            costly_run_floor_cents=self.work.costly_run_floor_cents,
            talk_turns=self.work.talk_turns,
            talk_retry_delays=self.work.talk_retry_delays_seconds,
            meeting_time_limit=self.work.meeting_time_limit_seconds,
            provider_tries=self.work.provider_tries,
            provider_backoff=self.work.provider_backoff_seconds,
            provider_patience=self.work.provider_patience_seconds,
            provider_calls_at_once=self.work.provider_calls_at_once,
            provider_calls_per_minute=self.work.provider_calls_per_minute,
            provider_failures_to_open=self.work.provider_failures_to_open,
            provider_pause=self.work.provider_pause_seconds,
            critic=self.work.critic,
            ask_deadline=self.actors.ask_deadline_seconds,
            passivate_after=self.actors.passivate_after_seconds,
            awake_at_most=self.actors.awake_at_most,
            agents_folder=agents_folder,
            work_dirs=tuple(Path(folder) for folder in self.agents.work_dirs),
            public_url=self.server.public_url or f"http://localhost:{self.server.port}",
            approvals_expire_after=self.approvals.expire_after_seconds,
            memories_per_agent=self.agents.memories_per_agent,
            missed_after=self.routines.missed_after_seconds,
            catch_up_limit=self.routines.catch_up_limit,
            delivery_retry_delays=self.webhooks.retry_delays_seconds,
            disable_after=self.webhooks.disable_after_seconds,
            deliveries_kept=self.webhooks.deliveries_kept,
        )


def _merged(before: Mapping[str, Any], section: Any) -> Any:
    """What is no table is left as it is, to be refused with all else that cannot be."""
    return {**before, **section} if isinstance(section, Mapping) else section


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
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text  # which is no list, and refused as such
    return text
