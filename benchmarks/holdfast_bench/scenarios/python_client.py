"""An agent in Python fans out: 50 reserves in one tick through a Session; latency is that of the whole fan-out.

The bare transport gets the same message from the native generator, since an echo is no answer that a client could read.
"""

from holdfast_bench import load as loads
from holdfast_bench import python_fanout, system, work
from holdfast_bench.load import Bursts, Load
from holdfast_bench.options import Options
from holdfast_bench.results import Figures, Report, Subject, faults_of, results_of
from holdfast_bench.rounds import interleave, unexpecting
from holdfast_bench.scenarios.fanout import PERIOD_US


def run(options: Options) -> Report:
    """Measures it; `rate_per_s` is that of the fan-outs."""
    size = options.in_flight or work.FANOUT
    period_us = PERIOD_US if options.rate_per_s is None else round(1e6 / options.rate_per_s)
    message = Load(
        (work.session(options.path),),
        Bursts(1, period_us),
        options.warmup_s,
        options.seconds,
        operations_per_call=work.FANOUT,
    )

    def measure(subject: Subject, process: system.Process) -> Figures:
        if subject.path is None:
            return loads.run(process.target, unexpecting(message))
        fanout = python_fanout.Fanout(process.target, size, period_us, options.warmup_s, options.seconds, subject.path)
        return python_fanout.run(fanout)

    found = interleave("python-client", options, measure)
    return Report("python-client", results_of("python-client", size, found, fixed_rate=True), faults=faults_of(found))
