"""When something falls due, without a scan.

Two levels: what is far off lies in buckets of 134 ms, from which it can be taken out again at no cost; a bucket whose
time has come goes into a heap, which has the exact order. So what closes early leaves nothing behind, and the work at
any one moment is bounded by one bucket (after Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
"""

from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

BUCKET_SHIFT = 27
"""A bucket spans 2^27 ns."""
NEVER_NS = 2**63 - 1


class Deadlines(Generic[T]):
    """Items by the time at which they fall due.

    Args:
        due_ns: Tells when an item falls due now, in nanoseconds; None once it is of no interest any more.
    """

    def __init__(self, due_ns: Callable[[T], int | None]) -> None:
        self._due_ns = due_ns
        self._far: dict[int, dict[T, None]] = {}
        self._far_order: list[int] = []
        self._near: list[tuple[int, int, T]] = []
        self._near_until_ns = 0
        self._pushed_count = 0

    def push(self, at_ns: int, item: T) -> None:
        """Adds an item, or adds it again after its deadline moved."""
        if at_ns < self._near_until_ns:
            self._push_near(at_ns, item)
            return
        number = at_ns >> BUCKET_SHIFT
        bucket = self._far.get(number)
        if bucket is None:
            self._far[number] = {item: None}
            heappush(self._far_order, number)
        else:
            bucket[item] = None

    def discard(self, at_ns: int, item: T) -> None:
        """Takes an item out that was pushed for this time. Optional: what is of no interest is never yielded."""
        bucket = self._far.get(at_ns >> BUCKET_SHIFT)
        if bucket is not None:
            bucket.pop(item, None)

    def next_ns(self) -> int:
        """Returns the earliest time at which something may fall due, `NEVER_NS` if nothing waits."""
        near_ns = self._near[0][0] if self._near else NEVER_NS
        far_ns = self._far_order[0] << BUCKET_SHIFT if self._far_order else NEVER_NS
        return min(near_ns, far_ns)

    def pop_due(self, now_ns: int) -> Iterator[T]:
        """Yields each item that is due, once, earliest first."""
        while self._far_order and self._far_order[0] << BUCKET_SHIFT <= now_ns:
            number = heappop(self._far_order)
            self._near_until_ns = (number + 1) << BUCKET_SHIFT
            for item in self._far.pop(number):
                due_ns = self._due_ns(item)
                if due_ns is not None and due_ns < self._near_until_ns:
                    self._push_near(due_ns, item)
        while self._near and self._near[0][0] <= now_ns:
            at_ns, _, item = heappop(self._near)
            if self._due_ns(item) == at_ns:
                yield item

    def _push_near(self, at_ns: int, item: T) -> None:
        # The count keeps items of one deadline in their order, and from being compared.
        self._pushed_count += 1
        heappush(self._near, (at_ns, self._pushed_count, item))
