"""From a body to a value, or to a 400 that names each field by its wire name."""

import re
from typing import TypeVar

import msgspec
from aiohttp import web

from opencognit.domain.errors import UnsupportedMediaType, ValidationFailed
from opencognit.domain.message import decode

T = TypeVar("T")

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_QUOTED = re.compile(r"`([^`]+)`$")


async def decode_body(request: web.Request, wanted: type[T]) -> T:
    """The request's body as a value of this type; no body counts as `{}`.

    Raises:
        ValidationFailed: it is not JSON, or not of this type.
        UnsupportedMediaType: its content type is not JSON.
    """
    body = await request.read()
    if body and request.headers.get("Content-Type") is not None and not _is_json(request.content_type):
        raise UnsupportedMediaType
    return decode_json(body or b"{}", wanted)


def decode_json(body: bytes, wanted: type[T]) -> T:
    """A value from JSON.

    Raises:
        ValidationFailed: it is not JSON, or not of this type.
    """
    try:
        return decode(body, wanted)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationFailed("The body is not valid JSON") from error


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _explained(message: str) -> ValidationFailed:
    """Msgspec's sentence, split into the field and its problem."""
    place = _PLACE.search(message)
    problem = message[: place.start()] if place else message
    field = place[1] if place else ""
    if named := _QUOTED.search(problem):
        if problem.startswith("Object contains unknown field"):
            field, problem = _below(field, named[1]), "is not a known field"
        elif problem.startswith("Object missing required field"):
            field, problem = _below(field, named[1]), "is required"
    return ValidationFailed.of(field or "body", problem)


def _below(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name
