"""What a store is: load everything once, commit a batch at a time, read debits back for the uplink.

The contract suite runs over every implementation; the in-memory one is the reference.
"""

from dataclasses import dataclass
from typing import Protocol

from holdfast_sidecar.engine.event_rows import EventNames, EventRow
from holdfast_sidecar.engine.state import Snapshot, Writes

COMMIT_BOUNDS_US: tuple[int, ...] = (
    25, 50, 75, 100, 150, 200, 300, 400, 500, 750,
    1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
)  # fmt: skip
"""Upper bounds, inclusive, in microseconds, of the commit-latency histogram's buckets; one more is above all."""


class StoreError(Exception):
    """Base of the store's faults; the message says what to do."""


class StoreFailed(StoreError):
    """A commit failed. The store is poisoned: no later commit is taken, the process restarts from disk."""


class StoreLocked(StoreError):
    """Another process has the folder. Exit status 75."""


class StoreUnusable(StoreError):
    """The files are damaged. `open_store` sets them aside and starts empty; the sidecar rejoins under a new epoch.

    It lets this error through only when as many folders as it keeps have been set aside already.
    """


class StoreTooNew(StoreError):
    """The folder was written by a newer version. Nothing is touched; run that version."""


class StoreForeign(StoreError):
    """The folder is another sidecar's, or lies on a file system that cannot carry a store. Nothing is touched."""


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """A snapshot for the metrics endpoint."""

    commit_count: int
    commit_latency_us_sum: int
    commit_latency_counts: tuple[int, ...]
    """Per bucket of `COMMIT_BOUNDS_US`, one more for all above."""
    used_bytes: int
    """Bytes of the map in use, free pages not counted."""
    reserved_bytes: int
    """Bytes that the open holds may need to settle; `holds_refused` counts them as used."""
    map_bytes: int
    outbox_count: int
    """Debits kept, the retained acked ones included."""
    event_outbox_bytes: int = 0
    """Room that events take up which wait for the ledger."""
    event_name_count: int = 0
    """Names of events that are remembered, so that one that comes twice counts once."""


class Store(EventNames, Protocol):
    """One opener, one writer thread: `load`, `commit` and what `EventNames` has belong to the loop's thread."""

    @property
    def holds_refused(self) -> bool:
        """Whether new holds are refused, so that settles always fit; recovers when space is freed.

        True once what is stored, and what the open holds will write when they settle, takes up 90 % of the map,
        or more than the disk could be made to set aside.
        """

    def load(self) -> Snapshot:
        """Returns all that is stored. Called once, before the first commit; later calls raise `StoreError`."""

    def commit(self, writes: Writes) -> None:
        """Makes a batch durable, whole or not at all. Raises `StoreFailed`, after which every commit raises it."""

    def read_debits(self, after_sequence: int, max_count: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Returns serialised `holdfast.v1.Debit` messages with their sequences, in order. Any thread.

        At least one if there is one, even above `max_bytes`. Sequences are contiguous; those up to the first one
        kept are skipped. Raises `StoreUnusable` on a damaged record, `StoreError` once the store is closed.
        """

    def read_events(self, after_sequence: int, max_count: int, max_bytes: int) -> list[EventRow]:
        """Returns whole rows of events in order, from the first row that begins after a sequence. Any thread.

        At least one if there is one, even with more events or bytes. Raises as `read_debits` does.
        """

    def statistics(self) -> StoreStatistics:
        """Counters. Any thread."""

    def close(self) -> None:
        """Flushes, closes, gives the lock back. Idempotent."""
