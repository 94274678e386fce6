"""What the store needs to let go of what is old, also in a database from before."""

import random
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from opencognit.domain.instants import Instant
from opencognit.domain.message import encode
from opencognit.domain.run import Effect, Run, RunSource, RunStatus
from opencognit.store import database as module
from opencognit.store.database import open_database, sqlite3
from tests.store.units import COMPANY_ID, NOW, new_id

MIGRATIONS = Path(module.__file__).parent / "migrations"

SILENT = Run(
    id=new_id(),
    company_id=COMPANY_ID,
    agent_id=new_id(),
    task_id=None,
    source=RunSource.MANUAL,
    status=RunStatus.SUCCEEDED,
    attempt=1,
    started_at=NOW,
    ended_at=NOW,
)
EFFECT = Effect(description="Command: ls", began_at=NOW)


@pytest.mark.parametrize(
    ("run", "length"),
    [
        (SILENT, 0),
        (replace(SILENT, output="größer"), 8),
        (replace(SILENT, output="abc", effects=(replace(EFFECT, result="ä"), EFFECT)), 5),
    ],
)
def test_an_older_run_gets_the_length_of_what_it_said(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, length: int
) -> None:
    package = tmp_path / "older"
    shutil.copytree(MIGRATIONS, package / "migrations", ignore=shutil.ignore_patterns("__pycache__", "000[4-9]*"))
    with monkeypatch.context() as patched:
        patched.setattr(module, "files", lambda _name: package)
        open_database(path).close()
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO runs (id, company_id, agent_id, started_at, ended_at, body) VALUES (?, ?, ?, ?, ?, ?)",
        (run.id, run.company_id, run.agent_id, run.started_at, run.ended_at, encode(run)),
    )
    connection.commit()
    connection.close()
    open_database(path).close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT output_bytes FROM runs").fetchall() == [(length,)] == [(run.output_bytes(),)]
    connection.close()


def test_a_run_without_what_it_said_still_tells_what_it_did_and_what_has_no_end() -> None:
    run = replace(SILENT, output="abc", effects=(replace(EFFECT, result="x"), EFFECT))
    relieved = run.without_output()
    assert relieved.output_bytes() == 0
    assert [effect.result for effect in relieved.effects] == ["", None]
    assert replace(relieved, output=run.output, effects=run.effects) == run


def test_the_log_does_not_stay_as_long_as_the_largest_commit(path: Path) -> None:
    database = open_database(path)
    noise = random.Random(0).randbytes(120_000_000)
    with database.atomic():
        database.execute_sql("INSERT INTO companies (id, version, body) VALUES ('c', 1, ?)", (noise,))
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > 100_000_000
    for number in range(2):
        with database.atomic():
            database.execute_sql(
                "INSERT INTO companies (id, version, body) VALUES (?, 1, '{}')", (Instant(f"{number}"),)
            )
    assert log.stat().st_size <= 64 * 1024 * 1024
    database.close()


def test_the_place_of_what_has_gone_is_used_again(path: Path) -> None:
    """So a database grows no longer once as much goes as comes."""
    database = open_database(path)

    def fill() -> int:
        with database.atomic():
            for number in range(2000):
                database.execute_sql(
                    "INSERT INTO events (company_id, type, data, created_at) VALUES ('c', 'x', ?, ?)",
                    (b"x" * 500, f"{number}"),
                )
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.stat().st_size

    first = fill()
    for _ in range(5):
        database.execute_sql("DELETE FROM events")
        last = fill()
    assert last <= first * 1.1
    database.close()
