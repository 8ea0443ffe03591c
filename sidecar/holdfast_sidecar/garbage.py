"""Keeps the cyclic garbage collector off the decision path.

The engine makes no cycles, but a collection would walk every hold. So automatic collection is off; once a second,
when few objects are new, the young ones are collected, and whatever lives is then frozen out of the collector's sight
(`gc.freeze` moves it to the permanent generation, without walking it).
"""

import gc

TIDY_INTERVAL_NS = 1_000_000_000
YOUNG_MAX_COUNT = 5_000
"""Above so many new objects a collection would take more than about 0.5 ms: they are frozen unseen."""


class Garbage:
    """Call `tidy` each round, from the thread of the loop."""

    def __init__(self) -> None:
        self._next_ns = 0

    def tidy(self, now_ns: int) -> None:
        """Does what is due; most calls are one comparison."""
        if now_ns < self._next_ns:
            return
        gc.disable()
        if gc.get_count()[0] <= YOUNG_MAX_COUNT:
            gc.collect(0)
        gc.freeze()
        self._next_ns = now_ns + TIDY_INTERVAL_NS
