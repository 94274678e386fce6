"""The `claude` adapter: a task is done by a model of Anthropic's, which may call tools on the way.

Each step is one call. What it used and cost is booked before anything is done with its reply, so that no
crash can forget it. The prompt is marked for Anthropic's cache after the part that stays the same for all
tasks of the agent, and after the newest message, so that a step pays the full price only for what is new.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Annotated, Any

import msgspec

from opencognit.domain.wire_names import ADAPTER_FIELDS
from opencognit.providers.agent_tool import AgentTool, ToolAnswer
from opencognit.providers.agent_tools import call_tool, input_schema, offered
from opencognit.providers.anthropic_messages import VENDOR, MessagesApi, MessagesRequest, Reply
from opencognit.providers.exchange import AdapterConfig, read_config
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.prices import PriceList
from opencognit.providers.prompt import standing_prompt, task_prompt

API_URL = "https://api.anthropic.com"
DEFAULT_MODEL = "claude-sonnet-5-5"

_KEPT_FOR_MINUTES = {"type": "ephemeral"}

_STOPPED = {
    "max_tokens": f"The model's answer was longer than `{ADAPTER_FIELDS['max_tokens']}` allows",
    "refusal": "The model refused to answer",
    "model_context_window_exceeded": "The task has become too long for the model",
}
"""What a stop means that is not the end of a turn."""


class ClaudeConfig(AdapterConfig, frozen=True, kw_only=True):
    """What an agent of this kind is configured with."""

    model: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:@_-]*$")] = DEFAULT_MODEL
    """Anthropic's name for the model."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=32_000)] = 8192
    """The most that one step may write."""
    max_steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
    """The most calls that one run may make."""


class ClaudeProvider:
    """Lets a model work on the task until it finishes, asks the board, or runs out of steps.

    Work that is done again after a crash calls its tools again: a comment may then stand there twice.

    Args:
        api_key_for: gives the key of a company, by its id; None where it has none.
        prices: what tokens cost.
        base_url: where Anthropic's API is; for a gateway in front of it, and for tests.
    """

    name = "claude"
    may_retry = True

    def __init__(
        self,
        *,
        api_key_for: Callable[[str], Awaitable[str | None]],
        prices: PriceList,
        base_url: str | None = None,
    ) -> None:
        self._api_key_for = api_key_for
        self._prices = prices
        self._api = MessagesApi(base_url=base_url or API_URL, prices=prices)

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        read_config(config, ClaudeConfig)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Let the model work. Raises `ProviderFailed`; what was used until then is booked."""
        config = read_config(order.config, ClaudeConfig)
        api_key = await self._key(order.company_id)
        await self._api.connected()
        talk = _Talk(order, config)
        for _ in range(config.max_steps):
            if toolbox.stopping():
                return Outcome(status="todo", output=talk.said())
            reply = await toolbox.metered(self._call(talk.request(), api_key=api_key, time_limit=order.time_limit))
            outcome = await talk.take(reply, toolbox)
            if outcome is not None:
                return msgspec.structs.replace(outcome, output=talk.said(), model=reply.model)
        return Outcome(error=f"The task was not finished in {config.max_steps} steps", output=talk.said())

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def _key(self, company_id: str) -> str:
        key = (await self._api_key_for(company_id) or "").strip()
        if not key:
            raise ProviderFailed(
                "No Anthropic API key is set; start the server with ANTHROPIC_API_KEY",
                transient=False,
            )
        if not (key.isascii() and key.isprintable()):
            raise ProviderFailed("The company's Anthropic API key holds characters no key has", transient=False)
        return key

    def _call(self, request: MessagesRequest, *, api_key: str, time_limit: float) -> MeteredCall[Reply]:
        async def make() -> tuple[Reply, Outcome]:
            reply = await self._api.call(request, api_key=api_key, time_limit=time_limit)
            usage = reply.usage.tokens()
            cost = self._prices.cost(usage, vendor=VENDOR, model=reply.model)
            return reply, Outcome(usage=usage, cost_cents=cost.cents, cost_estimated=cost.estimated, model=reply.model)

        key = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        return MeteredCall(provider_key=f"{VENDOR}/{key}", worst=self._api.most(request), make=make)


class _Talk:
    """What was said so far, and what follows from the next reply."""

    def __init__(self, order: WorkOrder, config: ClaudeConfig) -> None:
        self._config = config
        self._system = standing_prompt(order)
        self._offered = offered(order)
        self._messages: list[dict[str, Any]] = [
            {"role": "user", "content": [{"type": "text", "text": task_prompt(order)}]}
        ]
        self._texts: list[str] = []

    def said(self) -> str:
        """All text of the model, for the record of the run."""
        return "\n\n".join(self._texts)

    def request(self) -> MessagesRequest:
        """The next call."""
        *earlier, newest = self._messages
        return MessagesRequest(
            model=self._config.model,
            max_tokens=self._config.max_tokens,
            # Tools come before the system prompt in what is cached: one mark covers both.
            system=_marked([{"type": "text", "text": self._system}]),
            tools=_tools(self._offered),
            messages=[*earlier, {**newest, "content": _marked(newest["content"])}],
        )

    async def take(self, reply: Reply, toolbox: Toolbox) -> Outcome | None:
        """Show and do what the reply says; returns the outcome when it ends the work."""
        texts = [block.text for block in reply.texts()]
        for text in texts:
            self._texts.append(text)
            toolbox.progress(text)
        match reply.stop_reason:
            case "tool_use":
                return await self._use_tools(reply, toolbox)
            case "end_turn" | "stop_sequence":
                answer = "\n\n".join(texts).strip()
                return Outcome(result=answer) if answer else Outcome(error="The model's answer is empty")
            case reason:
                return Outcome(error=_STOPPED.get(reason or "", f"The model stopped: {reason}"))

    async def _use_tools(self, reply: Reply, toolbox: Toolbox) -> Outcome | None:
        results = []
        for use in reply.tool_uses():
            answer = await call_tool(use.name, use.input, toolbox)
            if answer.outcome is not None:
                # What the model asked for after it had ended its work is not done.
                return answer.outcome
            results.append(_tool_result(use.id, answer))
        if not results:
            return Outcome(error="The model stopped to use a tool and named none")
        self._messages.append({"role": "assistant", "content": reply.repeatable()})
        self._messages.append({"role": "user", "content": results})
        return None


@cache
def _tools(offered_tools: tuple[type[AgentTool], ...]) -> list[dict[str, Any]]:
    return [
        {"name": tool.name, "description": tool.__doc__, "input_schema": input_schema(tool)} for tool in offered_tools
    ]


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
