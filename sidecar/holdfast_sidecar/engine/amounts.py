"""Arithmetic on amounts and times: int64 minor units, nanoseconds and milliseconds."""

INT64_MAX = 2**63 - 1
NS_PER_MS = 1_000_000


def ms_until(deadline_ns: int, now_ns: int) -> int:
    """Returns the whole milliseconds left until a deadline, rounded up, at least 0."""
    left_ns = deadline_ns - now_ns
    return -(-left_ns // NS_PER_MS) if left_ns > 0 else 0
