"""What a route takes in its query: a struct, as for a body. Each field is a parameter, a tuple is a comma list.

A parameter that nobody reads is refused: a misspelt filter must not show everything.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.query import Query

# What `float` takes beyond this (blanks, underscores, exponents) is a slip of whoever wrote the query.
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


Q = TypeVar("Q", bound=Query)


def decode_query(given: Mapping[str, str], wanted: type[Q]) -> Q:
    """The parameters as a value of this type.

    Raises:
        ValidationFailed: one is unknown, given twice, or of another form.
    """
    readers = _readers(wanted)
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in readers:
            raise ValidationFailed.of(name, f"is not one of {', '.join(readers)}")
        if name in values:
            raise ValidationFailed.of(name, "is given twice")
        values[name] = readers[name](text)
    try:
        return msgspec.convert(values, wanted)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        # What is wrong in a comma list is so with the whole parameter.
        raise ValidationFailed.of(place.rstrip("`").partition("[")[0] or "query", problem) from error


@functools.cache
def _readers(wanted: type[Query]) -> Mapping[str, Callable[[str], Any]]:
    """For each parameter, what makes a value of its text."""
    fields = msgspec.structs.fields(wanted)
    return {field.encode_name: _reader(msgspec.inspect.type_info(field.type)) for field in fields}


def _reader(kind: msgspec.inspect.Type) -> Callable[[str], Any]:
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    for one in kinds:
        if isinstance(one, msgspec.inspect.IntType | msgspec.inspect.FloatType):
            return _number
        if isinstance(one, msgspec.inspect.VarTupleType):
            return lambda text: text.split(",") if text else []
    return str


def _number(text: str) -> float | str:
    """A number; what is none stays as it is, and is refused as such."""
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
