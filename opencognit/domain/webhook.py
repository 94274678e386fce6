"""A webhook: a trigger of a routine that another service calls, with a secret that only the two know."""

import base64
from typing import Any, Final

import msgspec

from opencognit.domain.message import Message, Success

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how each begins, and none of them
"""Of a secret in the form of the Standard Webhooks; base64 follows (github.com/standard-webhooks)."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where the webhook of a public id leads to."""

    trigger_id: str
    routine_id: str
    company_id: str
    secret: str
    """Sealed where the store tells of it."""


class ReceiveWebhook(Message[Success], frozen=True, kw_only=True):
    """A webhook was called, and its signature is good. The same message again has no further effect."""

    trigger_id: str
    message_id: str
    payload: dict[str, Any]


def signing_secret(random: str) -> str:
    """What two sign webhooks with, made of random characters."""
    return SECRET_PREFIX + base64.b64encode(random.encode()).decode()
