"""Text becomes lines, many at a time, and none that is longer than memory allows."""

from collections.abc import Iterator
from typing import NamedTuple

from holdfast_ledger.objects.unpacking import Damaged

CHUNK_BYTES = 8 * 2**20
"""Text of the lines that are worked at together: some tens of thousands of events, a batch."""

MAX_LINE_BYTES = 2**20
"""Longest line: no event is a hundredth of it."""

KEPT_BYTES = 4_096
"""Of a line that is longer, for whoever looks at it."""


class Lines(NamedTuple):
    """Lines that follow one another."""

    first_number: int
    """Of the first one, from 1."""
    lines: list[bytes]
    """Without their ends; of one that is too long maybe not all, see `is_cut`."""
    end_bytes: int
    """Where they end in the text."""


def is_cut(line: bytes) -> bool:
    """Returns whether a line was too long to be kept."""
    return len(line) > MAX_LINE_BYTES


def kept(line: bytes) -> bytes:
    """Returns a line as far as it is shown."""
    return line[:KEPT_BYTES] if is_cut(line) else line


def read_lines(chunks: Iterator[bytes], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Lines]:
    """Cuts text into lines. Raises `Damaged` after the lines that are whole, and what else `chunks` raises at once."""
    cutter = _Cutter()
    try:
        for chunk in chunks:
            cutter.buffer += chunk
            if len(cutter.buffer) >= chunk_bytes and (lines := cutter.cut(cutter.buffer.rfind(b"\n") + 1)):
                yield lines
    except Damaged:
        if lines := cutter.cut(cutter.buffer.rfind(b"\n") + 1):
            yield lines
        raise
    if lines := cutter.cut(len(cutter.buffer)):
        yield lines


class _Cutter:
    """Text that has come, and how far it is cut."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._number = 1
        self._end = 0
        self._dropped = 0
        """Bytes of the first line in the buffer that were let go."""

    def cut(self, length: int) -> Lines | None:
        """Takes lines from the front; without one that is whole lets go of what is too long."""
        if not length:
            self._dropped += max(len(self.buffer) - MAX_LINE_BYTES - 1, 0)
            del self.buffer[MAX_LINE_BYTES + 1 :]
            return None
        text = bytes(self.buffer[:length])
        del self.buffer[:length]
        self._end += length + self._dropped
        self._dropped = 0
        lines = text.replace(b"\r\n", b"\n").split(b"\n")
        if not lines[-1]:
            lines.pop()
        result = Lines(self._number, lines, self._end)
        self._number += len(lines)
        return result
