"""An agent fans out: 50 Reserves in one tick, then a pause; latency is that of the slowest of the 50."""

from holdfast_bench import work
from holdfast_bench.load import Bursts, Load
from holdfast_bench.options import Options
from holdfast_bench.results import Report
from holdfast_bench.rounds import run_load

PERIOD_US = 40_000
"""A fan-out of 50 takes a few milliseconds, through the portable transport some more; the rest is the pause."""


def run(options: Options) -> Report:
    """Measures it; `rate_per_s` is that of the fan-outs."""
    period_us = PERIOD_US if options.rate_per_s is None else round(1e6 / options.rate_per_s)
    pacing = Bursts(options.in_flight or work.FANOUT, period_us)
    return run_load(
        "fanout",
        options,
        lambda path: Load((work.reserve(path),), pacing, options.warmup_s, options.seconds, options.connection_count),
    )
