"""A webhook: a trigger of a routine that another service calls, with a secret that only the two know."""

from typing import Any

import msgspec

from opencognit.domain.message import Message, Success


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
