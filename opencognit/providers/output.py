"""Output of any length, kept in a bounded space: its beginning and its end."""


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
