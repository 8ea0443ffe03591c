"""The generic cell rate algorithm against a literal reading of it in rationals."""

from fractions import Fraction

from holdfast_sidecar.engine.gcra import FULL_SHARE, Gcra
from hypothesis import given
from hypothesis import strategies as st

MS = 1_000_000
rates = st.tuples(st.integers(1, 1000), st.integers(1, 10_000), st.integers(1, 100))


class Reference:
    """A leaky bucket of `burst`, of which `amount` leaves each `per_ms`, evenly."""

    def __init__(self, amount: int, per_ms: int, burst: int) -> None:
        self.rate = Fraction(amount, per_ms * MS)
        self.burst = burst
        self.level, self.at_ns = Fraction(0), 0

    def _leak(self, now_ns: int) -> None:
        self.level = max(Fraction(0), self.level - (now_ns - self.at_ns) * self.rate)
        self.at_ns = now_ns

    def passes(self, cost: int, now_ns: int) -> bool:
        self._leak(now_ns)
        return self.level + cost <= self.burst

    def take(self, cost: int) -> None:
        self.level += cost


@given(rates, st.lists(st.tuples(st.integers(0, 3_000 * MS), st.integers(1, 120)), max_size=60))
def test_it_decides_as_a_leaky_bucket_does(rate: tuple[int, int, int], steps: list[tuple[int, int]]) -> None:
    bucket, reference, now_ns = Gcra(*rate), Reference(*rate), 5_000 * MS
    for pause_ns, cost in steps:
        now_ns += pause_ns
        wait_ns = bucket.wait_ns(cost, now_ns)
        assert (wait_ns == 0) is reference.passes(cost, now_ns)
        assert (bucket.left(now_ns) >= cost) is (wait_ns == 0)
        if wait_ns == 0:
            bucket.take(cost, now_ns)
            reference.take(cost)


@given(rates, st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 50))
def test_the_wait_is_exact_to_the_nanosecond(rate: tuple[int, int, int], costs: list[int], cost: int) -> None:
    bucket, now_ns = Gcra(*rate), 7_777_777_777
    for each in costs:
        if bucket.wait_ns(each, now_ns) == 0:
            bucket.take(each, now_ns)
    wait_ns = bucket.wait_ns(cost, now_ns)
    if wait_ns is None:
        assert cost > bucket.burst
    elif wait_ns:
        assert bucket.wait_ns(cost, now_ns + wait_ns) == 0
        assert bucket.wait_ns(cost, now_ns + wait_ns - 1) != 0


def test_what_never_passes_is_not_told_to_wait() -> None:
    assert Gcra(10, 1000, 5).wait_ns(6, 0) is None
    assert Gcra(10, 1000, 5, share=0).wait_ns(1, 0) is None


@given(rates, st.integers(1, FULL_SHARE), st.integers(1, FULL_SHARE), st.lists(st.integers(1, 5), max_size=20))
def test_another_share_neither_forgives_nor_adds_what_was_let_through(
    rate: tuple[int, int, int], first: int, second: int, costs: list[int]
) -> None:
    bucket, now_ns = Gcra(*rate, share=first), 10**12
    for cost in costs:
        bucket.take(cost, now_ns)
    used = bucket.used(now_ns)
    bucket.share(second, now_ns)
    assert bucket.used(now_ns) == used == sum(costs)


@given(rates, st.integers(1, 5), st.data())
def test_shares_of_one_rate_let_no_more_through_than_the_whole_but_a_cost_each(
    rate: tuple[int, int, int], host_count: int, data: st.DataObject
) -> None:
    amount, per_ms, burst = rate
    hosts = [Gcra(*rate, share=FULL_SHARE // host_count) for _ in range(host_count)]
    now_ns = start_ns = 10**12
    passed = 0
    for _ in range(40):
        now_ns += data.draw(st.integers(0, 200 * MS))
        bucket = hosts[data.draw(st.integers(0, host_count - 1))]
        if bucket.wait_ns(1, now_ns) == 0:
            bucket.take(1, now_ns)
            passed += 1
    assert passed <= burst + host_count + Fraction(amount, per_ms * MS) * (now_ns - start_ns)


def test_an_undone_cost_leaves_no_trace() -> None:
    bucket = Gcra(10, 1000, 5)
    bucket.take(3, 10**9)
    bucket.take(2, 10**9)
    bucket.give_back(2)
    assert bucket.used(10**9) == 3
