"""The reference store: the same rows in dictionaries, written and read by the same codec.

What is acked is in `MemoryDisk`, which outlives the store: a crash is a store dropped, a restart another one opened on
the same disk. Used by tests of the loop and by the simulator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from threading import Lock

from holdfast_sidecar.engine.event_rows import NO_EVENTS, EventRow, EventWrites, KnownEvent
from holdfast_sidecar.engine.state import Meta, Snapshot, Writes
from holdfast_sidecar.store import codec, event_codec, tables
from holdfast_sidecar.store.codec import Boot, Table
from holdfast_sidecar.store.interface import (
    COMMIT_BOUNDS_US,
    StoreError,
    StoreFailed,
    StoreLocked,
    StoreStatistics,
)
from holdfast_sidecar.store.memory_events import forget_names, put_names

Rows = dict[bytes, bytes]


@dataclass(slots=True)
class MemoryDisk:
    """What survives the store: tables of sealed records, and who has them open."""

    tables: dict[Table, Rows] = field(default_factory=lambda: {table: {} for table in Table})
    owner: "MemoryStore | None" = None


class MemoryStore:
    """A store on a `MemoryDisk`; see `interface.Store`.

    Set `fail_next_commit` to see what the loop does when a disk fails, `holds_refused` and `events_refused` for a full
    one.
    """

    def __init__(self, disk: MemoryDisk, *, sidecar_id: str, boot_id: str, now_ns: int) -> None:
        """Opens a disk and loads it. Raises as `lmdb_store.open_store` does.

        Args:
            disk: Where the rows are; an empty one begins a new life.
            sidecar_id: Whose it is.
            boot_id: The running boot.
            now_ns: CLOCK_BOOTTIME.
        """
        if disk.owner is not None:
            raise StoreLocked("the disk is in use by another store")
        if not disk.tables[Table.META]:
            key, record = codec.encode_meta(Meta(sidecar_id=sidecar_id, boot_id=boot_id), Boot(boot_id, 1, now_ns))
            disk.tables[Table.META][key] = record
        rows = {table: sorted(kept.items()) for table, kept in disk.tables.items()}
        self._snapshot: Snapshot | None
        self._snapshot, self._boot = tables.decode_snapshot(rows, sidecar_id, boot_id, now_ns)
        self._disk = disk
        self._fault: str | None = None
        self._moving = Lock()
        self._commit_count = 0
        self.holds_refused = False
        self.events_refused = False
        self.fail_next_commit = False
        disk.owner = self
        self.commit(Writes(meta=self._snapshot.meta))

    def load(self) -> Snapshot:
        """See `interface.Store`."""
        snapshot = self._snapshot
        if snapshot is None:
            raise StoreError("a store is loaded once")
        self._snapshot = None
        return snapshot

    def commit(self, writes: Writes) -> None:
        """See `interface.Store`."""
        if self.fail_next_commit:
            self._fault = "a commit failed because the test asked for it"
        if self._fault is not None or self._disk.owner is not self:
            raise StoreFailed(self._fault or "the store is closed")
        try:
            with self._moving:
                self._put(self._disk.tables, writes)
        except Exception as error:
            self._fault = f"a commit failed: {error!r}"
            raise StoreFailed(self._fault) from error
        self._commit_count += 1

    def read_debits(self, after_sequence: int, max_count: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """See `interface.Store`."""
        if self._disk.owner is not self:
            raise StoreError("the store is closed")
        after = codec.sequence_key(after_sequence)
        with self._moving:
            rows = [row for row in self._disk.tables[Table.DEBITS].items() if row[0] > after]
        found: list[tuple[int, bytes]] = []
        left_bytes = max_bytes
        for key, record in rows[: max(0, max_count)]:
            payload = codec.unseal(record)
            left_bytes -= len(payload)
            if found and left_bytes < 0:
                break
            found.append((codec.sequence_of(key), payload))
        return found

    @property
    def event_name_count(self) -> int:
        """See `event_rows.EventNames`."""
        return len(self._disk.tables[Table.EVENT_NAMES])

    @property
    def oldest_event_name_unix_ms(self) -> int:
        """See `event_rows.EventNames`."""
        oldest = next(iter(self._disk.tables[Table.EVENT_TIMES].values()), None)
        return 0 if oldest is None else event_codec.time_of(oldest)

    def find_events(self, names: Sequence[bytes]) -> dict[bytes, KnownEvent]:
        """See `event_rows.EventNames`."""
        kept = self._disk.tables[Table.EVENT_NAMES]
        found = {name: event_codec.decode_name(kept[name]) for name in names if name in kept}
        return {name: known[0] for name, known in found.items() if known is not None}

    def read_events(self, after_sequence: int, max_count: int, max_bytes: int) -> list[EventRow]:
        """See `interface.Store`."""
        if self._disk.owner is not self:
            raise StoreError("the store is closed")
        with self._moving:
            kept = list(self._disk.tables[Table.EVENTS].items())
        found: list[EventRow] = []
        for row in event_codec.iterate_events(kept):
            if row.first_sequence <= after_sequence:
                continue
            max_count -= row.event_count
            max_bytes -= len(row.payload)
            if found and (max_count < 0 or max_bytes < 0):
                break
            found.append(row)
        return found

    def statistics(self) -> StoreStatistics:
        """See `interface.Store`; a dictionary has no latency and no limit."""
        kept = self._disk.tables
        return StoreStatistics(
            commit_count=self._commit_count,
            commit_latency_us_sum=0,
            commit_latency_counts=(self._commit_count, *([0] * len(COMMIT_BOUNDS_US))),
            used_bytes=sum(len(key) + len(record) for rows in kept.values() for key, record in rows.items()),
            reserved_bytes=0,
            map_bytes=0,
            outbox_count=len(kept[Table.DEBITS]),
            event_outbox_bytes=sum(map(len, kept[Table.EVENTS].values())),
            event_name_count=self.event_name_count,
        )

    def close(self) -> None:
        """See `interface.Store`."""
        if self._disk.owner is self:
            self._disk.owner = None

    def crash(self) -> None:
        """Ends this store as a killed process would; what was committed stays on the disk."""
        self.close()

    def _put(self, kept: dict[Table, Rows], writes: Writes) -> None:
        boot_count = self._boot.count
        # All that can go wrong goes wrong here, before the first row changes.
        pools = [codec.encode_pool(pool) for pool in writes.pools]
        counters = [codec.encode_counter(counter) for counter in writes.counters]
        holds = [codec.encode_hold(hold, boot_count) for hold in writes.holds]
        outcomes = [codec.encode_outcome(outcome, boot_count) for outcome in writes.outcomes]
        lapsed = [codec.encode_outcome(outcome, boot_count) for outcome in writes.outcomes_lapsed]
        debits = [codec.encode_debit(debit) for debit in writes.debits]
        limits, dropped = tables.encode_limits(writes)
        _check_order(kept[Table.OUTCOMES], outcomes)
        events = [event_codec.encode_events(row) for row in writes.events.rows]
        _check_order(kept[Table.DEBITS], debits)
        _check_order(kept[Table.EVENTS], events)
        if writes.meta is not None:
            kept[Table.META].update([codec.encode_meta(writes.meta, self._boot)])
        kept[Table.POOLS].update(pools)
        kept[Table.COUNTERS].update(counters)
        kept[Table.HOLDS].update(holds)
        kept[Table.OUTCOMES].update(outcomes)
        kept[Table.OUTCOMES].update(lapsed)
        kept[Table.DEBITS].update(debits)
        for table, (key, record) in limits:
            kept[table][key] = record
        for table, key in dropped:
            kept[table].pop(key, None)
        for sequence in writes.closed_holds:
            kept[Table.HOLDS].pop(codec.sequence_key(sequence), None)
        _delete_to(kept[Table.OUTCOMES], writes.outcomes_evicted_to)
        _delete_to(kept[Table.DEBITS], writes.debits_trimmed_to)
        kept[Table.EVENTS].update(events)
        if writes.events is not NO_EVENTS:
            self._put_events(kept, writes.events)

    def _put_events(self, kept: dict[Table, Rows], writes: EventWrites) -> None:
        for key in list(kept[Table.EVENTS]):
            first_sequence, event_count = event_codec.span_of(key)
            if first_sequence + event_count - 1 <= writes.trimmed_to:
                del kept[Table.EVENTS][key]
        names, times = kept[Table.EVENT_NAMES], kept[Table.EVENT_TIMES]
        put_names(names, times, writes)
        forget_names(names, times, writes)
        if writes.meters is not None:
            kept[Table.METERS].update([event_codec.encode_meters(writes.meters)])


def _check_order(rows: Rows, new: list[codec.Row]) -> None:
    keys = [next(reversed(rows), b""), *(key for key, _ in new)]
    if any(key >= following for key, following in pairwise(keys)):
        raise StoreError("records are not in ascending order")


def _delete_to(rows: Rows, last_sequence: int) -> None:
    bound = codec.sequence_key(last_sequence)
    # These tables are filled in ascending order, and a dictionary keeps it.
    for key in list(takewhile(lambda key: key <= bound, rows)):
        del rows[key]
