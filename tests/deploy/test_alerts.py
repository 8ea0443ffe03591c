"""The alert rules: each names metrics that exist, and says what to do."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yaml"

SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""


def rules() -> Sequence[Mapping[str, Any]]:
    """All rules of all groups."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


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
