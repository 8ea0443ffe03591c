"""Figures of rounds become medians, spreads and ratios of the same round."""

import pytest
from holdfast_bench.results import (
    Figures,
    Json,
    Measure,
    Report,
    Spread,
    Subject,
    faults_of,
    percentiles_of,
    results_of,
)

BARE, PORTABLE, NATIVE = (
    Subject("bare"),
    Subject("portable", "host", "full"),
    Subject("native", "host", "full"),
)
EMPTY = Subject("native", "host", "empty")


def figures(throughput_per_s: float, p50: int = 100, **faults: int) -> Figures:
    buckets = [(p50, 99), (p50 * 10, 1)]
    return Figures(throughput_per_s, percentiles_of(buckets), buckets, {0: 100}, **faults)


def test_percentiles_of_a_histogram() -> None:
    buckets = [(10, 5_000), (20, 4_000), (30, 900), (40, 90), (50, 9), (60, 1)]
    assert percentiles_of(buckets) == {"p50": 10, "p90": 20, "p99": 30, "p99_9": 40, "p99_99": 50, "max": 60}
    assert percentiles_of([(7, 1)]) == {"p50": 7, "p90": 7, "p99": 7, "p99_9": 7, "p99_99": 7, "max": 7}


def test_ratios_compare_runs_of_the_same_round() -> None:
    """The machine is half as fast in the second round; the ratio does not notice."""
    rounds = {
        BARE: [figures(1_000), figures(500), figures(1_000)],
        PORTABLE: [figures(100), figures(50), figures(100)],
        NATIVE: [figures(300), figures(150), figures(600)],
    }
    bare, portable, native = results_of("reserve", 50, rounds, fixed_rate=False)
    assert (bare.ratio_to_bare, bare.ratio_to_portable) == (1.0, None)
    assert (portable.ratio_to_bare, portable.ratio_to_portable) == (0.1, 1.0)
    assert native.ratio_to_bare == pytest.approx(0.3)
    assert native.ratio_to_portable == pytest.approx(3.0)


def test_the_full_path_is_compared_with_the_empty_one_of_the_same_round() -> None:
    rounds = {
        NATIVE: [figures(300), figures(150), figures(80)],
        EMPTY: [figures(400), figures(200), figures(80)],
        Subject("native", "process", "full"): [figures(1), figures(1), figures(1)],
    }
    native, empty, other = results_of("reserve", 50, rounds, fixed_rate=False)
    assert (native.ratio_to_empty, empty.ratio_to_empty, other.ratio_to_empty) == (0.75, None, None)


def test_at_a_fixed_rate_ratios_compare_latencies_and_more_is_better() -> None:
    rounds = {BARE: [figures(100, p50=50)], NATIVE: [figures(100, p50=200)]}
    _, native = results_of("fanout", 50, rounds, fixed_rate=True)
    assert native.ratio_to_bare == 0.25


def test_the_published_form_has_exactly_these_fields() -> None:
    rounds = {NATIVE: [figures(300, p50=10), figures(100, p50=30), figures(200, p50=20)]}
    (published,) = (result.to_json() for result in results_of("reserve", 50, rounds, fixed_rate=False))
    assert published == {
        "scenario": "reserve",
        "transport": "native",
        "durability": "host",
        "path": "full",
        "in_flight": 50,
        "throughput_per_s": 200,
        "throughput_per_s_min": 100,
        "throughput_per_s_max": 300,
        "latency_us": {"p50": 20, "p90": 20, "p99": 20, "p99_9": 200, "p99_99": 200, "max": 200},
        "latency_us_min": {"p50": 10, "p90": 10, "p99": 10, "p99_9": 100, "p99_99": 100, "max": 100},
        "latency_us_max": {"p50": 30, "p90": 30, "p99": 30, "p99_9": 300, "p99_99": 300, "max": 300},
        "ratio_to_bare": None,
        "ratio_to_portable": None,
        "ratio_to_empty": None,
        "rounds": 3,
    }


def test_histograms_of_rounds_add_up() -> None:
    (result,) = results_of("reserve", 50, {NATIVE: [figures(1), figures(1, p50=1_000)]}, fixed_rate=False)
    assert result.merged_buckets() == [(100, 99), (1_000, 100), (10_000, 1)]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (figures(1), None),
        (figures(1, unexpected_count=3), "3 answers not as expected"),
        (figures(1, unanswered_count=2), "2 calls without an answer"),
        (Figures(1, {}, [], {0: 5, 14: 2}), "by gRPC status: {14: 2}"),
        (Figures(0, {}, [], {}), "no call was answered"),
    ],
)
def test_what_went_wrong_is_told(run: Figures, told: str | None) -> None:
    faults = faults_of({NATIVE: [figures(1), run]})
    if told is None:
        assert faults == []
    else:
        assert len(faults) == 1
        assert faults[0].startswith("native, host, full path, round 2: ")
        assert told in faults[0]


def test_a_report_tells_results_measures_and_faults() -> None:
    results = results_of("reserve", 50, {NATIVE: [figures(12_345)]}, fixed_rate=False)
    measure = Measure("start_s", {"hold_count": 100_000}, Spread.of([0.5, 0.25, 1.0]))
    text = Report("reserve", results, [measure], ["it broke"]).to_text()
    assert "12,345" in text
    assert "start_s (hold_count 100000): 0.5  [0.25, 1]" in text
    assert "FAULT it broke" in text
    record: dict[str, Json] = {"holds": "learned", "admitted": 5}
    published = Report("reserve", results, [measure], records=[record]).to_json({"cores": 2})
    assert published["results"] == [results[0].to_json(), {"scenario": "reserve", **record}]
    assert published["environment"] == {"cores": 2}
    assert published["measures"] == [
        {"name": "start_s", "hold_count": 100_000, "value": 0.5, "value_min": 0.25, "value_max": 1.0}
    ]
