"""The adapters of a server, made as its settings want them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.ceo import CeoProvider
from opencognit.providers.chat_model import KeyFor
from opencognit.providers.coding_agents import coding_agents
from opencognit.providers.command_line import BashProvider
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.openai_compatible import KINDS, OpenAiCompatibleProvider
from opencognit.providers.outside import Outside
from opencognit.providers.port import Provider
from opencognit.providers.prices import PriceList
from opencognit.providers.table import providers_by_name
from opencognit.settings import Agents


def built_in_adapters(
    wanted: Agents,
    data: Path,
    *,
    key_for: KeyFor,
    prices: PriceList,
    all_adapters: Callable[[], Mapping[str, Provider]],
) -> tuple[Mapping[str, Provider], Outside]:
    """The adapters by their names, and what agents' tools may reach outside.

    Args:
        wanted: the settings of `[agents]`.
        data: the data folder, which no command sees.
        key_for: gives a company's keys.
        prices: what models cost.
        all_adapters: all adapters of the server in the end, for the one that hands work on to others.
    """
    bash = BashProvider(
        enabled=wanted.bash_enabled, sandbox=wanted.bash_sandbox, memory_mb=wanted.bash_memory_mb, hidden=(data,)
    )
    allowed = frozenset(wanted.http_allowed_addresses)
    adapters = providers_by_name(
        bash,
        HttpProvider(allowed_addresses=allowed),
        ClaudeProvider(key_for=key_for, base_url=wanted.anthropic_base_url or None, prices=prices),
        *coding_agents(
            wanted.coding_agents_enabled,
            key_for=key_for,
            prices=prices,
            sandbox=wanted.bash_sandbox,
            memory_mb=wanted.coding_agents_memory_mb,
            hidden=(data,),
            extra_path=tuple(Path(folder) for folder in wanted.coding_agents_path),
        ),
        *_openai_compatible(wanted, key_for=key_for, prices=prices),
        CeoProvider(all_adapters),
    )
    return adapters, Outside(bash, allowed_addresses=allowed)


def _openai_compatible(wanted: Agents, *, key_for: KeyFor, prices: PriceList) -> list[Provider]:
    places = {"ollama": wanted.ollama_base_url or None}
    allowed = {"custom": frozenset(wanted.custom_allowed_addresses)}
    return [
        OpenAiCompatibleProvider(
            kind,
            key_for=key_for,
            prices=prices,
            base_url=places.get(kind.name),
            allowed_addresses=allowed.get(kind.name, frozenset()),
        )
        for kind in KINDS
    ]
