"""The adapters `claude-code`, `codex-cli` and `gemini-cli`: a task is done by a coding agent installed on this server.

The prompt is on its standard input and never near a shell. It runs in the agent's workspace with a home folder of its
own, a clean environment with the one key that it needs, and in a process group that ends with the run. Its session is
remembered, so that the next run on the same task goes on where this one ended.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from opencognit.domain.adapter import Abilities
from opencognit.domain.coding_session import CodingSession
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.wire_names import FIELDS
from opencognit.providers.coding_cli import CLIS, Cli
from opencognit.providers.coding_invocation import CodingConfig, Host, Invocation
from opencognit.providers.command_line import SEARCH_PATH
from opencognit.providers.exchange import read_config
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.prices import PriceList
from opencognit.providers.sandbox import Sandbox, SandboxChoice


class CodingAgentProvider:
    """Lets one command line work on the task.

    Args:
        cli: which one.
        enabled: off, unless the server's own configuration says otherwise.
        key_for: gives a key of a company, by its id and the name of the key; None where it has none.
        prices: what tokens cost that the command line names no cost of.
        sandbox: see `SandboxChoice`. There is a network in it, which a coding agent cannot do without.
        memory_mb: how much a process may hold, in MiB; 0 for no limit.
        output_limit_bytes: how much output is kept and shown; the middle of more is left out.
        hidden: files and folders that the sandbox covers, above all the server's data.
        extra_path: folders in which programs are looked for first.
        kill_grace: seconds between SIGTERM and SIGKILL.
    """

    abilities = Abilities(tools=False, streaming=True, cost_known=False, repeatable=True)

    def __init__(
        self,
        cli: Cli,
        *,
        enabled: bool,
        key_for: Callable[[str, str], Awaitable[str | None]],
        prices: PriceList,
        sandbox: SandboxChoice = "auto",
        memory_mb: int = 4096,
        output_limit_bytes: int = 200_000,
        hidden: tuple[Path, ...] = (),
        extra_path: tuple[Path, ...] = (),
        kill_grace: float = 2.0,
    ) -> None:
        self.name = cli.name
        self._cli = cli
        self._host = Host(
            prices=prices,
            sandbox=Sandbox(sandbox, memory_mb=memory_mb, hidden=hidden),
            path=":".join([*map(str, extra_path), SEARCH_PATH]),
            output_limit=output_limit_bytes,
            kill_grace=kill_grace,
        )
        self._enabled = enabled
        self._key_for = key_for

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        if not self._enabled:
            raise ValidationFailed.of(FIELDS["adapter"], self._off())
        if self._host.sandbox.missing():
            raise ValidationFailed.of(FIELDS["adapter"], "this server demands bubblewrap and does not have it")
        read_config(config, CodingConfig)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Let it work. Raises `ProviderFailed`; what was used until then is booked."""
        if not self._enabled:
            raise ProviderFailed(self._off().capitalize(), transient=False)
        config = read_config(order.config, CodingConfig)
        await asyncio.to_thread(self._host.prices.load)
        session = await toolbox.coding_session()
        if session is not None and session.adapter == self.name:
            outcome = await self._invoked(order, config, toolbox, session)
            if outcome is not None:
                return outcome
            await toolbox.keep_coding_session(None)
        outcome = await self._invoked(order, config, toolbox, None)
        return outcome or Outcome(error=f"{self._cli.title} knows nothing of a session that it was not asked for")

    async def close(self) -> None:
        """Nothing is held between runs."""

    async def _invoked(
        self, order: WorkOrder, config: CodingConfig, toolbox: Toolbox, session: CodingSession | None
    ) -> Outcome | None:
        """What one start comes to; None if the session is unknown."""
        variable, key = await self._credential(order.company_id, config)
        invocation = Invocation(
            self._host,
            self._cli,
            config,
            order=order,
            toolbox=toolbox,
            session=session,
            credential=(variable, key),
        )
        payer = hashlib.sha256((key or order.agent_id).encode()).hexdigest()[:16]
        call = MeteredCall(provider_key=f"{self.name}/{payer}", worst=invocation.worst(), make=invocation.make)
        keeping = asyncio.create_task(invocation.keep_session())
        try:
            outcome = await toolbox.metered(call)
            await invocation.keep_usage()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return outcome

    async def _credential(self, company_id: str, config: CodingConfig) -> tuple[str, str | None]:
        wanted = self._cli.login if config.subscription else self._cli.key
        if wanted is None:
            return "", None
        setting, variable = wanted
        key = await self._key_for(company_id, setting)
        if not key and not config.subscription:
            problem = f"No key for {self._cli.title} is set; set {setting}, or start the server with {setting.upper()}"
            raise ProviderFailed(problem, transient=False)
        return variable, key or None

    def _off(self) -> str:
        return (
            f"{self.name} is switched off on this server; its operator can allow it by the setting"
            " `agents.coding_agents_enabled`"
        )


def coding_agents(enabled: Collection[str], **options: Any) -> list[CodingAgentProvider]:
    """An adapter for each command line, on where its name is among those enabled."""
    return [CodingAgentProvider(cli, enabled=cli.name in enabled, **options) for cli in CLIS]
