"""The simulator over the code as it is: kept seeds, new seeds, and that a seed is one run and no other."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from tests.simulation.cli import kept_seeds, report, run_seed
from tests.simulation.mutants import MUTANTS, applied
from tests.simulation.shrink import shrink
from tests.simulation.world import Outcome

NEW_SEEDS_S = 20.0
"""Time for seeds that nobody has run yet, in seconds."""
SEEDS_A_DAY = 100_000
REPLAYED = (1, 7, 26)
UNFIT = ("raised: TypeError", "raised: KeyError", "raised: AttributeError")
"""How a mutant fails that calls the code in another way than it is."""


def assert_held(outcome: Outcome) -> None:
    """Fails with a short history if something did not hold."""
    if not outcome.ok:
        pytest.fail(report(outcome, shrink(outcome, max_runs=150)), pytrace=False)


@pytest.mark.parametrize(("seed", "found"), kept_seeds())
def test_kept_seed(seed: int, found: str) -> None:
    """What was found once is not there again."""
    assert found
    assert_held(run_seed(seed))


def test_new_seeds() -> None:
    """Seeds of today hold too. The first one is told, so that a failure can be run again."""
    first_seed = datetime.now(UTC).date().toordinal() * SEEDS_A_DAY
    until_s = time.monotonic() + NEW_SEEDS_S
    seed = first_seed
    while time.monotonic() < until_s:
        assert_held(run_seed(seed))
        seed += 1
    sys.stdout.write(f"{seed - first_seed} seeds from {first_seed}\n")
    assert seed > first_seed


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same history, event by event, in another process with another hash seed too."""
    script = (
        "import sys; from tests.simulation.cli import run_seed; "
        "print(*(run_seed(int(seed)).history.digest() for seed in sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, *map(str, REPLAYED)]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    here = [run_seed(seed).history.digest() for seed in REPLAYED]
    assert there.stdout.split() == here
    assert len(set(here)) == len(REPLAYED)


def test_calm_run_does_its_work() -> None:
    """A run is not green because nothing happens in it: operations are answered and debits posted."""
    told = run_seed(REPLAYED[0]).history.text(100_000)
    assert told.count("-> held") > 5
    assert told.count("-> debited") > 5


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str) -> None:
    """Code that is broken in this way does not get through: the simulator bites."""
    seeds = MUTANTS[name].seeds
    with applied(name):
        outcomes = (run_seed(seed) for seed in seeds)
        caught = next((outcome.violation for outcome in outcomes if not outcome.ok), None)
    assert caught is not None, f"not within the seeds {seeds}"
    assert not caught.startswith(UNFIT), f"the mutant does not fit the code any more: {caught}"
