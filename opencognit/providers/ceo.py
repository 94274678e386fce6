"""The `ceo` adapter: an orchestrator on any adapter that runs a language model.

It adds no way of working of its own. An agent of this kind is an orchestrator, so it is offered the tools for that and
reads the rules for that; the rest of its configuration is that of the adapter that it names.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.wire_names import ADAPTER_FIELDS, FIELDS
from opencognit.providers.port import Outcome, Provider, ProviderFailed, Reviewer, Toolbox, Verdict, WorkOrder

_BY = ADAPTER_FIELDS["provider"]


class CeoProvider:
    """Hands the work on.

    Args:
        providers: gives the adapters of this server, by name.
    """

    name = "ceo"
    abilities = Abilities(tools=True, streaming=True, cost_known=True, repeatable=True)
    is_orchestrator = True

    def __init__(self, providers: Callable[[], Mapping[str, Provider]]) -> None:
        self._providers = providers

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check a `verbindungsConfig` when it is saved. Raises `ValidationFailed`."""
        provider, rest = self._split(config)
        provider.validate(rest)

    async def work(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        """Do the task by the adapter that the configuration names. Raises `ProviderFailed`."""
        provider, order = self._handed_on(order)
        return await provider.work(order, toolbox)

    async def review(self, order: WorkOrder, result: str, toolbox: Toolbox, model: str | None) -> Verdict:
        """Say whether a result does what its task asks for. Raises `ProviderFailed`."""
        provider, order = self._handed_on(order)
        if not isinstance(provider, Reviewer):
            raise ProviderFailed(f"The adapter {provider.name} cannot review", transient=False)
        return await provider.review(order, result, toolbox, model)

    async def close(self) -> None:
        """Nothing is held: the other adapters are closed by themselves."""

    def _handed_on(self, order: WorkOrder) -> tuple[Provider, WorkOrder]:
        try:
            provider, rest = self._split(order.config)
        except ValidationFailed as error:
            raise ProviderFailed(error.message, transient=False) from error
        return provider, replace(order, config=rest, is_orchestrator=True)

    def _split(self, config: Mapping[str, Any]) -> tuple[Provider, Mapping[str, Any]]:
        rest = dict(config)
        name = rest.pop(_BY, None)
        providers = self._providers()
        possible = sorted(one.name for one in providers.values() if one.abilities.tools and one is not self)
        if name not in possible:
            raise ValidationFailed.of(f"{FIELDS['adapter_config']}.{_BY}", f"must be one of {', '.join(possible)}")
        return providers[name], rest
