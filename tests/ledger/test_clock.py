"""The ledger's clock follows the monotonic one: no step of the wall clock reaches the leases."""

from holdfast_ledger.clock import SteadyClock

SECOND_NS, DAY_NS = 1_000_000_000, 86_400 * 1_000_000_000


class Clocks:
    """A wall clock and a monotonic one to move."""

    def __init__(self) -> None:
        self.wall_ns, self.monotonic_ns = 1_000 * DAY_NS, 5 * DAY_NS

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def pass_ns(self, duration_ns: int) -> None:
        self.wall_ns += duration_ns
        self.monotonic_ns += duration_ns


def test_it_runs_with_the_clocks() -> None:
    clocks = Clocks()
    clock = clocks.steady()
    before_ms = clock.now_ms()
    clocks.pass_ns(7 * SECOND_NS)
    assert clock.now_ms() - before_ms == 7_000


def test_a_step_of_the_wall_clock_is_not_followed_at_once() -> None:
    for step_ns in (DAY_NS, -DAY_NS):
        clocks = Clocks()
        clock = clocks.steady()
        before_ms = clock.now_ms()
        clocks.wall_ns += step_ns
        clocks.pass_ns(10 * SECOND_NS)
        assert abs(clock.now_ms() - before_ms - 10_000) <= 10


def test_it_is_drawn_towards_the_wall_clock() -> None:
    clocks = Clocks()
    clock = clocks.steady()
    clocks.wall_ns += SECOND_NS
    for _ in range(2_000):
        clocks.pass_ns(SECOND_NS)
        clock.now_ms()
    assert clock.now_ms() == clocks.wall_ns // 1_000_000


def test_it_never_goes_back() -> None:
    clocks = Clocks()
    clock = clocks.steady()
    clocks.wall_ns -= DAY_NS
    readings = []
    for _ in range(1_000):
        clocks.monotonic_ns += 300_000
        readings.append(clock.now_ms())
    assert readings == sorted(readings)
