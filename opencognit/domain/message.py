"""The shapes that everything in the domain is made of: messages, entities, and who asks.

A message is typed by its reply: `Checkout(Message[Task])` is answered with a `Task`. Fields bear English names here
and their German ones on the wire (`wire_names.FIELDS`); unknown fields are refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS

Reply = TypeVar("Reply", covariant=True)  # noqa: PLC0105 - `Message[Reply]` reads as it is meant

VISIBLE: Final = r"[^\s\x00-\x1f\x7f-\x9f\ufeff]"
"""A character that can be seen. Blanks are written out as far as Python and JSON Schema see different ones in `\\S`."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=VISIBLE)]
"""A name or title: not blank, at most 200 characters."""

Text = Annotated[str, msgspec.Meta(max_length=200_000)]
"""Longer text, such as a description or a result."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")]
"""A UUID."""


class Message(msgspec.Struct, Generic[Reply], frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What an actor is asked or told; frozen, serialisable, named as an imperative."""


class Entity(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What has an id and a life. Its JSON is what the store keeps and what the wire shows."""

    id: str
    version: int = 0
    created_at: Instant = Instant("")
    updated_at: Instant = Instant("")


class Success(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    success: bool = True


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """The JSON of any of our values, with wire names; money as numbers."""
    return _encoder.encode(value)


Value = TypeVar("Value")


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def decode(body: bytes, wanted: type[Value]) -> Value:
    """The value that JSON stands for, strictly checked.

    Raises:
        msgspec.ValidationError: it is JSON, but not of this type; the message names the wire field.
        msgspec.DecodeError: it is not JSON.
    """
    decoder = _decoders.get(wanted)
    if decoder is None:
        decoder = _decoders[wanted] = msgspec.json.Decoder(wanted)
    value: Value = decoder.decode(body)
    return value


M = TypeVar("M", bound=Message[Any])


def made(kind: type[M], fields: Mapping[str, Any]) -> M:
    """A message from English field names, checked like one from the wire.

    Raises:
        ValidationFailed: a field is wrong, missing or unknown.
    """
    wire_names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    unknown = fields.keys() - wire_names.keys()
    if unknown:
        raise ValidationFailed.of(min(unknown), "is not a field of this")
    try:
        return decode(encode({wire_names[name]: value for name, value in fields.items() if value is not UNSET}), kind)
    except msgspec.ValidationError as error:
        raise ValidationFailed(str(error)) from error
