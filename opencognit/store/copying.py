"""A copy of a database for a trial run: taken while a server may be writing, and without anything secret."""

from pathlib import Path
from typing import Final

from opencognit.domain.errors import StorageUnavailable
from opencognit.store.database import sqlite3

SECRET_TABLES: Final = (
    *("sessions", "agent_secrets", "setting_secrets", "trigger_secrets", "subscription_secrets", "coding_sessions"),
    "answers",
)
"""What a copy is emptied of, beside the hashes of passwords."""

CALLING: Final = ("subscriptions", "deliveries")
"""What would have a copy call other programs."""


def copy_without_secrets(source: Path, target: Path) -> frozenset[str]:
    """Copy the database file `source`, in one consistent state, to the new file `target`.

    Returns:
        The adapters that agents in it work with.

    Raises:
        StorageUnavailable: there is no database, or it cannot be read.
    """
    try:
        original = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        try:
            copy = sqlite3.connect(target)
            try:
                original.backup(copy)
                for table in (*SECRET_TABLES, *CALLING):
                    copy.execute(f"DELETE FROM {table}")  # noqa: S608 - names come from this file
                copy.execute("UPDATE users SET password_hash = ''")
                copy.commit()
                adapters = copy.execute("SELECT DISTINCT adapter FROM agents WHERE adapter IS NOT NULL").fetchall()
            finally:
                copy.close()
        finally:
            original.close()
    except sqlite3.Error as error:
        raise StorageUnavailable(f"The database {source} cannot be copied: {error}") from error
    return frozenset(adapter for (adapter,) in adapters)
