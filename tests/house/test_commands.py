"""Every command that the documents name is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from opencognit.cli import main
from tests.house.source import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^(\w+):(?!=)", MAKEFILE, re.MULTILINE))


def commands_of(group: click.Group, way: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands by what is typed, those of groups too."""
    for name, command in group.commands.items():
        yield f"{way}{name}", command
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{way}{name} ")


COMMANDS = dict(commands_of(main))
PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_make_targets_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    named = set(re.findall(r"`make (\w+)`", text)) | set(re.findall(r"^make (\w+)", text, re.MULTILINE))
    assert named - TARGETS == set()


def test_make_help_lists_all_targets() -> None:
    listed = set(re.findall(r'@echo "make (\w+)', MAKEFILE))
    assert listed == TARGETS - {"help"}


def test_every_make_target_is_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_and_options_that_a_document_names_exist(document: Path) -> None:
    for line in typed(document.read_text("utf-8")):
        name, command = longest(line)
        assert command is not None, line
        options = {option for parameter in command.params for option in parameter.opts}
        given = re.findall(r"(?<= )--[\w-]+", line.removeprefix(name)) if not isinstance(command, click.Group) else []
        assert set(given) <= options, line


def test_the_page_about_the_command_line_names_every_command() -> None:
    named = {longest(line)[0] for line in typed(PAGE)}
    assert {name for name, command in COMMANDS.items() if not isinstance(command, click.Group)} - named == set()


def typed(text: str) -> list[str]:
    """What a document types behind `opencognit`: between backticks, or in a line of a shell."""
    return re.findall(r"(?:^|`|\()opencognit ([a-z][^`\n#]*)", text, re.MULTILINE)


def longest(line: str) -> tuple[str, click.Command | None]:
    """The command that the line begins with."""
    words = line.rstrip(")\"'").split()
    for length in range(len(words), 0, -1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, COMMANDS[name]
    return "", None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert silent == []


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_a_make_target_starts_is_there(name: str) -> None:
    recipe = re.search(rf"^{name}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    for command in re.findall(r"\$\(BIN\)/opencognit (\w+)", recipe[1]):
        assert command in COMMANDS
    for module in re.findall(r"-m (bench)", recipe[1]):
        assert (ROOT / module / "__main__.py").exists()
    for script in re.findall(r"\bsh (\S+)", recipe[1]):
        assert (ROOT / script).exists()
