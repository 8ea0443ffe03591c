"""How metering is doing, as metrics show it: what waits, what became of events, what a replica did."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from holdfast_ledger.metering.job import MeteringCounts
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.metering_rows import MeteringBacklog, MeteringTotals

_PREFIX = "holdfast_ledger_metering"


@dataclass(frozen=True, slots=True)
class MeteringStatistics:
    """What the database has of it, the same at every replica, and this one's counts."""

    totals: MeteringTotals
    backlog: MeteringBacklog
    lag_ms: int
    """Age of the oldest batch that waits to be metered; 0: none waits."""
    counts: MeteringCounts

    @classmethod
    def of(cls, reader: Reader, now_ms: int, counts: MeteringCounts) -> "MeteringStatistics":
        """Reads it."""
        backlog = reader.metering_backlog()
        lag_ms = max(0, now_ms - backlog.oldest_at_ms) if backlog.oldest_at_ms else 0
        return cls(reader.metering_totals(), backlog, lag_ms, counts)

    def metrics(self) -> Iterator[Metric]:
        """Yields it as metrics."""
        totals, backlog = self.totals, self.backlog
        events = CounterMetricFamily(
            f"{_PREFIX}_events", "Reported events that were metered, by what became of them.", labels=["outcome"]
        )
        for outcome in ("counted", "duplicate", "conflict", "void", "refused"):
            events.add_metric([outcome], getattr(totals, f"{outcome}_count"))
        yield events
        gauges = (
            ("waiting_batches", "Batches of events that are not metered yet.", backlog.waiting_batch_count),
            ("waiting_charges", "Charges for events that are not posted yet.", backlog.waiting_charge_count),
            ("waiting_corrections", "Corrections that wait for their debit.", backlog.waiting_correction_count),
            ("lag_seconds", "Age of the oldest batch of events that is not metered yet.", self.lag_ms / 1e3),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)
        counters = (
            ("runs", "Runs of batches that this replica metered.", self.counts.run_count),
            ("charges", "Charges that this replica posted.", self.counts.charge_count),
            ("corrections", "Corrections that this replica looked at.", self.counts.correction_count),
            ("failures", "Turns of metering that failed and were repeated.", self.counts.failure_count),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)
