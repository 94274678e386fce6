"""What a user installs: a wheel, built by way of the source distribution, in a folder that holds nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.source import LINKED, ROOT, modules

SERVED = """
import json
import sys
import urllib.request

import opencognit
import opencognit.http.server

target = sys.argv[1]
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "opencognit" and getattr(module, "__file__", None):
        assert module.__file__.startswith(target), module.__file__
with opencognit.BlockingRuntime() as runtime:
    company = runtime.create_company(name="Acme")
    with urllib.request.urlopen(runtime.serve(port=0) + "/api/health") as answer:
        print(company.name, json.load(answer)["status"])
"""
"""A program that embeds the runtime and serves it; its modules must be those of the wheel."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays clean; the sdist does not hold the links (house rules, 4.1)."""
    work = tmp_path_factory.mktemp("wheel")
    checkout = work / "checkout"
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "tests", "bench", "__pycache__")
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=ignored)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(work), str(checkout)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = work.glob("*.whl")
    return made


def test_the_wheel_holds_every_module_and_the_settings(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {_inside(file) for file in modules().values()}
    wanted |= {"opencognit/config/default.toml", "opencognit/py.typed"}
    wanted |= {f"opencognit/templates/{file.name}" for file in (ROOT / "opencognit" / "templates").iterdir()}
    assert sorted(wanted - held) == []


def test_the_wheel_brings_nothing_else_to_the_path(wheel: Path) -> None:
    """An `http` beside `opencognit` in site-packages would be everybody's."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"opencognit"}


def test_the_wheel_brings_its_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "opencognit = opencognit.cli:main" in archive.read(entry_points).decode()


def test_what_the_wheel_holds_serves_a_company_from_a_bare_folder(wheel: Path, tmp_path: Path) -> None:
    target, bare = tmp_path / "installed", tmp_path / "bare"
    bare.mkdir()
    zipfile.ZipFile(wheel).extractall(target)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVED, str(target)],
        cwd=bare,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin", "HOME": str(bare)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["Acme", "UP"]


def _inside(file: Path) -> str:
    inside = file.relative_to(ROOT)
    return str(Path("opencognit", inside) if inside.parts[0] in LINKED else inside)
