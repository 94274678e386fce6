"""The `claude` adapter: a task is done by a model of Anthropic's, which may call tools on the way.

The prompt is marked for Anthropic's cache after the part that stays the same for all
tasks of the agent, and after the newest message, so that a step pays the full price only for what is new.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from opencognit.domain.adapter import Abilities
from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.agent_tools import input_schema
from opencognit.providers.anthropic_messages import VENDOR, MessagesApi, MessagesRequest, Payer
from opencognit.providers.chat_model import Ask, KeyFor, Message, Reply, ToolCall, provider_key, usable_key
from opencognit.providers.conversation import ModelConfig, ModelName, converse
from opencognit.providers.exchange import read_config
from opencognit.providers.port import MeteredCall, Outcome, Toolbox, Verdict, WorkOrder
from opencognit.providers.prices import PriceList
from opencognit.providers.review import reviewed

API_URL = "https://api.anthropic.com"
DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_REVIEW_MODEL = "claude-haiku-5-5"
KEY_NAME = "anthropic_api_key"

_KEPT_FOR_MINUTES = {"type": "ephemeral"}


class ClaudeConfig(ModelConfig, frozen=True, kw_only=True):
    """What an agent of this kind is configured with."""

    model: ModelName = DEFAULT_MODEL


class ClaudeProvider:
    """Lets a model work on the task until it finishes, asks the board, or runs out of steps.

    Work that is done again after a crash calls its tools again: a comment may then stand there twice.

    Args:
        key_for: gives the key of a company, by the company's id and the key's name.
        prices: what tokens cost.
        base_url: where Anthropic's API is; for a gateway in front of it, and for tests.
    """

    name = "claude"
    abilities = Abilities(tools=True, streaming=True, cost_known=True, repeatable=True)

    def __init__(
        self,
        *,
        key_for: KeyFor,
        prices: PriceList,
        base_url: str | None = None,
    ) -> None:
        self._key_for = key_for
        self._prices = prices
        self._api = MessagesApi(base_url=base_url or API_URL, prices=prices)

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        read_config(config, ClaudeConfig)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Let the model work. Raises `ProviderFailed`; what was used until then is booked."""
        config = read_config(order.config, ClaudeConfig)
        return await converse(order, toolbox, chat=await self._chat(order.company_id), config=config)

    async def review(self, order: WorkOrder, result: str, toolbox: Toolbox, model: str | None) -> Verdict:
        """Say whether a result does what its task asks for. Raises `ProviderFailed`."""
        config = read_config(order.config, ClaudeConfig)
        chat = await self._chat(order.company_id)
        judge = model or config.review_model or DEFAULT_REVIEW_MODEL
        return await reviewed(order, result, toolbox, chat=chat, model=judge)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def _chat(self, company_id: str) -> "_Claude":
        key = await usable_key(self._key_for, company_id, name=KEY_NAME, vendor="Anthropic")
        await self._api.connected()
        return _Claude(self._api, key, company_id)


class _Claude:
    """The Messages API with one company's key (`ChatModel`)."""

    def __init__(self, api: MessagesApi, api_key: str, company_id: str) -> None:
        self._api = api
        self._api_key = api_key
        self._company_id = company_id

    def said(self, text: str) -> Message:
        """What a person or the runtime says."""
        return {"role": "user", "content": [{"type": "text", "text": text}]}

    def answered(self, answers: Sequence[tuple[ToolCall, ToolAnswer]]) -> Sequence[Message]:
        """The answers of the tools, all in one message."""
        return [{"role": "user", "content": [_tool_result(call.id, answer) for call, answer in answers]}]

    def call(self, ask: Ask) -> MeteredCall[Reply]:
        """The call that asks this."""
        request, payer = _request(ask), Payer(company_id=self._company_id, api_key=self._api_key)

        async def make() -> tuple[Reply, Outcome]:
            return await self._api.call(request, payer, time_limit=ask.time_limit, hear=ask.hear)

        worst = self._api.most(request, payer)
        return MeteredCall(provider_key=provider_key(VENDOR, self._api_key), worst=worst, make=make)


def _request(ask: Ask) -> MessagesRequest:
    *earlier, newest = ask.messages
    return MessagesRequest(
        model=ask.model,
        max_tokens=ask.max_tokens,
        # Tools come before the system prompt in what is cached: one mark covers both.
        system=_marked([{"type": "text", "text": ask.system}]),
        tools=_tools(ask.tools),
        messages=[*earlier, {**newest, "content": _marked(newest["content"])}],
        tool_choice={"type": "tool", "name": ask.must_call.name} if ask.must_call else msgspec.UNSET,
    )


@cache
def _tools(tools: tuple[type[AgentTool], ...]) -> list[dict[str, Any]]:
    return [{"name": tool.name, "description": tool.__doc__, "input_schema": input_schema(tool)} for tool in tools]


def _tool_result(call_id: str, answer: ToolAnswer) -> dict[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": answer.text,
        "is_error": answer.failed,
    }


def _marked(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same blocks, the last with the mark up to which Anthropic's cache keeps the prompt."""
    *before, last = blocks
    return [*before, {**last, "cache_control": _KEPT_FOR_MINUTES}]
