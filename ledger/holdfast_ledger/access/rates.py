"""How often a credential may call: GCRA (ITU-T I.371) in whole nanoseconds, with a burst of one second's calls."""

from collections import OrderedDict

NS = 1_000_000_000
MAX_BUCKETS = 10_000
"""Credentials whose bucket is at hand; the one that called longest ago goes first, and has then a full one."""


class CallRates:
    """The buckets of a replica, in memory: with N replicas a credential may make N times as many calls."""

    def __init__(self) -> None:
        self._due_ns: OrderedDict[str, int] = OrderedDict()

    def take(self, name: str, calls_per_s: int, now_ns: int) -> int:
        """Counts a call; returns 0, or the milliseconds after which it may be made, if it may not be made now."""
        step_ns = NS // calls_per_s
        due_ns = max(self._due_ns.pop(name, 0), now_ns)
        ahead_ns = due_ns - now_ns - (NS - step_ns)
        if ahead_ns <= 0:
            due_ns += step_ns
        self._due_ns[name] = due_ns
        if len(self._due_ns) > MAX_BUCKETS:
            self._due_ns.popitem(last=False)
        return -(-ahead_ns // 1_000_000) if ahead_ns > 0 else 0
