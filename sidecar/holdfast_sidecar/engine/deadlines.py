"""When something falls due, without a scan: a binary heap whose stale entries are dropped when they surface.

A deadline that moves is pushed again; the old entry no longer matches and is skipped. When stale entries outnumber the
live ones the heap is rebuilt, so memory follows the number of live items (amortised O(log n) an operation).
"""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

REBUILD_MIN_ENTRIES = 4096
NEVER_NS = 2**63 - 1


class Deadlines(Generic[T]):
    """Items by the time at which they fall due.

    Args:
        due_ns: Tells when an item falls due now, in nanoseconds; None once it is of no interest any more.
    """

    def __init__(self, due_ns: Callable[[T], int | None]) -> None:
        self._due_ns = due_ns
        self._heap: list[tuple[int, int, T]] = []
        self._pushed_count = 0
        self._rebuild_above = REBUILD_MIN_ENTRIES

    def push(self, at_ns: int, item: T) -> None:
        """Adds an item, or adds it again after its deadline moved."""
        self._pushed_count += 1
        heappush(self._heap, (at_ns, self._pushed_count, item))
        if len(self._heap) > self._rebuild_above:
            self._rebuild()

    def next_ns(self) -> int:
        """Returns the earliest time at which something may fall due, `NEVER_NS` if nothing waits."""
        return self._heap[0][0] if self._heap else NEVER_NS

    def pop_due(self, now_ns: int) -> Iterator[T]:
        """Yields each item that is due, once, earliest first."""
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, _, item = heappop(self._heap)
            if self._due_ns(item) == at_ns:
                yield item

    def _rebuild(self) -> None:
        self._heap = [entry for entry in self._heap if self._due_ns(entry[2]) == entry[0]]
        heapify(self._heap)
        self._rebuild_above = max(REBUILD_MIN_ENTRIES, 2 * len(self._heap))
