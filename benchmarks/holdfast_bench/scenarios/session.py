"""Messages of 50 Reserves on a Session; latency is that of a message, throughput counts the Reserves."""

from holdfast_bench import work
from holdfast_bench.options import Options
from holdfast_bench.results import Report
from holdfast_bench.rounds import load_of, run_load

MESSAGES_IN_FLIGHT = 4
"""Enough that the loop never waits for the load."""


def run(options: Options) -> Report:
    """Measures it."""
    return run_load(
        "session",
        options,
        lambda path: load_of(
            options, work.session(path), in_flight=MESSAGES_IN_FLIGHT, operations_per_call=work.FANOUT
        ),
    )
