"""What tests of metering share: a ledger's store, a usage store on the real engine, and turns of both by hand."""

import asyncio
from pathlib import Path
from typing import Any

from holdfast.v1 import meter_pb2 as meters
from holdfast.v1.ingest_service_pb2 import EventCharge, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.metering.batches import Content, pack_events
from holdfast_ledger.metering.intake import Batch, put
from holdfast_ledger.metering.job import Metering
from holdfast_ledger.metering.looking import looking
from holdfast_ledger.metering.meters import checked
from holdfast_ledger.store.interface import Correction
from holdfast_ledger.store.metering_rows import MeteringTotals, MeterRevision
from holdfast_ledger.store.rule_rows import AccountRules
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.writer import GroupWriter

from tests.ledger.harness import START_MS, Books, debit
from tests.ledger.usage.feeding import feeder

HOUR_MS = 3_600_000


def meter(meter_id: str = "tokens", **fields: Any) -> meters.Meter:
    """A meter that sums tokens of calls, at two minor units each, paid by the general pool."""
    content: dict[str, Any] = {
        "meter_id": meter_id,
        "event_type": "call",
        "aggregation": meters.AGGREGATION_SUM,
        "quantity": "tokens",
        "pool_id": "general",
        "price_amount": 2,
    }
    return meters.Meter(**{key: value for key, value in (content | fields).items() if value is not None})


def event(event_id: str, tokens: int | None = 1, **fields: Any) -> UsageEvent:
    """A call of account "a", now."""
    content: dict[str, Any] = {
        "id": event_id,
        "source": "app",
        "type": "call",
        "account_id": "a",
        "time_unix_ms": START_MS,
        "quantities": {} if tokens is None else {"tokens": tokens},
    }
    return UsageEvent(**(content | fields))


def void(event_id: str, account_id: str = "a") -> RecordedEvent:
    """Takes an event back."""
    name = UsageEvent(id=event_id, source="app", account_id=account_id)
    return RecordedEvent(event=name, accepted_at_unix_ms=START_MS, void=True)


def charged(one: UsageEvent, operation_id: str, amount: int, meter_id: str = "tokens") -> RecordedEvent:
    """An event that a sidecar has charged."""
    charge = EventCharge(
        meter_id=meter_id,
        quantity=one.quantities["tokens"],
        amount=amount,
        operation_id=operation_id,
        pool_id="general",
    )
    return RecordedEvent(event=one, accepted_at_unix_ms=START_MS, charges=[charge])


def set_meters(books: Books, *said: meters.Meter) -> None:
    """Sets meters."""
    for one in said:
        content = checked("meter", one).SerializeToString(deterministic=True)
        books.write(
            lambda w, one=one, content=content: w.insert_meter_revision(  # type: ignore[misc]
                MeterRevision(w.meters_revision() + 1, one.meter_id, 1, 0, content)
            )
        )


def take(books: Books, *events: UsageEvent | RecordedEvent, origin: str = "ledger") -> int:
    """Takes a batch in; returns its key."""
    recorded = [
        one if isinstance(one, RecordedEvent) else RecordedEvent(event=one, accepted_at_unix_ms=START_MS)
        for one in events
    ]
    batch = Batch(origin, Content.EVENTS, len(recorded), pack_events(recorded))
    return books.write(lambda w: put(w, batch, books.clock.now_ms()))


class Meterage:
    """A ledger and a usage store; each step is taken by hand."""

    def __init__(self, books: Books, folder: Path) -> None:
        self.books = books
        self.clock = books.clock
        self.database = EmbeddedDatabase(folder, memory_mb=512)
        schema.create(self.database)
        self.feeder = feeder(self.database, books)
        self.writer = GroupWriter(books.store)
        self.metering = self.replica()

    def replica(self) -> Metering:
        """A metering job of its own, as another replica has."""
        look = looking(self.database)
        return Metering(self.books.store, self.writer, Registry(lambda _: None), self.clock.now_ms, look)

    def close(self) -> None:
        """Lets go of everything."""
        self.metering.close()
        self.writer.close()
        self.database.close()

    def set(self, *said: meters.Meter) -> None:
        """Sets meters."""
        set_meters(self.books, *said)

    def delete(self, meter_id: str) -> None:
        """Deletes a meter."""
        self.books.write(lambda w: w.insert_meter_revision(MeterRevision(w.meters_revision() + 1, meter_id, 0, 0, b"")))

    def take(self, *events: UsageEvent | RecordedEvent, origin: str = "ledger") -> int:
        """Takes a batch in; returns its key."""
        return take(self.books, *events, origin=origin)

    def feed(self) -> None:
        """Feeds the usage store all that is new."""
        while self.feeder.turn().behind:
            pass

    def turn(self, metering: Metering | None = None) -> None:
        """Feeds the usage store, and meters."""
        self.feed()
        asyncio.run((metering or self.metering).turn())
        self.feed()

    def post(self, operation_id: str, amount: int) -> None:
        """Posts a debit that a sidecar made for events."""
        with self.books.store.reading() as reader:
            known = reader.sidecar("s")
        if known is None:
            self.books.hello()
        sequence = self.books.sidecar().acked_sequence + 1
        self.books.post(debit(sequence, amount, operation_id=operation_id))

    def corrections(self) -> list[Correction]:
        """What was given back."""
        with self.books.store.reading() as reader:
            return reader.corrections(reader.account_keys(["a"])["a"], 0, 100)

    def move_to(self, time_zone: str) -> None:
        """Says where account "a" is."""
        self.books.write(lambda w: w.save_account_rules(AccountRules(w.account_keys(["a"])["a"], time_zone)))

    @property
    def totals(self) -> MeteringTotals:
        """How far it is."""
        with self.books.store.reading() as reader:
            return reader.metering_totals()

    @property
    def spent(self) -> int:
        """Minor units spent of the general pool."""
        return self.books.pool().spent_total

    def refused(self) -> list[tuple[str, str]]:
        """Id and reason of refused events, oldest first."""
        with self.books.store.reading() as reader:
            rows = reader.refused_events("", 2**62, 1000)
        return [(UsageEvent.FromString(row.event).id, row.reason) for row in reversed(rows)]

    def figures(self, meter_id: str) -> dict[tuple[str, int], int]:
        """Figures of a meter in the usage store, by dimensions and the time that they belong to."""
        sql = """SELECT toString(dimensions) AS d, toUnixTimestamp64Milli(time) AS t, sum(quantity) AS q
            FROM usage FINAL WHERE meter_id = {meter:String} GROUP BY d, t HAVING q != 0"""
        return {(row["d"], row["t"]): row["q"] for row in self.database.query(sql, {"meter": meter_id}).to_pylist()}

    def quantity(self, meter_id: str) -> int:
        """All that a meter counted, in the usage store."""
        return sum(self.figures(meter_id).values())
