"""The error tree: every refusal has a code of its own, is documented, and is raised."""

import ast
import inspect
import re

import pytest

from opencognit.domain import errors
from opencognit.domain.errors import DomainError, Unavailable
from tests.house.source import modules, tree

ERRORS = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, DomainError)}
LEAVES = {name: kind for name, kind in ERRORS.items() if kind not in (DomainError, Unavailable)}
NOT_AVAILABLE = {name: kind for name, kind in LEAVES.items() if issubclass(kind, Unavailable)}
PICTURE = dict(re.findall(r"[├└]── (\w+) +(\d{3})", errors.__doc__ or ""))


def test_every_code_is_one_errors_own() -> None:
    """What is not available at the moment has one code: a client does the same about all of them."""
    codes = [kind.code for name, kind in LEAVES.items() if name not in NOT_AVAILABLE]
    assert sorted(codes) == sorted(set(codes))
    assert {kind.code for kind in NOT_AVAILABLE.values()} == {Unavailable.code}
    assert Unavailable.code not in codes


@pytest.mark.parametrize("name", LEAVES)
def test_a_code_is_in_capitals_and_a_status_is_a_refusal(name: str) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", LEAVES[name].code)
    assert 400 <= LEAVES[name].status < 600


def test_the_picture_of_the_tree_is_true() -> None:
    assert {name: int(status) for name, status in PICTURE.items()} == {
        name: kind.status for name, kind in LEAVES.items()
    }


@pytest.mark.parametrize("name", LEAVES)
def test_an_error_is_documented_and_has_a_sentence_for_a_person(name: str) -> None:
    assert LEAVES[name].__doc__
    assert LEAVES[name]().message
    assert "__doc__" in vars(LEAVES[name]), "a docstring of its own"


def test_no_two_errors_say_the_same() -> None:
    sentences = [kind.sentence for kind in ERRORS.values() if kind is not errors.InternalError]
    assert sorted(sentences) == sorted(set(sentences))


@pytest.mark.parametrize("name", LEAVES)
def test_an_error_is_raised_somewhere(name: str) -> None:
    made = [
        node
        for module, file in modules().items()
        if module != "opencognit.domain.errors"
        for node in ast.walk(tree(file))
        if name in _made_or_raised(node)
    ]
    assert made, f"nobody raises {name}"


def _made_or_raised(node: ast.AST) -> set[str]:
    """The class that a `raise`, or a call of it or of its `of`, names."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
        return {node.exc.id}
    if not isinstance(node, ast.Call):
        return set()
    called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    return {called.id} if isinstance(called, ast.Name) else set()
