"""Every command that the documents name is there."""

import re
from pathlib import Path

import click
import pytest

from opencognit.cli import main
from tests.house.source import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^(\w+):(?!=)", MAKEFILE, re.MULTILINE))
COMMANDS = dict(main.commands)


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
    text = document.read_text("utf-8")
    for name, rest in re.findall(r"opencognit (serve|demo|\w+)((?: --?[\w-]+(?: [\w./]+)?)+)", text):
        assert name in COMMANDS, f"opencognit {name}"
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= options, f"opencognit {name}{rest}"


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
