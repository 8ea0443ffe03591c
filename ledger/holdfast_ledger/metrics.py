"""The Prometheus endpoint, on a port and a thread of its own; reads `statistics()` of the parts and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_ledger.books.keeping import BookStatistics
from holdfast_ledger.delivery.deliverer import DeliveryCounts
from holdfast_ledger.metering.statistics import MeteringStatistics
from holdfast_ledger.objects.statistics import ObjectStatistics
from holdfast_ledger.store.interface import CurrencyTotal, EventTotals
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.writer import COMMIT_BOUNDS_US, WriterStatistics

GAUGES = (
    ("leased_amount", "Rights out at sidecars, in minor units.", "leased"),
    ("overdraft_amount", "Spend that no grant covers, in minor units.", "overdraft"),
    ("overdrawn_pools", "Pools in overdraft.", "overdrawn_pool_count"),
    ("allowance_leased_amount", "Partition allowances out at sidecars, in minor units.", "allowance_leased"),
    ("overdraft_bound_amount", "What the overdraft can come to, in minor units.", "overdraft_bound"),
)
"""Name, text, and field of `CurrencyTotal`."""

COUNTERS = (
    ("allowance_spent_amount", "Spend taken from allowances, in minor units.", "allowance_spent_total"),
    ("fail_open_amount", "Spend that nothing covered, let through in FAIL_OPEN mode.", "fail_open_total"),
    ("over_hold_amount", "Amounts by which settles passed their hold, in minor units.", "over_hold_total"),
    ("late_amount", "Spend of late settles, and of charges for what was used that nothing covered.", "late_total"),
    ("unleased_amount", "Spend beyond what was leased for no other reason, in minor units.", "unleased_total"),
    ("expired_leased_amount", "Amounts that expired while rights to them were out.", "expired_leased_total"),
    ("voided_amount", "Amounts of grants that were voided unspent, in minor units.", "voided_total"),
    ("corrected_amount", "Spend that corrections gave back, in minor units.", "corrected_total"),
    ("recall_rounds", "Rounds in which rights were called back for another sidecar.", "recall_round_count"),
)
"""The same, of what only grows."""


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
    deliveries: DeliveryCounts
    events: EventTotals
    usage: UsageStatus | None
    """None: there is no usage store."""
    books: BookStatistics
    objects: ObjectStatistics
    metering: MeteringStatistics


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
        deliveries = CounterMetricFamily(
            "holdfast_ledger_deliveries",
            "Attempts to tell webhooks of events, by outcome.",
            labels=["outcome"],
        )
        for outcome in ("delivered", "failed", "dead"):
            deliveries.add_metric([outcome], getattr(now.deliveries, outcome))
        yield deliveries
        yield from self._events(now.events)
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
        yield from self._books(now.books)
        yield from now.objects.metrics()
        yield from now.metering.metrics()
        if now.usage is not None:
            yield from usage_metrics(now.usage)
        yield from self._amounts(now.currencies)
        yield self._durations(now.writer)

    def _events(self, totals: EventTotals) -> Iterator[Metric]:
        made = CounterMetricFamily("holdfast_ledger_events", "Events made, by type.", labels=["type"])
        for kind, count in totals.made:
            made.add_metric([kind], count)
        yield made
        held = GaugeMetricFamily(
            "holdfast_ledger_deliveries_held", "Deliveries to webhooks that are not made, by state.", labels=["state"]
        )
        held.add_metric(["pending"], totals.pending_delivery_count)
        held.add_metric(["dead"], totals.dead_delivery_count)
        yield held

    def _books(self, books: BookStatistics) -> Iterator[Metric]:
        gauges = (
            ("lag_seconds", "Age of the oldest journal entry that is not sealed yet.", books.lag_ms / 1e3),
            ("entry", "The last journal entry that is sealed.", float(books.last_entry_key)),
            ("links", "Links of the journal's hash chain.", float(books.link_count)),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"holdfast_ledger_journal_chain_{name}", text, value=value)

    def _amounts(self, currencies: tuple[CurrencyTotal, ...]) -> Iterator[Metric]:
        for name, text, field in GAUGES:
            gauge = GaugeMetricFamily(f"holdfast_ledger_{name}", text, labels=["currency"])
            for one in currencies:
                gauge.add_metric([one.currency], getattr(one, field))
            yield gauge
        for name, text, field in COUNTERS:
            counter = CounterMetricFamily(f"holdfast_ledger_{name}", text, labels=["currency"])
            for one in currencies:
                counter.add_metric([one.currency], getattr(one, field))
            yield counter

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


def usage_metrics(usage: UsageStatus) -> Iterator[Metric]:
    """Turns the status of the usage store into metrics."""
    gauges = (
        ("usage_up", "Whether the usage store answers and is fed.", usage.state in {"feeding", "waiting"}),
        ("usage_lag_seconds", "Age of the oldest posting that the usage store may lack; 0: none.", usage.lag_ms / 1e3),
        ("usage_complete_until_seconds", "Unix time up to which postings are in it.", usage.complete_until_ms / 1e3),
    )
    for name, text, value in gauges:
        yield GaugeMetricFamily(f"holdfast_ledger_{name}", text, value=value)
    rows = GaugeMetricFamily("holdfast_ledger_usage_rows", "Rows of the usage store, by table.", labels=["table"])
    for table, count in sorted(usage.row_counts.items()):
        rows.add_metric([table], count)
    yield rows
    counters = (
        ("usage_turns", "Turns that brought something into the usage store.", usage.turn_count),
        ("usage_turns_failed", "Turns that failed, and were repeated.", usage.failure_count),
        ("usage_rebuilds", "Times that the usage store was fed anew.", usage.rebuild_count),
    )
    for name, text, count in counters:
        yield CounterMetricFamily(f"holdfast_ledger_{name}", text, value=count)


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
