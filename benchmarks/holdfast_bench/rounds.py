"""Measures several subjects in turns, round after round, so that the machine's moods fall on all of them alike."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from holdfast_bench import load as loads
from holdfast_bench import system
from holdfast_bench.generator import Step
from holdfast_bench.load import Bursts, Closed, Load, Open, Pacing
from holdfast_bench.options import Options, PathShape
from holdfast_bench.results import Figures, Report, Subject, faults_of, results_of

Measurement: TypeAlias = Callable[[Subject, system.Process], Figures]
Loads: TypeAlias = Callable[[PathShape], Load]
"""Makes the load for operations on a path."""


def subjects(options: Options, *, decides: bool = True) -> list[Subject]:
    """The bare transport, the portable one, and the one asked for; where something decides, once a durability.

    Beside the full path the one asked for has the empty one too.
    """
    transports = dict.fromkeys(("portable", options.transport))
    found = [Subject("bare")]
    if not decides:
        return found + [Subject(transport) for transport in transports]
    for durability in options.durabilities:
        found += [Subject(transport, durability, options.path) for transport in transports]
        if options.path == "full":
            found.append(Subject(options.transport, durability, "empty"))
    return found


def interleave(
    scenario: str, options: Options, measure: Measurement, *, decides: bool = True
) -> dict[Subject, list[Figures]]:
    """Starts each subject afresh in each round and measures it; where nothing decides, transports only echo."""
    found: dict[Subject, list[Figures]] = {subject: [] for subject in subjects(options, decides=decides)}
    for index in range(options.rounds):
        for subject, runs in found.items():
            with serve(subject, options) as process:
                runs.append(measured(subject, process, measure))
            say(f"{scenario}: round {index + 1} of {options.rounds}, {subject}: {runs[-1].throughput_per_s:,.0f}/s")
    return found


def measured(subject: Subject, process: system.Process, measure: Measurement) -> Figures:
    """Measures; if that fails because the server has ended, says so, with what the server wrote last."""
    try:
        return measure(subject, process)
    except RuntimeError:
        process.check_alive()
        raise


@contextlib.contextmanager
def serve(subject: Subject, options: Options) -> Iterator[system.Process]:
    """The server that a subject stands for: a sidecar with rights, or, without a durability, an echo."""
    if subject.durability is None:
        with system.workspace() as folder, system.echo(subject.transport, options, folder) as process:
            yield process
    else:
        path = subject.path or "empty"
        with system.leased_sidecar(options, subject.transport, subject.durability, path=path) as process:
            yield process


def run_load(scenario: str, options: Options, make: Loads, *, decides: bool = True) -> Report:
    """Puts the same load on every subject, round after round; what only echoes gets that of the path asked for."""
    load = make(options.path)

    def measure(subject: Subject, process: system.Process) -> Figures:
        if subject.path is None:
            return loads.run(process.target, unexpecting(load))
        return loads.run(process.target, load if subject.path == options.path else make(subject.path))

    found = interleave(scenario, options, measure, decides=decides)
    results = results_of(scenario, in_flight(load.pacing), found, fixed_rate=load.fixed_rate)
    return Report(scenario, results, faults=faults_of(found))


def load_of(
    options: Options, *steps: Step, in_flight: int, operations_per_call: int = 1, first_number: int = 0
) -> Load:
    """A load in closed loop, or in open loop if a rate is asked for."""
    pacing = Closed(options.in_flight or in_flight) if options.rate_per_s is None else Open(options.rate_per_s)
    return Load(
        steps,
        pacing,
        options.warmup_s,
        options.seconds,
        options.connection_count,
        first_number,
        operations_per_call=operations_per_call,
    )


def unexpecting(load: Load) -> Load:
    """The same load for a server that answers with an echo."""
    return replace(load, steps=tuple(replace(step, expect=b"") for step in load.steps))


def in_flight(pacing: Pacing) -> int:
    """Work items that are under way at once by design; 0 where the clock starts them."""
    match pacing:
        case Closed(count):
            return count
        case Bursts(size):
            return size
        case _:
            return 0


def say(line: str) -> None:
    """Tells a person how far it is."""
    sys.stderr.write(line + "\n")
