"""Many open holds: how long a start takes with them, what memory they take, what an operation costs beside them.

One folder grows from one hold count to the next. At each, reserves and settles are measured while the holds lie there,
then the sidecar is stopped and started again.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from holdfast_bench import load as loads
from holdfast_bench import system, work
from holdfast_bench.load import Closed, Load
from holdfast_bench.options import Durability, Options
from holdfast_bench.results import Figures, Measure, Report, Spread
from holdfast_bench.rounds import load_of, say

FILL_IN_FLIGHT = 8
FILL_TIMEOUT_S = 600.0
STAGE_NUMBERS = 10**10
"""Numbers that one stage may write into ids before the next one begins."""
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Stage:
    """What was found with one number of open holds."""

    throughput_per_s: float
    cpu_us_per_operation: float
    rss_mib: float
    start_s: float
    """From the start of the process until its health service says SERVING; the interpreter and imports included."""
    start_cpu_s: float
    """Processor time of that: what is left of it when the machine is busy with other things."""
    rss_after_start_mib: float


def run(options: Options) -> Report:
    """Measures it, per durability."""
    measures: list[Measure] = []
    faults: list[str] = []
    for durability in options.durabilities:
        stages: dict[int, list[_Stage]] = defaultdict(list)
        for _ in range(options.rounds):
            _grow(options, durability, stages, faults)
        for hold_count, found in stages.items():
            of = {
                "durability": durability,
                "hold_count": hold_count,
                "pool_count": options.pool_count,
                "path": options.path,
            }
            measures += [
                Measure(name, of, Spread.of(getattr(stage, name) for stage in found))
                for name in _Stage.__dataclass_fields__
            ]
    return Report("holds", measures=measures, faults=faults)


def _grow(options: Options, durability: Durability, stages: dict[int, list[_Stage]], faults: list[str]) -> None:
    """One folder, from the lowest hold count to the highest."""
    with system.workspace() as folder, system.sink(folder, path=options.path) as source:
        process = _start(folder, source.target, options, durability)
        try:
            held = 0
            for index, hold_count in enumerate(sorted(options.hold_counts)):
                fill = _fill(process.target, hold_count - held, (2 * index + 1) * STAGE_NUMBERS, options)
                held = hold_count
                rss_mib = process.rss_bytes / MIB
                load, cpu_us = _measure(process, options, (2 * index + 2) * STAGE_NUMBERS)
                faults += [f"{hold_count} holds: {figures.fault}" for figures in (fill, load) if figures.fault]
                process.stop()
                begun_s = time.monotonic()
                process = _start(folder, source.target, options, durability)
                start_s = time.monotonic() - begun_s
                start_cpu_s = process.cpu_s
                stage = _Stage(load.throughput_per_s, cpu_us, rss_mib, start_s, start_cpu_s, process.rss_bytes / MIB)
                stages[hold_count].append(stage)
                say(f"holds: {hold_count:,} holds, {durability}: {stage}")
        finally:
            process.stop()


def _start(folder: Path, ledger_target: str, options: Options, durability: Durability) -> system.Process:
    flags = ["--hold-limit", str(2 * max(options.hold_counts) + FILL_IN_FLIGHT * work.FANOUT)]
    return system.sidecar(folder, ledger_target, transport=options.transport, durability=durability, flags=flags)


def _fill(target: str, hold_count: int, first_number: int, options: Options) -> Figures:
    """Opens holds, `FANOUT` to a message."""
    pacing = Closed(FILL_IN_FLIGHT, max_item_count=-(-hold_count // work.FANOUT))
    step = work.session(options.path, options.pool_count, ttl_ms=work.LONG_TTL_MS)
    return loads.run(target, Load((step,), pacing, 0.0, FILL_TIMEOUT_S, first_number=first_number))


def _measure(process: system.Process, options: Options, first_number: int) -> tuple[Figures, float]:
    """Reserves and settles beside the holds; the figures, and the sidecar's processor time an operation."""
    steps = work.lifecycle(options.path, options.pool_count)
    load = load_of(options, *steps, in_flight=work.FANOUT, first_number=first_number)
    cpu_s = process.cpu_s
    figures = loads.run(process.target, load)
    used_us = (process.cpu_s - cpu_s) * 1e6
    return figures, used_us / (figures.throughput_per_s * (options.warmup_s + options.seconds))
