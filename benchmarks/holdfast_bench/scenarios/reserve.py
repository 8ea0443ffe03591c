"""One Reserve a work item."""

from holdfast_bench import work
from holdfast_bench.options import Options
from holdfast_bench.results import Report
from holdfast_bench.rounds import load_of, run_load


def run(options: Options) -> Report:
    """Measures it."""
    return run_load("reserve", options, lambda path: load_of(options, work.reserve(path), in_flight=work.FANOUT))
