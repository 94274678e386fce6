"""A file is one concept and fits a reader's head; its name says which."""

import ast
import re
import tokenize

import pytest

from tests.house.source import ROOT, modules, tree, where

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "base", "misc", "shared", "stuff"}
EMPTY_SUFFIXES = ("Manager", "Handler", "Helper", "Utils", "Impl", "Data", "Info")


@pytest.mark.parametrize("name", modules())
def test_a_file_is_short(name: str) -> None:
    assert len(modules()[name].read_text("utf-8").splitlines()) <= LINES_OF_A_FILE


@pytest.mark.parametrize("name", modules())
def test_a_function_is_short(name: str) -> None:
    file = modules()[name]
    long = [
        f"{where(file, node)} {node.name} has {length} lines"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_no_module_or_folder_has_a_name_that_says_nothing() -> None:
    empty = [name for name in modules() if EMPTY_WORDS & {word for part in name.split(".") for word in part.split("_")}]
    assert empty == []


def test_no_class_is_named_for_its_pattern() -> None:
    wrong = [
        f"{where(file, node)} {node.name}"
        for file in modules().values()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ClassDef) and node.name.endswith(EMPTY_SUFFIXES)
    ]
    # aiohttp's class is a `RequestHandler`, and so is ours of it.
    assert [line.split()[1] for line in wrong] == ["JsonRequestHandler"]


@pytest.mark.parametrize("name", modules())
def test_a_module_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(tree(modules()[name]))


@pytest.mark.parametrize("name", modules())
def test_nothing_is_swallowed(name: str) -> None:
    """A bare `except`, or one whose whole answer is `pass`."""
    file = modules()[name]
    wrong = [
        where(file, node)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", modules())
def test_nothing_is_left_for_later(name: str) -> None:
    with modules()[name].open("rb") as file:
        comments = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    assert [comment for comment in comments if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment)] == []


def test_the_routes_are_the_resources() -> None:
    """One word all the way down: what has a route file has a domain file, or says why not."""
    resources = {file.stem for file in (ROOT / "http" / "routes").glob("*.py")}
    domain = {file.stem for file in (ROOT / "opencognit" / "domain").glob("*.py")}
    without = {name for name in resources if not {name, name.removesuffix("s"), _singular(name)} & domain}
    # Accounts are `domain/caller.py` (who asks); the documents' routes describe the routes.
    assert without == {"accounts", "documents"}


def _singular(name: str) -> str:
    return name.removesuffix("ies") + "y" if name.endswith("ies") else name


def test_the_tests_are_named_as_sentences() -> None:
    """Three words at least: a name alone should say what broke. Inside a class, the class is the subject."""
    short = [
        f"{where(file, node)} {node.name}"
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in tree(file).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and node.name.count("_") < 3
    ]
    assert short == []
