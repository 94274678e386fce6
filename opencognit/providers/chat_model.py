"""What the conversation needs of a vendor: turn what was said into one call, and its answer into a `Reply`.

Messages are in the vendor's own words and are only kept and handed back here, so that nothing that a vendor
wants to see again (a signature of its thoughts) is lost on the way.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.port import MeteredCall, ProviderFailed

Message = dict[str, Any]
"""In the vendor's words."""

KeyFor = Callable[[str, str], Awaitable[str | None]]
"""Gives a company's key, by the company's id and the key's name; None where there is none."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model wants to be called."""

    id: str
    name: str
    arguments: Any = None
    problem: str | None = None
    """Why the arguments cannot be read; None where they can."""

    @classmethod
    def read(cls, call_id: str, name: str, text: str) -> "ToolCall":
        """A call whose arguments came as the text of a JSON document; none at all is the empty object."""
        try:
            return cls(id=call_id, name=name, arguments=msgspec.json.decode(text.strip() or "{}"))
        except (msgspec.DecodeError, RecursionError) as error:
            return cls(id=call_id, name=name, problem=f"The input is not valid JSON: {error}")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the model answered."""

    model: str
    """As the vendor named it."""
    texts: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    message: Message
    """The reply as it is handed back with the next call."""
    stopped: str | None = None
    """One sentence for a person where the model was stopped before its answer was whole."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a model."""

    model: str
    max_tokens: int
    """The most that it may write."""
    system: str
    messages: Sequence[Message]
    tools: tuple[type[AgentTool], ...]
    time_limit: float
    """Seconds that it may take to answer."""
    must_call: type[AgentTool] | None = None
    """The one tool that it has to call."""
    hear: Callable[[str], None] = lambda _text: None
    """Given the text as it comes."""


class ChatModel(Protocol):
    """One vendor's API, with the key of one company."""

    def said(self, text: str) -> Message:
        """What a person or the runtime says, as a message."""

    def answered(self, answers: Sequence[tuple[ToolCall, ToolAnswer]]) -> Sequence[Message]:
        """What the called tools came to, as messages."""

    def call(self, ask: Ask) -> MeteredCall[Reply]:
        """The call that asks this. It raises `ProviderFailed` with what it may have cost at most."""


async def usable_key(key_for: KeyFor, company_id: str, *, name: str, vendor: str) -> str:
    """The company's key, fit for a header.

    Raises:
        ProviderFailed: it has none, or one that cannot be a key.
    """
    key = (await key_for(company_id, name) or "").strip()
    if not key:
        raise ProviderFailed(
            f"No {vendor} API key is set; set {name}, or start the server with {name.upper()}", transient=False
        )
    return checked_key(key, vendor=vendor)


def checked_key(key: str, *, vendor: str) -> str:
    """The key, if it can stand in a header. Raises `ProviderFailed`."""
    if not (key.isascii() and key.isprintable()):
        raise ProviderFailed(f"The company's {vendor} API key holds characters no key has", transient=False)
    return key


def provider_key(vendor: str, key: str) -> str:
    """What calls with one key of one vendor have in common; does not tell the key."""
    return f"{vendor}/{hashlib.sha256(key.encode()).hexdigest()[:16]}"
