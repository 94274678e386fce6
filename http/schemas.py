"""JSON Schemas of our structs, with the words that their docstrings say about them, for the OpenAPI document."""

import ast
import functools
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, get_args

import msgspec

from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS

Json = dict[str, Any]

_NAMED = re.compile(r"`(\w+)`")


class Schemas:
    """The schemas of some types, and of all that they are made of.

    Args:
        kinds: structs, and other types that msgspec can describe.

    Attributes:
        components: the schema of each struct and enumeration, by its name.
    """

    def __init__(self, kinds: Iterable[Any]) -> None:
        self._kinds = list(kinds)
        schemas, components = msgspec.json.schema_components(self._kinds, ref_template="#/components/schemas/{name}")
        self._schemas: tuple[Json, ...] = as_on_the_wire(schemas)
        self.components: dict[str, Json] = as_on_the_wire(components)
        for struct in _structs(msgspec.inspect.multi_type_info(self._kinds)):
            if struct.__name__ in self.components:
                _describe(self.components[struct.__name__], struct)

    def of(self, kind: Any) -> Json:
        """The schema of one of the types; a struct's is a reference to its component."""
        return self._schemas[self._kinds.index(kind)]

    def fields_of(self, struct: type[msgspec.Struct]) -> dict[str, Json]:
        """The schema of each field of a struct that is no part of a body: its component is taken out."""
        properties: dict[str, Json] = self.components.pop(struct.__name__)["properties"]
        return properties


def in_wire_words(text: str, names: Mapping[str, str] = FIELDS) -> str:
    """A docstring for clients: a field that it names between backticks has its wire name."""
    return _NAMED.sub(lambda found: f"`{names.get(found[1], found[1])}`", text)


def as_on_the_wire(value: Any) -> Any:
    """The same schema, or part of one, as JSON Schema says what Python and msgspec say otherwise."""
    if isinstance(value, dict):
        if value.get("format") == "decimal":
            return {"type": "number", **({"default": float(value["default"])} if "default" in value else {})}
        if "pattern" in value:
            # Python's `$` matches before a last line end, too.
            value = {**value, "pattern": value["pattern"].replace(r"\Z", "$")}
        return {key: as_on_the_wire(part) for key, part in value.items()}
    return [as_on_the_wire(part) for part in value] if isinstance(value, list | tuple) else value


def _structs(parts: Any, found: dict[type[msgspec.Struct], None] | None = None) -> Iterable[type[msgspec.Struct]]:
    """All structs in msgspec's own description of some types, which is made of structs and tuples."""
    found = {} if found is None else found
    if isinstance(parts, msgspec.inspect.StructType):
        if parts.cls in found:
            return found
        found[parts.cls] = None
    if isinstance(parts, tuple | list):
        for part in parts:
            _structs(part, found)
    elif isinstance(parts, msgspec.inspect.Type | msgspec.inspect.Field):
        _structs(tuple(getattr(parts, name) for name in parts.__struct_fields__), found)
    return found


def _describe(schema: Json, struct: type[msgspec.Struct]) -> None:
    """Add to a struct's schema what its docstrings and types say beyond what msgspec reads."""
    names = FIELDS | dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    schema["description"] = in_wire_words(schema.get("description", ""), names)
    words = _words_of_fields(struct)
    for field in msgspec.structs.fields(struct):
        described: Json = schema["properties"][field.encode_name]
        if field.type is Instant or Instant in get_args(field.type):
            _first_string(described)["format"] = "date-time"
            if described.get("default") == "":
                # What stands in for a time until the store has written it.
                del described["default"]
        kind = msgspec.inspect.type_info(field.type)
        if isinstance(kind, msgspec.inspect.DictType) and isinstance(kind.key_type, msgspec.inspect.EnumType):
            described["propertyNames"] = {"enum": [member.value for member in kind.key_type.cls]}
        if field.name in words:
            described["description"] = in_wire_words(words[field.name], names)


def _first_string(schema: Json) -> Json:
    return next(part for part in (schema, *schema.get("anyOf", ())) if part.get("type") == "string")


def _words_of_fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings below the fields of a struct and of those that it inherits from."""
    words: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if not issubclass(kind, msgspec.Struct) or kind is msgspec.Struct:
            continue
        for statement, following in pairwise(_classes(kind.__module__)[kind.__name__].body):
            if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
                words[ast.unparse(statement.target)] = inspect.cleandoc(ast.literal_eval(following.value))
    return words


@functools.cache
def _classes(module: str) -> Mapping[str, ast.ClassDef]:
    """The source of each class of a module."""
    source = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in ast.walk(source) if isinstance(node, ast.ClassDef)}
