"""The three folders of the root are packages of ours, and the standard library keeps its `http`."""

import configparser
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house.source import LINKED, ROOT, modules

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", "utf-8")
PACKAGES = set(SETUP["options"]["packages"].split())


def python(code: str, cwd: Path) -> str:
    """What a fresh interpreter, started in `cwd`, prints."""
    started = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert started.returncode == 0, started.stderr
    return started.stdout.strip()


@pytest.mark.parametrize("place", ["root", "elsewhere"])
def test_http_is_the_standard_librarys(place: str, tmp_path: Path) -> None:
    code = "import http, http.client, aiohttp; print(http.__file__); print(http.client.HTTPConnection.__module__)"
    file, module = python(code, ROOT if place == "root" else tmp_path).splitlines()
    assert Path(file).parent.parent.name.startswith("python3"), file
    assert ROOT not in Path(file).parents
    assert module == "http.client"


@pytest.mark.parametrize("place", ["root", "elsewhere"])
@pytest.mark.parametrize("name", ["opencognit.http.server", "opencognit.actors.task_lock"])
def test_our_own_is_imported_by_its_full_name(name: str, place: str, tmp_path: Path) -> None:
    code = f"import {name} as module; print(module.__name__)"
    assert python(code, ROOT if place == "root" else tmp_path) == name


def test_the_settings_file_is_read_as_part_of_the_package(tmp_path: Path) -> None:
    code = "from opencognit import Settings; print(Settings.load(environment={}).server.port)"
    assert python(code, tmp_path) == "3201"


@pytest.mark.parametrize("folder", [*LINKED, "http/routes"])
def test_the_roots_folders_have_no_init(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists(), f"{folder}/__init__.py makes `import {folder}` ours"


@pytest.mark.parametrize("folder", LINKED)
def test_each_is_linked_into_the_package(folder: str) -> None:
    link = ROOT / "opencognit" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder


def test_the_packages_in_setup_cfg_are_the_folders_with_modules() -> None:
    holding_modules = {
        name if file.name == "__init__.py" else name.rpartition(".")[0] for name, file in modules().items()
    }
    assert holding_modules | {"opencognit.config"} == PACKAGES
    assert (ROOT / "config" / "default.toml").is_file()


def test_setup_cfg_says_where_each_linked_folder_is() -> None:
    lines = SETUP["options"]["package_dir"].strip().splitlines()
    assert dict(line.split(" = ") for line in lines) == {f"opencognit.{folder}": folder for folder in LINKED}


def test_no_linked_module_bears_the_name_of_one_in_the_standard_library() -> None:
    """Started as a file, it would put its folder on the path and hide the real one.

    `mailbox` is the field's word for what ours is, and the library's (of e-mail) is imported by nothing that we use.
    """
    own = {file.stem for folder in LINKED for file in (ROOT / folder).rglob("*.py")}
    assert own & sys.stdlib_module_names == {"mailbox"}


def test_every_folder_of_tests_is_a_package() -> None:
    """`tests/http/__init__.py` without `tests/__init__.py` puts `tests/` on the path and hides the real `http`."""
    folders = {file.parent for file in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_type_marker_is_there() -> None:
    assert (ROOT / "opencognit" / "py.typed").exists()
    assert find_spec("opencognit") is not None
