"""Settings that users change while the server runs: for the whole server, and for each company its own.

All settings of one scope are one entity, in which secrets are masked; the secrets themselves are sealed and lie apart.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import Entity, Id, Message, encode
from opencognit.domain.pricing import ModelPrice, ModelPrices
from opencognit.domain.query import Query
from opencognit.domain.wire_names import FIELDS

SERVER: Final = "server"
"""The id of the settings of the whole server; a company's have the company's id."""

MODEL_PRICES: Final = "model_prices"
FALLBACK_PRICE: Final = "fallback_price"

LARGEST_VALUE: Final = 10_000
"""Bytes of one value, as JSON."""

MOST_SETTINGS: Final = 200
"""Settings of one scope."""

ApiKey = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[!-~]+\Z")]
"""What a provider takes as a key: no blanks, no line ends, nothing that a header could not carry."""

KNOWN: Final[Mapping[str, Any]] = {
    "anthropic_api_key": ApiKey,
    "openai_api_key": ApiKey,
    "openrouter_api_key": ApiKey,
    "gemini_api_key": ApiKey,
    "claude_code_oauth_token": ApiKey,
    MODEL_PRICES: ModelPrices,
    FALLBACK_PRICE: ModelPrice,
}
"""Settings that the runtime reads, and the form of each."""

Anything = str | bool | Annotated[float, msgspec.Meta(ge=-(2**53), le=2**53)]
"""The form of all others; whoever reads them checks the rest."""

KEY_PATTERN: Final = "[a-z][a-z0-9_]{0,99}"
_KEY: Final = re.compile(KEY_PATTERN)
_SECRET: Final = re.compile(r"(.+_)?(api_key|token|secret|password)")


class Settings(Entity, frozen=True, kw_only=True):
    """All settings of one scope, secrets masked. `company_id` is None for the whole server."""

    company_id: str | None
    values: dict[str, Any] = {}


class Setting(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """One setting as it is shown; None where there is none."""

    key: str
    value: Any
    company_id: str | None


class ChangeSetting(Message[Setting], frozen=True, kw_only=True):
    """Give a setting another value; None deletes it. A secret masked as it was shown stays as it is."""

    key: str
    value: Any


def _is_secret(key: str) -> bool:
    """Whether the value of this setting is never shown (wire contract, "Endpoints beyond")."""
    return _SECRET.fullmatch(key) is not None


def check(key: str, value: Any) -> None:
    """Refuse what cannot be a setting, or not with this value.

    Raises:
        ValidationFailed: there cannot be a setting of that name, or not with that value.
    """
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of(FIELDS["key"], "has lower-case letters, digits and `_`, at most 100")
    if value is None:
        return
    form = KNOWN.get(key, Annotated[str, msgspec.Meta(min_length=1)] if _is_secret(key) else Anything)
    try:
        msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise ValidationFailed.of(FIELDS["value"], str(error)) from error
    if len(encode(value)) > LARGEST_VALUE:
        raise ValidationFailed.of(FIELDS["value"], f"is longer than {LARGEST_VALUE} bytes")


class SettingBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """A setting's next value, and whose it is: a company's, or the whole server's."""

    value: Any
    company_id: Id | None = None


class SettingsQuery(Query, frozen=True, kw_only=True):
    """Whose settings."""

    company_id: str | None = None
    """A company's own; without it the server's."""
