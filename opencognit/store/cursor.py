"""The cursor of the only connection that writes, as those see it who make rows of records."""

from typing import Any, Protocol


class Cursor(Protocol):
    """The part of a DB-API cursor that is used here."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = ...) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: list[tuple[Any, ...]]) -> Any:
        """Run one statement for each row of parameters."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
