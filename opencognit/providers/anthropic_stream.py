"""The stream of one answer of Anthropic's Messages API, put together event by event, and read strictly.

The numbers are money, so they are checked here and not taken as they come. Kinds of events and of pieces that
are not known are skipped, as the API asks its clients to do.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import ADAPTER_FIELDS
from opencognit.providers.chat_model import Reply, ToolCall
from opencognit.providers.exchange import Tokens
from opencognit.providers.output import reason
from opencognit.providers.port import ProviderFailed

_STOPPED = {
    "max_tokens": f"The model's answer was longer than `{ADAPTER_FIELDS['max_tokens']}` allows",
    "refusal": "The model refused to answer",
    "model_context_window_exceeded": "The task has become too long for the model",
}
"""What a stop means that is not the end of a turn."""

_PASSING = frozenset({"api_error", "overloaded_error", "rate_limit_error", "timeout_error"})
"""Errors that trying again later may help against."""

_GAP = "\n\n"


class ReplyUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What is charged, as the API counts it: all at the start, what has changed later."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None

    def updated(self, later: "ReplyUsage") -> "ReplyUsage":
        """These counts with what a later event says of them; it says the sum, not what was added."""
        said = {name: count for name, count in msgspec.structs.asdict(later).items() if count is not None}
        return msgspec.structs.replace(self, **said)

    def tokens(self) -> TokenUsage:
        """The same in our words."""
        return TokenUsage(
            input_tokens=self.input_tokens or 0,
            output_tokens=self.output_tokens or 0,
            cache_read_tokens=self.cache_read_input_tokens or 0,
            cache_write_tokens=self.cache_creation_input_tokens or 0,
        )


class _Start(msgspec.Struct, frozen=True):
    model: str
    usage: ReplyUsage


class _Error(msgspec.Struct, frozen=True):
    type: str = "error"
    message: str = ""


class _Event(msgspec.Struct, frozen=True):
    """Any event; which fields it has goes by its type."""

    type: str
    index: int = 0
    message: _Start | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] = {}
    usage: ReplyUsage = ReplyUsage()
    error: _Error = _Error()


class Assembly:
    """One answer as far as it has come.

    Args:
        hear: given the text as it comes.
        key: what it was asked with.
    """

    def __init__(self, hear: Callable[[str], None], *, key: str | None = None) -> None:
        self._key = key
        self._complete = False
        self._hear = hear
        self._start: _Start | None = None
        self._usage = ReplyUsage()
        self._stop: str | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}

    def take(self, data: str) -> None:
        """Take the next event in.

        Raises:
            msgspec.DecodeError: it cannot be read.
            ProviderFailed: it says that there will be no answer.
        """
        event = msgspec.json.decode(data, type=_Event)
        match event.type:
            case "message_start" if event.message is not None:
                self._start, self._usage = event.message, event.message.usage
            case "content_block_start" if event.content_block is not None:
                self._begin(event.index, event.content_block)
            case "content_block_delta":
                self._add(event.index, msgspec.convert(event.delta, _Delta))
            case "message_delta":
                self._usage = self._usage.updated(event.usage)
                self._stop = msgspec.convert(event.delta, _Delta).stop_reason or self._stop
            case "message_stop":
                self._complete = True
            case "error":
                error = event.error
                said = reason(error.message, secret=self._key)
                raise ProviderFailed(f"Anthropic broke off with {error.type}: {said}", transient=error.type in _PASSING)
            case _:
                return

    def counted(self, *, most_output: int) -> TokenUsage | None:
        """What is charged at most as far as it is known: the output at its most until its sum has come.

        None where not even the input was counted yet.
        """
        usage = self._usage
        if usage.input_tokens is None:
            return None
        if self._stop is None or usage.output_tokens is None:
            usage = msgspec.structs.replace(usage, output_tokens=max(most_output, usage.output_tokens or 0))
        return usage.tokens()

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            ProviderFailed: its end has not come.
            msgspec.ValidationError: something that it needs has not come.
        """
        if not self._complete:
            raise ProviderFailed("Anthropic's answer ended before its end", transient=True)
        if self._start is None or self._usage.input_tokens is None or self._usage.output_tokens is None:
            problem = "it does not say its model and what it used"
            raise msgspec.ValidationError(problem)
        blocks = [block for _, block in sorted(self._blocks.items())]
        calls = tuple(self._call(index) for index in sorted(self._inputs))
        return Reply(
            model=self._start.model,
            texts=tuple(block["text"] for block in blocks if block["type"] == "text"),
            calls=calls,
            message={"role": "assistant", "content": self._repeatable(calls)},
            stopped=self._stopped(calls),
        )

    def usage(self) -> TokenUsage:
        """What the whole answer used."""
        return self._usage.tokens()

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        match msgspec.convert(block, _Block).type:
            case "text":
                msgspec.convert(block, _TextBlock)
                if any(before["type"] == "text" for before in self._blocks.values()):
                    self._hear(_GAP)
                self._hear(block["text"])
            case "tool_use":
                msgspec.convert(block, _ToolBlock)
                self._inputs[index] = ""
            case _:
                pass
        self._blocks[index] = dict(block)

    def _add(self, index: int, delta: "_Delta") -> None:
        block = self._blocks.get(index)
        if block is None:
            problem = "a piece of a block that has not begun"
            raise msgspec.ValidationError(problem)
        match delta.type:
            case "text_delta":
                block["text"] = block.get("text", "") + delta.text
                self._hear(delta.text)
            case "input_json_delta" if index in self._inputs:
                self._inputs[index] += delta.partial_json
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta.thinking
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta.signature
            case _:
                return

    def _call(self, index: int) -> ToolCall:
        block, pieces = self._blocks[index], self._inputs[index]
        if not pieces:
            return ToolCall(id=block["id"], name=block["name"], arguments=block.get("input", {}))
        return ToolCall.read(block["id"], block["name"], pieces)

    def _repeatable(self, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
        """The blocks as they may be sent back; the API returns empty texts and bad inputs, but does not take them."""
        inputs = {call.id: call.arguments if isinstance(call.arguments, dict) else {} for call in calls}
        return [
            {**block, "input": inputs[block["id"]]} if block["type"] == "tool_use" else block
            for _, block in sorted(self._blocks.items())
            if block["type"] != "text" or block["text"].strip()
        ]

    def _stopped(self, calls: tuple[ToolCall, ...]) -> str | None:
        match self._stop:
            case "end_turn" | "stop_sequence":
                return None
            case "tool_use":
                return None if calls else "The model stopped to use a tool and named none"
            case reason:
                return _STOPPED.get(reason or "", f"The model stopped: {reason}")


class _Block(msgspec.Struct, frozen=True):
    type: str


class _TextBlock(msgspec.Struct, frozen=True):
    text: str


class _ToolBlock(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Delta(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
