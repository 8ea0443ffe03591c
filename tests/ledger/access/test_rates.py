"""A credential's calls by GCRA: a burst of one second, then at its rate; each credential by itself."""

from holdfast_ledger.access.rates import MAX_BUCKETS, NS, CallRates


def test_a_burst_then_the_rate() -> None:
    rates = CallRates()
    assert [rates.take("a", 4, 0) for _ in range(5)] == [0, 0, 0, 0, 250]
    assert rates.take("a", 4, NS // 4 - 1) == 1
    assert rates.take("a", 4, NS // 4) == 0
    assert rates.take("a", 4, NS // 4) == 250
    assert [rates.take("a", 4, 10 * NS) for _ in range(5)] == [0, 0, 0, 0, 250]


def test_what_is_refused_does_not_count() -> None:
    rates = CallRates()
    assert rates.take("a", 1, 0) == 0
    assert [rates.take("a", 1, 0) for _ in range(3)] == [1_000] * 3
    assert rates.take("a", 1, NS) == 0


def test_one_does_not_spend_the_calls_of_another() -> None:
    rates = CallRates()
    assert rates.take("a", 1, 0) == 0
    assert rates.take("b", 1, 0) == 0
    assert rates.take("a", 1, 0) > 0


def test_buckets_are_bounded() -> None:
    rates = CallRates()
    for number in range(MAX_BUCKETS + 10):
        rates.take(str(number), 1, 0)
    assert len(rates._due_ns) == MAX_BUCKETS
