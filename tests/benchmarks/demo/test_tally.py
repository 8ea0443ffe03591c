"""The tally: what is spent or held, never more than was given out; latencies by what they had to do with."""

import pytest
from holdfast.answers import Reason
from holdfast_bench.demo.tally import Tally, percentile


def test_what_a_settle_gives_back_counts_from_the_moment_it_is_sent() -> None:
    """So the agents' count stays below the sidecar's, in whichever order the answers come."""
    tally = Tally()
    tally.reserved(0.0, 0.1, 100, 900)
    tally.extended(0.2, 50, 850)
    assert (tally.committed, tally.committed_peak, tally.open_count) == (150, 150, 1)
    tally.settled(final=False, flagged=False, available=850)  # a part stays committed: held before, spent now
    tally.settling(30)
    assert tally.committed == 120
    tally.settled(final=True, flagged=False, available=880)
    assert (tally.committed, tally.committed_peak, tally.open_count) == (120, 150, 0)
    assert (tally.settle_count, tally.partial_count, tally.least_available) == (2, 1, 850)


def test_a_denied_extend_commits_nothing() -> None:
    tally = Tally()
    tally.extended(0.1, 0, 5)
    assert (tally.committed, tally.extend_count, tally.cut_count, tally.least_available) == (0, 1, 1, 5)


def test_latencies_of_an_outage_are_kept_apart() -> None:
    tally = Tally()
    tally.reserved(1.0, 1.010, 1, 9)
    tally.outage_began(2.0)
    tally.reserved(1.995, 3.0, 1, 9)  # under way when it began
    tally.denied_by(Reason.INSUFFICIENT_BALANCE, 2.5, 3.1, 9)
    tally.fanned_out(2.5, 3.1)
    tally.outage_ended(3.2)
    tally.reserved(3.1, 3.3, 1, 9)  # sent before it ended
    tally.reserved(3.3, 3.320, 1, 9)
    tally.fanned_out(3.3, 3.330)
    assert tally.latency_ms == pytest.approx([10.0, 20.0])
    assert tally.outage_latency_ms == pytest.approx([1_005.0, 600.0, 200.0])
    assert tally.fanout_latency_ms == pytest.approx([30.0])
    assert tally.fanout_count == 2


def test_rates_are_of_the_last_two_seconds() -> None:
    tally = Tally()
    for at in range(40):
        tally.reserved(at / 10, at / 10 + 0.001, 1, 9)
    rates = tally.rates(4.0, 0.0)
    assert rates.decisions_per_s == pytest.approx(10.0)
    assert rates.p50_ms == pytest.approx(1.0)
    assert tally.rates(9.0, 0.0).p99_ms is None


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 51.0), (99, 100.0), (100, 100.0)])
def test_percentiles(percent: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == value


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 50) is None
