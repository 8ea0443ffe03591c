"""The alert rules: each names metrics that exist, and says what to do."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from holdfast_sidecar.observe.collector import SidecarCollector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.sidecar.observe.snapshots import sources

ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yaml"


def rules() -> Sequence[Mapping[str, Any]]:
    """All rules of all groups."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def published() -> Mapping[str, set[str]]:
    """The series that a sidecar publishes, as Prometheus names them, with their labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SidecarCollector(sources()))
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
