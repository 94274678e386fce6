"""`{{name}}` in a text, replaced by a value. One pass: what a value brings in is never read as a template."""

import re
from collections.abc import Mapping
from typing import Any, Final

from opencognit.domain.message import encode

_VARIABLE: Final = re.compile(r"\{\{\s*([\w-]+(?:\.[\w-]+)*)\s*\}\}")
_MISSING: Final = object()


def filled(template: str, values: Mapping[str, Any], *, longest: int) -> str:
    """The text with its variables filled in; `{{a.b}}` is the `b` inside of `a`. An unknown one stays as it stands.

    Args:
        template: the text.
        values: by name, anything that JSON can say; what is no text is filled in as JSON.
        longest: how many characters are wanted. No more are made, so that a short text cannot become an endless one.
    """
    parts: list[str] = []
    length = end = 0
    for match in _VARIABLE.finditer(template):
        parts += (template[end : match.start()], _value(values, match))
        length += len(parts[-2]) + len(parts[-1])
        end = match.end()
        if length >= longest:
            break
    return "".join((*parts, template[end:]))[:longest]


def _value(values: Mapping[str, Any], variable: re.Match[str]) -> str:
    value: Any = values
    for name in variable[1].split("."):
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
    if value is _MISSING:
        return variable[0]
    return value if isinstance(value, str) else encode(value).decode()
