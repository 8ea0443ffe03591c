"""An echo through each transport: the upper bound of everything else, and the cost of Python's side of it."""

from holdfast_bench.options import Options
from holdfast_bench.results import Report
from holdfast_bench.rounds import load_of, run_load
from holdfast_bench.work import FANOUT, reserve


def run(options: Options) -> Report:
    """Measures it."""
    return run_load("transport", options, lambda path: load_of(options, reserve(path), in_flight=FANOUT), decides=False)
