"""The process that takes objects in for a ledger: `python -m holdfast_ledger.objects.worker`.

Its own, so that parsing files takes no time of the ledger's. It has the database in common with the ledger and nothing
else, and ends when its standard input does, which is when the ledger ends, however that ends.
"""

import gc
import logging
import signal
import sys
import threading
from pathlib import Path

from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.objects.checking import KnownAccounts, checker_at
from holdfast_ledger.objects.config import IngestConfig, IngestConfigError, load_file
from holdfast_ledger.objects.schedule import Schedule
from holdfast_ledger.objects.taking import Taker
from holdfast_ledger.objects.worker_settings import WorkerSettings
from holdfast_ledger.store.interface import Store, StoreError

EXIT_USAGE = 64
IDLE_WAIT_S = 0.5
"""Between looks for objects whose next attempt has come, or whose claim has ended."""
FAULT_WAIT_S = 2.0
"""After the ledger's database failed."""

GARBAGE_THRESHOLD = 200_000
"""Objects made between collections: rows by the ten thousand are made and let go of, and none is in a circle."""

_log = logging.getLogger(__name__)


class Worker:
    """Lists sources and takes their objects in, until it is stopped."""

    def __init__(self, config: IngestConfig, store: Store, settings: WorkerSettings) -> None:
        clock = SteadyClock()
        self._schedule = Schedule(config.sources, store, clock.now_ms)
        accounts = KnownAccounts(store)
        self._taker = Taker(
            store,
            lambda at_ms: checker_at(at_ms, settings.terms, accounts),
            clock.now_ms,
            max_attempts=config.max_attempts,
            waiting_limit=settings.waiting_limit,
        )
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ends `run` soon: the object under way is left to whoever comes. From any thread, and signals."""
        self._stopping.set()
        self._taker.stop()

    def run(self) -> None:
        """Works until `stop`."""
        while not self._stopping.is_set():
            try:
                self._schedule.list_due()
                taken = self._taker.take_next(self._schedule.opened)
            except StoreError as fault:
                _log.warning("the ledger's database failed: %s", fault)
                self._stopping.wait(FAULT_WAIT_S)
                continue
            if taken is None:
                self._stopping.wait(min(self._schedule.wait_ms() / 1_000, IDLE_WAIT_S))
        self._taker.close()


def _stop_at_end_of_input(worker: Worker) -> None:
    sys.stdin.buffer.read()
    worker.stop()


def main() -> int:
    """Runs until its standard input ends, or SIGTERM; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = WorkerSettings.read(sys.stdin.buffer.readline())
    try:
        config = load_file(Path(settings.ingest_file))
        store = open_store(settings.database)
    except (IngestConfigError, StoreError) as fault:
        sys.stderr.write(f"holdfast ledger, objects: {fault}\n")
        return EXIT_USAGE
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)
    worker = Worker(config, store, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    threading.Thread(target=_stop_at_end_of_input, args=(worker,), daemon=True).start()
    try:
        worker.run()
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
