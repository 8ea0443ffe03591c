"""What streaming the debits costs the decisions: the same load with an uplink at full rate, and with one at rest.

A work item is a Reserve and a Settle, so that an uplink which keeps up has half as many debits acked as there are
operations.
"""

from holdfast_bench import load as loads
from holdfast_bench import system, work
from holdfast_bench.options import Options
from holdfast_bench.results import Figures, Measure, Report, Spread
from holdfast_bench.rounds import load_of, say


def run(options: Options) -> Report:
    """Measures it, per durability."""
    load = load_of(options, *work.lifecycle(options.path), in_flight=work.FANOUT)
    measures: list[Measure] = []
    faults: list[str] = []
    for durability in options.durabilities:
        runs: dict[bool, list[Figures]] = {False: [], True: []}
        acked_per_s: list[float] = []
        for index in range(options.rounds):
            for acks, found in runs.items():
                with system.leased_sidecar(
                    options, options.transport, durability, acks=acks, path=options.path
                ) as process:
                    found.append(loads.run(process.target, load))
                    if acks:
                        acked_count = system.debits_acked(process.ledger_target)
                        acked_per_s.append(acked_count / (options.warmup_s + options.seconds))
                state = "streaming" if acks else "at rest"
                say(f"uplink: round {index + 1} of {options.rounds}, {state}: {found[-1].throughput_per_s:,.0f}/s")
                if found[-1].fault:
                    faults.append(f"{durability}, {state}, round {index + 1}: {found[-1].fault}")
        costs = [
            1 - with_.throughput_per_s / without.throughput_per_s for without, with_ in zip(*runs.values(), strict=True)
        ]
        of = {"transport": options.transport, "durability": durability, "path": options.path}
        measures += [
            Measure("throughput_at_rest_per_s", of, Spread.of(run.throughput_per_s for run in runs[False])),
            Measure("throughput_streaming_per_s", of, Spread.of(run.throughput_per_s for run in runs[True])),
            Measure("debits_acked_per_s", of, Spread.of(acked_per_s)),
            Measure("uplink_cost_share", of, Spread.of(costs)),
        ]
    return Report("uplink", measures=measures, faults=faults)
