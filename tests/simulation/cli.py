"""`python -m tests.simulation`: runs seeds, tells which fail, and shows a failing one as a short history."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.mutants import MUTANTS, applied
from tests.simulation.plan import make_plan
from tests.simulation.shrink import shrink
from tests.simulation.world import Outcome, run

KEPT = Path(__file__).parent / "seeds.txt"


def kept_seeds() -> list[tuple[int, str]]:
    """Returns the seeds that ever failed, each with what it found."""
    lines = (line.split("#", 1)[0].strip() for line in KEPT.read_text(encoding="utf-8").splitlines())
    return [(int(line.split(maxsplit=1)[0]), line.split(maxsplit=1)[1]) for line in lines if line]


def run_seed(seed: int) -> Outcome:
    """Runs one seed."""
    return run(make_plan(seed))


def report(failed: Outcome, shrunk: Outcome) -> str:
    """Puts a failed run into words."""
    plan = shrunk.plan
    return "\n".join(
        [
            f"seed {plan.seed} fails: {failed.violation}",
            f"shrunk to {len(plan.actions)} of {len(failed.plan.actions)} actions: {shrunk.violation}",
            f"settings: {plan.knobs}",
            "actions:",
            *(f"  {action}" for action in plan.actions),
            "history:",
            shrunk.history.text(),
        ]
    )


def main(argv: Sequence[str]) -> int:
    """Runs seeds; returns 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make sim", description="Simulates a ledger and its sidecars.")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default: 200)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of them (default: 1)")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long; 0: run all")
    parser.add_argument("--no-shrink", action="store_true", help="tell only which seeds fail, and go on")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="break the code in this way first")
    options = parser.parse_args(argv)
    if options.mutant:
        with applied(options.mutant):
            return _run(options)
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    started_s, started_cpu_s = time.monotonic(), time.process_time()
    failed: list[Outcome] = []
    count = check_count = 0
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        outcome = run_seed(seed)
        count += 1
        check_count += outcome.check_count
        if not outcome.ok:
            failed.append(outcome)
            sys.stdout.write(f"seed {seed} fails: {outcome.violation}\n")
            sys.stdout.flush()
            if not options.no_shrink:
                break
        if options.seconds and time.monotonic() - started_s > options.seconds:
            break
    cpu_s = time.process_time() - started_cpu_s
    sys.stdout.write(
        f"{count} seeds from {options.first_seed}, {check_count} checks, {cpu_s:.1f} s of one core "
        f"({60 * count / max(cpu_s, 1e-9):.0f} seeds a minute): {len(failed)} failed\n"
    )
    if failed and not options.no_shrink:
        sys.stdout.write(report(failed[0], shrink(failed[0])) + "\n")
    return 1 if failed else 0
