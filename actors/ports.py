"""What actors need from outside, as protocols; `runtime.py` fills them with real parts."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from opencognit.clock import Clock, IdSource
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
    def goal_bodies(self, company_id: str, statuses: tuple[str, ...], limit: int) -> Awaitable[list[bytes]]: ...
    def goal_company(self, goal_id: str) -> Awaitable[str | None]: ...
    def goals_below(self, goal_id: str) -> Awaitable[list[str]]: ...
    def tasks_of_goal(self, goal_id: str) -> Awaitable[list[str]]: ...
    def goal_tasks_counted(self, goal_id: str, without: Iterable[str]) -> Awaitable[tuple[int, int]]: ...
    def workforce(self, company_id: str) -> Awaitable[list[tuple[bytes, int]]]: ...
    def task_lines(self, parent_id: str, limit: int) -> Awaitable[list[bytes]]: ...
    def approval_of_call(
        self, company_id: str, agent_id: str, task_id: str, call: str
    ) -> Awaitable[tuple[str, str, str | None] | None]: ...
    def orchestrators(self, company_id: str) -> Awaitable[list[str]]: ...


class Store(Protocol):
    """Where state becomes durable."""

    @property
    def queries(self) -> Questions:
        """What can be asked."""

    def commit(self, unit: Unit) -> "asyncio.Future[None]":
        """Make a unit durable; the future ends when it is, or with why it is not."""


class Outside(Protocol):
    """What tools reach outside of the company's records; see `providers/outside.py`."""

    @property
    def has_commands(self) -> bool:
        """Whether this server runs commands at all."""

    def read_file(self, workspace: str, path: str) -> Awaitable[str]: ...
    def write_file(self, workspace: str, path: str, content: str) -> Awaitable[None]: ...
    def list_files(self, workspace: str, path: str) -> Awaitable[str]: ...
    def run_command(self, workspace: str, command: str) -> Awaitable[str]: ...
    def fetch_url(self, url: str) -> Awaitable[str]: ...


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
    ask_deadline: Seconds = 10
    passivate_after: Seconds = 300
    agents_folder: Path = field(default_factory=lambda: Path("agents"))
    work_dirs: tuple[Path, ...] = ()
    public_url: str = "http://localhost:3201"
    context_tokens: int = 100_000
    commands_to_approve: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All that actors are given."""

    store: Store
    clock: Clock
    ids: IdSource
    directory: Directory
    providers: Mapping[str, Provider]
    secrets: SecretKeeper
    outside: Outside
    limits: Limits
