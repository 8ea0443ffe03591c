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
from holdfast_ledger.writer import COMMIT_BOUNDS_US, WriterStatistics
from holdfast_sidecar.observe.collector import SidecarCollector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.sidecar.observe.snapshots import sources

ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yaml"

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
    usage=None,
    books=BookStatistics(0, 0, 0),
    objects=ObjectStatistics((), (), 0),
    metering=MeteringStatistics(MeteringTotals(*[0] * 6), MeteringBacklog(*[0] * 4), 0, MeteringCounts()),
)


def rules() -> Sequence[Mapping[str, Any]]:
    """All rules of all groups."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def published() -> Mapping[str, set[str]]:
    """The series that a sidecar and a ledger publish, as Prometheus names them, with their labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SidecarCollector(sources()))
    registry.register(LedgerCollector(lambda: LEDGER))
    text = generate_latest(registry).decode()
    series: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
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
    assert rule["labels"]["severity"] in {"page", "warn"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]
