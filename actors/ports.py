"""What actors need from outside, as protocols; `runtime.py` fills them with real parts."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from opencognit.clock import Clock, IdSource, Jitter, SystemJitter
from opencognit.domain.directory import Directory
from opencognit.domain.instants import Instant, Seconds
from opencognit.domain.records import Unit
from opencognit.providers.port import Provider


class Questions(Protocol):
    """What actors ask the store; see `store/queries.py` for what each means."""

    def load(self, kind: str, entity_id: str) -> Awaitable[bytes | None]: ...
    def ready_tasks(self, agent_id: str, now: Instant, limit: int) -> Awaitable[list[str]]: ...
    def open_tasks_of(self, agent_id: str) -> Awaitable[list[str]]: ...
    def agent_ids(self, company_id: str) -> Awaitable[list[str]]: ...
    def agent_names(self, company_id: str) -> Awaitable[list[tuple[str, str]]]: ...
    def unfinished_runs(self, agent_id: str) -> Awaitable[list[bytes]]: ...
    def agent_secrets(self, agent_id: str) -> Awaitable[str | None]: ...
    def user_by_id(self, user_id: str) -> Awaitable[tuple[bytes, str] | None]: ...
    def waiting_for(self, blocker_id: str, *, also_done: bool = False) -> Awaitable[list[str]]: ...
    def open_blockers(self, task_id: str) -> Awaitable[list[str]]: ...
    def bodies(self, kind: str, ids: Iterable[str]) -> Awaitable[list[bytes]]: ...
    def comments(self, task_id: str, limit: int, offset: int) -> Awaitable[Any]: ...
    def run(self, run_id: str) -> Awaitable[bytes | None]: ...
    def staff(self, company_id: str) -> Awaitable[list[bytes]]: ...
    def attempts_at(self, task_id: str, agent_id: str, limit: int) -> Awaitable[list[bytes]]: ...


class Store(Protocol):
    """Where state becomes durable."""

    @property
    def queries(self) -> Questions:
        """What can be asked."""

    def commit(self, unit: Unit) -> "asyncio.Future[None]":
        """Make a unit durable; the future ends when it is, or with why it is not."""


class SecretKeeper(Protocol):
    """Masks, seals and opens the secrets inside an agent's configuration."""

    def split(
        self, config: Mapping[str, Any], *, before: Mapping[str, Any], sealed_before: str | None
    ) -> tuple[dict[str, Any], str | None]:
        """(the configuration with its secrets masked, the sealed secrets); a masked value keeps the secret it masks."""

    def join(self, masked: Mapping[str, Any], sealed: str | None) -> dict[str, Any]:
        """The configuration with its secrets in the clear."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Lengths and numbers that the work loop keeps to; from the settings of the same names."""

    lease: Seconds = 1800
    run_time_limit: Seconds = 1800
    runs_at_once: int = 20
    tasks_per_heartbeat: int = 10
    retry_delays: tuple[Seconds, ...] = (300, 900, 2700)
    provider_tries: int = 6
    provider_backoff: Seconds = 1
    provider_patience: Seconds = 900
    provider_calls_at_once: int = 50
    provider_calls_per_minute: int = 1000
    provider_failures_to_open: int = 5
    provider_pause: Seconds = 30
    critic: str = "auto"
    ask_deadline: Seconds = 10
    passivate_after: Seconds = 300
    agents_folder: Path = field(default_factory=lambda: Path("agents"))
    work_dirs: tuple[Path, ...] = ()
    public_url: str = "http://localhost:3201"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All that actors are given."""

    store: Store
    clock: Clock
    ids: IdSource
    directory: Directory
    providers: Mapping[str, Provider]
    secrets: SecretKeeper
    limits: Limits
    jitter: Jitter = field(default_factory=SystemJitter)
