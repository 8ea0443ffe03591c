"""Objects of a folder, taken in: each content once, whatever stops, repeats or replaces it."""

import gzip
import json
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pytest
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.metering.batches import MAX_BATCH_BYTES
from holdfast_ledger.metering.columns import events_table, table_of
from holdfast_ledger.metering.intake import Batch, put
from holdfast_ledger.objects import line_formats, taking
from holdfast_ledger.objects.config import Shape
from holdfast_ledger.objects.reading import read_object
from holdfast_ledger.objects.schedule import Schedule
from holdfast_ledger.objects.shaping import shaped
from holdfast_ledger.objects.taking import CLAIM_MS, Taker, batches_of
from holdfast_ledger.store.interface import Store, StoreFailed, Writer
from holdfast_ledger.store.object_rows import IngestedObject, ObjectState
from pyarrow import parquet

from tests.ledger.objects.harness import ACCOUNTS, CSV_HEADER, NOW_MS, Shop, csv_rows, names, shop, source_of, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the objects are."""
    made = tmp_path / "objects"
    made.mkdir()
    return made


def json_line(number: int) -> str:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"j{number}",
            "source": "gateway",
            "type": "llm.call",
            "time": "2027-01-15T08:00:00Z",
            "accountid": ACCOUNTS[number % 2],
            "subject": "research/ann",
            "data": {"dimensions": {"model": "m"}, "quantities": {"input": number, "output": 3.0}},
        }
    )


def write_parquet(path: Path, first: int, count: int, group_rows: int = 1_000_000) -> None:
    numbers = range(first, first + count)
    table = pa.table(
        {
            "id": [f"p{number}" for number in numbers],
            "source": ["gateway"] * count,
            "type": ["llm.call"] * count,
            "time": pa.array([NOW_MS - number for number in numbers], pa.timestamp("ms", "UTC")),
            "account_id": [ACCOUNTS[number % 2] for number in numbers],
            "dimension.model": ["m"] * count,
            "quantity.input": pa.array(numbers, pa.int64()),
        }
    )
    parquet.write_table(table, path, row_group_size=group_rows)


def test_every_format_makes_events(store: Store, folder: Path) -> None:
    """CSV, JSON lines and Parquet, plain and compressed; what is no object of events is left."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 3))
    (folder / "b.csv.gz").write_bytes(gzip.compress((CSV_HEADER + csv_rows(3, 3)).encode()))
    (folder / "c.jsonl").write_text("".join(json_line(number) + "\n" for number in range(2)))
    (folder / "d.jsonl.zst").write_bytes(pa.Codec("zstd").compress(json_line(2).encode(), asbytes=True))
    (folder / "deep").mkdir()
    write_parquet(folder / "deep" / "e.parquet", 0, 5)
    (folder / "_SUCCESS").write_text("")
    place = shop(store, folder)
    rows = place.take_all()
    assert {row.state for row in rows} == {ObjectState.DONE}
    assert {row.path: row.row_count for row in rows} == {
        "a.csv": 3, "b.csv.gz": 3, "c.jsonl": 2, "d.jsonl.zst": 1, "deep/e.parquet": 5
    }  # fmt: skip
    assert place.ids() == sorted(names("e", range(6)) + names("j", range(3)) + names("p", range(5)))
    event = next(row for row in place.events().to_pylist() if row["id"] == "j1")
    assert event == {
        "account_id": "globex",
        "source": "gateway",
        "id": "j1",
        "type": "llm.call",
        "time_ms": NOW_MS,
        "accepted_at_ms": NOW_MS,
        "subject": "research/ann",
        "corrects_id": "",
        "void": False,
        "dimensions": [("model", "m")],
        "quantities": [("input", 1), ("output", 3)],
        "charges": [],
    }


def test_an_object_counts_once_however_often_it_is_listed(store: Store, folder: Path) -> None:
    """Nothing is due the second time, whoever looks."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 3))
    place = shop(store, folder)
    assert len(place.take_all()) == 1
    assert place.take_all() == []
    place.taker = place.another()
    assert place.take_all() == []
    assert place.ids() == names("e", range(3))


def test_a_restored_database_takes_in_again_what_it_does_not_know(tmp_path: Path, folder: Path) -> None:
    """What was taken in, and that it was, went back together."""
    live, backup = tmp_path / "live.sqlite", tmp_path / "backup.sqlite"
    store = open_store(str(live))
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 3))
    assert shop(store, folder).take_one().row_count == 3
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    (folder / "b.csv").write_text(CSV_HEADER + csv_rows(3, 3))
    assert shop(store, folder).take_one().row_count == 3
    store.close()
    restored = open_store(str(backup))
    place = shop(restored, folder)
    assert place.ids() == names("e", range(3))
    assert place.take_one().path == "b.csv"
    assert place.ids() == names("e", range(6))
    restored.close()


def test_an_object_that_is_changed_in_place_is_another_content(store: Store, folder: Path) -> None:
    """It is taken in as a whole; what was in the first one too is told apart by its names, later."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 3))
    place = shop(store, folder)
    place.take_all()
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 4))
    assert place.take_one().row_count == 4
    assert place.ids() == sorted(names("e", range(3)) + names("e", range(4)))


def test_bad_rows_stop_nothing_and_are_told(store: Store, folder: Path) -> None:
    """Each goes into the dead letters with its number, its field, why, and as it was read."""
    rows = [
        f"e0,gateway,llm.call,{NOW_MS},acme,m,1",
        f"e1,gateway,llm.call,{NOW_MS},acme,m,1.5",
        f"e2,gateway,llm.call,{NOW_MS},nobody,m,1",
        f"e3,gateway,llm.call,{NOW_MS + 10**9},acme,m,1",
        "e4,gateway,llm.call,1999-01-01T00:00:00Z,acme,m,1",
        f",gateway,llm.call,{NOW_MS},acme,m,1",
        f'e6,gateway,"llm.call,{NOW_MS},acme,m,1',
        f"e7,gateway,llm.call,{NOW_MS},acme,{'m' * 257},1",
        f"e8,gateway,llm.call,{NOW_MS},acme,m,-1",
        f"e9,gateway,llm.call,{NOW_MS},acme,m,1,surplus",
        f"e10,gateway,llm.call,{NOW_MS},acme,m,NaN",
        f'e11,gateway,llm.call,{NOW_MS},acme,"a, ""b""",3.0',
    ]
    (folder / "a.csv").write_text(CSV_HEADER + "\n".join(rows))
    place = shop(store, folder)
    row = place.take_one()
    assert (row.state, row.row_count, row.bad_count) == (ObjectState.DONE, 12, 10)
    kept = {event["id"]: event for event in place.events().to_pylist()}
    assert sorted(kept) == ["e0", "e11"]
    assert (kept["e11"]["dimensions"], kept["e11"]["quantities"]) == ([("model", 'a, "b"')], [("input", 3)])
    (letters,) = folder.glob("a.csv.bad/*/*.jsonl")
    told = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [(one["row"], one["field"]) for one in told] == [
        (3, "quantities[input]"),
        (4, "account_id"),
        (5, "time"),
        (6, "time"),
        (7, "id"),
        (8, ""),
        (9, "dimensions[model]"),
        (10, "quantities[input]"),
        (11, ""),
        (12, "quantities[input]"),
    ]
    assert told[0] == {
        "row": 3,
        "field": "quantities[input]",
        "reason": "is 1.5, not a whole number",
        "original": rows[1],
    }
    assert place.take_all() == [], "dead letters are no objects"


def test_bad_lines_of_json_stop_nothing(store: Store, folder: Path) -> None:
    """Numbers beyond all numbers, text that is cut, keys that are there twice: each is its own line's fault."""
    bad = [
        json_line(1).replace("3.0", "1e9999999999999999999"),
        json_line(2).replace("3.0", "NaN"),
        json_line(3)[:50],
        json_line(4).replace('"input": 4', '"input": 4, "input": 4'),
        json_line(5).replace('"model": "m"', '"model": "\\ud800"'),
        json_line(6).replace("3.0", "9" * 5_000),
        "[" * 100_000,
    ]
    (folder / "a.jsonl").write_text("\n".join([json_line(0), *bad, json_line(8)]))
    place = shop(store, folder)
    row = place.take_one()
    assert (row.state, row.row_count, row.bad_count) == (ObjectState.DONE, 9, 7)
    assert place.ids() == ["j0", "j8"]
    (letters,) = folder.glob("a.jsonl.bad/*/*.jsonl")
    told = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [(one["row"], one["field"]) for one in told] == [
        (2, ""), (3, "quantities[output]"), (4, ""), (5, ""), (6, "dimensions[model]"), (7, ""), (8, "")
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_lines_of_nothing_are_worked_at_some_at_a_time(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They are numbered on, and none of what is between them is lost."""
    monkeypatch.setattr(line_formats, "MAX_ROWS", 4)
    event = json_line if name == "a.jsonl" else (lambda number: csv_rows(number, 1).strip())
    lines = ["" if number % 3 else event(number) for number in range(20)]
    lines[10] = "bad"
    (folder / name).write_text((CSV_HEADER if name == "a.csv" else "") + "\n".join(lines))
    place = shop(store, folder)
    row = place.take_one()
    assert (row.row_count, row.bad_count) == (8, 1)
    assert place.ids() == names("e" if name == "a.csv" else "j", range(0, 20, 3))
    (letters,) = folder.glob(f"{name}.bad/*/*.jsonl")
    assert json.loads(letters.read_text())["row"] == (12 if name == "a.csv" else 11)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "there is no header"),
        ("a.csv", b"id,source,kind,time,account_id\nx,s,t,1,acme\n", "column 'kind' is nothing of an event"),
        ("a.csv", b"id,source,time,account_id\nx,s,1,acme\n", "there is no column 'type'"),
        ("a.csv", b"id,id,source,type,time,account_id\n", "there are two columns 'id'"),
        ("a.parquet", b"PAR1 but not really PAR1", "is no whole Parquet file"),
        ("a.parquet", b"", "is no whole Parquet file"),
        ("a.csv.gz", b"id,source\n", "is named as gzip and is none"),
        ("a.jsonl.zst", b"{}", "is named as zstd and is none"),
        ("a.jsonl.gz", b"\x1f\x8b\x08" + b"\x00" * 7 + b"\xff" * 20, "is damaged gzip"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfdnonsense", "is damaged zstd"),
    ],
)
def test_an_object_that_cannot_be_read_fails_at_once(
    store: Store, folder: Path, name: str, content: bytes, told: str
) -> None:
    """With the reason, and is not tried again."""
    (folder / name).write_bytes(content)
    place = shop(store, folder)
    row = place.take_one()
    assert row.state is ObjectState.FAILED
    assert told in row.error
    assert place.take_all() == []
    assert place.ids() == []


def test_what_is_whole_before_the_damage_counts(store: Store, folder: Path) -> None:
    """Of a format of lines; the rest is told."""
    packed = gzip.compress((CSV_HEADER + csv_rows(0, 50_000)).encode())
    (folder / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    place = shop(store, folder)
    row = place.take_one()
    assert row.state is ObjectState.FAILED
    assert row.error.startswith("is gzip that ends too early (behind row ")
    assert place.ids() == names("e", range(row.row_count))
    assert 10_000 < row.row_count < 40_000


def test_parquet_that_is_cut_off_gives_nothing(store: Store, folder: Path) -> None:
    """What it holds is told at its end."""
    write_parquet(folder / "a.parquet", 0, 1_000)
    content = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(content[:-100])
    place = shop(store, folder)
    assert place.take_one().state is ObjectState.FAILED
    assert place.ids() == []


def test_parquet_that_is_damaged_in_the_middle_keeps_the_row_groups_before(store: Store, folder: Path) -> None:
    """They were whole; the rest is told with its place."""
    write_parquet(folder / "a.parquet", 0, 3_000, group_rows=1_000)
    about = parquet.ParquetFile(folder / "a.parquet").metadata.row_group(1).column(0)
    content = bytearray((folder / "a.parquet").read_bytes())
    start = about.dictionary_page_offset or about.data_page_offset
    content[start : start + about.total_compressed_size] = b"\xff" * about.total_compressed_size
    (folder / "a.parquet").write_bytes(content)
    place = shop(store, folder)
    row = place.take_one()
    assert row.state is ObjectState.FAILED
    assert "(behind row 1000; what is before counts)" in row.error
    assert place.ids() == names("p", range(1_000))


def test_a_folder_that_is_not_there_is_told(store: Store, folder: Path) -> None:
    """And asked for again at the next listing."""
    later = folder / "later"
    schedule = Schedule([source_of(later, interval_ms=1_000)], store, Clock())
    schedule.list_due()
    with store.reading() as reader:
        (totals,) = reader.object_sources()
    assert str(later) in totals.listing_error
    assert (totals.listed_at_ms, schedule.opened, schedule.wait_ms()) == (0, [], 1_000)


def test_a_source_is_listed_at_its_interval(store: Store, folder: Path) -> None:
    """Not before."""
    clock = Clock()
    schedule = Schedule([source_of(folder, interval_ms=1_000)], store, clock)
    schedule.list_due()
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    clock.now_ms += 999
    schedule.list_due()
    with store.reading() as reader:
        assert reader.open_objects() == []
    clock.now_ms += 1
    schedule.list_due()
    with store.reading() as reader:
        assert [one.object_count for one in reader.open_objects()] == [1]
        assert [one.listed_at_ms for one in reader.object_sources()] == [clock.now_ms]


class Clock:
    """A time that stands still until it is moved."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        """The time."""
        return self.now_ms


def test_a_young_file_is_left_for_later(store: Store, folder: Path) -> None:
    """It may still be written."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    changed_ms = int((folder / "a.csv").stat().st_mtime * 1_000)
    place = shop(store, folder, min_age_ms=2_000)
    place.now_ms = changed_ms + 1_000
    assert place.listed() == ""
    assert place.states() == {}
    place.now_ms = changed_ms + 2_001
    assert place.listed() == ""
    assert list(place.states()) == ["a.csv"]


def test_a_file_that_is_gone_fails(store: Store, folder: Path) -> None:
    """It was listed, and deleted before it was its turn."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    place = shop(store, folder)
    place.listed()
    (folder / "a.csv").unlink()
    (row,) = place.take_all()
    assert row.state is ObjectState.FAILED
    assert row.error.startswith("is deleted or replaced")


def test_a_file_that_was_replaced_fails_and_its_new_content_counts(store: Store, folder: Path) -> None:
    """Never a mixture."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    place = shop(store, folder)
    place.listed()
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(5, 2))
    assert [row.state for row in place.take_all()] == [ObjectState.FAILED, ObjectState.DONE]
    assert place.ids() == ["e5", "e6"]


def object_of(store: Store) -> IngestedObject:
    """The one object of a database."""
    with store.reading() as reader:
        row = reader.object(1)
    assert row is not None
    return row


class Crash(BaseException):
    """Ends a worker as nothing catches it."""


def crash_after(place: Shop, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Lets a worker end without a word when it has committed so many pieces."""

    def cut(*arguments: object) -> object:
        for number, piece in enumerate(read_object(*arguments)):  # type: ignore[arg-type]
            if number == count:
                raise Crash
            yield piece

    monkeypatch.setattr(taking, "read_object", cut)
    with pytest.raises(Crash):
        place.take_all()
    monkeypatch.undo()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz"])
def test_a_worker_that_ends_in_the_middle_leaves_the_rest_to_the_next(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """When its claim has ended; each row counts once."""
    if name == "a.parquet":
        write_parquet(folder / name, 0, 5_000, group_rows=1_000)
    else:
        text = (CSV_HEADER + csv_rows(0, 40_000, "m" * 250)).encode()
        (folder / name).write_bytes(gzip.compress(text, 1) if name.endswith(".gz") else text)
    place = shop(store, folder)
    crash_after(place, monkeypatch, 2 if name == "a.parquet" else 1)
    before = len(place.ids())
    assert before > 0
    place.taker = place.another()
    assert place.take_all() == [], "the claim still holds"
    place.now_ms += CLAIM_MS
    row = place.take_one()
    assert (row.state, row.attempt_count) == (ObjectState.DONE, 2)
    expected = names("p", range(5_000)) if name == "a.parquet" else names("e", range(40_000))
    assert place.ids() == expected
    assert len(expected) > before


def test_who_lost_the_claim_writes_nothing(
    store: Store, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that slept past its claim meets another's, and gives way."""
    monkeypatch.setattr(taking, "BEAT_S", 3_600)
    write_parquet(folder / "a.parquet", 0, 3_000, group_rows=1_000)
    place = shop(store, folder)
    elsewhere = open_store(database)

    def slow(*arguments: object) -> object:
        for number, piece in enumerate(read_object(*arguments)):  # type: ignore[arg-type]
            if number == 1:
                until(lambda: object_of(elsewhere).row_count == 1_000)
                place.now_ms += CLAIM_MS
                monkeypatch.setattr(taking, "read_object", read_object)
                other = shop(elsewhere, folder, now_ms=place.now_ms).taker.take_next([place.opened])
                assert other is not None
                assert other.state is ObjectState.DONE
            yield piece

    monkeypatch.setattr(taking, "read_object", slow)
    assert place.listed() == ""
    assert place.taker.take_next([place.opened]) is not None
    assert place.ids() == names("p", range(3_000))
    assert place.states() == {"a.parquet": ObjectState.DONE}
    elsewhere.close()


def test_a_claim_holds_as_long_as_its_worker_lives(
    store: Store, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a piece takes; it is moved on without saying that more was taken in."""
    write_parquet(folder / "a.parquet", 0, 3_000, group_rows=1_000)
    place = shop(store, folder)
    elsewhere = open_store(database)
    moved = []

    def slow(*arguments: object) -> object:
        for number, piece in enumerate(read_object(*arguments)):  # type: ignore[arg-type]
            for _ in range(3 if number else 0):
                place.now_ms += CLAIM_MS
                until(lambda: object_of(elsewhere).due_at_ms > place.now_ms)
                moved.append(object_of(elsewhere).row_count)
                assert shop(elsewhere, folder, now_ms=place.now_ms).taker.take_next([place.opened]) is None
            yield piece

    monkeypatch.setattr(taking, "BEAT_S", 0.01)
    monkeypatch.setattr(taking, "read_object", slow)
    assert place.take_one().state is ObjectState.DONE
    assert place.ids() == names("p", range(3_000))
    assert len(moved) == 6
    assert set(moved) <= {0, 1_000, 2_000}
    elsewhere.close()


@pytest.mark.parametrize("fault", [ZeroDivisionError, StoreFailed])
def test_a_piece_that_was_not_written_is_taken_in_later(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """Whatever the fault was: an object never stands behind rows that do not count."""
    write_parquet(folder / "a.parquet", 0, 3_000, group_rows=1_000)
    place = shop(store, folder)
    seen = []

    def once(writer: Writer, batch: Batch, now_ms: int) -> int:
        seen.append(batch)
        if len(seen) == 2:
            raise fault("for once")
        return put(writer, batch, now_ms)

    monkeypatch.setattr(taking, "put", once)
    with suppress(StoreFailed):
        place.take_all()
    assert (object_of(store).row_count, len(place.ids())) == (1_000, 1_000)
    place.now_ms += CLAIM_MS
    assert place.take_one().row_count == 3_000
    assert place.ids() == names("p", range(3_000))


def test_two_workers_share_the_objects(store: Store, folder: Path) -> None:
    """No object is taken in by both."""
    for number in range(6):
        (folder / f"{number}.csv").write_text(CSV_HEADER + csv_rows(number, 1))
    place = shop(store, folder)
    assert place.listed() == ""
    takers = [place.taker, place.another()]
    rows = [taker.take_next([place.opened]) for _ in range(4) for taker in takers]
    assert sum(row is not None for row in rows) == 6
    assert place.ids() == names("e", range(6))


def test_a_process_that_an_object_ends_is_not_ended_for_ever(store: Store, folder: Path) -> None:
    """After so many attempts without a word the object fails."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    place = shop(store, folder)
    place.listed()
    for _ in range(3):
        with store.writing() as writer:
            assert writer.claim_object(["s"], None, "gone", place.now_ms, place.now_ms + 10) is not None
        place.now_ms += 10
    (row,) = place.take_all()
    assert row.state is ObjectState.FAILED
    assert "ended the process" in row.error


def test_a_fault_that_nobody_thought_of_ends_no_worker(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the object's: told, tried again, and failed in the end."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1))
    place = shop(store, folder)
    monkeypatch.setattr(taking, "pack_columns", lambda table: 1 // 0)
    for _ in range(3):
        (row,) = place.take_all()
        place.now_ms += 60_000
    assert (row.state, row.error) == (ObjectState.FAILED, "ZeroDivisionError: integer division or modulo by zero")


def test_faults_of_dead_letters_are_tried_again_later_and_later(store: Store, folder: Path) -> None:
    """Then the object fails, and may be retried by hand from where it is."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 1) + "bad\n")
    (folder / "a.csv.bad").write_text("in the way of the folder")
    place = shop(store, folder, pattern="*.csv")
    (row,) = place.take_all()
    assert (row.state, row.due_at_ms) == (ObjectState.PENDING, place.now_ms + 1_000)
    assert place.take_all() == []
    place.now_ms += 1_000
    (row,) = place.take_all()
    assert row.due_at_ms == place.now_ms + 2_000
    place.now_ms += 2_000
    (row,) = place.take_all()
    assert row.state is ObjectState.FAILED
    assert place.ids() == []
    (folder / "a.csv.bad").unlink()
    with store.writing() as writer:
        assert writer.retry_objects("s", "a.csv", place.now_ms) == 1
    assert place.take_one().state is ObjectState.DONE
    assert place.ids() == ["e0"]


def test_events_that_are_too_large_for_a_batch_go_in_several() -> None:
    """Each of a size that any database takes."""
    number = random.Random(1)
    rows = 100_000
    ids = [number.randbytes(64).hex() for _ in range(rows)]
    columns = {name: pa.array(["x"] * rows) for name in ("source", "type", "account_id")}
    columns |= {"id": pa.array(ids), "time": pa.array([NOW_MS] * rows)}
    table = shaped(columns, rows, Shape(), NOW_MS).table
    batches = list(batches_of("object:s", table))
    assert len(batches) > 1
    assert all(len(batch.content) <= MAX_BATCH_BYTES for batch in batches)
    assert sum(batch.event_count for batch in batches) == rows
    read = pa.concat_tables([table_of(batch.content_kind, batch.content) for batch in batches])
    assert read.column("id").to_pylist() == ids
    assert list(batches_of("object:s", table.slice(0, 0))) == []


def test_a_worker_waits_while_too_much_is_to_be_counted(store: Store, folder: Path) -> None:
    """It keeps its claim, and goes on when it is less."""
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(CSV_HEADER + csv_rows(ord(name[0]), 1))
    place = shop(store, folder)
    assert not place.listed()
    first = place.taker.take_next([place.opened])
    place.waiting_limit = 0
    place.taker = place.another()
    busy = Taker(store, place.taker._checker, lambda: place.now_ms, max_attempts=3, waiting_limit=1)
    assert first is not None
    with ThreadPoolExecutor(1) as pool:
        put_one_more(store)
        waiting = pool.submit(busy.take_next, [place.opened])
        with pytest.raises(TimeoutError):
            waiting.result(1)
        assert len(place.ids()) == 2
        busy.stop()
        assert waiting.result(90) is not None
    assert len(place.ids()) == 3


def put_one_more(store: Store) -> None:
    """Takes another batch in, from elsewhere."""
    rows = events_table(EventBatch(events=[RecordedEvent(event=UsageEvent(id="other", source="x", account_id="acme"))]))
    with store.writing() as writer:
        for batch in batches_of("object:other", rows):
            assert put(writer, batch, NOW_MS)
