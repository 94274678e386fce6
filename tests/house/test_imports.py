"""Imports point down, and there is one name for each module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import LINKED, ROOT, modules, tree, where

MAY_IMPORT = {
    "domain": (),
    "clock": ("domain",),
    "security": ("domain",),
    # A web hook asks which addresses it may call.
    "providers": ("domain", "security.outbound"),
    "store": ("domain",),
    "actors": ("domain", "clock", "providers.port"),
    "data_folder": ("domain",),
    "log_output": (),
    "settings": ("actors.ports",),
    "adapters": ("providers", "settings"),
    "template_files": ("domain",),
    "key_rotation": ("domain", "data_folder", "security.keys", "security.secrets", "store.resealing"),
    "housekeeping": ("domain", "actors.system", "settings", "store.store"),
    "company_exchange": ("domain", "clock", "security", "store", "actors.system", "template_files"),
    "recovery": ("domain", "store.queries", "actors.system"),
    "runtime": (
        *("domain", "clock", "security", "providers", "store", "actors"),
        *("adapters", "company_exchange", "data_folder", "housekeeping", "log_output", "recovery", "settings"),
    ),
    # Callbacks of a web hook are decoded as its answers are; sealed answers are opened; signatures checked; events
    # followed.
    "http": (
        *("domain", "clock", "runtime", "store.queries", "store.chat_queries", "store.task_queries", "store.reading"),
        *("actors.event_hub", "providers.exchange", "security.secrets", "security.webhooks"),
    ),
    "testing": ("domain", "clock", "providers.port"),
    "simulation": ("clock", "providers.port", "runtime", "settings", "store.store", "testing"),
    "dry_run": (
        *("domain", "providers.port", "runtime", "settings", "simulation", "testing"),
        *("store.copying", "store.queries", "store.task_queries"),
    ),
    "loop_thread": (),
    "client": ("domain", "clock", "loop_thread"),
    "commands": ("domain", "client"),
    "blocking": ("domain", "company_exchange", "loop_thread", "runtime", "http.server"),
    "demo_company": ("domain",),
    "demo_view": ("domain", "demo_company"),
    "demo": ("domain", "settings", "runtime", "http.server", "demo_company", "demo_view"),
    "cli": (
        *("commands", "domain", "settings", "log_output", "runtime", "http.server"),
        *("demo", "dry_run", "key_rotation", "security.keys", ""),
    ),
    "__main__": ("cli",),
    "": ("domain", "settings", "runtime", "blocking", "actors"),
}
"""What each layer, or module of the package's root, may import of ours. `""` is `opencognit/__init__.py`."""


def imported(module: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield node, node.module or ""


def layer(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def is_below(name: str, allowed: tuple[str, ...]) -> bool:
    inside = name.removeprefix("opencognit").removeprefix(".")
    return any(inside == one or inside.startswith(f"{one}.") for one in allowed)


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_only_what_lies_below_it(name: str) -> None:
    own = layer(name)
    file = modules()[name]
    wrong = [
        f"{where(file, node)} imports {other}"
        for node, other in imported(tree(file))
        if other.split(".")[0] == "opencognit" and layer(other) != own and not is_below(other, MAY_IMPORT[own])
    ]
    assert wrong == []


def test_the_layers_form_no_circle() -> None:
    above: set[str] = set()

    def visit(one: str, way: tuple[str, ...]) -> None:
        assert one not in way, f"a circle of layers: {' → '.join((*way, one))}"
        if one not in above:
            for other in MAY_IMPORT[one]:
                visit(other.split(".")[0], (*way, one))
            above.add(one)

    for one in MAY_IMPORT:
        if one not in ("", "cli", "__main__"):
            visit(one, ())


def test_every_layer_is_in_the_table() -> None:
    assert {layer(name) for name in modules()} == MAY_IMPORT.keys()


@pytest.mark.parametrize("folder", ["opencognit", *LINKED, "tests", "examples", "bench"])
def test_nobody_imports_the_linked_folders_by_their_short_names(folder: str) -> None:
    """`actors.task_lock` would be a second module beside `opencognit.actors.task_lock`, with classes of its own."""
    ours = {f"http.{path.stem}" for path in (ROOT / "http").iterdir() if path.suffix == ".py" or path.is_dir()}
    wrong = [
        f"{where(file, node)} imports {name}"
        for file in python_files(ROOT / folder)
        for node, name in imported(tree(file))
        if name.split(".")[0] in ("actors", "config") or ".".join(name.split(".")[:2]) in ours
    ]
    assert wrong == []


def test_only_the_store_knows_peewee() -> None:
    wrong = [
        where(file, node)
        for name, file in modules().items()
        if layer(name) != "store"
        for node, other in imported(tree(file))
        if other.split(".")[0] in ("peewee", "playhouse", "sqlite3", "pysqlite3")
    ]
    assert wrong == []


def test_only_http_and_what_calls_out_know_aiohttp() -> None:
    """The core knows nothing of HTTP; `demo` is a client as any other."""
    knowing = {
        layer(name)
        for name, file in modules().items()
        for _, other in imported(tree(file))
        if other.split(".")[0] == "aiohttp"
    }
    assert knowing <= {"http", "providers", "security", "client", "demo"}


def python_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.py") if not any(part.is_symlink() for part in file.parents)]
