"""The secrets inside an agent's configuration: masked where it is shown, sealed where they are kept."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from opencognit.security.secrets import (
    SecretBox,
    Secrets,
    SecretUnreadable,
    blank_secrets,
    join_secrets,
    keep_known,
    missing_secrets,
    split_secrets,
)


class AgentSecretKeeper:
    """Splits configurations and joins them again (the actors' port `SecretKeeper`)."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def split(
        self, config: Mapping[str, Any], *, before: Mapping[str, Any], sealed_before: str | None
    ) -> tuple[dict[str, Any], str | None]:
        """(the configuration with its secrets masked, the sealed secrets or None).

        Args:
            config: as a client sent it; a secret may be masked as the client was shown it, and is then kept.
            before: the configuration as it was shown.
            sealed_before: its secrets.

        Raises:
            ValidationFailed: a masked secret stands for none that is known. That is so too where the configuration
                names a new address: else whoever may edit it could have the stored key sent to themselves.
        """
        trusted = set(_addresses(config)) <= set(_addresses(before))
        known = self._readable(sealed_before) if trusted else {}
        masked, secrets = split_secrets(keep_known(config, known))
        return masked, self._box.seal(msgspec.json.encode(secrets).decode()) if secrets else None

    def public(self, masked: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration without those of its parts that hold a secret."""
        return {name: part for name, part in masked.items() if not split_secrets({name: part})[1]}

    def blank(self, masked: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with an empty text for each secret, for whoever will fill in others."""
        return blank_secrets(masked)

    def missing(self, config: Mapping[str, Any]) -> list[str]:
        """The paths (JSON Pointers) at which secrets are to be filled in."""
        return missing_secrets(config)

    def join(self, masked: Mapping[str, Any], sealed: str | None) -> dict[str, Any]:
        """The configuration with its secrets in the clear.

        Raises:
            SecretUnreadable: they were sealed with another key.
        """
        return join_secrets(masked, self._open(sealed))

    def _open(self, sealed: str | None) -> Secrets:
        return msgspec.json.decode(self._box.open(sealed), type=Secrets) if sealed else {}

    def _readable(self, sealed: str | None) -> Secrets:
        """After a lost key the old secrets count as none, so that new ones can be entered."""
        try:
            return self._open(sealed)
        except SecretUnreadable:
            return {}


def _addresses(value: Any) -> Iterator[str]:
    """Every URL, wherever it stands in a configuration."""
    if isinstance(value, str):
        if "://" in value:
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _addresses(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _addresses(part)
