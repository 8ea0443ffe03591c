"""Opens damaged folders one after the other, each as a sidecar would, and prints what became of each.

Usage: inspect BOOT_ID FOLDER... For each folder one line: "same N" (the state of batch N, and it stayed right through
further batches and another opening), "aside" (set aside, started empty), "failed TEXT" (refused with a store's error),
or "wrong TEXT". A crash of the interpreter ends the output early, with the signal as the status.
"""

import logging
import sys
from pathlib import Path

from holdfast_sidecar.store.interface import StoreError, StoreTooNew

from tests.sidecar.store.harness import (
    BOOT_ID,
    Reference,
    State,
    Workload,
    batch_number_of,
    load_and_close,
    open_lmdb,
    say,
    state_of,
)

FURTHER_BATCHES = 6
REFERENCE = Reference()


def inspect(folder: Path, boot_id: str) -> str:
    """Opens one folder; what is served has to be right, now and after more has been written."""
    store = open_lmdb(folder, boot_id=boot_id)
    state = _trusted(state_of(store.load(), store))
    if (folder / "unusable-1").exists():
        store.close()
        return (
            "aside"
            if state == _trusted(REFERENCE.state(0)) or boot_id != BOOT_ID
            else "wrong: not empty after the set-aside"
        )
    number = batch_number_of(state)
    if state != _trusted(REFERENCE.state(number)):
        return f"wrong: the state is not that of batch {number}"
    workload = Workload()
    while workload.batch_number < number:
        workload.next_batch()
    for _ in range(FURTHER_BATCHES):
        store.commit(workload.next_batch())
    store.close()
    later = _trusted(load_and_close(open_lmdb(folder, boot_id=boot_id)))
    if later != _trusted(REFERENCE.state(number + FURTHER_BATCHES)):
        return f"wrong: after batch {number} the damage spread"
    return f"same {number}"


def _trusted(state: State) -> State:
    """What the store answers for: estimates and names of events may be lost, and are checked by whoever reads them."""
    return {name: rows for name, rows in state.items() if name not in ("estimates", "event_names")}


def main(boot_id: str, folders: list[Path]) -> None:
    """One line a folder."""
    logging.disable(logging.CRITICAL)
    for folder in folders:
        try:
            say(inspect(folder, boot_id))
        except StoreTooNew as error:
            say(f"new {error}")
        except StoreError as error:
            say(f"failed {error}")


if __name__ == "__main__":
    main(sys.argv[1], [Path(name) for name in sys.argv[2:]])
