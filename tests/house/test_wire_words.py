"""German crosses the wire, and stands in `domain/wire_names.py` alone."""

import ast
import re
from collections.abc import Iterator

import pytest

from opencognit.domain import wire_names
from tests.house.source import modules, tree, where

TABLES = {name: table for name, table in vars(wire_names).items() if name.isupper()}
ENGLISH = {
    *("version", "admin", "workDir", "parentId", "reportsTo", "isOrchestrator", "systemPrompt", "blockedBy"),
    *("runId", "agentId", "agentName", "taskId", "taskIds", "inputTokens", "outputTokens", "maxTokens"),
    *("cacheReadTokens", "cacheWriteTokens", "executionRunId", "executionLockedBy", "executionLockedAt"),
    *("executionLockExpiresAt", "executionToken", "apiKey", "formatVersion"),
    *("routineId", "triggerId", "publicId", "concurrencyPolicy", "catchUpPolicy", "cronExpression", "timezone"),
}
"""Words of the wire that are English."""

GERMAN = {word for table in TABLES.values() for word in table.values()} - ENGLISH
ELSEWHERE = {
    # The header claim of a JSON Web Token (RFC 7519, section 5.1), which the glossary's word happens to equal.
    "opencognit.security.tokens": {"typ"},
}
OTHERS = [name for name in modules() if name != "opencognit.domain.wire_names"]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    """All strings that stand alone: docstrings, also of attributes and constants."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def used_words(module: ast.Module) -> Iterator[tuple[ast.AST, set[str]]]:
    """The words of literals, and of every kind of name."""
    prose = set(map(id, docstrings(module)))
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            yield node, words(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
        for field in ("id", "attr", "arg", "name"):
            if isinstance(name := getattr(node, field, None), str):
                yield node, {name}


@pytest.mark.parametrize("name", OTHERS)
def test_no_german_word_stands_in_a_literal_or_a_name(name: str) -> None:
    file = modules()[name]
    wrong = [
        f"{where(file, node)} {', '.join(german)}"
        for node, found in used_words(tree(file))
        if (german := (found & GERMAN) - ELSEWHERE.get(name, set()))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", OTHERS)
def test_prose_names_a_wire_word_only_between_backticks(name: str) -> None:
    file = modules()[name]
    wrong = [
        f"{where(file, node)} {', '.join(german)}"
        for node in docstrings(tree(file))
        if (german := words(re.sub(r"`[^`]*`", "", str(node.value))) & GERMAN)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_umlaut_stands_in_a_literal_or_a_name(name: str) -> None:
    file = modules()[name]
    wrong = [where(file, node) for node, found in used_words(tree(file)) if re.search("[äöüßÄÖÜ]", " ".join(found))]
    assert wrong == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_gives_no_two_fields_the_same_wire_name(name: str) -> None:
    names = list(TABLES[name].values())
    assert [word for word in names if names.count(word) > 1] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_entry_of_a_table_is_used(name: str) -> None:
    """As the name of a field, or looked up."""
    used = {found for other in OTHERS for _, names in used_words(tree(modules()[other])) for found in names}
    assert sorted(TABLES[name].keys() - used) == []
