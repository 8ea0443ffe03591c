"""The lag is the age of the oldest debit that is not acked."""

from holdfast_sidecar.uplink.lag import LagMeter

MS = 1_000_000
S = 1000 * MS


def test_nothing_owed_is_no_lag() -> None:
    assert LagMeter().lag_ns(5 * S) == 0


def test_the_oldest_debit_not_acked_counts() -> None:
    meter = LagMeter()
    meter.made(10, 1 * S)
    meter.made(20, 2 * S)
    assert meter.lag_ns(5 * S) == 4 * S
    meter.acked(10)
    assert meter.lag_ns(5 * S) == 3 * S
    meter.acked(20)
    assert meter.lag_ns(5 * S) == 0


def test_marks_are_bounded_and_the_oldest_stays() -> None:
    meter = LagMeter()
    for second in range(100_000):
        meter.made(second + 1, second * S)
    assert meter.lag_ns(100_000 * S) == 100_000 * S
    assert len(meter._marks) <= 512  # the bound is what is tested
    meter.acked(50_000)
    assert abs(meter.lag_ns(100_000 * S) - 50_000 * S) < 1_000 * S
