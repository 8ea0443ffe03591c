"""A short run of the harness, from the command line to the files it writes."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from holdfast_bench.cli import main

pytest.importorskip("holdfast_sidecar._native", reason="the native module is not built")

SHORT = ["--rounds", "2", "--seconds", "0.2", "--warmup-s", "0.05", "--in-flight", "8"]
FIELDS = {
    "scenario", "transport", "durability", "in_flight", "latency_us", "ratio_to_bare", "ratio_to_portable", "rounds",
    "throughput_per_s", "throughput_per_s_min", "throughput_per_s_max", "latency_us_min", "latency_us_max",
}  # fmt: skip
LATENCIES = {"p50", "p90", "p99", "p99_9", "p99_99", "max"}


class Links(HTMLParser):
    """Collects what a page would load from elsewhere, and what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        targets = [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.loaded += [target for target in targets if not target.startswith("#")]


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_a_short_run_writes_results_and_a_page(tmp_path: Path, unix: bool, capsys: pytest.CaptureFixture[str]) -> None:
    json_file, html_file = tmp_path / "out.json", tmp_path / "out.html"
    flags = [*SHORT, "--json", str(json_file), "--html", str(html_file), *(["--unix"] if unix else [])]

    assert main(["transport", *flags]) == os.EX_OK

    written = json.loads(json_file.read_text(encoding="utf-8"))
    assert written["faults"] == []
    assert {"command", "cpu", "cores", "kernel", "python", "versions", "date", "commit"} == set(written["environment"])
    assert [result["transport"] for result in written["results"]] == ["bare", "portable", "native"]
    for result in written["results"]:
        assert set(result) == FIELDS
        assert set(result["latency_us"]) == set(result["latency_us_min"]) == set(result["latency_us_max"]) == LATENCIES
        assert (result["scenario"], result["in_flight"], result["rounds"]) == ("transport", 8, 2)
        assert result["throughput_per_s_min"] <= result["throughput_per_s"] <= result["throughput_per_s_max"]
        assert 0 < result["latency_us"]["p50"] <= result["latency_us"]["p99"] <= result["latency_us"]["max"]
        assert result["ratio_to_bare"] > 0
        assert result["ratio_to_portable"] is None or result["ratio_to_portable"] > 0
    page = Links()
    page.feed(html_file.read_text(encoding="utf-8"))
    assert page.tags.count("svg") == 2
    assert page.loaded == []
    told = capsys.readouterr().out
    assert re.search(r"^  native +[\d,]+", told, re.MULTILINE)
    assert "cores" in told


def test_open_loop_keeps_the_rate_asked_for(tmp_path: Path) -> None:
    json_file = tmp_path / "out.json"
    assert main(["transport", *SHORT, "--seconds", "0.5", "--rate", "400", "--json", str(json_file)]) == os.EX_OK
    for result in json.loads(json_file.read_text(encoding="utf-8"))["results"]:
        assert result["in_flight"] == 0
        assert result["throughput_per_s_max"] <= 400 * 1.1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["reserve", "--in-flight", "0"],
        ["reserve", "--seconds", "0"],
        ["reserve", "--durability", "eternal"],
        [],
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_trace_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *SHORT, "--trace", str(tmp_path / "none.csv")]) == 1
    assert "none.csv" in capsys.readouterr().err
