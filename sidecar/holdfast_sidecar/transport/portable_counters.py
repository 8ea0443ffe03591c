"""What the portable transport counts: the twin of `counters.rs`. Written by the event loop's thread alone."""

import time
from bisect import bisect_left

from holdfast_sidecar.transport.interface import LATENCY_BOUNDS_US, MethodStatistics


class MethodCounters:
    """Counts of one method since the start."""

    def __init__(self) -> None:
        self._statuses = [0] * 17  # gRPC status codes are 0 to 16
        self._latencies = [0] * (len(LATENCY_BOUNDS_US) + 1)
        self._latency_sum_ns = 0

    def record_answer(self, code: int, arrived_ns: int) -> None:
        """Counts an answer to an item that arrived at `arrived_ns` on the monotonic clock."""
        latency_ns = time.monotonic_ns() - arrived_ns
        self._statuses[code] += 1
        self._latencies[bisect_left(LATENCY_BOUNDS_US, latency_ns / 1_000)] += 1
        self._latency_sum_ns += latency_ns

    def record_status(self, code: int) -> None:
        """Counts the end of a call that was no answer, such as its caller's leaving."""
        self._statuses[code] += 1

    def snapshot(self) -> MethodStatistics:
        """The counts now. Any thread."""
        return MethodStatistics(
            status_counts={code: count for code, count in enumerate(self._statuses) if count},
            latency_counts=tuple(self._latencies),
            latency_sum_us=self._latency_sum_ns // 1_000,
        )
