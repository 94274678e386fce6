"""aioresponses 0.7.9 with aiohttp 3.14, whose responses want to know who wrote the request.

See https://github.com/pnuckowski/aioresponses/issues/289; to be dropped with the release that mends it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aiohttp import ClientResponse
from aioresponses import aioresponses


class _Response(ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


@contextmanager
def fake_wire() -> Iterator[aioresponses]:
    """All of aiohttp's client calls are answered by what is put into this; those to elsewhere fail."""
    with patch("aioresponses.core.ClientResponse", _Response), aioresponses() as wire:
        yield wire
