"""Secrets in an agent's configuration."""

import pytest

from opencognit.domain.errors import ValidationFailed
from opencognit.security.agent_secrets import AgentSecretKeeper
from opencognit.security.secrets import SecretBox

CONFIG = {"url": "https://good.example/work", "api_key": "sk-ant-api03-0123456789abcdef"}


@pytest.fixture
def keeper() -> AgentSecretKeeper:
    return AgentSecretKeeper(SecretBox(b"k" * 32))


def test_a_secret_is_masked_and_comes_back_whole(keeper: AgentSecretKeeper) -> None:
    masked, sealed = keeper.split(CONFIG, before={}, sealed_before=None)
    assert CONFIG["api_key"] not in str(masked) + str(sealed)
    assert keeper.join(masked, sealed) == CONFIG


def test_a_masked_secret_is_kept(keeper: AgentSecretKeeper) -> None:
    masked, sealed = keeper.split(CONFIG, before={}, sealed_before=None)
    again, resealed = keeper.split({**masked, "zeitlimitSek": 5}, before=masked, sealed_before=sealed)
    assert keeper.join(again, resealed) == {**CONFIG, "zeitlimitSek": 5}


def test_a_masked_secret_is_not_kept_for_a_new_address(keeper: AgentSecretKeeper) -> None:
    masked, sealed = keeper.split(CONFIG, before={}, sealed_before=None)
    with pytest.raises(ValidationFailed):
        keeper.split({**masked, "url": "https://evil.example"}, before=masked, sealed_before=sealed)


def test_after_a_lost_key_a_new_secret_can_be_entered(keeper: AgentSecretKeeper) -> None:
    masked, sealed = keeper.split(CONFIG, before={}, sealed_before=None)
    other = AgentSecretKeeper(SecretBox(b"n" * 32))
    again, resealed = other.split({**CONFIG, "api_key": "a-new-secret-key-123"}, before=masked, sealed_before=sealed)
    assert other.join(again, resealed)["api_key"] == "a-new-secret-key-123"
