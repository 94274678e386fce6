"""Lines out of pieces of output, each line whole and of a bounded length."""

from collections.abc import Callable

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes; of a longer line nothing is heard."""


class Lines:
    """Takes bytes as they come and hands on each line without its end; empty ones and those too long are left out."""

    def __init__(self, receive: Callable[[bytes], None], *, longest: int = LONGEST_LINE) -> None:
        self._receive = receive
        self._longest = longest
        self._begun = bytearray()
        self._too_long = False

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._append(piece)
            self.end()
        self._append(rest)

    def end(self) -> None:
        """The line is over, or the output."""
        line, too_long = bytes(self._begun).strip(), self._too_long
        self._begun.clear()
        self._too_long = False
        if line and not too_long:
            self._receive(line)

    def _append(self, piece: bytes) -> None:
        if self._too_long or len(self._begun) + len(piece) > self._longest:
            self._begun.clear()
            self._too_long = True
        else:
            self._begun += piece
