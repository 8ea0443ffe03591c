"""What the tests of the usage store share: a ledger with something in it, and its feeder."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import meter_pb2
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.metering.batches import Content, pack_events
from holdfast_ledger.store.interface import Account
from holdfast_ledger.store.metering_rows import EventBatchRow, MeterRevision
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.feeder import Feeder
from holdfast_ledger.usage.turns import Turn

from tests.ledger.harness import START_MS, Books

DAY_MS = 86_400_000


def nothing_touched(batch_no: int, hours: Mapping[str, Collection[int]]) -> None:
    """Sums of hours are not these tests' matter."""


def feeder(usage: UsageDatabase, books: Books) -> Feeder:
    """A feeder of the store from the ledger."""
    return Feeder(usage, books.store.reading, books.clock.now_ms, nothing_touched)


def feed_all(usage: UsageDatabase, books: Books) -> Turn:
    """Feeds all that there is; returns the last turn."""
    feeding = feeder(usage, books)
    while (fed := feeding.turn()).behind or fed.row_count:
        pass
    return fed.turn


def event(event_id: str, **fields: Any) -> ingest.RecordedEvent:
    """An event of account "a", type "call", just now, unless told; with `void=True` its name is taken back."""
    void, charges, caller = fields.pop("void", False), fields.pop("charges", []), fields.pop("caller", "")
    content: dict[str, Any] = {"id": event_id, "source": "src", "account_id": "a"}
    if not void:
        content |= {"type": "call", "time_unix_ms": START_MS - 1_000}
    said = UsageEvent(**(content | fields))
    return ingest.RecordedEvent(event=said, accepted_at_unix_ms=START_MS, void=void, charges=charges, caller=caller)


def take(books: Books, *events: ingest.RecordedEvent, origin: str = "sidecar:s") -> int:
    """Puts a batch of events into the ledger, and their accounts; returns its key."""
    for account_id in {one.event.account_id for one in events}:
        with books.store.reading() as reader:
            known = reader.account(account_id)
        if known is None:
            account = Account(account_id, "", books.clock.now_ms())
            books.write(lambda writer, account=account: writer.insert_account(account))  # type: ignore[misc]
    return put(books, *events, origin=origin)


def put(books: Books, *events: ingest.RecordedEvent, origin: str = "sidecar:s") -> int:
    """Puts a batch of events into the ledger, whosever they are; returns its key."""
    content = pack_events(events)
    row = EventBatchRow(0, origin, len(events), books.clock.now_ms(), Content.EVENTS, content)
    return books.write(lambda writer: writer.insert_event_batch(row, hashlib.sha256(content).digest()))


def set_meter(books: Books, **fields: Any) -> None:
    """Sets a meter, of type "call" unless told."""
    meter = meter_pb2.Meter(**({"meter_id": "m", "event_type": "call"} | fields))
    content = meter.SerializeToString()
    books.write(
        lambda writer: writer.insert_meter_revision(
            MeterRevision(writer.meters_revision() + 1, meter.meter_id, 1, 0, content)
        )
    )


def rows(usage: UsageDatabase, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a question, as they are read: without FINAL."""
    return [tuple(row.values()) for row in usage.query(sql).to_pylist()]
