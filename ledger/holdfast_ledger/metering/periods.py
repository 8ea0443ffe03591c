"""Finds the periods around many moments: few periods, so each is worked out once."""

from bisect import bisect_right, insort

from holdfast_ledger.governance.periods import Schedule, period_at


class Periods:
    """Periods that were looked for. One thread."""

    def __init__(self) -> None:
        self._known: dict[Schedule, list[tuple[int, int]]] = {}

    def around(self, schedule: Schedule, at_ms: int) -> tuple[int, int]:
        """Returns when the period of a moment began and when it ends."""
        known = self._known.setdefault(schedule, [])
        place = bisect_right(known, at_ms, key=lambda period: period[0]) - 1
        if place >= 0 and at_ms < known[place][1]:
            return known[place]
        found = period_at(schedule, at_ms)
        insort(known, found)
        return found
