"""The Prometheus endpoint, on a port and a thread of its own; reads `statistics()` of the parts and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_ledger.store.interface import CurrencyTotal
from holdfast_ledger.writer import COMMIT_BOUNDS_US, WriterStatistics


@dataclass(frozen=True, slots=True)
class LedgerStatistics:
    """What the endpoint shows. Amounts of different currencies are not summed: that would mean nothing."""

    writer: WriterStatistics
    posted_debit_count: int
    dropped_debit_count: int
    duplicate_debit_count: int
    quarantined_debit_count: int
    post_job_count: int
    stream_count: int
    lease_count: int
    """Leases with rights out."""
    currencies: tuple[CurrencyTotal, ...]


class LedgerCollector(Collector):
    """Turns statistics into metrics at each scrape."""

    def __init__(self, statistics: Callable[[], LedgerStatistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Called by the endpoint's thread."""
        now = self._statistics()
        debits = CounterMetricFamily(
            "holdfast_ledger_debits", "Debits taken in, by what became of them.", labels=["outcome"]
        )
        debits.add_metric(["posted"], now.posted_debit_count)
        debits.add_metric(["dropped"], now.dropped_debit_count)
        debits.add_metric(["duplicate"], now.duplicate_debit_count)
        debits.add_metric(["quarantined"], now.quarantined_debit_count)
        yield debits
        counters = (
            ("post_jobs", "Runs of debits posted.", now.post_job_count),
            ("transactions", "Transactions.", now.writer.transaction_count),
            ("transactions_failed", "Transactions that failed as a whole.", now.writer.failed_count),
            ("jobs", "Jobs carried out.", now.writer.job_count),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(f"holdfast_ledger_{name}", text, value=value)
        gauges = (
            ("streams", "Sidecars connected to this replica.", now.stream_count),
            ("leases", "Leases with rights out.", now.lease_count),
            ("waiting_jobs", "Jobs that wait for the writer.", now.writer.waiting_count),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"holdfast_ledger_{name}", text, value=value)
        yield from self._amounts(now.currencies)
        yield self._durations(now.writer)

    def _amounts(self, currencies: tuple[CurrencyTotal, ...]) -> Iterator[Metric]:
        leased = GaugeMetricFamily(
            "holdfast_ledger_leased_amount", "Rights out at sidecars, in minor units.", labels=["currency"]
        )
        overdraft = GaugeMetricFamily(
            "holdfast_ledger_overdraft_amount", "Spend that no grant covers, in minor units.", labels=["currency"]
        )
        pools = GaugeMetricFamily("holdfast_ledger_overdrawn_pools", "Pools in overdraft.", labels=["currency"])
        for one in currencies:
            leased.add_metric([one.currency], one.leased)
            overdraft.add_metric([one.currency], one.overdraft)
            pools.add_metric([one.currency], one.overdrawn_pool_count)
        yield from (leased, overdraft, pools)

    def _durations(self, writer: WriterStatistics) -> Metric:
        total, buckets = 0, []
        for bound, count in zip((*COMMIT_BOUNDS_US, None), writer.transaction_counts, strict=True):
            total += count
            buckets.append((str(bound / 1e6) if bound else "+Inf", float(total)))
        return HistogramMetricFamily(
            "holdfast_ledger_transaction_seconds",
            "Duration of transactions, work and commit together.",
            buckets=buckets,
            sum_value=writer.transaction_us_sum / 1e6,
        )


class MetricsServer:
    """Serves the metrics until it is closed."""

    def __init__(self, host: str, port: int, statistics: Callable[[], LedgerStatistics]) -> None:
        """Binds and serves. Raises OSError if the port is taken."""
        registry = CollectorRegistry()
        registry.register(LedgerCollector(statistics))
        self._server, self._thread = start_http_server(port, host, registry)

    def close(self) -> None:
        """Stops serving. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
