"""The ledger's clock: Unix time in milliseconds that neither jumps nor goes back while the process runs.

A wall clock that steps by a day would reclaim every lease at once, so it is read once and then only followed:
by the monotonic clock, corrected towards the wall clock by at most a thousandth of the time that passes.
"""

import threading
import time
from collections.abc import Callable

MAX_SLEW_RATIO = 1_000
"""One millisecond of correction in this many; NTP itself slews at half of it."""


def _wall_ns() -> int:
    return time.time_ns()


def _monotonic_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Gives `now_ms`. Any thread."""

    def __init__(self, wall_ns: Callable[[], int] = _wall_ns, monotonic_ns: Callable[[], int] = _monotonic_ns) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._read_ns = monotonic_ns()
        self._now_ns = wall_ns()

    def now_ms(self) -> int:
        """Returns Unix time in milliseconds, never less than it did before."""
        with self._lock:
            read_ns = self._monotonic_ns()
            passed_ns = max(0, read_ns - self._read_ns)
            self._read_ns = read_ns
            limit_ns = passed_ns // MAX_SLEW_RATIO
            off_ns = self._wall_ns() - (self._now_ns + passed_ns)
            self._now_ns += passed_ns + max(-limit_ns, min(limit_ns, off_ns))
            return self._now_ns // 1_000_000
