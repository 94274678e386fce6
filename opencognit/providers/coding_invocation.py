"""One start of a coding agent's command line: what it is given, what it comes to, and what it has cost."""

import asyncio
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import msgspec
import structlog

from opencognit.domain.coding_session import CodingSession
from opencognit.domain.errors import DomainError
from opencognit.domain.run import TokenUsage
from opencognit.providers.coding_cli import Access, Cli
from opencognit.providers.coding_output import Said
from opencognit.providers.exchange import AdapterConfig, TimeLimit
from opencognit.providers.json_lines import Lines
from opencognit.providers.output import CutOutput, Discretion
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.prices import PriceList
from opencognit.providers.process_group import ProcessGroup
from opencognit.providers.prompt import coding_prompt, task_prompt
from opencognit.providers.sandbox import Sandbox

log = structlog.get_logger(__name__)

HOMES = ".opencognit"
"""The folder in the workspace that holds a home folder for each agent."""

# Made by the command itself, inside its walls: what lies in a workspace may be a link to anywhere. The workspace may be
# a repository, whose business these folders are not.
_IN_ITS_HOME = 'umask 077; mkdir -p "$HOME" && echo "*" >"$HOME/../.gitignore"; exec "$@"'

_RESULT_CHARACTERS = 200_000
_COMPLAINT_BYTES = 8_000
_PASSING = re.compile(r"\b(429|500|502|503|529)\b|overloaded|rate.?limit|usage limit|quota|temporarily", re.IGNORECASE)


class CodingConfig(AdapterConfig, frozen=True, kw_only=True):
    """What an agent of this kind is configured with."""

    model: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:@_/-]*$")] | None = None
    """The model; the command line's own choice if none is named."""
    access: Access = "edit"
    """What it may do unasked."""
    max_cost_cents: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 500
    """The most that one run is expected to cost; Claude Code stops there."""
    subscription: bool = False
    """Whether it is paid for otherwise: then a run costs nothing, and no key is handed over."""
    time_limit: TimeLimit | None = None
    """Seconds, where the run's own limit is too long."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """What all invocations on this server have in common."""

    prices: PriceList
    sandbox: Sandbox
    path: str
    output_limit: int
    kill_grace: float


class Invocation:
    """One start, for `Toolbox.metered` to make. With a session it is resumed, else a new one begins."""

    def __init__(
        self,
        host: Host,
        cli: Cli,
        config: CodingConfig,
        *,
        order: WorkOrder,
        toolbox: Toolbox,
        session: CodingSession | None,
        credential: tuple[str, str | None],
    ) -> None:
        self._host = host
        self._cli = cli
        self._order = order
        self._config = config
        self._toolbox = toolbox
        self._session = session
        self._credential = credential
        self._prompt = coding_prompt(order) if session is None else task_prompt(order)
        self._named = asyncio.Event()
        self._begin()

    def worst(self) -> Outcome:
        """The most that it can cost, as far as anybody can say."""
        if self._config.subscription:
            return Outcome()
        return Outcome(cost_cents=Decimal(self._config.max_cost_cents), cost_estimated=True, model=self._config.model)

    async def make(self) -> tuple[Outcome | None, Outcome]:
        """Start it and wait for its end; returns what came of it, and what it used and cost."""
        self._begin()
        error = await self._run()
        used = self._used()
        if error is None:
            return Outcome(
                result=self._clean(self._said.result).strip()[:_RESULT_CHARACTERS], output=self._heard.text()
            ), used
        if self._session is not None and self._cli.unknown_session.search(error + self._complaint()):
            return None, used
        error = f"{self._cli.title}: {error.strip()[:500]}"
        if _PASSING.search(error):
            raise ProviderFailed(error, transient=True, partial=used)
        return Outcome(error=error, output=self._heard.text() + self._complaint()), used

    async def keep_session(self) -> None:
        """Remember the session as soon as it has a name, so that it can be resumed after a crash, too."""
        await self._named.wait()
        if self._session is None or self._session.id != self._session_id():
            await self._remember(usage=TokenUsage())

    async def keep_usage(self) -> None:
        """Remember the session as it is now."""
        before = self._session.usage if self._session is not None else TokenUsage()
        total = self._said.usage if self._cli.counts_session else TokenUsage()
        if self._said.session is not None:
            await self._remember(usage=before if total == TokenUsage() else total)

    def _begin(self) -> None:
        self._said = Said()
        self._discretion = Discretion(self._credential[1])
        self._heard = CutOutput(head=self._host.output_limit // 2, tail=self._host.output_limit // 2)
        self._complaints = CutOutput(head=0, tail=_COMPLAINT_BYTES)

    async def _remember(self, *, usage: TokenUsage) -> None:
        session = CodingSession(adapter=self._cli.name, id=self._session_id(), usage=usage)
        try:
            await self._toolbox.keep_coding_session(session)
        except DomainError as error:
            # What the work came to counts for more than that the next run begins anew.
            log.warning("coding_session_not_kept", run=self._order.run_id, error=error.message)

    def _session_id(self) -> str:
        resumed = self._session.id if self._session is not None and self._cli.keeps_id else None
        return resumed or self._said.session or ""

    async def _run(self) -> str | None:
        """Run it to its end; returns why there is no result, or None where there is one."""
        lines = Lines(self._hear)
        try:
            group = await ProcessGroup.start(
                await self._argv(),
                cwd=self._order.workspace,
                env=self._environment(),
                stdin=self._prompt.encode(errors="replace"),
                stdout=lines.add,
                stderr=self._complaints.add,
            )
        except OSError as error:
            problem = f"{self._cli.title} could not be started: {error.strerror}"
            raise ProviderFailed(problem, transient=False) from error
        try:
            async with asyncio.timeout(self._config.time_limit):
                status = await group.wait()
        except TimeoutError:
            return f"it was ended after its limit of {self._config.time_limit:g} s"
        finally:
            await group.end(grace=self._host.kill_grace)
            lines.end()
            self._show(self._discretion.rest())
        return self._verdict(status)

    def _verdict(self, status: int) -> str | None:
        said = self._said
        if said.unreadable is not None and not said.ended:
            return f"it ended without a result that can be read ({self._clean(said.unreadable)})"
        if said.error is not None:
            return self._clean(said.error)
        if status:
            return (self._complaint().strip().splitlines() or [f"it ended with status {status}"])[-1]
        if not said.ended:
            return "it ended without a result"
        return None if said.result.strip() else "its answer is empty"

    def _complaint(self) -> str:
        return self._clean(self._complaints.text())

    def _used(self) -> Outcome:
        """What it used and cost: as it says, else by its tokens, else by what went in and came out."""
        said, prices, order = self._said, self._host.prices, self._order
        model = said.model or self._config.model or self._cli.name
        usage = self._since_last_run(said.usage) if self._cli.counts_session else said.usage
        counted = usage != TokenUsage()
        if not counted and not said.cost_cents:
            if not said.begun:
                return Outcome()
            usage = prices.worst_case(
                prompt_bytes=len(self._prompt.encode(errors="replace")), max_tokens=self._heard.total
            )
        if self._config.subscription:
            return Outcome(usage=usage, model=model)
        if said.cost_cents:
            return Outcome(usage=usage, cost_cents=said.cost_cents, model=model)
        cost = prices.cost(usage, vendor=self._cli.vendor, model=model, company_id=order.company_id)
        estimated = cost.estimated or not counted or not said.ended
        return Outcome(usage=usage, cost_cents=cost.cents, cost_estimated=estimated, model=model)

    def _since_last_run(self, total: TokenUsage) -> TokenUsage:
        before = self._session.usage if self._session is not None else TokenUsage()
        parts = {name: getattr(total, name) - getattr(before, name) for name in TokenUsage.__struct_fields__}
        # Fewer than before: the session was counted anew, for instance because it was made shorter.
        return total if min(parts.values()) < 0 else TokenUsage(**parts)

    async def _argv(self) -> list[str]:
        argv = self._cli.argv(
            access=self._config.access,
            model=self._config.model,
            session=self._session.id if self._session is not None else None,
            max_cost_cents=None if self._config.subscription else self._config.max_cost_cents,
        )
        argv = ("/bin/sh", "-c", _IN_ITS_HOME, "home", *argv)
        return await self._host.sandbox.around(argv, workspace=self._order.workspace, network=True)

    def _environment(self) -> dict[str, str]:
        variable, key = self._credential
        return {
            "PATH": self._host.path,
            "HOME": f"{self._order.workspace}/{HOMES}/{self._order.agent_id}",
            "LANG": "C.UTF-8",
            "OPENCOGNIT_RUN_ID": self._order.run_id,
            "OPENCOGNIT_TASK_ID": self._order.task_id or "",
            **self._cli.environment,
            **({variable: key} if key else {}),
        }

    def _hear(self, line: bytes) -> None:
        shown = self._said.hear(self._cli.reader, line)
        if self._said.session is not None:
            self._named.set()
        if shown:
            self._show(self._discretion.cleaned(shown))

    def _show(self, text: str) -> None:
        room = self._host.output_limit - self._heard.total
        data = text.encode(errors="replace")
        self._heard.add(data)
        if room > 0 and data:
            self._toolbox.progress(data[:room].decode(errors="ignore"))

    def _clean(self, text: str) -> str:
        """A whole text without the key, which whoever has it in the environment can say."""
        discretion = Discretion(self._credential[1])
        return discretion.cleaned(text) + discretion.rest()
