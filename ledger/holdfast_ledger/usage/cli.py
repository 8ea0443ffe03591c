"""`holdfast usage check` and `rebuild`: compares the usage store with the ledger, and has it fed anew."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.store.interface import StoreError
from holdfast_ledger.usage import dimensions, schema, turns
from holdfast_ledger.usage.checking import differences
from holdfast_ledger.usage.cluster import ClusterDatabase
from holdfast_ledger.usage.database import UsageDatabase, UsageStoreDown, UsageStoreError
from holdfast_ledger.usage.feeding import feed_all, make_empty, stopped_feeders
from holdfast_ledger.usage.opening import open_folder
from holdfast_ledger.usage.remote import RemoteDatabase
from holdfast_ledger.usage.source import Source, open_source
from holdfast_ledger.usage.worker_settings import SOCKET, is_cluster

EXIT_FINDINGS = 1
EXIT_UNAVAILABLE = 69

SHOWN_COUNT = 100
"""Differences that are told one by one."""

POLL_S = 0.2


def check(argv: Sequence[str]) -> int:
    """Runs `holdfast usage check`; returns the exit status: 1 if a figure differs."""
    return _run("check", "Compares the usage store with the ledger, to the unit.", argv, _check)


def rebuild(argv: Sequence[str]) -> int:
    """Runs `holdfast usage rebuild`; returns the exit status."""
    return _run("rebuild", "Empties the usage store and feeds it anew from the ledger.", argv, _rebuild)


def _run(command: str, description: str, argv: Sequence[str], work: Callable[[argparse.Namespace, Source], int]) -> int:
    parser = argparse.ArgumentParser(prog=f"holdfast usage {command}", description=description)
    parser.add_argument("--database", required=True, help="the ledger's: a file, or a postgresql:// URL")
    parser.add_argument("--usage-store", required=True, help="a folder, or a clickhouse:// URL")
    parser.add_argument("--memory-mb", type=int, default=1_024, help="of the engine, if no ledger runs it")
    parser.add_argument("--usage-dimensions", default="", help="as of the ledger; default: those of the store")
    said = parser.parse_args(argv)
    try:
        source = open_source(said.database)
        try:
            said.dimensions = dimensions.split(said.usage_dimensions)
            return work(said, source)
        finally:
            source.close()
    except (StoreError, UsageStoreError, OSError, ValueError) as fault:
        sys.stderr.write(f"holdfast usage: {fault}\n")
        return EXIT_UNAVAILABLE


@contextmanager
def _opened(said: argparse.Namespace) -> Iterator[UsageDatabase]:
    """Opens the store: at the worker of a running ledger, or by itself. Raises `UsageStoreError`."""
    database: UsageDatabase
    if is_cluster(said.usage_store):
        database = ClusterDatabase(said.usage_store)
    else:
        remote = RemoteDatabase(str(Path(said.usage_store) / SOCKET))
        running = remote.status().state != "down"
        database = remote if running else open_folder(Path(said.usage_store), said.memory_mb, ())
    try:
        yield database
    finally:
        database.close()


def _check(said: argparse.Namespace, source: Source) -> int:
    with _opened(said) as database, source.reading() as reader:
        done, count, lines = differences(reader, database)
        heads = reader.feed_heads()
    if heads.entry_key and not done.batch_no:
        sys.stdout.write("the usage store was never fed: holdfast usage rebuild\n")
        return EXIT_FINDINGS
    for line in lines[:SHOWN_COUNT]:
        sys.stdout.write(f"{line}\n")
    until = f"up to entry {done.entry_key} of {heads.entry_key}, batch {done.event_batch_key} of {heads.batch_key}"
    if lines:
        sys.stdout.write(f"{len(lines)} of {count} figures differ, {until}: holdfast usage rebuild\n")
        return EXIT_FINDINGS
    sys.stdout.write(f"all {count} figures agree, {until}\n")
    return 0


def _rebuild(said: argparse.Namespace, source: Source) -> int:
    with _opened(said) as database:
        if isinstance(database, RemoteDatabase):
            _have_rebuilt(database)
        else:
            placement = database.placement if isinstance(database, ClusterDatabase) else None
            with stopped_feeders(source, shared=placement is not None):
                names = said.dimensions or schema.dimensions_of(database) or dimensions.DEFAULT_DIMENSIONS
                make_empty(database, placement, source, names)
                feed_all(database, source, names, SteadyClock().now_ms)
        done = turns.progress(database).done
    sys.stdout.write(f"fed anew up to entry {done.entry_key}, debit {done.debit_key}\n")
    return 0


def _have_rebuilt(database: RemoteDatabase) -> None:
    """Has the running worker feed its store anew, and waits for it."""
    before = database.status().rebuild_count
    database.rebuild()
    while (status := database.status()).rebuild_count == before or status.state != "feeding" or status.lag_ms:
        if status.state == "down":
            raise UsageStoreDown(f"the worker ended: {status.message}")
        time.sleep(POLL_S)
