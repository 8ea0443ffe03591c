"""What the agents count: operations, answers, latencies, and how much they have spent or hold by their own account.

One thread counts, another one may read: each figure is replaced or added to in one step.
"""

from collections import Counter, deque
from dataclasses import dataclass

from holdfast.answers import Reason

WINDOW_S = 2.0
"""Time over which the live figures are taken."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The live figures, over the last `WINDOW_S`."""

    decisions_per_s: float
    p50_ms: float | None
    """Of the reserves answered; None: none was."""
    p99_ms: float | None


class Tally:
    """The agents' counts of one run. Seconds are those of one monotonic clock."""

    def __init__(self) -> None:
        self.decision_count = 0
        """Reserves and extends answered."""
        self.operation_count = 0
        """The same, and settles."""
        self.granted_count = 0
        self.denied: Counter[Reason] = Counter()
        """Reserves denied, by reason."""
        self.extend_count = 0
        self.cut_count = 0
        """Calls that ended at their hold, since the extend was denied."""
        self.partial_count = 0
        self.settle_count = 0
        self.fanout_count = 0
        self.open_count = 0
        """Holds open."""
        self.committed = 0
        """Spent or held: what grew by an answer, less what a final settle gave back, from the moment it was sent. So
        it never exceeds what the sidecar had given out at that moment."""
        self.committed_peak = 0
        self.least_available: int | None = None
        """The lowest balance in any answer."""
        self.flagged_count = 0
        """Settles that the sidecar called late or above their hold."""
        self.latency_ms: list[float] = []
        """Of each reserve, as its caller waited, while the sidecar was there."""
        self.outage_latency_ms: list[float] = []
        """Of those that had to do with its absence."""
        self.fanout_latency_ms: list[float] = []
        """Of the slowest reserve of each fan-out, while the sidecar was there."""
        self._outage: tuple[float, float] | None = None
        self._recent: deque[tuple[float, float | None]] = deque()

    def outage_began(self, at_s: float) -> None:
        """The sidecar was killed; until all is caught up with, latencies are the outage's."""
        self._outage = (at_s, float("inf"))

    def outage_ended(self, at_s: float) -> None:
        """The sidecar is back, and what waited for it is answered."""
        assert self._outage is not None
        self._outage = (self._outage[0], at_s)

    def reserved(self, sent_s: float, answered_s: float, amount: int, available: int) -> None:
        """A reserve was granted."""
        self.granted_count += 1
        self.open_count += 1
        self._commit(amount)
        self._reserve_answered(sent_s, answered_s, available)

    def denied_by(self, reason: Reason, sent_s: float, answered_s: float, available: int) -> None:
        """A reserve was denied."""
        self.denied[reason] += 1
        self._reserve_answered(sent_s, answered_s, available)

    def fanned_out(self, sent_s: float, answered_s: float) -> None:
        """All reserves of a fan-out were answered."""
        self.fanout_count += 1
        if not self._hit_outage(sent_s, answered_s):
            self.fanout_latency_ms.append(1e3 * (answered_s - sent_s))

    def extended(self, answered_s: float, amount: int, available: int) -> None:
        """An extend was answered; amount 0: denied."""
        self.extend_count += 1
        self.cut_count += amount == 0
        self._commit(amount)
        self._decided(answered_s, None)
        self._saw(available)

    def settling(self, returning: int) -> None:
        """A final settle is about to be sent, at `returning` minor units less than its hold has left."""
        self.committed -= returning

    def settled(self, *, final: bool, flagged: bool, available: int) -> None:
        """A settle was acked."""
        self.settle_count += 1
        self.operation_count += 1
        self.partial_count += not final
        self.open_count -= final
        self.flagged_count += flagged
        self._saw(available)

    def rates(self, now_s: float, begun_s: float) -> Rates:
        """The live figures."""
        recent = list(self._recent)
        fresh = [item for item in recent if item[0] > now_s - WINDOW_S]
        latencies = sorted(latency for _, latency in fresh if latency is not None)
        per_s = len(fresh) / max(0.1, min(WINDOW_S, now_s - begun_s))
        return Rates(per_s, percentile(latencies, 50), percentile(latencies, 99))

    def _commit(self, amount: int) -> None:
        self.committed += amount
        self.committed_peak = max(self.committed_peak, self.committed)

    def _reserve_answered(self, sent_s: float, answered_s: float, available: int) -> None:
        latency_ms = 1e3 * (answered_s - sent_s)
        hit = self._hit_outage(sent_s, answered_s)
        (self.outage_latency_ms if hit else self.latency_ms).append(latency_ms)
        self._decided(answered_s, latency_ms)
        self._saw(available)

    def _hit_outage(self, sent_s: float, answered_s: float) -> bool:
        return self._outage is not None and sent_s < self._outage[1] and answered_s > self._outage[0]

    def _decided(self, answered_s: float, latency_ms: float | None) -> None:
        self.decision_count += 1
        self.operation_count += 1
        self._recent.append((answered_s, latency_ms))
        while self._recent[0][0] < answered_s - WINDOW_S:
            self._recent.popleft()

    def _saw(self, available: int) -> None:
        if self.least_available is None or available < self.least_available:
            self.least_available = available


def percentile(ordered: list[float], percent: float) -> float | None:
    """The value below which `percent` of the ordered values are; None: there are none."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
