"""The Grafana dashboard: each panel draws metrics that exist, with a place and a text of its own."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "usage.json"
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""

Panel = Mapping[str, Any]


def panels() -> Sequence[Panel]:
    """All panels that draw something."""
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_panel(panel: Panel, published: Mapping[str, set[str]]) -> None:
    """Its metrics and labels are published, its lines are told apart, and it says what to make of it."""
    assert panel["description"]
    for target in panel["targets"]:
        names = re.findall(r"\bholdfast_\w+", target["expr"])
        assert names
        assert set(names) <= set(published)
        given = {label for found in re.findall(r"\bby \(([\w, ]+)\)", target["expr"]) for label in found.split(", ")}
        given |= set(re.findall(r"\{(\w+)!?=", target["expr"].replace("{{", "")))
        assert given - SCRAPED <= set().union(*(published[name] for name in names))
        drawn = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert drawn <= given | (SCRAPED if "by (" not in target["expr"] else set())
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_no_two_panels_are_in_one_place() -> None:
    """Grafana would move one of them."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())
