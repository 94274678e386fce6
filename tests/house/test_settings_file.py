"""`config/default.toml` and the code say the same."""

import ast
import re
import tomllib

import msgspec
import pytest

from opencognit.settings import Settings
from tests.house.source import ROOT, modules, tree

TEXT = (ROOT / "config" / "default.toml").read_text("utf-8")
FILE = tomllib.loads(TEXT)
NAMES = [(section, name) for section, table in FILE.items() for name in table]
UNITS = ("_seconds", "_mb")


def fields(kind: type) -> dict[str, type]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def test_the_file_has_exactly_the_settings_of_the_code() -> None:
    wanted = {section: set(fields(kind)) for section, kind in fields(Settings).items()}
    assert {section: set(table) for section, table in FILE.items()} == wanted


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_a_setting_is_explained(section: str, name: str) -> None:
    """By a sentence above it, or above it and its neighbours."""
    part = TEXT.split(f"[{section}]\n")[1].split("\n[")[0].splitlines()
    line = next(number for number, text in enumerate(part) if text.startswith(f"{name} = "))
    above = next(text for text in reversed(part[:line]) if not re.match(r"\w+ = ", text))
    assert above.startswith("# "), above
    assert above.endswith((".", ":", '8".')), above


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_a_setting_is_used(section: str, name: str) -> None:
    reading = [
        file
        for file in modules().values()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)
    ]
    assert reading, f"nobody reads {section}.{name}"


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_a_length_of_time_says_that_it_is_in_seconds(section: str, name: str) -> None:
    value = FILE[section][name]
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, float) for one in values):
        assert name.endswith("_seconds")


def test_settings_that_the_documents_name_exist() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        (section, name)
        for document in documents
        for section, name in re.findall(rf"`({'|'.join(FILE)})\.(\w+)`", document.read_text("utf-8"))
    }
    named |= {
        (section.lower(), name.lower())
        for document in documents
        for section, name in re.findall(r"OPENCOGNIT_([A-Z]+)__([A-Z_]+)", document.read_text("utf-8"))
    }
    assert named, "the README names some"
    assert named - set(NAMES) == set()
