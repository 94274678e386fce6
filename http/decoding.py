"""From a body to a value, or to a 400 that names each field by its wire name."""

import asyncio
from typing import Final, TypeVar

from aiohttp import web

from opencognit.domain.errors import UnsupportedMediaType
from opencognit.domain.problems import decode_json
from opencognit.domain.yaml_text import json_of

T = TypeVar("T")

YAML: Final = "application/yaml"
"""The media type of YAML (RFC 9512)."""

_SAID_FOR_YAML: Final = (YAML, "application/x-yaml", "text/yaml", "text/x-yaml")


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


async def read_document(request: web.Request) -> bytes:
    """The request's body as JSON, which may have come as YAML.

    Raises:
        ValidationFailed: it is not YAML, although it says so.
        UnsupportedMediaType: its content type is neither.
    """
    body = await request.read()
    if body and request.content_type in _SAID_FOR_YAML:
        # In a thread: PyYAML takes its time, and lets the loop go on meanwhile.
        return await asyncio.to_thread(json_of, body)
    if body and request.headers.get("Content-Type") is not None and not _is_json(request.content_type):
        raise UnsupportedMediaType
    return body or b"{}"


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")
