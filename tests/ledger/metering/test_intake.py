"""Batches of events are kept once for their origin and content, and acknowledged when they are durable."""

import asyncio
from collections.abc import Iterator

import pytest
from holdfast.v1.ingest_service_pb2 import RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.errors import InvalidArgument, LedgerBusy
from holdfast_ledger.metering.batches import MAX_BATCH_BYTES, Content, pack_events
from holdfast_ledger.metering.intake import Batch, Intake
from holdfast_ledger.store.interface import Store, Writer
from holdfast_ledger.store.metering_rows import MeterRevision
from holdfast_ledger.writer import GroupWriter

from tests.ledger.harness import START_MS, Clock


def batch(number: int, origin: str = "ledger") -> Batch:
    """A batch of one event."""
    event = UsageEvent(id=str(number), source="s", type="t", account_id="a", time_unix_ms=START_MS)
    return Batch(origin, Content.EVENTS, 1, pack_events([RecordedEvent(event=event)]))


@pytest.fixture
def writer(store: Store) -> Iterator[GroupWriter]:
    """The writer of a replica."""
    result = GroupWriter(store)
    yield result
    result.close()


def intake(writer: GroupWriter, waiting_limit: int = 0) -> Intake:
    """A door."""
    return Intake(writer, Clock().now_ms, waiting_limit)


async def test_a_batch_is_kept_once_for_its_origin(store: Store, writer: GroupWriter) -> None:
    """Repeated it is the same; another origin's is another."""
    door = intake(writer)
    keys = [await door.take(one) for one in (batch(1), batch(1), batch(2), batch(1, "object:o"), batch(2))]
    assert [bool(key) for key in keys] == [True, False, True, True, False]
    with store.reading() as reader:
        rows, sources = reader.event_batches(0, 10), reader.ingest_sources("", 10)
        assert reader.last_batch_key() == rows[-1].batch_key == keys[3]
        backlog = reader.metering_backlog()
    assert [(row.batch_key, row.origin, row.content) for row in rows] == [
        (key, one.origin, one.content)
        for key, one in zip(keys, (batch(1), batch(1), batch(2), batch(1, "object:o"), batch(2)), strict=True)
        if key
    ]
    assert [tuple(source) for source in sources] == [("ledger", 2, START_MS, 2), ("object:o", 1, START_MS, 1)]
    assert (backlog.waiting_batch_count, backlog.oldest_at_ms) == (3, START_MS)


async def test_a_meter_holds_for_batches_from_then_on(store: Store, writer: GroupWriter) -> None:
    """It knows the last batch before it."""
    door = intake(writer)
    await writer.run(lambda w: w.insert_meter_revision(MeterRevision(1, "m", 1, 0, b"")))
    key = await door.take(batch(1))
    await writer.run(lambda w: w.insert_meter_revision(MeterRevision(7, "m", 0, 0, b"")))
    with store.reading() as reader:
        assert [row.after_batch_key for row in reader.meter_revisions(0)] == [0, key]
        assert (reader.meters_revision(), reader.meters("", 10)) == (7, [])
        assert reader.latest_meter("m") == MeterRevision(7, "m", 0, key, b"")


async def test_what_is_written_beside_is_there_with_the_batch(store: Store, writer: GroupWriter) -> None:
    """In one transaction, also when only the note is missing."""
    door = intake(writer)

    def note(w: Writer) -> None:
        w.insert_meter_revision(MeterRevision(w.meters_revision() + 1, "noted", 1, 0, b""))

    def fail(_: Writer) -> None:
        raise InvalidArgument("note", "cannot be")

    with pytest.raises(InvalidArgument):
        await door.take(batch(1), fail)
    with store.reading() as reader:
        assert reader.last_batch_key() == 0
    assert await door.take(batch(1))
    assert await door.take(batch(1), note) == 0
    with store.reading() as reader:
        assert reader.meters_revision() == 1


async def test_too_much_that_waits_is_pushed_back(store: Store, writer: GroupWriter) -> None:
    """With the time after which to come again; what is here already is acknowledged all the same."""
    door = intake(writer, waiting_limit=2)
    assert await door.take(batch(1))
    assert await door.take(batch(2))
    with pytest.raises(LedgerBusy) as caught:
        await door.take(batch(3))
    assert caught.value.metadata == {"retry_after_ms": "1000"}
    assert await door.take(batch(2)) == 0
    with store.reading() as reader:
        metered = reader.last_batch_key()
    await writer.run(lambda w: w.save_metering_totals(w.lock_metering()._replace(metered_batch_key=metered)))
    assert await door.take(batch(3))


async def test_batches_of_many_are_in_the_order_of_their_keys(store: Store, writer: GroupWriter) -> None:
    """However they meet."""
    keys = await asyncio.gather(*(intake(writer).take(batch(number)) for number in range(50)))
    with store.reading() as reader:
        assert [row.batch_key for row in reader.event_batches(0, 100)] == sorted(keys)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Batch("", Content.EVENTS, 1, b"x"), "origin"),
        (Batch("o", Content.EVENTS, 0, b"x"), "event_count"),
        (Batch("o", Content.EVENTS, 1, b""), "batch"),
        (Batch("o", Content.EVENTS, 1, bytes(MAX_BATCH_BYTES + 1)), "batch"),
    ],
)
async def test_what_is_no_batch_is_refused(writer: GroupWriter, wrong: Batch, field: str) -> None:
    """With the field."""
    with pytest.raises(InvalidArgument) as caught:
        await intake(writer).take(wrong)
    assert caught.value.metadata["field"] == field
