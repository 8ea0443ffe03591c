"""Both kinds of a batch's content make the same table, and what is damaged is told."""

import zlib

import pyarrow as pa
import pytest
from holdfast.v1.ingest_service_pb2 import EventBatch, EventCharge, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.metering.batches import MAX_PLAIN_BYTES, BadBatch, Content, pack_events, unpack_events
from holdfast_ledger.metering.columns import CALLER, EVENT_COLUMNS, events_table, pack_columns, table_of, told_by

EVENTS = [
    RecordedEvent(
        event=UsageEvent(
            id=f"e{number}",
            source="gateway",
            type="llm.call",
            time_unix_ms=1_800_000_000_000 + number,
            account_id="acme",
            subject="research/ann" if number % 2 else "",
            dimensions={"région": "eu", "model": "m", "a": ""} if number % 3 else {},
            quantities={"output": 2**63 - 1, "input": number} if number % 5 else {},
            corrects_id="e0" if number == 9 else "",
        ),
        accepted_at_unix_ms=1_800_000_000_500,
        charges=[EventCharge(meter_id="m", quantity=number, amount=-1, operation_id="ev:1", pool_id="general")]
        * (number % 4),
    )
    for number in range(50)
]
VOID = RecordedEvent(event=UsageEvent(id="e1", source="gateway", account_id="acme"), accepted_at_unix_ms=1, void=True)


def test_both_kinds_make_the_same_table() -> None:
    """What was packed as events, and what was packed as columns, is equal when it is read."""
    table = table_of(Content.EVENTS, pack_events([*EVENTS, VOID]))
    table.validate(full=True)
    assert table.schema.equals(EVENT_COLUMNS)
    assert table_of(Content.COLUMNS, pack_columns(table)).equals(table)


def test_who_reported_an_event_is_told_beside_it() -> None:
    """No file says so; the same event of another caller is the same event."""
    said = RecordedEvent(event=EVENTS[1].event, caller="uid:1000")
    told = told_by(Content.EVENTS, pack_events([said, VOID]))
    assert told.column("caller").to_pylist() == ["uid:1000", ""]
    file = pack_columns(table_of(Content.EVENTS, pack_events([said, VOID])))
    assert told_by(Content.COLUMNS, file).column("caller").to_pylist() == ["", ""]
    assert told_by(Content.COLUMNS, file).drop_columns("caller").equals(told.drop_columns("caller"))
    for each in (told, told_by(Content.COLUMNS, file), told_by(Content.EVENTS, pack_events([]))):
        assert each.schema.equals(EVENT_COLUMNS.append(CALLER))


def test_the_keys_of_maps_are_in_order() -> None:
    """So that equal events are equal rows."""
    row = table_of(Content.EVENTS, pack_events([EVENTS[7]])).to_pylist()[0]
    assert row["dimensions"] == [("a", ""), ("model", "m"), ("région", "eu")]
    assert row["quantities"] == [("input", 7), ("output", 2**63 - 1)]
    assert (
        row["charges"]
        == [{"meter_id": "m", "quantity": 7, "amount": -1, "operation_id": "ev:1", "pool_id": "general"}] * 3
    )


def test_no_events_make_an_empty_table() -> None:
    """Of the same columns, through both kinds."""
    table = events_table(EventBatch())
    assert table.num_rows == 0
    assert table_of(Content.COLUMNS, pack_columns(table)).equals(table)


def test_only_a_table_of_events_is_packed() -> None:
    """Another table is a mistake of whoever made it."""
    with pytest.raises(ValueError, match="is not a table of events"):
        pack_columns(pa.table({"id": ["x"]}))


@pytest.mark.parametrize("content", Content)
def test_damage_is_told(content: Content) -> None:
    """A part of a batch, or something else, is no batch."""
    whole = {
        Content.EVENTS: pack_events(EVENTS),
        Content.COLUMNS: pack_columns(events_table(EventBatch(events=EVENTS))),
    }
    for blob in (b"", b"x", whole[content][:-9], b"x" + whole[content]):
        with pytest.raises(BadBatch):
            table_of(content, blob)


def test_other_columns_are_told() -> None:
    """A Parquet file of something else is no batch."""
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"id": ["x"]}), sink)
    with pytest.raises(BadBatch, match="has other columns: id"):
        table_of(Content.COLUMNS, bytes(sink.getvalue()))


def test_a_bomb_is_refused() -> None:
    """What unpacks to more than any batch is not unpacked."""
    with pytest.raises(BadBatch, match=f"at most {MAX_PLAIN_BYTES}"):
        unpack_events(zlib.compress(bytes(MAX_PLAIN_BYTES + 1)))
