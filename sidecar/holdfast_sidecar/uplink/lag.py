"""How far the ledger is behind, in time: the age of the oldest debit that it has not acked."""

from collections import deque
from itertools import islice

_SPACING_NS = 100_000_000
_MARK_COUNT = 512


class LagMeter:
    """Remembers when the outbox had reached which sequence, coarsely: 512 marks, 100 ms apart and more when many."""

    def __init__(self) -> None:
        """Starts with nothing owed."""
        self._marks: deque[tuple[int, int]] = deque()
        self._spacing_ns = _SPACING_NS

    def made(self, last_sequence: int, now_ns: int) -> None:
        """Notes that debits up to `last_sequence` were durable at `now_ns`."""
        marks = self._marks
        if marks and (last_sequence <= marks[-1][0] or now_ns - marks[-1][1] < self._spacing_ns):
            return
        marks.append((last_sequence, now_ns))
        if len(marks) > _MARK_COUNT:
            self._marks = deque(islice(marks, 0, None, 2))
            self._spacing_ns *= 2

    def acked(self, acked_sequence: int) -> None:
        """Notes that the ledger has posted all up to `acked_sequence`."""
        marks = self._marks
        while marks and marks[0][0] <= acked_sequence:
            marks.popleft()
        if not marks:
            self._spacing_ns = _SPACING_NS

    def lag_ns(self, now_ns: int) -> int:
        """Returns the age in nanoseconds of the oldest debit not acked, short by at most the spacing; 0: none.

        Any thread: the marks may go while it looks, so it does not look twice.
        """
        try:
            return now_ns - self._marks[0][1]
        except IndexError:
            return 0
