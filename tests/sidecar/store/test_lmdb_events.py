"""Events in LMDB: room that is bounded, and damage that costs a second look at most."""

from pathlib import Path

import lmdb
import pytest
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites, KnownEvent
from holdfast_sidecar.engine.state import Writes
from holdfast_sidecar.store import codec
from holdfast_sidecar.store.codec import Table
from holdfast_sidecar.store.lmdb_store import LmdbStore, open_store

from tests.sidecar.store.harness import BOOT_ID, MAP_BYTES, NOW_NS, SIDECAR_ID, make_hold, make_pool, open_lmdb

SMALL_MAP_BYTES = 8 << 20
KNOWN = KnownEvent(b"c" * 16, False)


def open_small(folder: Path, event_outbox_bytes: int) -> LmdbStore:
    store = open_store(
        folder,
        sidecar_id=SIDECAR_ID,
        durability="process",
        map_bytes=SMALL_MAP_BYTES,
        boot_id=BOOT_ID,
        now_ns=NOW_NS,
        event_outbox_bytes=event_outbox_bytes,
    )
    store.load()
    return store


def fill(store: LmdbStore) -> int:
    """Takes events in, a row of 16 KB at a time, until they are refused; returns their bytes."""
    sequence = 0
    while not store.events_refused:
        sequence += 1
        store.commit(Writes(events=EventWrites(rows=[EventRow(sequence, 1, 1, bytes(16_000))])))
        assert sequence * 16_000 < SMALL_MAP_BYTES
    return sequence * 16_000


@pytest.mark.parametrize(("setting", "expected"), [(1 << 20, 1 << 20), (1 << 30, SMALL_MAP_BYTES // 2)])
def test_events_that_wait_fill_what_they_may_and_no_more(tmp_path: Path, setting: int, expected: int) -> None:
    """The setting, or half of the map: the rest is for holds, which go on. What leaves makes room."""
    store = open_small(tmp_path / "store", setting)
    assert fill(store) == pytest.approx(expected, rel=0.1)
    assert store.statistics().event_outbox_bytes >= expected
    pool = make_pool()
    store.commit(Writes(pools=[pool], holds=[make_hold(1, pool)]))
    assert not store.holds_refused
    store.commit(Writes(events=EventWrites(trimmed_to=10**9)))
    assert not store.events_refused
    store.close()


def test_names_fill_a_quarter_of_the_map_at_most(tmp_path: Path) -> None:
    """Then the oldest leave, whatever the limits say."""
    store = open_small(tmp_path / "store", 1 << 30)
    for number in range(120):
        names = {f"prefix-of-12{number:04}-{place:04}".encode(): KNOWN for place in range(500)}
        store.commit(Writes(events=EventWrites(names=names, taken_at_unix_ms=number + 1, forget_most=1_500)))
    statistics = store.statistics()
    assert 0 < statistics.event_name_count < 120 * 500
    assert statistics.used_bytes < SMALL_MAP_BYTES // 2
    assert store.oldest_event_name_unix_ms > 1
    store.close()


def damage(folder: Path, table: Table, key: bytes) -> None:
    with lmdb.open(str(folder), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        handle = environment.open_db(table.value, txn=writer)
        record = writer.get(key, b"", db=handle)
        writer.put(key, record[:-1] + bytes([record[-1] ^ 1]), db=handle)


def test_a_damaged_name_is_an_unknown_one(tmp_path: Path) -> None:
    """The ledger finds what comes twice; here the name is written anew."""
    path = tmp_path / "store"
    store = open_lmdb(path)
    store.commit(Writes(events=EventWrites(names={b"a": KNOWN, b"b": KNOWN}, taken_at_unix_ms=5)))
    store.close()
    damage(path, Table.EVENT_NAMES, b"a")
    store = open_lmdb(path)
    assert store.find_events([b"a", b"b"]) == {b"b": KNOWN}
    store.commit(Writes(events=EventWrites(names={b"a": KNOWN}, taken_at_unix_ms=6)))
    assert store.find_events([b"a", b"b"]) == {b"a": KNOWN, b"b": KNOWN}
    store.commit(Writes(events=EventWrites(forget_before_unix_ms=7, forget_most=10)))
    assert store.event_name_count == 0
    store.close()


def test_a_damaged_list_of_names_leaves_first(tmp_path: Path) -> None:
    """It says no more which names are its own: they stay until they are used again."""
    path = tmp_path / "store"
    store = open_lmdb(path)
    store.commit(Writes(events=EventWrites(names={b"a": KNOWN}, taken_at_unix_ms=5)))
    store.commit(Writes(events=EventWrites(names={b"b": KNOWN}, taken_at_unix_ms=6)))
    store.close()
    damage(path, Table.EVENT_TIMES, codec.sequence_key(1))
    store = open_lmdb(path)
    store.commit(Writes(events=EventWrites(forget_before_unix_ms=1, forget_most=10)))
    assert store.oldest_event_name_unix_ms == 6
    assert store.find_events([b"a", b"b"]) == {b"a": KNOWN, b"b": KNOWN}
    store.close()


def test_events_that_are_damaged_make_the_folder_unusable(tmp_path: Path) -> None:
    """As debits do: what was accepted must not be sent on half."""
    path = tmp_path / "store"
    store = open_lmdb(path)
    store.commit(Writes(events=EventWrites(rows=[EventRow(1, 2, 3, b"entries")])))
    store.close()
    damage(path, Table.EVENTS, (1).to_bytes(8, "big") + (2).to_bytes(4, "big"))
    open_lmdb(path).close()
    assert (path / "unusable-1").exists()
