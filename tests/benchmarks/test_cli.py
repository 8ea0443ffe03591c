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
    "scenario", "transport", "durability", "path", "in_flight", "latency_us", "rounds",
    "ratio_to_bare", "ratio_to_portable", "ratio_to_empty",
    "throughput_per_s", "throughput_per_s_min", "throughput_per_s_max", "latency_us_min", "latency_us_max",
}  # fmt: skip
ENVIRONMENT = {
    "command", "cpu", "cores", "kernel", "python", "versions", "load_average", "date", "commit",
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


def test_a_short_run_writes_results_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file, html_file = tmp_path / "out.json", tmp_path / "out.html"
    flags = [*SHORT, "--json", str(json_file), "--html", str(html_file), "--unix"]

    assert main(["transport", *flags]) == os.EX_OK

    written = json.loads(json_file.read_text(encoding="utf-8"))
    assert written["faults"] == []
    assert set(written["environment"]) == ENVIRONMENT
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
    assert (
        main(["transport", *SHORT, "--rounds", "1", "--seconds", "0.5", "--rate", "400", "--json", str(json_file)])
        == os.EX_OK
    )
    for result in json.loads(json_file.read_text(encoding="utf-8"))["results"]:
        assert result["in_flight"] == 0
        assert result["throughput_per_s_max"] <= 400 * 1.1


@pytest.mark.parametrize("scenario", ["lifecycle", "python-client"])
def test_sidecars_are_measured_beside_the_bare_transport(tmp_path: Path, scenario: str) -> None:
    """Real processes: a ledger that acks, sidecars over both transports, the load beside them."""
    json_file = tmp_path / "out.json"
    flags = ["--rounds", "1", "--seconds", "0.2", "--warmup-s", "0.1", "--durability", "process"]
    assert main([scenario, *flags, "--json", str(json_file)]) == os.EX_OK
    written = json.loads(json_file.read_text(encoding="utf-8"))
    assert written["faults"] == []
    subjects = [(result["transport"], result["durability"], result["path"]) for result in written["results"]]
    assert subjects == [
        ("bare", None, None),
        ("portable", "process", "full"),
        ("native", "process", "full"),
        ("native", "process", "empty"),
    ]
    for result in written["results"]:
        assert (result["scenario"], result["in_flight"]) == (scenario, 50)
        assert result["throughput_per_s"] > 0
    assert written["results"][2]["ratio_to_portable"] > 0
    assert written["results"][2]["ratio_to_empty"] > 0


def test_the_empty_path_alone_is_measured_if_asked_for(tmp_path: Path) -> None:
    json_file = tmp_path / "out.json"
    flags = ["--rounds", "1", "--seconds", "0.2", "--warmup-s", "0.1", "--durability", "process", "--path", "empty"]
    assert main(["check", *flags, "--json", str(json_file)]) == os.EX_OK
    written = json.loads(json_file.read_text(encoding="utf-8"))
    assert [result["path"] for result in written["results"]] == [None, "empty", "empty"]
    assert {result["ratio_to_empty"] for result in written["results"]} == {None}


def test_subjects_are_measured_at_each_count(tmp_path: Path) -> None:
    json_file = tmp_path / "out.json"
    flags = ["--rounds", "1", "--seconds", "0.2", "--warmup-s", "0.1", "--durability", "process"]
    assert main(["subjects", *flags, "--active", "200", "3000", "--json", str(json_file)]) == os.EX_OK
    written = json.loads(json_file.read_text(encoding="utf-8"))
    assert written["faults"] == []
    found = {(measure["name"], measure["active_count"]): measure["value"] for measure in written["measures"]}
    names = {
        "bytes_per_subject", "bytes_per_subject_after_start", "cpu_us_per_check", "cpu_us_per_check_without",
        "cpu_us_per_operation", "cpu_us_per_operation_without", "start_s", "start_cpu_s", "start_cpu_s_without",
    }  # fmt: skip
    assert set(found) == {(name, count) for name in names for count in (200, 3000)}
    assert 0 < found["bytes_per_subject", 3000] < 10_000


def test_sizes_are_measured_at_each_hold_count(tmp_path: Path) -> None:
    json_file = tmp_path / "out.json"
    flags = ["--rounds", "1", "--seconds", "0.2", "--warmup-s", "0.1", "--durability", "process"]
    assert main(["holds", *flags, "--holds", "50", "500", "--pools", "20", "--json", str(json_file)]) == os.EX_OK
    written = json.loads(json_file.read_text(encoding="utf-8"))
    found = {(measure["name"], measure["hold_count"]): measure["value"] for measure in written["measures"]}
    names = {"throughput_per_s", "cpu_us_per_operation", "rss_mib", "start_s", "start_cpu_s", "rss_after_start_mib"}
    assert set(found) == {(name, hold_count) for name in names for hold_count in (50, 500)}
    assert all(value > 0 for value in found.values())


@pytest.mark.parametrize(
    "flags", [[], ["--store", "postgres", "--replicas", "2", "--ledger-pools", "3"]], ids=["sqlite", "postgres"]
)
def test_debits_are_posted_as_fast_as_the_ledger_takes_them(tmp_path: Path, flags: list[str]) -> None:
    json_file = tmp_path / "out.json"
    assert main(["ledger", "--rounds", "1", "--debits", "3000", "--json", str(json_file), *flags]) == os.EX_OK
    written = json.loads(json_file.read_text(encoding="utf-8"))
    (result,) = written["results"]
    assert result["throughput_per_s"] > 0
    found = {measure["name"]: measure["value"] for measure in written["measures"]}
    assert set(found) == {"bytes_per_debit", "cpu_us_per_debit"}
    assert found["bytes_per_debit"] > 100
    assert found["cpu_us_per_debit"] > 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["reserve", "--in-flight", "0"],
        ["reserve", "--seconds", "0"],
        ["reserve", "--durability", "eternal"],
        ["reserve", "--path", "half"],
        ["subjects", "--active", "2000000"],
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
