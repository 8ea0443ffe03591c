"""The scenario of questions about usage, over few rows: what it writes down, and that the page shows it."""

import json
from pathlib import Path

import pytest
from holdfast_bench import figures
from holdfast_bench.cli import main
from holdfast_bench.scenarios import usage_query
from holdfast_ledger.errors import QuestionTimeout
from holdfast_ledger.queries.answers import Answers


@pytest.fixture
def few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks each question twice."""
    monkeypatch.setattr(usage_query, "RUN_LIMIT", 2)
    monkeypatch.setattr(usage_query, "RUN_MINIMUM", 2)


@pytest.mark.usefixtures("few_runs")
def test_each_question_has_its_latency(tmp_path: Path) -> None:
    """A list, a question each, with rows and latency; tables and a plot of it."""
    out, page = tmp_path / "out.json", tmp_path / "page.html"
    assert main(["usage-query", "--rows", "20000", "--json", str(out), "--html", str(page)]) == 0
    told = json.loads(out.read_text())
    assert [row["query"] for row in told["results"]] == [question.name for question in usage_query.QUESTIONS]
    for row in told["results"]:
        assert row["rows"] == 20_000
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p99"]
    cells = {row["query"]: row["cells"] for row in told["results"]}
    assert cells["30 days by model and feature"] == cells["30 days by model and feature, without sums of hours"] > 100
    assert cells["30 days by account, the 10 largest"] == 11
    tables = {row.get("table"): row["value"] for row in told["measures"] if row["name"] == "table_rows"}
    assert tables["usage"] == 20_000
    assert tables["usage_hours"] > 0
    text = figures.render([told])
    assert "| query | rows | cells | runs | latency_ms p50 | latency_ms p99 |" in text
    assert "| 30 days by model and feature | 20,000 | " in text
    assert "<svg" in page.read_text()


@pytest.mark.usefixtures("few_runs")
def test_a_question_that_fails_is_a_fault_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are measured, and the figures are not to be published."""
    asked = Answers.query

    def fails(self: Answers, *arguments: object) -> object:
        if not self._use_rollups:
            raise QuestionTimeout("too long")
        return asked(self, *arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Answers, "query", fails)
    out = tmp_path / "out.json"
    assert main(["usage-query", "--rows", "1000", "--json", str(out)]) == 1
    told = json.loads(out.read_text())
    assert len(told["results"]) == len(usage_query.QUESTIONS) - 1
    assert told["faults"] == ["1,000 rows, 30 days by model and feature, without sums of hours: too long"]
