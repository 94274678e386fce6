"""What is wrong with a long body, told all at once: each problem with its place."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import decode
from opencognit.domain.wire_names import ERROR_FIELDS

T = TypeVar("T")

MOST_TOLD: Final = 100
"""Of a file with more problems, its writer has to mend these first."""

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_QUOTED = re.compile(r"`([^`]+)`$")


class Problems:
    """Collects problems and then refuses them together."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def add(self, place: str, problem: str) -> None:
        """Note one, with the wire name of where it is."""
        if len(self.found) < MOST_TOLD:
            self.found.append({ERROR_FIELDS["field"]: place, "problem": problem})

    def add_refusal(self, place: str, refusal: ValidationFailed) -> None:
        """Note what was refused of the part that has this place."""
        for problem in problems_of(refusal):
            self.add(_below(place, problem[ERROR_FIELDS["field"]]), problem["problem"])

    def refuse(self) -> None:
        """Refuse what is wrong, if anything is.

        Raises:
            ValidationFailed: with all problems as its `details`.
        """
        if self.found:
            first, more = self.found[0], len(self.found) - 1
            sentence = f"{first[ERROR_FIELDS['field']]}: {first['problem']}"
            raise ValidationFailed(f"{sentence} (and {more} more)" if more else sentence, details=self.found)

    def decoded(self, rows: Iterable[msgspec.Raw], wanted: type[T], place: str) -> list[T]:
        """The rows of a list as values of this type; what is wrong with any is noted."""
        values = (self.decoded_one(row, wanted, f"{place}[{index}]") for index, row in enumerate(rows))
        return [value for value in values if value is not None]

    def decoded_one(self, part: msgspec.Raw, wanted: type[T], place: str) -> T | None:
        """A part of the body as a value of this type; None, where that is wrong."""
        try:
            return decode(bytes(part), wanted)
        except msgspec.ValidationError as error:
            self.add_refusal(place, explained(error))
            return None


def problems_of(refusal: ValidationFailed) -> tuple[dict[str, Any], ...]:
    """Each field and its problem; a refusal that names no field is one of the whole."""
    if isinstance(refusal.details, Sequence):
        return tuple(dict(detail) for detail in refusal.details)
    return ({ERROR_FIELDS["field"]: "", "problem": refusal.message},)


def sentences_of(refusal: ValidationFailed) -> list[str]:
    """Each problem as a person reads it: its place, and what is wrong there."""
    told = (f"{detail[ERROR_FIELDS['field']]}: {detail['problem']}" for detail in problems_of(refusal))
    return [sentence.removeprefix(": ") for sentence in told]


def decode_json(body: bytes, wanted: type[T]) -> T:
    """A value from JSON.

    Raises:
        ValidationFailed: it is not JSON, or not of this type.
    """
    try:
        return decode(body, wanted)
    except msgspec.ValidationError as error:
        raise explained(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationFailed("The body is not valid JSON") from error


def explained(error: msgspec.ValidationError) -> ValidationFailed:
    """Msgspec's sentence, split into the field and its problem."""
    message = str(error)
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
    if not parent or parent == "body":
        return name
    if name in ("", "body"):
        return parent
    return f"{parent}{name}" if name.startswith("[") else f"{parent}.{name}"
