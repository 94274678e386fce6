"""Everything that is sealed in a database, sealed anew, and nothing left of how it was sealed before."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import peewee

from opencognit.domain.errors import StorageUnavailable
from opencognit.store.database import open_database, sqlite3

SEALED: Final = {
    "agent_secrets": "UPDATE agent_secrets SET sealed = reseal(sealed)",
    "setting_secrets": "UPDATE setting_secrets SET sealed = reseal(sealed)",
    "trigger_secrets": "UPDATE trigger_secrets SET sealed = reseal(sealed)",
    "subscription_secrets": "UPDATE subscription_secrets SET sealed = reseal(sealed)",
    "answers": "UPDATE answers SET body = CAST(reseal(CAST(body AS TEXT)) AS BLOB) WHERE sealed",
}
"""What seals anew all that a table holds, by the table."""


def reseal_database(path: Path, reseal: Callable[[str], str], *, allow_old_sqlite: bool = False) -> int:
    """Seal everything anew, all of it or nothing, in a database that no server works on; how much there was.

    Afterwards the file is written anew, since deleted rows stay in one until their place is needed.

    Args:
        path: the SQLite file, with room for a second one beside it.
        reseal: sealed text → the text that takes its place.
        allow_old_sqlite: as for a server.

    Raises:
        StorageUnavailable: the database cannot be used, or there is no room.
    """
    database = open_database(path, allow_old_sqlite=allow_old_sqlite)
    try:
        database.register_function(reseal, "reseal", 1)
        with database.atomic("EXCLUSIVE"):
            number: int = sum(database.execute_sql(statement).rowcount for statement in SEALED.values())
        database.execute_sql("VACUUM")
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    except (peewee.PeeweeException, sqlite3.Error) as error:
        raise StorageUnavailable(f"The database {path} cannot be written: {error}") from error
    finally:
        database.close()
    return number
