"""Which adapter stands behind which `verbindungsTyp`."""

from collections.abc import Mapping

from opencognit.providers.port import Provider


def providers_by_name(*providers: Provider) -> Mapping[str, Provider]:
    """The adapters of this server, each under its own name.

    Example:
        providers_by_name(BashProvider(enabled=False), HttpProvider(), ClaudeProvider(...))["http"]

    Raises:
        ValueError: two bear the same name.
    """
    table = {provider.name: provider for provider in providers}
    if len(table) < len(providers):
        names = sorted(provider.name for provider in providers)
        raise ValueError(f"two adapters bear the same name: {', '.join(names)}")
    return table
