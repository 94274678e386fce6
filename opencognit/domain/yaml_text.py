"""YAML that others have written, as the JSON of the same values.

Only what JSON can say is read: no aliases (a few lines of them stand for millions of values), no tags, no depth without
end. Plain words are read as YAML 1.2 does, so `no` and `2026-04-05` stay texts.
"""

import re
from typing import Any, Final

import msgspec
import yaml  # type: ignore[import-untyped]

from opencognit.domain.errors import ValidationFailed

LARGEST: Final = 1024 * 1024
"""Bytes. YAML is read a hundred times slower than JSON, which is there for what is larger."""

DEEPEST: Final = 32
"""Levels."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Knows the plain words of YAML 1.2's core schema, and nothing of dates, sexagesimal numbers or merging."""

    yaml_implicit_resolvers: Final[dict[str, Any]] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", list("-+0123456789")),
    ("float", r"[-+]?[0-9]{1,300}\.[0-9]*([eE][-+][0-9]{1,2})?", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def json_or_yaml(text: bytes) -> bytes:
    """The JSON of a document that is JSON itself, or else YAML.

    Raises:
        ValidationFailed: it is neither.
    """
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return json_of(text)
    except RecursionError as error:
        raise ValidationFailed("The body has too many levels") from error
    return text


def json_of(text: bytes) -> bytes:
    """The JSON of a YAML document.

    Raises:
        ValidationFailed: it is not YAML, or more than JSON can say.
    """
    if len(text) > LARGEST:
        raise ValidationFailed(f"YAML has at most {LARGEST} bytes; send JSON")
    try:
        _check(text)
        return msgspec.json.encode(yaml.load(text, _Loader))  # noqa: S506 - a safe loader, with less than it has
    except yaml.MarkedYAMLError as error:
        at = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise ValidationFailed(f"The body is not valid YAML: {error.problem or error.context}{at}") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise ValidationFailed("The body is not valid YAML") from error


def _check(text: bytes) -> None:
    """Refuse what must not even be put together."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ValidationFailed("YAML with anchors and aliases is not read")
        if getattr(event, "tag", None) is not None:
            raise ValidationFailed("YAML with tags is not read")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValidationFailed(f"YAML has at most {DEEPEST} levels")
