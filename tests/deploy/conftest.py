"""What is published, for all that is drawn from it or warns of it."""

from collections.abc import Mapping

import pytest
from holdfast_ledger.books.keeping import BookStatistics
from holdfast_ledger.delivery.deliverer import DeliveryCounts
from holdfast_ledger.metering.job import MeteringCounts
from holdfast_ledger.metering.statistics import MeteringStatistics
from holdfast_ledger.metrics import LedgerCollector, LedgerStatistics
from holdfast_ledger.objects.statistics import ObjectStatistics
from holdfast_ledger.store.interface import EventTotals
from holdfast_ledger.store.metering_rows import MeteringBacklog, MeteringTotals
from holdfast_ledger.store.object_rows import SourceTotals
from holdfast_ledger.streams.exporter import ExportCounts
from holdfast_ledger.streams.importer import ImportCounts
from holdfast_ledger.streams.metrics import StreamCollector
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.writer import COMMIT_BOUNDS_US, WriterStatistics
from holdfast_sidecar.observe.collector import SidecarCollector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.sidecar.observe.snapshots import sources

LEDGER = LedgerStatistics(
    writer=WriterStatistics(0, 0, 0, 0, 0, 0, (0,) * (len(COMMIT_BOUNDS_US) + 1), 0),
    posted_debit_count=0,
    dropped_debit_count=0,
    duplicate_debit_count=0,
    quarantined_debit_count=0,
    post_job_count=0,
    stream_count=0,
    lease_count=0,
    currencies=(),
    deliveries=DeliveryCounts(),
    events=EventTotals((), 0, 0),
    usage=UsageStatus(row_counts={"spend": 0}),
    books=BookStatistics(0, 0, 0),
    objects=ObjectStatistics((SourceTotals("bucket", 0, 0, 0, 0, 0, ""),), (), 0),
    metering=MeteringStatistics(MeteringTotals(*[0] * 6), MeteringBacklog(*[0] * 4), 0, MeteringCounts()),
)


@pytest.fixture(scope="package")
def published() -> Mapping[str, set[str]]:
    """The series that a sidecar, a ledger and its streams publish, as Prometheus names them, with their labels."""
    exported, imported = StreamCollector(), StreamCollector()
    exported.watch(ExportCounts())
    imported.watch(ImportCounts())
    series: dict[str, set[str]] = {}
    for collector in (SidecarCollector(sources()), LedgerCollector(lambda: LEDGER), exported, imported):
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            for sample in family.samples:
                series.setdefault(sample.name, set()).update(sample.labels)
    return series
