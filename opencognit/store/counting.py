"""The counts that triggers keep beside the rows (`migrations/0003_figures.py`); asking costs the same for any size."""

from opencognit.store.reading import Reading


class Counting(Reading):
    """How many there are; for questions that run on a reader's thread already."""

    def _counts(self, company_id: str, kind: str) -> dict[str, int]:
        """A company's rows of a kind, by key."""
        rows = self._readers.rows(
            "SELECT key, number FROM counts WHERE company_id = ? AND kind = ?", (company_id, kind)
        )
        return dict(rows)
