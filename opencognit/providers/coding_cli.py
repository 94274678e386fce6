"""The command lines of coding agents, in one table: how each is started, resumed, limited and given its key."""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from opencognit.providers.coding_output import Reader, read_claude_code, read_codex, read_gemini

Access = Literal["read", "edit", "full"]
"""What it may do unasked: only look; also change files of its workspace; also run any command."""


class Cli(msgspec.Struct, frozen=True, kw_only=True):
    """One command line."""

    name: str
    """Its `verbindungsTyp`."""
    title: str
    program: str
    start: tuple[str, ...]
    """The first arguments; the prompt is on standard input."""
    access: Mapping[Access, tuple[str, ...]]
    model: str
    budget: str | None
    """The flag that limits the cost in dollars, where there is one."""
    resume: tuple[str, ...]
    """Before the id of the session."""
    end: tuple[str, ...] = ()
    environment: Mapping[str, str]
    key: tuple[str, str]
    """The setting that the key is in, and the variable in which the program looks for it."""
    login: tuple[str, str] | None
    """Likewise for a subscription, where that can be given so."""
    vendor: str
    """Whose price list it is."""
    counts_session: bool = False
    """Whether the tokens that it reports are those of all runs of the session."""
    keeps_id: bool = False
    """Whether a resumed session keeps its id, whatever is said."""
    unknown_session: re.Pattern[str]
    """What it says of a session that it does not know."""
    reader: Reader

    def argv(
        self, *, access: Access, model: str | None, session: str | None, max_cost_cents: int | None
    ) -> tuple[str, ...]:
        """The program and its arguments."""
        return (
            self.program,
            *self.start,
            *self.access[access],
            *((self.model, model) if model else ()),
            *((self.budget, f"{max_cost_cents / 100:.2f}") if self.budget and max_cost_cents else ()),
            *((*self.resume, session) if session else ()),
            *self.end,
        )


CLIS: Final = (
    Cli(
        name="claude-code",
        title="Claude Code",
        program="claude",
        start=("-p", "--output-format", "stream-json", "--verbose"),
        access={
            "read": ("--permission-mode", "default"),
            "edit": ("--permission-mode", "acceptEdits"),
            "full": ("--permission-mode", "bypassPermissions"),
        },
        model="--model",
        budget="--max-budget-usd",
        resume=("--resume",),
        environment={"DISABLE_AUTOUPDATER": "1"},
        key=("anthropic_api_key", "ANTHROPIC_API_KEY"),
        login=("claude_code_oauth_token", "CLAUDE_CODE_OAUTH_TOKEN"),
        vendor="anthropic",
        unknown_session=re.compile("No conversation found with session ID", re.IGNORECASE),
        reader=read_claude_code,
    ),
    Cli(
        name="codex-cli",
        title="Codex",
        program="codex",
        start=("exec", "--json", "--skip-git-repo-check"),
        access={
            "read": ("--sandbox", "read-only"),
            "edit": ("--sandbox", "workspace-write"),
            "full": ("--sandbox", "danger-full-access"),
        },
        model="--model",
        budget=None,
        resume=("resume",),
        end=("-",),
        environment={},
        key=("openai_api_key", "CODEX_API_KEY"),
        login=None,
        vendor="openai",
        counts_session=True,
        unknown_session=re.compile(
            "no rollout found|missing rollout|no saved session|session not found", re.IGNORECASE
        ),
        reader=read_codex,
    ),
    Cli(
        name="gemini-cli",
        title="Gemini CLI",
        program="gemini",
        start=("--output-format", "stream-json"),
        access={
            "read": ("--approval-mode", "default"),
            "edit": ("--approval-mode", "auto_edit"),
            "full": ("--approval-mode", "yolo"),
        },
        model="--model",
        budget=None,
        resume=("--resume",),
        environment={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        key=("gemini_api_key", "GEMINI_API_KEY"),
        login=None,
        vendor="google",
        keeps_id=True,
        unknown_session=re.compile("Invalid session identifier|No previous sessions found", re.IGNORECASE),
        reader=read_gemini,
    ),
)
"""Every command line there is an adapter for."""
