"""`python -m holdfast_ledger.usage.worker`: the composition root of the usage store's process.

The ledger starts it, writes its settings as a line of JSON to its input, and keeps that open: the input's end is the
ledger's, however it came about, and ends this process too.
"""

import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.store.interface import StoreError
from holdfast_ledger.usage import schema, turns
from holdfast_ledger.usage.cluster import ClusterDatabase
from holdfast_ledger.usage.database import UsageDamaged, UsageDatabase, UsageStoreError
from holdfast_ledger.usage.feeder import HistoryChanged
from holdfast_ledger.usage.feeding import make_empty, make_feeder
from holdfast_ledger.usage.opening import begin_anew, open_folder
from holdfast_ledger.usage.serving import Serving
from holdfast_ledger.usage.source import Source, open_source
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.usage.worker_settings import WorkerSettings, is_cluster

NICENESS = 5
"""Decisions and postings go first where cores are few."""

GC_THRESHOLD = 200_000
"""A turn makes some hundred thousand rows and no cycles: looking for these takes a third of its time otherwise."""

MAX_PAUSE_MS = 10_000
"""Longest wait before what failed is tried again."""

COUNT_INTERVAL_MS = 5_000
"""After which rows are counted anew, for metrics."""

SUM_INTERVAL_MS = 10_000
"""After which hours to be summed are looked for where nothing new came."""

FORGET_INTERVAL = 1_000
"""Turns after which those long past are deleted."""

END_TIMEOUT_S = 5
"""Wait for the turn under way when the ledger has ended; what is cut off then is repeated by the next process."""

_log = logging.getLogger(__name__)


class Worker:
    """Feeds the store and serves it, until it is told to end."""

    def __init__(self, settings: WorkerSettings, now_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._ending = threading.Event()
        self._status = UsageStatus("starting")
        self._counted_at = self._sum_at = 0.0
        self._pause_ms = settings.interval_ms
        """Before what failed is tried again."""
        self._rebuild = threading.Event()
        self._serving: Serving | None = None

    def end(self) -> None:
        """Has `run` return after the turn under way. Any thread."""
        self._ending.set()

    def run(self) -> None:
        """Opens the store, then feeds it; what fails is tried again."""
        while not self._ending.is_set():
            try:
                self._open_and_feed()
            except UsageDamaged as fault:
                _log.error("the usage store is damaged and fed anew: %s", fault)
                self._begin_anew()
            except (StoreError, UsageStoreError, OSError) as fault:
                _log.warning("the usage store is not fed, and will be: %s", fault)
                failures = self._status.failure_count + 1
                self._status = replace(self._status, state="failing", failure_count=failures, message=str(fault))
            self._ending.wait(self._pause_ms / 1_000)
            self._pause_ms = min(2 * self._pause_ms, MAX_PAUSE_MS)
        if self._serving is not None:
            self._serving.close()

    def _open_and_feed(self) -> None:
        settings = self._settings
        source = open_source(settings.database)
        try:
            database = self._opened()
            serving = self._serve()
            try:
                serving.database = database
                self._feed(database, source)
            finally:
                serving.database = None
                database.close()
        finally:
            source.close()

    def _serve(self) -> Serving:
        """Begins to serve; not before the store is open: then no other worker has it and its socket."""
        if self._serving is None:
            self._serving = Serving(Path(self._settings.socket), lambda: self._status, self._rebuild.set)
        return self._serving

    def _opened(self) -> UsageDatabase:
        store = self._settings.store
        if not is_cluster(store):
            return open_folder(Path(store), self._settings.memory_mb, self._settings.dimensions)
        database = ClusterDatabase(store)
        schema.create(database, database.placement, self._settings.dimensions)
        return database

    def _feed(self, database: UsageDatabase, source: Source) -> None:
        """Feeds turn by turn. Raises `StoreError`, `UsageStoreError`; then everything is opened anew."""
        feeder = make_feeder(database, source, self._now_ms)
        roller = Roller(database, self._settings.dimensions)
        while not self._ending.is_set():
            if is_cluster(self._settings.store) and not source.claimed():
                self._status = replace(self._status, state="waiting", lag_ms=0, message="")
                feeder = make_feeder(database, source, self._now_ms)
                self._ending.wait(self._settings.interval_ms / 1_000)
                continue
            try:
                if self._rebuild.is_set():
                    raise HistoryChanged("an operator asked for it")
                fed = feeder.turn()
            except HistoryChanged as fault:
                _log.warning("the usage store is fed anew: %s", fault)
                self._empty(database, source)
                return
            pause_ms = 0 if fed.behind else self._settings.interval_ms
            if fed.row_count and fed.turn.batch_no % FORGET_INTERVAL == 0:
                turns.forget(database, fed.turn)
            self._sum_hours(roller, soon=fed.row_count > 0)
            self._tell(database, fed.turn, row_count=fed.row_count, behind=fed.behind)
            self._ending.wait(pause_ms / 1_000)

    def _sum_hours(self, roller: Roller, *, soon: bool) -> None:
        """Sums hours that are over, from time to time; the feeder goes first."""
        if soon or time.monotonic() >= self._sum_at:
            more = roller.turn(self._now_ms())
            self._sum_at = time.monotonic() + (0 if more else SUM_INTERVAL_MS / 1_000)

    def _empty(self, database: UsageDatabase, source: Source) -> None:
        placement = database.placement if isinstance(database, ClusterDatabase) else None
        make_empty(database, placement, source, self._settings.dimensions)
        self._rebuild.clear()
        self._status = replace(self._status, state="starting", rebuild_count=self._status.rebuild_count + 1)

    def _begin_anew(self) -> None:
        """Sets a damaged folder aside; of a cluster, its servers know what to do."""
        if not is_cluster(self._settings.store):
            begin_anew(Path(self._settings.store), keep=True)
            self._status = replace(self._status, state="starting", rebuild_count=self._status.rebuild_count + 1)

    def _tell(self, database: UsageDatabase, turn: turns.Turn, *, row_count: int, behind: bool) -> None:
        """Moves the status on."""
        self._pause_ms = self._settings.interval_ms
        counts = self._status.row_counts
        if time.monotonic() - self._counted_at > COUNT_INTERVAL_MS / 1_000:
            counts, self._counted_at = dict(turns.counts(database)), time.monotonic()
        self._status = replace(
            self._status,
            state="feeding",
            batch_no=turn.batch_no,
            complete_until_ms=turn.complete_until,
            lag_ms=max(0, self._now_ms() - turn.complete_until) if behind else 0,
            row_counts=counts,
            turn_count=self._status.turn_count + bool(row_count),
            message="",
        )


def main(argv: Sequence[str]) -> int:
    """Runs the worker with the settings that its input tells; returns the exit status."""
    assert not argv
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
    worker = Worker(WorkerSettings(**json.loads(sys.stdin.buffer.readline())), SteadyClock().now_ms)
    threading.Thread(target=_follow, args=(worker,), daemon=True, name="usage-follow").start()
    worker.run()
    return 0


def _follow(worker: Worker) -> None:
    """Ends the process with the ledger."""
    while sys.stdin.buffer.read(1):
        pass
    worker.end()
    time.sleep(END_TIMEOUT_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
