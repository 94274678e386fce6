"""Output of any length: kept in a bounded space, and without a secret."""

from typing import Final


class CutOutput:
    """Takes bytes as they come and keeps the first `head` and the last `tail` of them.

    What lies between is left out, and the text says how much that was.
    """

    def __init__(self, *, head: int, tail: int) -> None:
        self._head_limit = head
        self._tail_limit = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    @property
    def total(self) -> int:
        """How many bytes have come, kept or not."""
        return self._total

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self._total += len(data)
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[max(0, room) :]
        # Twice the limit, so that the bytes are moved once for many pieces.
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    def text(self) -> str:
        """What was kept, as text; bytes that are not UTF-8 become a replacement character."""
        tail = self._tail[-self._tail_limit :]
        left_out = self._total - len(self._head) - len(tail)
        if not left_out:
            return (self._head + tail).decode(errors="replace")
        gap = f"\n[{left_out} bytes left out]\n" if self._head_limit else ""
        return self._head.decode(errors="replace") + gap + tail.decode(errors="replace")


LONGEST_REASON: Final = 300
"""Characters of what a provider says of a failure."""


def reason(text: str, *, secret: str | None) -> str:
    """What a provider says of a failure, for a person; some repeat the key that they refuse."""
    # Before it is cut, or else a part of the key might be left at the end.
    return (text.replace(secret, "[key]") if secret else text)[:LONGEST_REASON]


class Discretion:
    """Takes text as it comes and leaves a secret out of it, also one that comes in pieces."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret
        self._held_back = ""

    def cleaned(self, text: str) -> str:
        """What can be said by now; what may be the beginning of the secret is held back until more comes."""
        if not self._secret:
            return text
        text = (self._held_back + text).replace(self._secret, "[key]")
        longest = min(len(self._secret) - 1, len(text))
        begun = next((size for size in range(longest, 0, -1) if self._secret.startswith(text[-size:])), 0)
        self._held_back = text[len(text) - begun :]
        return text[: len(text) - begun]

    def rest(self) -> str:
        """What was held back, when nothing more comes."""
        rest, self._held_back = self._held_back, ""
        return rest
