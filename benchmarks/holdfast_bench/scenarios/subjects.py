"""Many active subjects on one sidecar: the memory of each, the cost of an operation beside them, a start with them.

Each is a member of one of a thousand groups and has a budget for the day, of which the sidecar has leased a part. A
stage opens and settles a hold for every subject once, then checks, then reserves and settles over all of them, then
starts again. The same without subjects is measured beside it, on a sidecar of its own: its memory is taken off.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from holdfast.v1.enforcement_service_pb2 import CheckRequest

from holdfast_bench import governed, system, work
from holdfast_bench import load as loads
from holdfast_bench.generator import Step, number, step_of
from holdfast_bench.load import Closed, Load
from holdfast_bench.options import Durability, Options, PathShape
from holdfast_bench.results import Figures, Json, Measure, Report, Spread
from holdfast_bench.rounds import load_of, say

TOUCH_IN_FLIGHT = 100
"""Each first call of a subject waits for the ledger twice: for its rules, then for rights of its budget."""
TOUCH_TIMEOUT_S = 600.0
STAGE_NUMBERS = 10**10
"""As in scenario `holds`."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What was found with one number of active subjects."""

    bytes_per_subject: float
    """Anonymous resident memory, less that of a sidecar which did the same without subjects."""
    bytes_per_subject_after_start: float
    cpu_us_per_check: float
    """Processor time of the sidecar for a Check, over all these subjects alike: they and their limits are found."""
    cpu_us_per_check_without: float
    """The same without subjects, in the same round."""
    cpu_us_per_operation: float
    """Likewise for a Reserve or a Settle: with subjects, a settle writes the row of a budget too."""
    cpu_us_per_operation_without: float
    start_s: float
    """From the start of the process until its health service says SERVING."""
    start_cpu_s: float
    """Processor time of that. The folder has the recorded answers and debits of all that was measured, too."""
    start_cpu_s_without: float


@dataclass(frozen=True, slots=True)
class _Run:
    """What one sidecar took."""

    touched_bytes: int
    started_bytes: int
    cpu_us_per_check: float
    cpu_us_per_operation: float
    start_s: float
    start_cpu_s: float


def run(options: Options) -> Report:
    """Measures it, per durability."""
    measures: list[Measure] = []
    faults: list[str] = []
    for durability in options.durabilities:
        stages: dict[int, list[_Stage]] = defaultdict(list)
        for _ in range(options.rounds):
            for active_count in options.active_counts:
                found = _stage(options, durability, active_count, faults)
                stages[active_count].append(found)
                say(f"subjects: {active_count:,} active, {durability}: {found}")
        for active_count, rounds in stages.items():
            of: dict[str, Json] = {"durability": durability, "active_count": active_count}
            measures += [
                Measure(name, of, Spread.of(getattr(found, name) for found in rounds))
                for name in _Stage.__dataclass_fields__
            ]
    return Report("subjects", measures=measures, faults=faults)


def _stage(options: Options, durability: Durability, active_count: int, faults: list[str]) -> _Stage:
    without = _run(options, durability, "empty", active_count, faults)
    with_ = _run(options, durability, "full", active_count, faults)
    return _Stage(
        (with_.touched_bytes - without.touched_bytes) / active_count,
        (with_.started_bytes - without.started_bytes) / active_count,
        with_.cpu_us_per_check,
        without.cpu_us_per_check,
        with_.cpu_us_per_operation,
        without.cpu_us_per_operation,
        with_.start_s,
        with_.start_cpu_s,
        without.start_cpu_s,
    )


def _run(options: Options, durability: Durability, path: PathShape, active_count: int, faults: list[str]) -> _Run:
    with system.workspace() as folder, system.sink(folder, path=path) as source:
        process = _start(folder, source.target, options, durability)
        try:
            touch = loads.run(process.target, _touch(active_count, path))
            touched_bytes = process.anonymous_bytes
            checks, check_us = _measure(process, options, _check(active_count, path))
            lifecycles, operation_us = _measure(process, options, _reserve(active_count, path), work.settle())
            found = (figures.fault for figures in (touch, checks, lifecycles))
            faults += [f"{active_count} subjects, {path} path: {fault}" for fault in found if fault]
            process.stop()
            begun_s = time.monotonic()
            process = _start(folder, source.target, options, durability)
            start_s = time.monotonic() - begun_s
            start_cpu_s, started_bytes = process.cpu_s, process.anonymous_bytes
            return _Run(touched_bytes, started_bytes, check_us, operation_us, start_s, start_cpu_s)
        finally:
            process.stop()


def _start(folder: Path, ledger_target: str, options: Options, durability: Durability) -> system.Process:
    flags = ["--drain-grace-ms", "2000"]
    return system.sidecar(folder, ledger_target, transport=options.transport, durability=durability, flags=flags)


def _touch(active_count: int, path: PathShape) -> Load:
    """A hold for each subject, opened and settled."""
    pacing = Closed(TOUCH_IN_FLIGHT, max_item_count=active_count)
    return Load((_reserve(active_count, path), work.settle()), pacing, 0.0, TOUCH_TIMEOUT_S)


def _measure(process: system.Process, options: Options, *steps: Step) -> tuple[Figures, float]:
    """The figures of a load over all subjects, and the sidecar's processor time an operation."""
    load = load_of(options, *steps, in_flight=work.FANOUT, first_number=STAGE_NUMBERS)
    cpu_s = process.cpu_s
    figures = loads.run(process.target, load)
    used_us = (process.cpu_s - cpu_s) * 1e6
    return figures, used_us / (figures.throughput_per_s * (options.warmup_s + options.seconds))


def _check(active_count: int, path: PathShape) -> Step:
    request = CheckRequest(account_id=work.ACCOUNT, amount=work.AMOUNT, subject=_subject(active_count, path))
    return step_of(work.SERVICE + "Check", request, expect=work.ALLOW)


def _reserve(active_count: int, path: PathShape) -> Step:
    request = work.reserve_request("empty")
    request.subject = _subject(active_count, path)
    return step_of(work.SERVICE + "Reserve", request, expect=work.ALLOW)


def _subject(active_count: int, path: PathShape) -> str:
    if path == "empty":
        return ""
    return governed.member_of(number(0, 0, governed.GROUP_COUNT), number(0, 0, active_count))
