"""The adapters `openai`, `openrouter`, `gemini`, `ollama` and `custom`: one client for all that speak as OpenAI does.

They differ in where they are, whose key and prices they go by, and which model they take by default; `KINDS`
says it. `custom` goes where its configuration says, with the key from there and no other: whoever may name an
address must not be able to have the server's keys sent to it.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import aiohttp
import msgspec
import yarl

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.wire_names import ADAPTER_FIELDS
from opencognit.providers.chat_model import KeyFor, checked_key, usable_key
from opencognit.providers.conversation import ModelConfig, ModelName, converse
from opencognit.providers.exchange import read_config
from opencognit.providers.openai_chat import ChatCompletions, Endpoint
from opencognit.providers.port import Outcome, Toolbox, Verdict, WorkOrder
from opencognit.providers.prices import PriceList
from opencognit.providers.review import reviewed
from opencognit.security.outbound import check_url, guarded_session


class OpenAiConfig(ModelConfig, frozen=True, kw_only=True):
    """`openai`."""

    model: ModelName = "gpt-5.4"


class OpenRouterConfig(ModelConfig, frozen=True, kw_only=True):
    """`openrouter`."""

    model: ModelName = "openai/gpt-5.4"


class GeminiConfig(ModelConfig, frozen=True, kw_only=True):
    """`gemini`."""

    model: ModelName = "gemini-2.5-pro"


class OllamaConfig(ModelConfig, frozen=True, kw_only=True):
    """`ollama`: a model on a machine of one's own, which has to be pulled there first."""

    free: bool = True


class CustomConfig(ModelConfig, frozen=True, kw_only=True):
    """`custom`: any other server."""

    base_url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    """Where it is; `/chat/completions` is added."""
    api_key: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    free: bool = False
    """Whether its calls cost nothing; else they are booked at the stated price for models that no list has."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One `verbindungsTyp`."""

    name: str
    vendor: str
    """For a person."""
    config: type[ModelConfig]
    price_vendor: str
    base_url: str = ""
    key_name: str | None = None
    """The setting that holds its key; None where it needs none."""
    review_model: str | None = None
    """The lighter model that reviews; None: the agent's own."""
    cost_known: bool = True
    most_tokens_field: str = "max_tokens"


OPENAI = Kind(
    name="openai",
    vendor="OpenAI",
    config=OpenAiConfig,
    price_vendor="openai",
    base_url="https://api.openai.com/v1",
    key_name="openai_api_key",
    review_model="gpt-5.4-mini",
    # Its newer models refuse the older name.
    most_tokens_field="max_completion_tokens",
)
OPENROUTER = Kind(
    name="openrouter",
    vendor="OpenRouter",
    config=OpenRouterConfig,
    price_vendor="openrouter",
    base_url="https://openrouter.ai/api/v1",
    key_name="openrouter_api_key",
    review_model="openai/gpt-5.4-mini",
)
GEMINI = Kind(
    name="gemini",
    vendor="Gemini",
    config=GeminiConfig,
    price_vendor="google",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    key_name="gemini_api_key",
    review_model="gemini-2.5-flash",
)
OLLAMA = Kind(
    name="ollama",
    vendor="Ollama",
    config=OllamaConfig,
    price_vendor="ollama",
    base_url="http://localhost:11434/v1",
)
CUSTOM = Kind(
    name="custom",
    vendor="The model server",
    config=CustomConfig,
    price_vendor="custom",
    cost_known=False,
)
KINDS = (OPENAI, OPENROUTER, GEMINI, OLLAMA, CUSTOM)


class OpenAiCompatibleProvider:
    """Lets a model behind an OpenAI-compatible API work on the task.

    Work that is done again after a crash calls its tools again: a comment may then stand there twice.

    Args:
        kind: which adapter it is.
        key_for: gives the key of a company, by the company's id and the key's name.
        prices: what tokens cost.
        base_url: where the API is, if not at the kind's own place.
        allowed_addresses: private places that may be called, beside `base_url`'s; see `security.outbound`.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        key_for: KeyFor,
        prices: PriceList,
        base_url: str | None = None,
        allowed_addresses: frozenset[str] = frozenset(),
    ) -> None:
        self.name = kind.name
        self.abilities = Abilities(tools=True, streaming=True, cost_known=kind.cost_known, repeatable=True)
        self._kind = kind
        self._key_for = key_for
        self._prices = prices
        self._base_url = base_url or kind.base_url
        self._allowed = allowed_addresses | _place(self._base_url)
        self._kept_session: aiohttp.ClientSession | None = None

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        read = read_config(config, self._kind.config)
        if isinstance(read, CustomConfig):
            check_url(read.base_url, self._allowed)
            if yarl.URL(read.base_url).query_string or yarl.URL(read.base_url).fragment:
                raise ValidationFailed.of(ADAPTER_FIELDS["base_url"], "must not have a query or a fragment")

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Let the model work. Raises `ProviderFailed`; what was used until then is booked."""
        config = read_config(order.config, self._kind.config)
        chat = await self._chat(config, order.company_id)
        return await converse(order, toolbox, chat=chat, config=config)

    async def review(self, order: WorkOrder, result: str, toolbox: Toolbox, model: str | None) -> Verdict:
        """Say whether a result does what its task asks for. Raises `ProviderFailed`."""
        config = read_config(order.config, self._kind.config)
        chat = await self._chat(config, order.company_id)
        judge = model or config.review_model or self._kind.review_model or config.model
        return await reviewed(order, result, toolbox, chat=chat, model=judge)

    async def close(self) -> None:
        """Close all connections."""
        if self._kept_session is not None:
            await self._kept_session.close()

    async def _chat(self, config: ModelConfig, company_id: str) -> ChatCompletions:
        endpoint = await self._endpoint(config, company_id)
        # In a thread: reading the prices takes 0.4 s, once.
        await asyncio.to_thread(self._prices.load)
        return ChatCompletions(self._session(), endpoint, self._prices)

    async def _endpoint(self, config: ModelConfig, company_id: str) -> Endpoint:
        kind = self._kind
        base_url, key = self._base_url, None
        if isinstance(config, CustomConfig):
            base_url = config.base_url
            key = checked_key(config.api_key.strip(), vendor=kind.vendor) if config.api_key else None
        elif kind.key_name is not None:
            key = await usable_key(self._key_for, company_id, name=kind.key_name, vendor=kind.vendor)
        return Endpoint(
            vendor=kind.vendor,
            price_vendor=kind.price_vendor,
            base_url=base_url,
            key=key,
            company_id=company_id,
            free=isinstance(config, OllamaConfig | CustomConfig) and config.free,
            most_tokens_field=kind.most_tokens_field,
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._kept_session is None:
            self._kept_session = guarded_session(self._allowed)
        return self._kept_session


def _place(url: str) -> frozenset[str]:
    """The host and port that the server's own settings name, which may be private."""
    if not url:
        return frozenset()
    parsed = yarl.URL(url)
    host = f"[{parsed.host}]" if ":" in (parsed.host or "") else parsed.host
    return frozenset({f"{host}:{parsed.port}"})
