"""Files that commands read and write: JSON or YAML in, with all that is wrong with them told at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.problems import sentences_of
from opencognit.domain.yaml_text import json_or_yaml

given = click.argument("file", type=click.File("rb"))
"""The file that a command reads; `-` is standard input."""


def json_in(file: BinaryIO) -> bytes:
    """What is in a file, as JSON.

    Raises:
        ValidationFailed: it is neither JSON nor YAML.
    """
    return json_or_yaml(file.read())


@contextmanager
def problems_told(file: BinaryIO) -> Iterator[None]:
    """What is wrong with a file is told in a line for each place, on standard error, with exit code 1."""
    try:
        yield
    except ValidationFailed as refusal:
        lines = "".join(f"\n  {sentence}" for sentence in sentences_of(refusal))
        raise click.ClickException(f"Nothing is imported, for {file.name} has to be mended:{lines}") from refusal
