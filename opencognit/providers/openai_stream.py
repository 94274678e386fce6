"""The stream of one answer of an OpenAI-compatible API, put together chunk by chunk, and read strictly.

The servers that call themselves compatible differ: tool calls without an index or an id, `stop` as the reason
where a tool is called, counts in every chunk or in none. What has one clear meaning is taken; numbers are
money, and a number that cannot be one makes the answer unreadable.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import ADAPTER_FIELDS
from opencognit.providers.chat_model import Message, Reply, ToolCall
from opencognit.providers.exchange import Tokens
from opencognit.providers.output import reason
from opencognit.providers.port import ProviderFailed

_STOPPED = {
    "length": f"The model's answer was longer than `{ADAPTER_FIELDS['max_tokens']}` allows",
    "content_filter": "The model refused to answer",
    "error": "The model broke off",
}
"""What a stop means that is not the end of a turn."""

_ENDS = frozenset({"stop", "tool_calls", "function_call"})
_TOO_MANY, _SERVER_ERROR = 429, 500


class _Cached(msgspec.Struct, frozen=True):
    cached_tokens: Tokens | None = None


class ChunkUsage(msgspec.Struct, frozen=True):
    """What is charged, as the API counts it: cached tokens are among those of the prompt."""

    prompt_tokens: Tokens
    completion_tokens: Tokens = 0
    prompt_tokens_details: _Cached | None = None

    def __post_init__(self) -> None:
        if self._cached() > self.prompt_tokens:
            problem = "more tokens are cached than there are"
            raise ValueError(problem)

    def _cached(self) -> int:
        return (self.prompt_tokens_details or _Cached()).cached_tokens or 0

    def tokens(self) -> TokenUsage:
        """The same in our words."""
        return TokenUsage(
            input_tokens=self.prompt_tokens - self._cached(),
            output_tokens=self.completion_tokens,
            cache_read_tokens=self._cached(),
        )


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Piece(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()
    extra_content: Any = None
    """Gemini's signature of its thoughts, which it wants to see again."""


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Piece] | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class ApiError(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    message: str = ""
    code: str | int | None = None
    type: str | None = None

    def failure(self, begun: str, *, key: str | None) -> ProviderFailed:
        """The failure of an answer that had begun; the key is left out of it."""
        passing = self.code == _TOO_MANY or (isinstance(self.code, int) and self.code >= _SERVER_ERROR)
        known = not isinstance(self.code, int)
        return ProviderFailed(f"{begun}: {reason(self.message, secret=key)}", transient=passing or known)


class _Chunk(msgspec.Struct, frozen=True):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: ChunkUsage | None = None
    error: ApiError | None = None


class _Call:
    """A tool call as far as it has come."""

    def __init__(self, first: _Piece, *, number: int) -> None:
        self.index = first.index
        self.given_id = first.id
        self.id = first.id or f"call_{number}"
        self.name = ""
        self.arguments = ""
        self.extra: Any = None

    def add(self, piece: _Piece) -> None:
        # Some servers repeat the name with each piece.
        self.name = self.name or piece.function.name or ""
        self.arguments += piece.function.arguments or ""
        self.extra = piece.extra_content or self.extra

    def begins_anew(self, piece: _Piece) -> bool:
        """Whether this piece is of another call."""
        return bool(piece.id) and piece.id != self.given_id

    def message(self) -> Message:
        call = ToolCall.read(self.id, self.name, self.arguments)
        # Some servers read the arguments of earlier calls, and refuse what is no JSON object.
        readable = self.arguments if isinstance(call.arguments, dict) and self.arguments.strip() else "{}"
        message = {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": readable}}
        return {**message, "extra_content": self.extra} if self.extra is not None else message


class Assembly:
    """One answer as far as it has come.

    Args:
        vendor: whose answer, for a person.
        model: which model was asked.
        hear: given the text as it comes.
        key: what it was asked with.
    """

    def __init__(self, vendor: str, model: str, hear: Callable[[str], None], *, key: str | None = None) -> None:
        self._vendor = vendor
        self._key = key
        self._model = model
        self._hear = hear
        self._text = ""
        self._refusal = ""
        self._calls: list[_Call] = []
        self._finish: str | None = None
        self._usage: ChunkUsage | None = None

    def take(self, data: bytes) -> None:
        """Take the next chunk in.

        Raises:
            msgspec.DecodeError: it cannot be read.
            ProviderFailed: it says that there will be no answer.
        """
        chunk = msgspec.json.decode(data, type=_Chunk)
        self._usage = chunk.usage or self._usage
        if chunk.error is not None:
            raise chunk.error.failure(f"{self._vendor} broke off", key=self._key)
        self._model = (chunk.model or self._model).removeprefix("models/")
        for choice in chunk.choices or []:
            if choice.index == 0:
                self._add(choice.delta or _Delta())
                self._finish = choice.finish_reason or self._finish

    def usage(self) -> TokenUsage | None:
        """What the answer used, as far as it was counted; None where it was not."""
        return None if self._usage is None else self._usage.tokens()

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            ProviderFailed: its end has not come.
        """
        if self._finish is None:
            raise ProviderFailed(f"{self._vendor}'s answer ended before its end", transient=True)
        calls = [ToolCall.read(call.id, call.name, call.arguments) for call in self._calls]
        message: Message = {"role": "assistant", "content": self._text or None}
        if self._calls:
            message["tool_calls"] = [call.message() for call in self._calls]
        return Reply(
            model=self._model,
            texts=(self._text,) if self._text else (),
            calls=tuple(calls),
            message=message,
            stopped=self._stopped(),
        )

    def _add(self, delta: _Delta) -> None:
        if delta.content:
            self._text += delta.content
            self._hear(delta.content)
        self._refusal += delta.refusal or ""
        for piece in delta.tool_calls or []:
            self._call_of(piece).add(piece)

    def _call_of(self, piece: _Piece) -> _Call:
        last = [call for call in self._calls if piece.index is None or call.index == piece.index][-1:]
        if not last or last[0].begins_anew(piece):
            self._calls.append(_Call(piece, number=len(self._calls) + 1))
            return self._calls[-1]
        return last[0]

    def _stopped(self) -> str | None:
        if self._refusal:
            return f"The model refused to answer: {self._refusal[:300]}"
        if self._finish in _ENDS:
            return None
        return _STOPPED.get(self._finish or "", f"The model stopped: {self._finish}")
