"""What the command lines of coding agents say, line by line as JSON; a reader for each.

What a reader does not know it leaves alone, since command lines say something new with each release. What counts (the
end, the tokens, the money) is checked strictly, and without it there is no result.
"""

from collections.abc import Callable
from decimal import ROUND_UP, Decimal
from typing import Annotated

import msgspec

from opencognit.domain.message import decode
from opencognit.domain.run import TokenUsage
from opencognit.providers.anthropic_stream import ReplyUsage
from opencognit.providers.exchange import MICRO_CENT, Tokens

SessionId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,199}\Z")]
"""It becomes an argument, so it cannot look like a flag."""


class Said:
    """What a command line has said so far.

    Attributes:
        session: the id of its session.
        model: which model works.
        begun: a model has answered, which costs.
        ended: it has said how it ended; only then are `result` and `error` worth something.
        result, error: how.
        usage: the tokens, as far as they were counted.
        cost_cents: what it says that it has cost.
        unreadable: what it has said that should have counted and cannot be read.
    """

    def __init__(self) -> None:
        self.session: str | None = None
        self.model: str | None = None
        self.begun = False
        self.ended = False
        self.result = ""
        self.error: str | None = None
        self.usage = TokenUsage()
        self.cost_cents = Decimal(0)
        self.unreadable: str | None = None
        self._steps: dict[str, TokenUsage] = {}

    def step(self, message_id: str, usage: TokenUsage) -> None:
        """One answer of the model, which may come in several pieces that each name its whole usage."""
        self.begun = True
        self._steps[message_id] = usage
        self.usage = sum(self._steps.values(), TokenUsage())

    def hear(self, reader: "Reader", line: bytes) -> str | None:
        """Take one line; returns what of it is to be shown."""
        try:
            kind = decode(line, _Line).type
        except (msgspec.DecodeError, UnicodeDecodeError):
            return line.decode(errors="replace")
        try:
            return reader(kind, line, self)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.unreadable = f"{kind}: {error}"
            return None


Reader = Callable[[str, bytes, Said], str | None]
"""Takes the kind of a line, the line, and what was said so far; returns what is to be shown."""


class _Line(msgspec.Struct, frozen=True):
    type: str


# Claude Code


class _Init(msgspec.Struct, frozen=True):
    session_id: SessionId
    model: str | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    name: str = ""


class _ClaudeMessage(msgspec.Struct, frozen=True):
    id: str
    content: list[_Block]
    usage: ReplyUsage


class _ClaudeStep(msgspec.Struct, frozen=True):
    message: _ClaudeMessage


class _ClaudeResult(msgspec.Struct, frozen=True):
    subtype: str
    is_error: bool
    session_id: SessionId | None = None
    result: str = ""
    errors: list[str] = []
    total_cost_usd: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0
    usage: ReplyUsage | None = None


def read_claude_code(kind: str, line: bytes, said: Said) -> str | None:
    """Take a line of `claude -p --output-format stream-json`."""
    match kind:
        case "system" if b'"session_id"' in line:
            init = decode(line, _Init)
            said.session, said.model = init.session_id, init.model or said.model
        case "assistant":
            message = decode(line, _ClaudeStep).message
            said.step(message.id, message.usage.tokens())
            return _shown([block.text or f"→ {block.name}" for block in message.content if block.text or block.name])
        case "result":
            end = decode(line, _ClaudeResult)
            said.ended, said.session = True, end.session_id or said.session
            said.result = end.result
            if end.is_error or end.subtype != "success":
                said.error = " ".join(end.errors) or end.result or end.subtype
            said.usage = end.usage.tokens() if end.usage is not None else said.usage
            said.cost_cents = _cents(end.total_cost_usd)
        case _:
            pass
    return None


# Codex


class _Thread(msgspec.Struct, frozen=True):
    thread_id: SessionId


class _CodexUsage(msgspec.Struct, frozen=True):
    input_tokens: Tokens
    output_tokens: Tokens
    cached_input_tokens: Tokens = 0

    def __post_init__(self) -> None:
        if self.cached_input_tokens > self.input_tokens:
            problem = "more tokens from the cache than there were"
            raise ValueError(problem)

    def tokens(self) -> TokenUsage:
        """The same in our words; those from the cache are counted among the input there."""
        return TokenUsage(
            input_tokens=self.input_tokens - self.cached_input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cached_input_tokens,
        )


class _TurnCompleted(msgspec.Struct, frozen=True):
    usage: _CodexUsage


class _Problem(msgspec.Struct, frozen=True):
    message: str


class _TurnFailed(msgspec.Struct, frozen=True):
    error: _Problem


class _Item(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    command: str = ""


class _ItemCompleted(msgspec.Struct, frozen=True):
    item: _Item


def read_codex(kind: str, line: bytes, said: Said) -> str | None:
    """Take a line of `codex exec --json`."""
    match kind:
        case "thread.started":
            said.session = decode(line, _Thread).thread_id
        case "item.completed":
            item = decode(line, _ItemCompleted).item
            said.begun = True
            if item.type == "agent_message":
                said.result = item.text
            return _shown([item.text or (f"→ {item.command}" if item.command else "")])
        case "turn.completed":
            said.usage = decode(line, _TurnCompleted).usage.tokens()
            # Errors before it were passing ones, such as a lost connection.
            said.begun, said.ended, said.error = True, True, None
        case "turn.failed":
            said.ended, said.error = True, decode(line, _TurnFailed).error.message
        case "error":
            said.error = decode(line, _Problem).message
        case _:
            pass
    return None


# Gemini CLI


class _GeminiMessage(msgspec.Struct, frozen=True):
    role: str
    content: str


class _GeminiTool(msgspec.Struct, frozen=True):
    tool_name: str


class _GeminiStats(msgspec.Struct, frozen=True):
    input_tokens: Tokens
    output_tokens: Tokens
    total_tokens: Tokens = 0
    cached: Tokens = 0

    def __post_init__(self) -> None:
        if self.cached > self.input_tokens:
            problem = "more tokens from the cache than there were"
            raise ValueError(problem)

    def tokens(self) -> TokenUsage:
        """The same in our words; what the model has thought is in the total alone, and costs as output."""
        return TokenUsage(
            input_tokens=self.input_tokens - self.cached,
            output_tokens=max(self.output_tokens, self.total_tokens - self.input_tokens),
            cache_read_tokens=self.cached,
        )


class _GeminiResult(msgspec.Struct, frozen=True):
    status: str
    error: _Problem | None = None
    stats: _GeminiStats | None = None


def read_gemini(kind: str, line: bytes, said: Said) -> str | None:
    """Take a line of `gemini --output-format stream-json`."""
    match kind:
        case "init":
            init = decode(line, _Init)
            said.session, said.model = init.session_id, init.model
        case "message":
            message = decode(line, _GeminiMessage)
            if message.role == "assistant":
                said.begun = True
                said.result += message.content
                return message.content
        case "tool_use":
            # What was said before a tool was used is no part of the answer.
            said.begun, said.result = True, ""
            return f"\n→ {decode(line, _GeminiTool).tool_name}\n"
        case "error":
            return f"\n{decode(line, _Problem).message}\n"
        case "result":
            end = decode(line, _GeminiResult)
            said.ended = True
            if end.status != "success":
                said.error = end.error.message if end.error is not None else end.status
            said.usage = end.stats.tokens() if end.stats is not None else said.usage
        case _:
            pass
    return None


def _shown(texts: list[str]) -> str | None:
    shown = "\n".join(text for text in texts if text)
    return f"{shown}\n" if shown else None


def _cents(dollars: float) -> Decimal:
    return (Decimal(str(dollars)) * 100).quantize(MICRO_CENT, rounding=ROUND_UP)
