"""`holdfast bench SCENARIO`: measures, tells, and writes the results down."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast_bench import environment
from holdfast_bench.generator import MAX_MODULO
from holdfast_bench.options import Options
from holdfast_bench.results import Json, Report
from holdfast_bench.scenarios import SCENARIOS
from holdfast_bench.system import ProcessFailed

EXIT_FAULT = 1
"""A call failed, or was not answered as it should: the figures are not to be published."""

_DEFAULTS = Options()


def main(argv: Sequence[str]) -> int:
    """Runs one scenario; returns 0, or 1 if anything went wrong in it."""
    flags = _parser().parse_args(argv)
    options = _options(flags)
    if importlib.util.find_spec("holdfast_sidecar._native") is None:
        sys.stderr.write("holdfast bench: the native load generator is not built; install Rust, then make setup\n")
        return EXIT_FAULT
    where = environment.describe(argv)
    try:
        report = SCENARIOS[flags.scenario].run(options)
    except (ProcessFailed, OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"holdfast bench: {error}\n")
        return EXIT_FAULT
    sys.stdout.write(_environment_line(where) + report.to_text())
    _write(report, where, flags.json, flags.html)
    return EXIT_FAULT if report.faults else 0


def _write(report: Report, where: dict[str, Json], json_file: Path | None, html_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(where), indent=2) + "\n", encoding="utf-8")
    if html_file is not None:
        from holdfast_bench.page import render  # noqa: PLC0415 the plots' library takes a second to load

        html_file.write_text(render(report, where), encoding="utf-8")


def _environment_line(where: dict[str, Json]) -> str:
    keys = ("cpu", "cores", "kernel", "python", "load_average", "date", "commit")
    return ", ".join(f"{key} {where[key]}" for key in keys) + f"\n{where['command']}\n"


def _options(flags: argparse.Namespace) -> Options:
    both = flags.durability == "both"
    return Options(
        transport=flags.transport,
        durabilities=("host", "process") if both else (flags.durability,),
        path=flags.path,
        in_flight=flags.in_flight,
        connection_count=flags.connections,
        rounds=flags.rounds,
        seconds=flags.seconds,
        warmup_s=flags.warmup_s,
        rate_per_s=flags.rate,
        trace=flags.trace,
        unix_socket=flags.unix,
        hold_counts=tuple(flags.holds),
        pool_count=flags.pools,
        active_counts=tuple(flags.active),
        debit_count=flags.debits,
        store=flags.store,
        replica_count=flags.replicas,
        ledger_pool_count=flags.ledger_pools,
        row_count=flags.rows,
    )


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<14} {scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="holdfast bench",
        description="Measures Holdfast on this machine, beside the bare and the portable transport.",
        epilog=f"scenarios:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=SCENARIOS, metavar="SCENARIO", help="one of those below")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the results")
    parser.add_argument("--html", type=Path, metavar="FILE", help="writes a page with plots")
    parser.add_argument("--transport", choices=("native", "portable"), default=_DEFAULTS.transport)
    parser.add_argument("--durability", choices=("host", "process", "both"), default="both")
    parser.add_argument(
        "--path",
        choices=("full", "empty"),
        default=_DEFAULTS.path,
        help="what stands before the pool: 4 subjects, 3 budgets, a rate limit and 4 dimensions, or nothing",
    )
    parser.add_argument("--in-flight", type=_count, metavar="N", help="work items at once; default: the scenario's")
    parser.add_argument("--connections", type=_count, default=_DEFAULTS.connection_count, metavar="N")
    parser.add_argument("--rounds", type=_count, default=_DEFAULTS.rounds, metavar="N")
    parser.add_argument("--seconds", type=_positive, default=_DEFAULTS.seconds, help="measured time of a round")
    parser.add_argument("--warmup-s", type=_not_negative, default=_DEFAULTS.warmup_s, metavar="S")
    parser.add_argument("--rate", type=_positive, metavar="R", help="open loop: work items started a second")
    parser.add_argument("--unix", action="store_true", help="over a Unix socket instead of TCP")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="CSV of TIMESTAMP,ContextTokens,GeneratedTokens")
    _add_sizes(parser)
    return parser


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    holds, pools, debits = _DEFAULTS.hold_counts, _DEFAULTS.pool_count, _DEFAULTS.debit_count
    add("--holds", type=_count, nargs="+", default=holds, metavar="N", help="open holds of scenario holds")
    add("--pools", type=_count, default=pools, metavar="N", help="pools of scenario holds")
    active = _DEFAULTS.active_counts
    add("--active", type=_subject_count, nargs="+", default=active, metavar="N", help="subjects of scenario subjects")
    add("--debits", type=_count, default=debits, metavar="N", help="debits a round of scenario ledger")
    add("--store", choices=("sqlite", "postgres"), default=_DEFAULTS.store, help="of scenario ledger")
    add("--rows", type=_count, metavar="N", help="rows of scenarios ingest and usage-query; default: the scenario's")
    add("--replicas", type=_count, default=_DEFAULTS.replica_count, metavar="N", help="ledgers of scenario ledger")
    add(
        "--ledger-pools", type=_count, default=_DEFAULTS.ledger_pool_count, metavar="N", help="pools of scenario ledger"
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("is 1 or more")
    return value


def _subject_count(text: str) -> int:
    value = _count(text)
    if value >= MAX_MODULO:
        raise argparse.ArgumentTypeError(f"is below {MAX_MODULO}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 86_400:
        raise argparse.ArgumentTypeError("is above 0 and below 86400")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < 86_400:
        raise argparse.ArgumentTypeError("is 0 or more and below 86400")
    return value
