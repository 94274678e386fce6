"""The secrets inside an agent's configuration: masked where it is shown, sealed where they are kept."""

from collections.abc import Mapping
from typing import Any

import msgspec

from opencognit.security.secrets import SecretBox, Secrets, join_secrets, keep_known, split_secrets


class AgentSecretKeeper:
    """Splits configurations and joins them again (the actors' port `SecretKeeper`)."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def split(
        self, config: Mapping[str, Any], sealed_before: str | None
    ) -> tuple[dict[str, Any], str | None]:
        """(the configuration with its secrets masked, the sealed secrets or None).

        Args:
            config: as a client sent it; a secret may be masked as the client was shown it.
            sealed_before: the secrets as they were; a masked value keeps the one that it masks.
        """
        masked, secrets = split_secrets(keep_known(config, self._open(sealed_before)))
        return masked, self._box.seal(msgspec.json.encode(secrets).decode()) if secrets else None

    def join(self, masked: Mapping[str, Any], sealed: str | None) -> dict[str, Any]:
        """The configuration with its secrets in the clear."""
        return join_secrets(masked, self._open(sealed))

    def _open(self, sealed: str | None) -> Secrets:
        return msgspec.json.decode(self._box.open(sealed), type=Secrets) if sealed else {}
