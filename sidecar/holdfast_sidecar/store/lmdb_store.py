"""Keeps the engine's state in LMDB: one transaction a batch, one table a kind of record.

Durability: `host` flushes at each commit and survives power loss; `process` never flushes and survives the death of
the process. What `process` left behind is not trusted after a reboot that no clean close preceded, even where it
looks whole: it may be an older state, whose next debits would bear sequences that the ledger has posted already.

At each start the pages are checked without mapping them (`pages`), then every record while it is loaded (`codec`).
A file that fails is set aside, never deleted, and the store starts empty.

Upstream: the loop (`load`, `commit`) and the uplink (`read_debits`). Downstream: py-lmdb, its engine pinned to 0.9.
"""

from __future__ import annotations  # py-lmdb's classes are generic in its stub alone

import gc
import logging
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import perf_counter_ns
from typing import Literal, TypeAlias

import lmdb

from holdfast_sidecar.engine.event_rows import NO_EVENTS, EventRow, KnownEvent
from holdfast_sidecar.engine.state import Hold, Meta, Snapshot, Writes
from holdfast_sidecar.store import codec
from holdfast_sidecar.store.codec import ADDED_TABLES, Boot, Row, Table
from holdfast_sidecar.store.folder import DATA_FILE, Folder, OwnerLock, check_file_system, file_system_magic
from holdfast_sidecar.store.interface import (
    COMMIT_BOUNDS_US,
    StoreError,
    StoreFailed,
    StoreStatistics,
    StoreUnusable,
)
from holdfast_sidecar.store.lmdb_events import LmdbEvents
from holdfast_sidecar.store.pages import check_pages
from holdfast_sidecar.store.space import Space, settle_reserve_bytes
from holdfast_sidecar.store.tables import decode_snapshot, encode_limits

Durability: TypeAlias = Literal["host", "process"]

EVENT_OUTBOX_BYTES = 1 << 30
"""Default room for events that wait for the ledger."""

MIN_MAP_BYTES = 4 * 1024 * 1024
"""Below this the room kept for settles would not hold one large batch."""

ENGINE = 0
"""LMDB's major version: 0.9. Pinned, since 1.0 writes another format."""

FILE_MODE = 0o700
"""LMDB takes the execute bits off for its files."""

META_PAGE_COUNT = 2

DAMAGE = (
    lmdb.BadDbiError,
    lmdb.BadTxnError,
    lmdb.BadValsizeError,
    lmdb.CorruptedError,
    lmdb.CursorFullError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.InvalidParameterError,
    lmdb.MapResizedError,
    lmdb.NotFoundError,
    lmdb.PageFullError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)
"""What LMDB raises while it opens or reads a file that is not what it should be. Its other errors are the machine's."""

log = logging.getLogger(__name__)


def open_store(
    folder: str | Path,
    *,
    sidecar_id: str,
    durability: Durability,
    map_bytes: int,
    boot_id: str,
    now_ns: int,
    event_outbox_bytes: int = EVENT_OUTBOX_BYTES,
) -> LmdbStore:
    """Opens a sidecar's folder, makes it if need be, and loads what is in it.

    Args:
        folder: Where the store lives; made for this user alone if it is not there.
        sidecar_id: Whose it is.
        durability: What an answered batch survives.
        map_bytes: Most that the store may grow to, at least `MIN_MAP_BYTES`. Address space, not memory.
        boot_id: The running boot of the machine; deadlines of another one start anew.
        now_ns: CLOCK_BOOTTIME.
        event_outbox_bytes: Room for events that wait for the ledger; never more than half of the map.

    Raises:
        StoreLocked: Another process has the folder.
        StoreTooNew: A newer version wrote it.
        StoreForeign: It is another sidecar's, or on a file system that cannot carry it.
        StoreUnusable: It is damaged, and too many before it were.
        StoreFailed: The machine does not let it be opened or made.
    """
    assert map_bytes >= MIN_MAP_BYTES, f"map_bytes is at least {MIN_MAP_BYTES}"
    home = Folder(Path(folder))
    try:
        home.create()
        memory = check_file_system(file_system_magic(home.path), home.path)
        lock = OwnerLock(home.path)
    except OSError as error:
        raise StoreFailed(f"{home.path} cannot be used: {error}") from error
    if memory is not None and durability == "host":
        log.warning("%s lies on %s: nothing in it survives power loss or a reboot", home.path, memory)
    opening = _Opening(home, lock, sidecar_id, durability, map_bytes, boot_id, now_ns, event_outbox_bytes)
    try:
        return opening.open()
    except BaseException:
        lock.release()
        raise


class _Opening:
    """The steps from a folder to an open store."""

    def __init__(
        self,
        home: Folder,
        lock: OwnerLock,
        sidecar_id: str,
        durability: Durability,
        map_bytes: int,
        boot_id: str,
        now_ns: int,
        event_outbox_bytes: int,
    ) -> None:
        self._event_outbox_bytes = event_outbox_bytes
        self._home = home
        self._lock = lock
        self._sidecar_id = sidecar_id
        self._durability = durability
        self._map_bytes = map_bytes
        self._boot_id = boot_id
        self._now_ns = now_ns

    def open(self) -> LmdbStore:
        """Opens what is there; sets it aside and starts empty if it is damaged."""
        try:
            if self._home.data.exists():
                try:
                    return self._open_existing()
                except StoreUnusable as damage:
                    destination = self._home.set_aside()
                    log.error("the store was unusable and is set aside in %s: %s", destination, damage)
            self._create()
            return self._open_existing()
        except (OSError, lmdb.Error) as error:
            raise StoreFailed(f"the store in {self._home.path} cannot be opened: {error}") from error

    def _open_existing(self) -> LmdbStore:
        unsynced_boot_id = self._home.unsynced_boot_id()
        check_pages(self._home.data)
        snapshot, boot = self._recover()
        environment = self._environment(self._home.path)
        try:
            with _damage_named():
                tables = _open_tables(environment, make_added=True)
            if unsynced_boot_id not in (None, self._boot_id):
                raise StoreUnusable(
                    "it was not flushed before the machine went down, so its latest commits may be missing"
                )
            self._settle_marker(environment, was_unsynced=unsynced_boot_id is not None)
            space = Space(os.open(self._home.data, os.O_RDWR | os.O_CLOEXEC), self._map_bytes)
            events = LmdbEvents(tables, self._map_bytes, self._event_outbox_bytes)
            store = LmdbStore(environment, tables, snapshot, boot, space, self._home, self._lock, events)
        except BaseException:
            environment.close()
            raise
        try:
            # The boot's beginning has to be durable before anything counts from it.
            store.commit(Writes(meta=snapshot.meta))
        except StoreFailed:
            store.close()
            raise
        return store

    def _recover(self) -> tuple[Snapshot, Boot]:
        """Reads everything once, through a mapping of its own: closed, it gives the memory of the whole file back."""
        environment = self._environment(self._home.path)
        try:
            with _damage_named():
                tables = _open_tables(environment, make_added=False)
                return _load(environment, tables, self._sidecar_id, self._boot_id, self._now_ns)
        finally:
            environment.close()

    def _create(self) -> None:
        """Makes an empty store beside its place, then moves it there: a file in place always has its first commit."""
        creating = self._home.begin_creating()
        environment = self._environment(creating, always_sync=True)
        try:
            meta = Meta(sidecar_id=self._sidecar_id, boot_id=self._boot_id)
            with environment.begin(write=True) as transaction:
                for table in Table:
                    environment.open_db(table.value, txn=transaction)
                key, record = codec.encode_meta(meta, Boot(self._boot_id, 1, self._now_ns))
                transaction.put(key, record, db=environment.open_db(Table.META.value, txn=transaction))
        finally:
            environment.close()
        self._home.finish_creating()

    def _environment(self, folder: Path, *, always_sync: bool = False) -> lmdb.Environment:
        sync = always_sync or self._durability == "host"
        self._home.drop_reader_table()
        data = folder / DATA_FILE
        file_bytes = data.stat().st_size if data.exists() else 0
        with _damage_named():
            return lmdb.open(
                str(folder),
                # A file from before `map_bytes` was lowered has to be worked off, which takes some room.
                map_size=max(self._map_bytes, file_bytes + MIN_MAP_BYTES),
                mode=FILE_MODE,
                create=False,
                sync=sync,
                metasync=sync,
                writemap=False,
                max_dbs=len(Table),
                max_spare_txns=1,
                lib_version=ENGINE,
            )

    def _settle_marker(self, environment: lmdb.Environment, *, was_unsynced: bool) -> None:
        if self._durability == "process":
            self._home.mark_unsynced(self._boot_id)
        elif was_unsynced:
            environment.sync(True)
            self._home.mark_synced()


class LmdbStore:
    """The open store; see `interface.Store`. Made by `open_store`."""

    def __init__(
        self,
        environment: lmdb.Environment,
        tables: Tables,
        snapshot: Snapshot,
        boot: Boot,
        space: Space,
        home: Folder,
        lock: OwnerLock,
        events: LmdbEvents,
    ) -> None:
        self._events = events
        with environment.begin() as transaction:
            events.open(transaction)
        self._environment = environment
        self._tables = tables
        self._snapshot: Snapshot | None = snapshot
        self._boot = boot
        self._space = space
        self._home = home
        self._lock = lock
        self._last_hold = snapshot.holds[-1].sequence if snapshot.holds else 0
        self._page_bytes = environment.stat()["psize"]
        self._fault: str | None = None
        self._open = True
        self._reading = Lock()
        self._commit_count = 0
        self._latency_us_sum = 0
        self._latency_counts = [0] * (len(COMMIT_BOUNDS_US) + 1)
        self._outbox_count = 0

    @property
    def holds_refused(self) -> bool:
        """See `interface.Store`."""
        return self._space.refused

    @property
    def events_refused(self) -> bool:
        """See `event_rows.EventNames`."""
        return self._events.is_full or self._space.refused

    @property
    def event_name_count(self) -> int:
        """See `event_rows.EventNames`."""
        return self._events.name_count

    @property
    def oldest_event_name_unix_ms(self) -> int:
        """See `event_rows.EventNames`."""
        return self._events.oldest_name_unix_ms

    def find_events(self, names: Sequence[bytes]) -> dict[bytes, KnownEvent]:
        """See `event_rows.EventNames`."""
        with self._environment.begin() as transaction:
            return self._events.find(transaction, names)

    def load(self) -> Snapshot:
        """See `interface.Store`."""
        snapshot = self._snapshot
        if snapshot is None:
            raise StoreError("a store is loaded once")
        self._snapshot = None
        return snapshot

    def commit(self, writes: Writes) -> None:
        """See `interface.Store`."""
        if self._fault is not None:
            raise StoreFailed(self._fault)
        started_ns = perf_counter_ns()
        try:
            with self._environment.begin(write=True) as transaction:
                self._put(transaction, writes)
                used_bytes, reserved_bytes = self._measure(transaction)
        except Exception as error:
            # Whatever it was, memory and disk no longer agree, and only a restart from disk mends that.
            self._fault = f"a commit failed, restart to go on from what is on disk: {error!r}"
            raise StoreFailed(self._fault) from error
        self._space.update(used_bytes, reserved_bytes)
        latency_us = (perf_counter_ns() - started_ns) // 1000
        self._commit_count += 1
        self._latency_us_sum += latency_us
        self._latency_counts[bisect_left(COMMIT_BOUNDS_US, latency_us)] += 1

    def read_debits(self, after_sequence: int, max_count: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """See `interface.Store`."""
        found: list[tuple[int, bytes]] = []
        left_bytes = max_bytes
        with self._reading:
            if not self._open:
                raise StoreError("the store is closed")
            with _damage_named(), self._environment.begin(db=self._tables[Table.DEBITS]) as transaction:
                cursor = transaction.cursor()
                if max_count <= 0 or not cursor.set_range(codec.sequence_key(after_sequence + 1)):
                    return found
                for key, record in cursor.iternext():
                    payload = codec.unseal(record)
                    left_bytes -= len(payload)
                    if found and left_bytes < 0:
                        break
                    found.append((codec.sequence_of(key), payload))
                    if len(found) >= max_count:
                        break
        return found

    def read_events(self, after_sequence: int, max_count: int, max_bytes: int) -> list[EventRow]:
        """See `interface.Store`."""
        with self._reading:
            if not self._open:
                raise StoreError("the store is closed")
            with _damage_named(), self._environment.begin() as transaction:
                return self._events.read(transaction, after_sequence, max_count, max_bytes)

    def statistics(self) -> StoreStatistics:
        """See `interface.Store`."""
        return StoreStatistics(
            commit_count=self._commit_count,
            commit_latency_us_sum=self._latency_us_sum,
            commit_latency_counts=tuple(self._latency_counts),
            used_bytes=self._space.used_bytes,
            reserved_bytes=self._space.reserved_bytes,
            map_bytes=self._space.map_bytes,
            outbox_count=self._outbox_count,
            event_outbox_bytes=self._events.outbox_bytes,
            event_name_count=self._events.name_count,
        )

    def close(self) -> None:
        """See `interface.Store`."""
        with self._reading:
            if not self._open:
                return
            self._open = False
            try:
                if self._fault is None:
                    self._flush()
            finally:
                self._environment.close()
                self._space.close()
                self._lock.release()

    def _flush(self) -> None:
        if self._home.unsynced_boot_id() is not None:
            self._environment.sync(True)
            self._home.mark_synced()

    # -- One transaction -----------------------------------------------------------------------------------------------

    def _put(self, transaction: lmdb.Transaction[bytes], writes: Writes) -> None:
        tables = self._tables
        boot_count = self._boot.count
        put = transaction.put
        if writes.meta is not None:
            put(*codec.encode_meta(writes.meta, self._boot), db=tables[Table.META])
        for pool in writes.pools:
            put(*codec.encode_pool(pool), db=tables[Table.POOLS])
        for counter in writes.counters:
            put(*codec.encode_counter(counter), db=tables[Table.COUNTERS])
        if writes.holds:
            self._put_holds(transaction, writes.holds)
        for sequence in writes.closed_holds:
            transaction.delete(codec.sequence_key(sequence), db=tables[Table.HOLDS])
        if writes.outcomes:
            encode = codec.encode_outcome
            rows = [encode(outcome, boot_count) for outcome in writes.outcomes]
            _append(transaction, tables[Table.OUTCOMES], rows)
        for outcome in writes.outcomes_lapsed:
            put(*codec.encode_outcome(outcome, boot_count), db=tables[Table.OUTCOMES])
        if writes.debits:
            _append(transaction, tables[Table.DEBITS], [codec.encode_debit(debit) for debit in writes.debits])
        limits, dropped = encode_limits(writes)
        for changed, (key, record) in limits:
            put(key, record, db=tables[changed])
        for changed, key in dropped:
            transaction.delete(key, db=tables[changed])
        if writes.events is not NO_EVENTS:
            self._events.put(transaction, writes.events)
        if writes.outcomes_evicted_to:
            _delete_to(transaction, tables[Table.OUTCOMES], writes.outcomes_evicted_to)
        if writes.debits_trimmed_to:
            _delete_to(transaction, tables[Table.DEBITS], writes.debits_trimmed_to)

    def _put_holds(self, transaction: lmdb.Transaction[bytes], holds: list[Hold]) -> None:
        """New holds go to the end of the tree in order, which LMDB does without a search and with full pages."""
        table = self._tables[Table.HOLDS]
        boot_count = self._boot.count
        last = self._last_hold
        new: dict[int, Row] = {}
        for hold in holds:
            row = codec.encode_hold(hold, boot_count)
            if hold.sequence > last:
                new[hold.sequence] = row
            else:
                transaction.put(*row, db=table)
        if new:
            ordered = sorted(new)
            _append(transaction, table, [new[sequence] for sequence in ordered])
            self._last_hold = ordered[-1]

    def _measure(self, transaction: lmdb.Transaction[bytes]) -> tuple[int, int]:
        """Returns the bytes in use, free pages not counted, and the bytes that open holds need to settle."""
        page_count = META_PAGE_COUNT
        hold_count = hold_bytes = rights_bytes = names_bytes = 0
        for table, handle in self._tables.items():
            figures = transaction.stat(handle)
            pages = figures["branch_pages"] + figures["leaf_pages"] + figures["overflow_pages"]
            page_count += pages
            if table is Table.HOLDS:
                hold_count = figures["entries"]
                hold_bytes = pages * self._page_bytes
            elif table is Table.DEBITS:
                self._outbox_count = figures["entries"]
            elif table in _RIGHTS:
                rights_bytes += pages * self._page_bytes
            elif table is Table.EVENTS:
                self._events.outbox_bytes = pages * self._page_bytes
            elif table in _EVENT_NAMES:
                names_bytes += pages * self._page_bytes
                if table is Table.EVENT_NAMES:
                    self._events.name_count = figures["entries"]
        self._events.names_bytes = names_bytes
        # One more page has the list of tables.
        return (page_count + 1) * self._page_bytes, settle_reserve_bytes(hold_count, hold_bytes, rights_bytes)


_RIGHTS = (Table.POOLS, Table.WINDOWS)
_EVENT_NAMES = (Table.EVENT_NAMES, Table.EVENT_TIMES)

Tables: TypeAlias = dict[Table, lmdb._Database]  # the stub has no public name for a table's handle


@contextmanager
def _damage_named() -> Iterator[None]:
    """Turns what LMDB raises over a damaged file into `StoreUnusable`."""
    try:
        yield
    except DAMAGE as error:
        raise StoreUnusable(f"LMDB: {error}") from error


def _open_tables(environment: lmdb.Environment, *, make_added: bool) -> Tables:
    """Opens all tables. Those that the folder's format does not have are made, or left out: nothing may be changed in a
    folder before it is known to be ours."""
    tables: Tables = {}
    with environment.begin(write=True) as transaction:
        for table in Table:
            added = table in ADDED_TABLES
            try:
                tables[table] = environment.open_db(table.value, txn=transaction, create=make_added and added)
            except lmdb.NotFoundError:
                if not added:
                    raise
    return tables


def _load(
    environment: lmdb.Environment, tables: Tables, sidecar_id: str, boot_id: str, now_ns: int
) -> tuple[Snapshot, Boot]:
    collecting = gc.isenabled()
    # Hundreds of thousands of records that all stay: each pass of the collector over them would be for nothing.
    gc.disable()
    try:
        with environment.begin() as transaction:
            rows = {table: _rows(transaction, handle) for table, handle in tables.items()}
            return decode_snapshot(rows, sidecar_id, boot_id, now_ns)
    finally:
        if collecting:
            gc.enable()


def _rows(transaction: lmdb.Transaction[bytes], table: lmdb._Database) -> Iterator[Row]:
    """Yields a table. Raises `StoreUnusable` if it is out of order or has other entries than it says."""
    expected = transaction.stat(table)["entries"]
    count = 0
    last = b""
    for row in transaction.cursor(db=table).iternext():
        if row[0] <= last:
            raise StoreUnusable(f"record {row[0].hex()} follows {last.hex()}")
        last = row[0]
        count += 1
        yield row
    if count != expected:
        raise StoreUnusable(f"a table has {count} records and should have {expected}")


def _append(transaction: lmdb.Transaction[bytes], table: lmdb._Database, rows: list[Row]) -> None:
    """Puts rows with ascending keys behind all that are there."""
    _, added_count = transaction.cursor(db=table).putmulti(rows, append=True)
    if added_count != len(rows):
        raise StoreError("records are not in ascending order")


def _delete_to(transaction: lmdb.Transaction[bytes], table: lmdb._Database, last_sequence: int) -> None:
    """Deletes from the front up to a sequence, inclusive."""
    bound = codec.sequence_key(last_sequence)
    cursor = transaction.cursor(db=table)
    found = cursor.first()
    while found and cursor.key() <= bound:
        cursor.delete()
        found = bool(cursor.key())
