"""The alert rules: each names metrics that exist, and says what to do."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
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

ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yaml"

SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""

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


def rules() -> Sequence[Mapping[str, Any]]:
    """All rules of all groups."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
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


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_rule(rule: Mapping[str, Any], published: Mapping[str, set[str]]) -> None:
    """An alert on a metric that nobody publishes never fires."""
    names = re.findall(r"\bholdfast_\w+", rule["expr"])
    assert names
    assert set(names) <= set(published)
    for name, label in re.findall(r"\b(holdfast_\w+)\{(\w+)=", rule["expr"]):
        assert label in published[name]
    for labels in re.findall(r"\bby \(([\w, ]+)\)", rule["expr"]):
        given = set(labels.split(", ")) - SCRAPED
        assert given <= {"le"}.union(*(published[name] for name in names))
    assert rule["labels"]["severity"] in {"page", "warn"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]
