"""All that is stored of one company and goes into its file."""

from typing import Final

from opencognit.domain.company_export import CompanyRows
from opencognit.store.reading import Reading, on_reader

_PARTS: Final = ("agents", "goals", "tasks", "routines", "comments", "memories")


class CompanyQueries(Reading):
    """The question."""

    @on_reader
    def company_rows(self, company_id: str) -> CompanyRows | None:
        """What a company consists of, as it is at one moment; None where there is none."""
        with self._readers.database.atomic():
            found = self._readers.rows("SELECT body FROM companies WHERE id = ?", (company_id,))
            if not found:
                return None
            parts = {table: self._bodies(table, company_id) for table in _PARTS}
        return CompanyRows(company=found[0][0], **parts)

    def _bodies(self, table: str, company_id: str) -> list[bytes]:
        rows = self._readers.rows(f"SELECT body FROM {table} WHERE company_id = ? ORDER BY seq", (company_id,))  # noqa: S608
        return [body for (body,) in rows]
