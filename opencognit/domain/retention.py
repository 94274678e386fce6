"""How much is kept of what grows without end: by age, and by how much of it there is."""

import msgspec

from opencognit.domain.instants import Instant


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one thing, of each company."""

    since: Instant | None
    """Nothing that is as old or older; None for no such limit."""
    most: int | None
    """The newest ones up to this sum; None for no such limit."""

    def outlives(self, when: Instant, sum_from_here: int) -> bool:
        """Whether one of them is not kept.

        Args:
            when: of what time it is.
            sum_from_here: it and all that are newer, together.
        """
        is_old = self.since is not None and when <= self.since
        return is_old or (self.most is not None and sum_from_here > self.most)
