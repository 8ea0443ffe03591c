"""How often something may happen: the generic cell rate algorithm in integers (ITU-T I.371, annex A).

Exact: times are kept multiplied by the rate, so that nothing is rounded before the wait is told. The rate is a whole
`amount` for each `per_ns`, of which this host has `share` millionths.
"""

from holdfast_sidecar.engine.amounts import NS_PER_MS

FULL_SHARE = 1_000_000


class Gcra:
    """One bucket. Costs are in the units of `amount`; times are CLOCK_BOOTTIME in nanoseconds."""

    __slots__ = ("_arrival", "_burst", "_rate", "_share", "_unit", "amount", "burst")

    def __init__(self, amount: int, per_ms: int, burst: int, share: int = FULL_SHARE) -> None:
        self.amount = amount
        self.burst = burst
        self._unit = per_ms * NS_PER_MS * FULL_SHARE
        """What a cost of one adds to the arrival time, whatever the share is."""
        self._arrival = 0
        """The theoretical arrival time, in nanoseconds times `_rate`."""
        self._set(share)

    def _set(self, share: int) -> None:
        self._share = share
        self._rate = self.amount * share
        self._burst = self.burst * share * self._unit // FULL_SHARE

    def share(self, share: int, now_ns: int) -> None:
        """Goes on with another share of the rate, 0..1,000,000. What was let through leaves as fast as that allows."""
        if share == self._share:
            return
        debt = self._debt(now_ns)
        # A cost takes `cost * _unit` whatever the share is, so the debt is the same figure in both.
        self._set(share)
        self._arrival = now_ns * self._rate + debt

    @property
    def share_held(self) -> int:
        """Millionths of the rate that this host has."""
        return self._share

    def _debt(self, now_ns: int) -> int:
        debt = self._arrival - now_ns * self._rate
        return debt if debt > 0 else 0

    def wait_ns(self, cost: int, now_ns: int) -> int | None:
        """Returns after how long `cost` would pass if nothing else did; 0: now; None: never, however long it waits."""
        debt = self._arrival - now_ns * self._rate
        if debt < 0:  # noqa: PLR1730 the call of `max` is a third of the cost
            debt = 0
        over = debt + cost * self._unit - self._burst
        if over <= 0:
            return 0
        if cost > self.burst or not self._rate:
            return None
        # With a part of the rate the burst's part may be less than one cost: that passes once nothing else is owed.
        over = min(over, debt)
        return -(-over // self._rate)

    def take(self, cost: int, now_ns: int) -> None:
        """Lets `cost` through, whether it passes or not."""
        now = now_ns * self._rate
        arrival = self._arrival
        self._arrival = (arrival if arrival > now else now) + cost * self._unit

    def give_back(self, cost: int) -> None:
        """Takes back what the last `take` let through, in the same moment."""
        self._arrival -= cost * self._unit

    def left(self, now_ns: int) -> int:
        """Returns the largest cost that would pass now."""
        unit = self._unit
        debt = self._debt(now_ns)
        if self._rate and not debt:
            return max(self._burst // unit, self.burst if self._share < FULL_SHARE else 0)
        return max(0, (self._burst - debt) // unit)

    def used(self, now_ns: int) -> int:
        """Returns the cost that has not left yet, rounded up."""
        return -(-self._debt(now_ns) // self._unit)
