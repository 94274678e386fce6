"""How often something is tried, and how long a client waits in between."""

import msgspec

from opencognit.clock import SystemJitter

_jitter = SystemJitter()


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """Tries, and the pauses between them: each twice the one before, shortened by chance so that not all come at once.

    Attributes:
        tries: how often in all; 1 is never again.
        shortest, longest: seconds of a pause. A server that asks for more than the longest is not asked again.
    """

    tries: int = 6
    shortest: float = 0.2
    longest: float = 15.0

    def pause(self, tried: int, *, asked_for: float | None = None) -> float | None:
        """Seconds to wait after so many tries, at least as many as the server asked for; None: not again."""
        if tried >= self.tries or (asked_for or 0) > self.longest:
            return None
        return max(self.spread(tried), asked_for or 0)

    def spread(self, tried: int) -> float:
        """Seconds after so many tries, without end."""
        # No power beyond the longest pause: of many tries, it would be too large for a float.
        full = min(self.longest, self.shortest * 2.0 ** min(tried - 1, 30))
        return full * (1 + _jitter.fraction()) / 2
