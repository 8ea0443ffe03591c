"""Goes on with the workload where the store left it, and prints each batch's number once it is committed.

Usage: storm FOLDER DURABILITY LAST_BATCH [MAP_BYTES]. With status 3 a commit failed, which it prints as "failed".
"""

import sys
from pathlib import Path

from holdfast_sidecar.store.interface import StoreFailed

from tests.sidecar.store.harness import MAP_BYTES, Workload, open_lmdb, say

FAILED = 3


def main(folder: Path, durability: str, last_batch: int, map_bytes: int = MAP_BYTES) -> int:
    """Runs to the last batch, or until a commit fails."""
    store = open_lmdb(folder, durability="host" if durability == "host" else "process", map_bytes=map_bytes)
    done = store.load().meta.epoch
    say(f"open {done}")
    workload = Workload()
    while workload.batch_number < last_batch:
        writes = workload.next_batch()
        if workload.batch_number <= done:
            continue
        try:
            store.commit(writes)
        except StoreFailed as error:
            say(f"failed {error}")
            return FAILED
        say(str(workload.batch_number))
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *map(int, sys.argv[4:])))
