"""kill -9 at any instant: what was acked is there, whole batches only, and nothing is set aside."""

import random
import signal
import time
from pathlib import Path

import pytest
from holdfast_sidecar.store.lmdb_store import Durability

from tests.sidecar.store.harness import (
    Reference,
    batch_number_of,
    load_and_close,
    open_lmdb,
    start_child,
)

KILL_COUNT = 12
LAST_BATCH = 1_000_000
REFERENCE = Reference()


@pytest.mark.parametrize("durability", ["host", "process"])
def test_killed_in_the_middle_of_commits(tmp_path: Path, durability: Durability) -> None:
    """After each kill the state is that of the last acked batch, or of the one that was under way."""
    seed = time.time_ns()
    chance = random.Random(seed)
    folder = tmp_path / "store"
    acked = 0
    for _ in range(KILL_COUNT):
        acked = _run_and_kill(folder, durability, acked, acked + chance.randint(1, 25), chance)
        store = open_lmdb(folder, durability=durability)
        state = load_and_close(store)
        committed = batch_number_of(state)
        assert acked <= committed <= acked + 1, f"seed {seed}"
        assert state == REFERENCE.state(committed), f"seed {seed}"
        acked = committed
    assert list(folder.glob("unusable-*")) == []


def _run_and_kill(folder: Path, durability: Durability, start: int, kill_after: int, chance: random.Random) -> int:
    """Runs the workload, kills it a moment after a batch is acked, returns the last acked batch."""
    child = start_child("storm", folder, durability, LAST_BATCH)
    assert child.stdout is not None
    assert child.stdout.readline() == f"open {start}\n"
    acked = start
    while acked < kill_after:
        acked = int(child.stdout.readline())
    # A batch takes about as long as this span, so the kill meets every part of one.
    end = time.perf_counter() + chance.random() * 0.002
    while time.perf_counter() < end:
        pass
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.communicate()
    # A line cut short by the kill was not an ack yet.
    lines = rest.split("\n")[:-1]
    return int(lines[-1]) if lines else acked
