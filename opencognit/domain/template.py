"""`{{name}}` in a text, replaced by a value. One pass: what a value brings in is never read as a template."""

import re
from collections.abc import Mapping
from typing import Any, Final

from opencognit.domain.message import encode

_VARIABLE: Final = re.compile(r"\{\{\s*([\w-]+(?:\.[\w-]+)*)\s*\}\}")
_MISSING: Final = object()


def filled(template: str, values: Mapping[str, Any]) -> str:
    """The text with its variables filled in; `{{a.b}}` is the `b` inside of `a`. An unknown one stays as it stands."""

    def value_of(match: re.Match[str]) -> str:
        value: Any = values
        for name in match[1].split("."):
            value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            return match[0]
        return value if isinstance(value, str) else encode(value).decode()

    return _VARIABLE.sub(value_of, template)
