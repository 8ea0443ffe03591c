"""Runs the load generator: reads a pickled `Load` from its parent, and writes the figures back as JSON."""

import json
import pickle
import sys
from dataclasses import asdict

from holdfast_sidecar._native import Histogram, LoadGenerator, LoadReport

from holdfast_bench.load import Bursts, Closed, Load, Open, Replay
from holdfast_bench.results import PERCENTILES, Figures


def generate(target: str, load: Load) -> Figures:
    """Sends the load to a server from this process."""
    generator = LoadGenerator(target, load.steps, load.connection_count, load.first_number)
    report = _run_generator(generator, load)
    is_burst = isinstance(load.pacing, Bursts)
    return _figures(report, report.burst_latency if is_burst else report.call_latency, load.operations_per_call)


def _run_generator(generator: LoadGenerator, load: Load) -> LoadReport:
    match load.pacing:
        case Closed(in_flight, max_item_count):
            return generator.closed(in_flight, load.warmup_s, load.seconds, max_item_count)
        case Open(rate_per_s):
            return generator.open(rate_per_s, load.warmup_s, load.seconds)
        case Bursts(size, period_us):
            return generator.bursts(size, period_us, load.warmup_s, load.seconds)
        case Replay(calls):
            return generator.replay(calls, load.warmup_s)


def _figures(report: LoadReport, latency: Histogram, operations_per_call: int) -> Figures:
    latency_us = {name: latency.percentile_us(percent) for name, percent in PERCENTILES.items()}
    return Figures(
        throughput_per_s=report.throughput_per_s * operations_per_call,
        latency_us=latency_us | {"max": latency.max_us},
        buckets=latency.buckets(),
        status_counts=report.status_counts,
        unexpected_count=report.unexpected_count,
        unanswered_count=report.unanswered_count,
    )


def main() -> None:
    """Does what the parent says on standard input."""
    target, load = pickle.load(sys.stdin.buffer)
    json.dump(asdict(generate(target, load)), sys.stdout)


if __name__ == "__main__":
    main()
