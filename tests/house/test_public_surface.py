"""What `opencognit` offers to programs: a list that does not change by accident."""

import ast
import inspect
import re
import types

import pytest

import opencognit
from opencognit.blocking import BlockingRuntime
from opencognit.runtime import Runtime
from tests.house.source import ROOT, tree

SURFACE = [
    *("AGENT", "APPROVAL", "COMPANY", "GOAL", "MEETING", "ROUTINE", "SUBSCRIPTION", "TASK_LOCK"),
    *("ActorSystem", "AsyncioActor", "AsyncioFuture", "BlockingRuntime", "DomainError", "Later", "MailboxFull"),
    *("Runtime", "Settings", "SettingsError", "WouldDeadlockError", "__version__"),
]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [
    block
    for document in DOCUMENTS
    for block in re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
]


def test_the_public_surface_is_this_list() -> None:
    assert opencognit.__all__ == SURFACE


def test_everything_on_the_list_is_there() -> None:
    assert [name for name in opencognit.__all__ if not hasattr(opencognit, name)] == []


def test_nothing_else_is_public() -> None:
    found = {
        name
        for name, value in vars(opencognit).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert found == set(SURFACE) - {"__version__"}


@pytest.mark.parametrize("name", [name for name in SURFACE if inspect.isclass(getattr(opencognit, name))])
def test_a_public_class_is_documented_with_all_its_methods(name: str) -> None:
    kind = getattr(opencognit, name)
    methods = [
        method
        for method, value in vars(kind).items()
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod))
    ]
    assert kind.__doc__
    assert [method for method in methods if not inspect.getdoc(getattr(kind, method))] == []


def test_what_the_documents_and_examples_import_from_opencognit_is_public() -> None:
    sources = [*map(_parsed, CODE), *(tree(file) for file in (ROOT / "examples").glob("*.py"))]
    imported = {
        (node.module, alias.name)
        for source in sources
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "opencognit"
        for alias in node.names
    }
    assert ("opencognit", "Runtime") in imported
    assert {name for module, name in imported if module == "opencognit"} <= set(SURFACE)
    modules = {module for module, _ in imported if not module.startswith("opencognit.domain.")}
    assert modules <= {"opencognit", "opencognit.client", "opencognit.simulation", "opencognit.testing"}


@pytest.mark.parametrize("name", [name for name in SURFACE if name != "__version__"])
def test_a_public_name_is_introduced_to_the_reader(name: str) -> None:
    """In the package's own docstring, the first thing that `help(opencognit)` shows."""
    assert f"`{name}`" in (opencognit.__doc__ or "")


def test_the_blocking_runtime_offers_what_the_runtime_does() -> None:
    """By the same names, with the same arguments."""
    blocking = _methods(BlockingRuntime)
    shared = blocking.keys() & _methods(Runtime).keys()
    assert blocking.keys() - shared == {"run", "serve"}
    own = _methods(Runtime)
    assert {name for name in shared if blocking[name] - own[name]} == set()


def _methods(kind: type) -> dict[str, set[str]]:
    return {
        name: set(inspect.signature(value).parameters)
        for name, value in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def _parsed(block: str) -> ast.Module:
    module: ast.Module = compile(block, "README", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return module
