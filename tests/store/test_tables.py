"""The models that ask and the schema that migrations make are the same tables."""

from pathlib import Path
from typing import Any, cast

import peewee
import pytest

from opencognit.domain.records import CompanyErased, Record
from opencognit.runtime import ACTORS
from opencognit.store.copying import SECRET_TABLES
from opencognit.store.cursor import Cursor
from opencognit.store.database import open_database, sqlite3
from opencognit.store.records import WRITERS
from opencognit.store.snapshots import SHELVES
from opencognit.store.tables import ALL

NAMES: dict[Any, str] = {model: model._meta.table_name for model in ALL}
TYPES = {
    peewee.TextField: "TEXT",
    peewee.BlobField: "BLOB",
    peewee.IntegerField: "INTEGER",
    peewee.BooleanField: "INTEGER",
}


@pytest.fixture
def schema(path: Path) -> dict[str, dict[str, tuple[str, bool]]]:
    """Table → column → (type, whether it may be NULL), as SQLite tells."""
    open_database(path).close()
    connection = sqlite3.connect(path)
    # A full-text index is no table of ours, and neither are those in which SQLite keeps it.
    tables = [name for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table'")]
    found = {
        table: {row[1]: (row[2], not (row[3] or row[5])) for row in connection.execute(f"PRAGMA table_info({table})")}
        for table in tables
        if not table.startswith("sqlite_") and table != "migrations"
    }
    connection.close()
    return found


def test_every_table_has_its_model(schema: dict[str, dict[str, tuple[str, bool]]]) -> None:
    assert set(NAMES.values()) == schema.keys()


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_a_model_has_the_columns_of_its_table(
    schema: dict[str, dict[str, tuple[str, bool]]], model: type[peewee.Model]
) -> None:
    fields = {field.column_name: (TYPES[type(field)], field.null) for field in model._meta.sorted_fields}
    assert fields == schema[NAMES[model]]


def test_models_belong_to_no_database() -> None:
    assert {model._meta.database for model in ALL} == {None}


def test_every_kind_of_record_has_its_writer() -> None:
    assert set(Record.__args__) == WRITERS.keys()


def test_every_kind_of_actor_has_its_shelf() -> None:
    assert SHELVES.keys() == ACTORS.keys()


def test_a_copy_for_a_trial_run_is_emptied_of_all_that_is_sealed(
    schema: dict[str, dict[str, tuple[str, bool]]],
) -> None:
    assert {table for table, columns in schema.items() if "sealed" in columns} <= set(SECRET_TABLES)


def test_what_belongs_to_a_company_can_be_erased_by_its_id(
    schema: dict[str, dict[str, tuple[str, bool]]], path: Path
) -> None:
    """Each table that names a company is emptied of it; a forgotten one would keep a stranger's data."""
    asked: list[str] = []

    class Listening:
        def execute(self, sql: str, _parameters: object = ()) -> None:
            asked.append(sql.split()[2])

    WRITERS[CompanyErased](cast("Cursor", Listening()), CompanyErased("c"))
    naming = {table for table, columns in schema.items() if "company_id" in columns}
    assert set(asked) == naming
