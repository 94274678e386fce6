"""The source as the house rules see it: every module of the package, by its full name."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LINKED = ("actors", "http", "config")
"""Folders of the root that are linked into the package."""


@cache
def modules() -> dict[str, Path]:
    """Full module name → file, for all that is shipped."""
    own = [file for file in (ROOT / "opencognit").rglob("*.py") if file.parts[len(ROOT.parts) + 1] not in LINKED]
    linked = [file for folder in LINKED for file in (ROOT / folder).rglob("*.py")]
    return {_name(file): file for file in sorted(own + linked)}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def where(file: Path, node: ast.AST) -> str:
    """`file:line`, as an editor opens it."""
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def _name(file: Path) -> str:
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    if parts[0] != "opencognit":
        parts.insert(0, "opencognit")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)
