"""`holdfast verify`: sound folders pass, each fault is named, nothing is changed, a running sidecar is left alone."""

import json
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from google.protobuf.message import Message
from holdfast.v1 import ingest_service_pb2
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites, KnownEvent, Meters
from holdfast_sidecar.engine.rules import Calendar, RateCardContent
from holdfast_sidecar.engine.state import Counter, Meta, Writes
from holdfast_sidecar.store import codec, event_codec, rule_codec
from holdfast_sidecar.store.codec import Table
from holdfast_sidecar.store.v1 import records_pb2
from holdfast_sidecar.store.verify import main

from tests.sidecar.store.harness import (
    BOOT_ID,
    MAP_BYTES,
    SIDECAR_ID,
    Workload,
    make_debit,
    make_hold,
    make_meter,
    make_outcome,
    make_pool,
    make_rules,
    make_window,
    open_lmdb,
)

Change = Callable[[Message], None]
MESSAGES: dict[Table, type[Message]] = {
    Table.META: records_pb2.MetaRecord,
    Table.POOLS: records_pb2.PoolRecord,
    Table.HOLDS: records_pb2.HoldRecord,
    Table.OUTCOMES: records_pb2.OutcomeRecord,
    Table.COUNTERS: records_pb2.CounterRecord,
    Table.DEBITS: sync_pb2.Debit,
    Table.WINDOWS: records_pb2.WindowRecord,
    Table.RULES: sync_pb2.SubjectRules,
    Table.CALENDARS: sync_pb2.Calendar,
    Table.RATE_CARDS: sync_pb2.RateCardContent,
}
RULES_KEY = rule_codec.rules_key("account-1", "research/ann")
BUDGET = "team\x1f1700000000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed store with two rows of each kind."""
    path = tmp_path / "store"
    store = open_lmdb(path, durability="host")
    pool = make_pool(consumed_total=180, posted_total=60)
    budget, slots = make_window(pool, BUDGET, consumed_total=60), make_window(pool, "slots\x1fc")
    run = make_hold(1, pool, budgets=(budget,), slots=(slots,))
    store.commit(
        Writes(
            meta=Meta(
                SIDECAR_ID,
                epoch=4,
                birth_epoch=2,
                acked_sequence=1,
                last_sequence=3,
                boot_id=BOOT_ID,
                acked_event_sequence=1,
            ),
            pools=[pool, make_pool(2)],
            holds=[run, make_hold(2, pool, budgets=(budget,), parent=run)],
            outcomes=[make_outcome(1, pool), make_outcome(2, pool)],
            counters=[Counter(pool.account_id, pool.pool_id, "tokens", 1)],
            debits=[make_debit(1, pool), make_debit(2, pool), make_debit(3, pool)],
            windows=[budget, slots],
            rules=[make_rules()],
            calendars=[Calendar("month/UTC", (1, 2))],
            rate_cards=[RateCardContent("card", 1, b"content")],
            estimates=[(b"gpt-5", b"learned")],
            events=EventWrites(
                rows=[event_row(1, 2), event_row(3, 1)],
                names={b"name-1": KnownEvent(bytes(16), False), b"name-2": KnownEvent(bytes(16), True)},
                taken_at_unix_ms=9,
                meters=Meters(3, (make_meter(),)),
            ),
        )
    )
    store.close()
    return path


def event_row(first_sequence: int, count: int, entry_count: int | None = None) -> EventRow:
    """A row of events; `entry_count` is how many are really in it."""
    entries = [ingest_service_pb2.RecordedEvent(void=True)] * (count if entry_count is None else entry_count)
    return EventRow(first_sequence, count, 9, ingest_service_pb2.EventBatch(events=entries).SerializeToString())


def put(folder: Path, table: Table, key: bytes, record: bytes) -> None:
    """Puts a sealed record in the place of another one."""
    with lmdb.open(str(folder), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        writer.put(key, record, db=environment.open_db(table.value, txn=writer))


def change(folder: Path, table: Table, key: bytes, alter: Change) -> None:
    """Alters a record and seals it again, so that only its meaning is wrong."""
    with lmdb.open(str(folder), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        handle = environment.open_db(table.value, txn=writer)
        message = MESSAGES[table].FromString(codec.unseal(writer.get(key, b"", db=handle)))
        alter(message)
        writer.put(key, codec.seal(message.SerializeToString()), db=handle)


def move(folder: Path, table: Table, key: bytes, new_key: bytes | None) -> None:
    """Puts a record under another key, or removes it."""
    with lmdb.open(str(folder), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        handle = environment.open_db(table.value, txn=writer)
        record = writer.pop(key, db=handle)
        assert record is not None
        if new_key is not None:
            writer.put(new_key, record, db=handle)


def setter(**values: object) -> Change:
    """A change that sets fields."""

    def alter(message: Message) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return alter


def adder(**values: object) -> Change:
    """A change that adds to repeated fields."""

    def alter(message: Message) -> None:
        for name, value in values.items():
            getattr(message, name).append(value)

    return alter


def test_a_sound_folder_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0, figures per table, the debits that the ledger may not have."""
    assert main([str(folder)]) == 0
    out = capsys.readouterr().out
    assert "sidecar 'sidecar-1', epoch 4" in out
    assert "up to 3, acked up to 1; 2 not known to be posted, 120 minor units" in out
    assert "events taken in up to 3, acked up to 1; 2 wait for the ledger" in out
    assert out.splitlines()[-1] == "sound"
    assert "pool account-1/pool-1" not in out


def test_figures_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as one object, with pools where they are asked for."""
    assert main([str(folder), "--json", "--pools"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {name: size["record_count"] for name, size in figures["tables"].items()} == {
        "meta": 1,
        "pools": 2,
        "holds": 2,
        "outcomes": 2,
        "counters": 1,
        "debits": 3,
        "windows": 2,
        "rules": 1,
        "calendars": 1,
        "rate_cards": 1,
        "estimates": 1,
        "events": 2,
        "event_names": 2,
        "event_times": 1,
        "meters": 1,
    }
    assert all(size["byte_count"] > 0 for size in figures["tables"].values())
    assert figures["pools"][0]["held"] == 200
    assert figures["pools"][0]["hold_count"] == 2
    assert [(window["window"], window["held"], window["hold_count"]) for window in figures["windows"]] == [
        ("slots\x1fc", 1, 1),
        (BUDGET, 200, 2),
    ]
    assert figures["faults"] == []


def test_pools_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a pool, one a window."""
    assert main([str(folder), "--pools"]) == 0
    out = capsys.readouterr().out
    assert "pool account-1/pool-1: posted 60, consumed 180, held 200 in 2 holds (credits)" in out
    assert "window account-1/team@1700000000000: posted 0, consumed 60, held 200 in 2 holds" in out


def test_a_workload_is_sound(tmp_path: Path) -> None:
    """What the store writes in earnest passes, killed or closed, trimmed and evicted."""
    store = open_lmdb(tmp_path / "store")
    workload = Workload()
    for _ in range(60):
        store.commit(workload.next_batch())
    store.close()
    assert main([str(tmp_path / "store")]) == 0


def test_verify_changes_nothing(folder: Path) -> None:
    """Not a byte of the data, sound or not."""
    before = (folder / "data.mdb").read_bytes()
    main([str(folder)])
    assert (folder / "data.mdb").read_bytes() == before


def test_a_running_sidecar_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 75, as for any second opener."""
    store = open_lmdb(folder)
    assert main([str(folder)]) == 75
    assert "stop the sidecar first" in capsys.readouterr().err
    store.close()


def test_a_folder_set_aside_can_be_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what a file that was not trusted has in it."""
    (folder / "unsynced").write_text("boot-0")
    open_lmdb(folder).close()
    assert main([str(folder / "unusable-1")]) == 0
    assert "2 not known to be posted" in capsys.readouterr().out


def test_no_store_is_a_fault(tmp_path: Path) -> None:
    """A wrong path does not pass for a sound store."""
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path / "absent")]) == 1


def test_a_broken_page_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without sound pages no record is read."""
    data = bytearray((folder / "data.mdb").read_bytes())
    data[2 * 4096 : 3 * 4096] = data[3 * 4096 : 4 * 4096]
    data[4096:8192] = bytes(4096)
    (folder / "data.mdb").write_bytes(data)
    assert main([str(folder)]) == 1
    assert "fault: page 1 is no meta page" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "key", "alter", "fault"),
    [
        (Table.META, codec.META_KEY, setter(birth_epoch=9), "birth epoch 9 lies after epoch 4"),
        (Table.META, codec.META_KEY, setter(format_version=99), "format 99"),
        (Table.META, codec.META_KEY, setter(acked_sequence=9), "9 are acked of 3"),
        (Table.META, codec.META_KEY, setter(last_sequence=5), "the last one made is 5"),
        (Table.META, codec.META_KEY, setter(boot_count=0), "boot 1 of 0"),
        (Table.POOLS, codec.pool_key("account-1", "pool-1"), setter(granted_total=-1), "granted_total is -1"),
        (Table.POOLS, codec.pool_key("account-1", "pool-1"), setter(posted_total=181), "181 are posted of 180"),
        (Table.POOLS, codec.pool_key("account-1", "pool-1"), setter(consumed_total=170), "180 of pool account-1"),
        (Table.POOLS, codec.pool_key("account-1", "pool-1"), setter(pool_id="other"), "stands under the key"),
        (Table.HOLDS, codec.sequence_key(1), setter(pool_id="other"), "there is no pool account-1/other"),
        (Table.HOLDS, codec.sequence_key(1), setter(amount=-5), "amount -5"),
        (Table.HOLDS, codec.sequence_key(1), setter(sequence=7), "stands under the key"),
        (Table.HOLDS, codec.sequence_key(1), setter(hold_id="operation-2"), "another open hold has the same id"),
        (Table.OUTCOMES, codec.sequence_key(1), setter(operation_id="operation-2-2"), "same operation id"),
        (Table.COUNTERS, codec.counter_key("account-1", "pool-1", "tokens"), setter(counter_id="x"), "stands under"),
        (Table.DEBITS, codec.sequence_key(2), setter(amount=0), "debit 2: amount 0"),
        (Table.DEBITS, codec.sequence_key(2), setter(sequence=9), "debit 9 stands under the key"),
        (Table.DEBITS, codec.sequence_key(2), setter(pool_id="other"), "there is no pool account-1/other"),
        (Table.WINDOWS, codec.window_key("account-1", BUDGET), setter(window="x"), "stands under the key"),
        (Table.WINDOWS, codec.window_key("account-1", BUDGET), setter(returned_total=-1), "returned_total is -1"),
        (Table.WINDOWS, codec.window_key("account-1", BUDGET), setter(posted_total=61), "61 are posted of 60"),
        (Table.HOLDS, codec.sequence_key(1), adder(budgets="no"), "hold 1 (operation-1): there is no window"),
        (Table.HOLDS, codec.sequence_key(2), adder(slots="no"), "hold 2 (operation-2): there is no window"),
        (Table.HOLDS, codec.sequence_key(1), setter(parent_sequence=2), "hold 1 (operation-1) lies in hold 2"),
        (Table.HOLDS, codec.sequence_key(2), setter(parent_sequence=7), "hold 2 (operation-2) lies in hold 7"),
        (Table.RULES, RULES_KEY, setter(subject="x"), "stands under the key"),
        (Table.RULES, RULES_KEY, lambda rules: rules.budgets.add(), "budget_id '' must be"),
        (Table.CALENDARS, b"month/UTC", setter(calendar_id="x"), "stands under the key"),
        (Table.CALENDARS, b"month/UTC", adder(starts_unix_ms=0), "not ascending"),
        (Table.RATE_CARDS, b"card", setter(rate_card_id="x"), "stands under the key"),
    ],
)
def test_each_contradiction_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], table: Table, key: bytes, alter: Change, fault: str
) -> None:
    """Records that are whole, and wrong."""
    change(folder, table, key, alter)
    assert main([str(folder)]) == 1
    assert any(line.startswith("fault: ") and fault in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("table", "key", "new_key", "fault"),
    [
        (Table.META, codec.META_KEY, None, "the folder's own record is missing"),
        (Table.META, codec.META_KEY, b"other", "unknown record"),
        (Table.DEBITS, codec.sequence_key(2), None, "3 follows 1"),
        (Table.DEBITS, codec.sequence_key(3), None, "the last one made is 3"),
        (Table.WINDOWS, codec.window_key("account-1", BUDGET), None, "there is no window account-1/team@1700000000000"),
        (Table.HOLDS, codec.sequence_key(1), None, "hold 2 (operation-2) lies in hold 1"),
        (Table.DEBITS, codec.sequence_key(3), codec.sequence_key(4), "stands under the key"),
        (Table.OUTCOMES, codec.sequence_key(2), codec.sequence_key(5), "stands under the key"),
    ],
)
def test_what_is_missing_or_misplaced_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], table: Table, key: bytes, new_key: bytes | None, fault: str
) -> None:
    """Records that are gone or stand elsewhere."""
    move(folder, table, key, new_key)
    assert main([str(folder)]) == 1
    assert any(line.startswith("fault: ") and fault in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("table", "row", "fault"),
    [
        (Table.EVENTS, event_codec.encode_events(event_row(4, 3, 2)), "events 4: 2 of 3 are there"),
        (Table.EVENTS, event_codec.encode_events(event_row(6, 1)), "events: 6 follows 3"),
        (Table.EVENTS, (b"short", codec.seal(bytes(20))), "events: record 73686f7274"),
        (Table.EVENT_NAMES, event_codec.encode_name(b"n", KnownEvent(bytes(16), False), 1), "was used in row 1"),
        (Table.EVENT_NAMES, (b"n", codec.seal(b"x")), "event_names: record 6e cannot be read"),
        (Table.EVENT_TIMES, (codec.sequence_key(9), codec.seal(bytes(8) + b"\x09n")), "event_times: record"),
        (Table.METERS, (b"meters", codec.seal(b"\x12\x00")), "meters: a stored meter cannot be used"),
        (Table.METERS, (b"other", codec.seal(b"")), "meters: meters stand under the key"),
    ],
)
def test_faults_of_events_are_named(
    folder: Path, table: Table, row: tuple[bytes, bytes], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that are not whole or not contiguous, names that nothing forgets, meters that cannot count."""
    if row[0] == b"other":
        move(folder, Table.METERS, b"meters", None)
    put(folder, table, *row)
    assert main([str(folder)]) == 1
    assert any(line.startswith("fault: ") and fault in line for line in capsys.readouterr().out.splitlines())


def test_a_flipped_bit_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checksum finds what the pages cannot show."""
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data.replace(b"settle-2", b"settle-3"))
    assert main([str(folder)]) == 1
    assert "fault: debits: record 0000000000000002: a record's checksum" in capsys.readouterr().out


def test_a_folder_of_the_former_format_is_sound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no tables for windows and rules, and needs none; in a folder of this format they may not be missing."""
    move(folder, Table.HOLDS, codec.sequence_key(1), None)
    move(folder, Table.HOLDS, codec.sequence_key(2), None)
    with lmdb.open(str(folder), map_size=MAP_BYTES, max_dbs=16) as environment, environment.begin(write=True) as writer:
        for table in codec.ADDED_TABLES:
            writer.drop(environment.open_db(table.value, txn=writer))
    assert main([str(folder)]) == 1
    assert "fault: windows: the table is missing" in capsys.readouterr().out
    change(folder, Table.META, codec.META_KEY, setter(format_version=1))
    assert main([str(folder)]) == 0


def test_faults_are_not_listed_without_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred say it all."""
    store = open_lmdb(folder)
    pool = store.load().pools[0]
    store.commit(Writes(holds=[make_hold(sequence, pool, amount=-1) for sequence in range(10, 300)]))
    store.close()
    assert main([str(folder), "--json"]) == 1
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert len(faults) == 101
    assert faults[-1] == "further faults are not listed"
