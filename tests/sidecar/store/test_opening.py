"""What is refused, set aside or waited out when a folder is opened, and what is left untouched then."""

import logging
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import lmdb
import pytest
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites
from holdfast_sidecar.engine.state import Writes
from holdfast_sidecar.store import codec, folder
from holdfast_sidecar.store.interface import StoreForeign, StoreLocked, StoreTooNew, StoreUnusable
from holdfast_sidecar.store.lmdb_store import Durability, open_store
from holdfast_sidecar.store.v1 import records_pb2

from tests.sidecar.store.harness import (
    BOOT_ID,
    MAP_BYTES,
    NOW_NS,
    SIDECAR_ID,
    make_hold,
    make_outcome,
    make_pool,
    make_rules,
    make_window,
    open_lmdb,
    start_child,
)


def _make(path: Path) -> None:
    """A closed store with one pool in it."""
    store = open_lmdb(path)
    store.commit(Writes(pools=[make_pool()]))
    store.close()


def _rewrite_meta(path: Path, **changes: object) -> None:
    """Changes fields of the folder's own record behind the store's back."""
    with lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        table = environment.open_db(b"meta", txn=writer)
        record = records_pb2.MetaRecord.FromString(codec.unseal(writer.get(codec.META_KEY, b"", db=table)))
        for name, value in changes.items():
            setattr(record, name, value)
        writer.put(codec.META_KEY, codec.seal(record.SerializeToString()), db=table)


def _format_of(path: Path) -> int:
    with (
        lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=16, readonly=True) as environment,
        environment.begin() as reader,
    ):
        return codec.format_version(reader.get(codec.META_KEY, b"", db=environment.open_db(b"meta", txn=reader)))


def _damage(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"no store at all")


def test_another_process_keeps_its_folder(tmp_path: Path) -> None:
    """While it lives a second opener is refused and told who has it; once it is killed the folder is free."""
    child = start_child("storm", tmp_path / "store", "process", 1_000_000)
    assert child.stdout is not None
    assert child.stdout.readline() == "open 0\n"
    with pytest.raises(StoreLocked, match=f"pid {child.pid} since"):
        open_lmdb(tmp_path / "store")
    child.send_signal(signal.SIGKILL)
    child.stdout.read()
    child.communicate()
    open_lmdb(tmp_path / "store").close()


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """A downgrade refuses with the way out, and changes no byte."""
    _make(tmp_path / "store")
    _rewrite_meta(tmp_path / "store", format_version=codec.FORMAT_VERSION + 1)
    before = (tmp_path / "store" / "data.mdb").read_bytes()
    with pytest.raises(StoreTooNew, match="run the version that wrote it"):
        open_lmdb(tmp_path / "store")
    assert (tmp_path / "store" / "data.mdb").read_bytes() == before
    assert not (tmp_path / "store" / "unusable-1").exists()


def test_a_newer_lmdb_is_left_alone(tmp_path: Path) -> None:
    """LMDB 1.0's files are recognised and not taken for damaged ones."""
    path = tmp_path / "store"
    path.mkdir()
    lmdb.open(str(path), lib_version=1).close()
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreTooNew):
        open_lmdb(path)
    assert (path / "data.mdb").read_bytes() == before


def _make_former(path: Path) -> None:
    """A closed store as the program before windows and rules left it: with a hold, and without their tables."""
    store = open_lmdb(path)
    pool = make_pool()
    store.commit(Writes(pools=[pool], holds=[make_hold(1, pool)], outcomes=[make_outcome(1, pool)]))
    store.close()
    _drop_added_tables(path)
    _rewrite_meta(path, format_version=1)


def _drop_added_tables(path: Path) -> None:
    _drop_tables(path, codec.ADDED_TABLES)


def _drop_tables(path: Path, tables: Iterable[codec.Table]) -> None:
    with lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        for table in tables:
            writer.drop(environment.open_db(table.value, txn=writer))


def test_a_folder_of_the_former_format_gets_the_new_tables(tmp_path: Path) -> None:
    """What it has goes on; windows are kept from now on, and a program that knows none refuses it from now on."""
    path = tmp_path / "store"
    _make_former(path)
    store = open_lmdb(path)
    snapshot = store.load()
    assert [hold.amount for hold in snapshot.holds] == [100]
    assert snapshot.windows == []
    window = make_window(snapshot.pools[0])
    snapshot.holds[0].budgets = (window,)
    store.commit(Writes(windows=[window], holds=snapshot.holds, rules=[make_rules()]))
    store.close()
    store = open_lmdb(path)
    snapshot = store.load()
    store.close()
    assert [window.held for window in snapshot.windows] == [100]
    assert snapshot.rules == [make_rules()]
    assert _format_of(path) == codec.FORMAT_VERSION
    assert not (path / "unusable-1").exists()


def test_a_folder_from_before_events_goes_on_with_its_limits(tmp_path: Path) -> None:
    """It gets the tables of events, and keeps its windows; one that says it has them must have them."""
    path = tmp_path / "store"
    store = open_lmdb(path)
    pool = make_pool()
    store.commit(Writes(pools=[pool], windows=[make_window(pool)], rules=[make_rules()]))
    store.close()
    added = {table for table, version in codec.ADDED_IN.items() if version == 3}
    _drop_tables(path, added)
    _rewrite_meta(path, format_version=2)
    store = open_lmdb(path)
    snapshot = store.load()
    assert (len(snapshot.windows), snapshot.rules, snapshot.last_event_sequence) == (1, [make_rules()], 0)
    store.commit(Writes(events=EventWrites(rows=[EventRow(1, 2, 3, b"entries")])))
    store.close()
    store = open_lmdb(path)
    assert store.load().last_event_sequence == 2
    store.close()
    assert _format_of(path) == codec.FORMAT_VERSION
    _drop_tables(path, added)
    open_lmdb(path).close()
    assert (path / "unusable-1").exists()


def test_another_sidecars_folder_of_the_former_format_is_left_alone(tmp_path: Path) -> None:
    """No table is made before it is known whose it is."""
    path = tmp_path / "store"
    _make_former(path)
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreForeign):
        open_lmdb(path, sidecar_id="sidecar-2")
    assert (path / "data.mdb").read_bytes() == before


def test_a_missing_table_is_damage(tmp_path: Path) -> None:
    """In a folder of this format; without it, holds would count against no budget."""
    path = tmp_path / "store"
    _make(path)
    _drop_added_tables(path)
    open_lmdb(path).close()
    assert (path / "unusable-1").exists()


def test_another_sidecars_folder_is_left_alone(tmp_path: Path) -> None:
    """A wrong id is a mistake of configuration, not damage."""
    _make(tmp_path / "store")
    with pytest.raises(StoreForeign, match="belongs to sidecar 'sidecar-1', not to 'sidecar-2'"):
        open_lmdb(tmp_path / "store", sidecar_id="sidecar-2")
    store = open_lmdb(tmp_path / "store")
    assert len(store.load().pools) == 1
    store.close()


def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    """The refusals above do not hold the folder against the next attempt in the same process."""
    _make(tmp_path / "store")
    for _ in range(2):
        with pytest.raises(StoreForeign):
            open_lmdb(tmp_path / "store", sidecar_id="sidecar-2")


def test_a_damaged_store_is_kept_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Set aside whole, one clear line, an empty store in its place."""
    _make(tmp_path / "store")
    _damage(tmp_path / "store")
    with caplog.at_level(logging.ERROR):
        store = open_lmdb(tmp_path / "store")
    assert store.load().pools == []
    store.close()
    aside = tmp_path / "store" / "unusable-1"
    assert (aside / "data.mdb").read_bytes() == b"no store at all"
    assert [str(aside) in message for message in caplog.messages] == [True]


def test_too_much_damage_stops(tmp_path: Path) -> None:
    """Nothing set aside is ever deleted; past the limit the next start is refused, until someone has looked."""
    path = tmp_path / "store"
    for _ in range(folder.MAX_SET_ASIDE):
        open_lmdb(path).close()
        _damage(path)
    open_lmdb(path).close()
    _damage(path)
    with pytest.raises(StoreUnusable, match="find out why"):
        open_lmdb(path)
    assert (path / "data.mdb").read_bytes() == b"no store at all"
    assert len(list(path.glob("unusable-*"))) == folder.MAX_SET_ASIDE
    (path / "unusable-3").rename(tmp_path / "looked-at")
    open_lmdb(path).close()


def test_a_clean_close_is_trusted_after_a_reboot(tmp_path: Path) -> None:
    """`process` flushes when it is closed, so that a planned reboot costs nothing."""
    _make(tmp_path / "store")
    assert not (tmp_path / "store" / "unsynced").exists()
    store = open_lmdb(tmp_path / "store", boot_id="boot-2")
    assert len(store.load().pools) == 1
    store.close()


def _leave_unflushed(path: Path) -> None:
    """A `process` run that was killed."""
    child = start_child("storm", path, "process", 1_000_000)
    assert child.stdout is not None
    while child.stdout.readline() != "3\n":
        pass
    child.kill()
    child.stdout.read()
    child.communicate()
    assert (path / "unsynced").read_text() == BOOT_ID


@pytest.mark.parametrize("durability", ["host", "process"])
def test_a_killed_process_is_trusted_in_the_same_boot(tmp_path: Path, durability: Durability) -> None:
    """The page cache outlives the process; opened as `host`, it is flushed first, and trusted from then on."""
    path = tmp_path / "store"
    _leave_unflushed(path)
    store = open_lmdb(path, durability=durability)
    assert store.load().meta.epoch >= 3
    assert (path / "unsynced").exists() == (durability == "process")
    store.close()
    assert not (path / "unsynced").exists()


def test_a_killed_process_is_not_trusted_after_a_reboot(tmp_path: Path) -> None:
    """It may be an older state than the ledger knows; the mark stays with the file."""
    path = tmp_path / "store"
    _leave_unflushed(path)
    store = open_lmdb(path, boot_id="boot-2")
    assert store.load().meta.epoch == 0
    store.close()
    assert (path / "unusable-1" / "unsynced").read_text() == BOOT_ID


def test_a_crash_while_a_store_is_made_leaves_nothing(tmp_path: Path) -> None:
    """A store comes into place with its first commit in it; what a crash left half made is made anew."""
    path = tmp_path / "store"
    (path / "creating").mkdir(parents=True)
    (path / "creating" / "data.mdb").write_bytes(b"half")
    (path / "unsynced").write_text("boot-0")
    store = open_lmdb(path, durability="host")
    assert store.load().meta.sidecar_id == SIDECAR_ID
    store.close()
    assert sorted(entry.name for entry in path.iterdir()) == ["data.mdb", "lock.mdb", "owner.lock"]


def test_a_stale_reader_table_is_dropped(tmp_path: Path) -> None:
    """A reader table that a crash or another pid namespace left behind, or that is damaged, does no harm."""
    _make(tmp_path / "store")
    (tmp_path / "store" / "lock.mdb").write_bytes(b"\xff" * 8192)
    store = open_lmdb(tmp_path / "store")
    assert len(store.load().pools) == 1
    store.close()
    assert not (tmp_path / "store" / "unusable-1").exists()


def test_files_are_private(tmp_path: Path) -> None:
    """Who spends how much is nobody else's business."""
    _make(tmp_path / "store")
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    for entry in (tmp_path / "store").iterdir():
        assert entry.stat().st_mode & 0o077 == 0, entry.name


def test_readers_do_not_hold_pages_back(tmp_path: Path) -> None:
    """Thousands of reads beside the commits leave the file as small as it would be without."""
    store = open_lmdb(tmp_path / "store")
    pool = make_pool()
    store.commit(Writes(pools=[pool], holds=[make_hold(1, pool)]))
    used = []
    for sequence in range(1, 2001):
        store.commit(Writes(outcomes=[make_outcome(sequence, pool)], outcomes_evicted_to=sequence - 1))
        store.read_debits(0, 10, 10_000)
        used.append(store.statistics().used_bytes)
    store.close()
    with lmdb.open(str(tmp_path / "store"), readonly=True, lock=False, max_dbs=16) as environment:
        assert environment.info()["last_pgno"] < 200
    assert max(used) < 200 * 4096


@pytest.mark.parametrize("magic", folder.UNSUITABLE_FILE_SYSTEMS)
def test_an_unsuitable_file_system_is_refused(magic: int) -> None:
    """Each entry of the table, by its magic number."""
    with pytest.raises(StoreForeign, match=folder.UNSUITABLE_FILE_SYSTEMS[magic]):
        folder.check_file_system(magic, Path("data"))


def test_memory_is_named_and_a_disk_is_not() -> None:
    """A file system in memory is allowed, with a warning where durability was asked for."""
    assert folder.check_file_system(0x01021994, Path("data")) == "tmpfs"
    assert folder.check_file_system(0xEF53, Path("data")) is None


def test_the_file_system_is_told_by_the_kernel(tmp_path: Path) -> None:
    """What the magic number is read from agrees with `stat`."""
    named = subprocess.run(["stat", "-f", "-c", "%t", str(tmp_path)], capture_output=True, text=True, check=True)
    assert folder.file_system_magic(tmp_path) == int(named.stdout, 16)
    with pytest.raises(FileNotFoundError):
        folder.file_system_magic(tmp_path / "absent")


def test_memory_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`host` on a tmpfs promises what it cannot keep, and says so; `process` does not promise it."""
    monkeypatch.setattr("holdfast_sidecar.store.lmdb_store.file_system_magic", lambda path: 0x01021994)
    open_lmdb(tmp_path / "store", durability="process").close()
    assert caplog.messages == []
    open_lmdb(tmp_path / "store", durability="host").close()
    assert ["tmpfs" in message for message in caplog.messages] == [True]


def test_a_map_too_small_is_a_mistake(tmp_path: Path) -> None:
    """The room for settles has to hold a batch."""
    with pytest.raises(AssertionError):
        open_store(
            tmp_path, sidecar_id=SIDECAR_ID, durability="host", map_bytes=1 << 20, boot_id=BOOT_ID, now_ns=NOW_NS
        )


def test_a_smaller_map_than_before_still_opens(tmp_path: Path) -> None:
    """A setting turned down below what is used refuses holds; it does not lose them."""
    path = tmp_path / "store"
    store = open_lmdb(path)
    pool = make_pool()
    outcomes = [make_outcome(sequence, pool, answer=bytes(1000)) for sequence in range(1, 8000)]
    store.commit(Writes(pools=[pool], outcomes=outcomes))
    store.close()
    store = open_lmdb(path, map_bytes=4 * 1024 * 1024)
    assert len(store.load().outcomes) == len(outcomes)
    assert store.holds_refused
    store.commit(Writes(outcomes_evicted_to=7999))
    assert not store.holds_refused
    store.close()
