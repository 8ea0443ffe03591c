"""Random histories of a ledger: debits, corrections, grants and events of all kinds, reproducible by their seed."""

import random
from collections.abc import Iterator

from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1 import meter_pb2
from holdfast_ledger.errors import LedgerError

from tests.ledger.harness import START_MS, Books, debit
from tests.ledger.usage.feeding import DAY_MS, event, set_meter, take

POOLS = ("general", "gpu")
HOSTILE = ("'", "\\", "'); DROP TABLE spend; --", "\u2603", "", "a\tb\n", "{x:String}", '"')


class History:
    """A ledger to which things happen."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books = books
        self.random = random.Random(seed)
        self.sequence = 0
        self.operations: list[tuple[str, str]] = []
        self.sent: list[ingest.RecordedEvent] = []
        for pool_id in POOLS:
            books.open_pool(pool_id)
        books.hello()
        set_meter(books, meter_id="calls", aggregation=meter_pb2.AGGREGATION_COUNT)
        set_meter(books, meter_id="minutes", aggregation=meter_pb2.AGGREGATION_SUM, quantity="s", divisor=60)

    def go_on(self, count: int) -> Iterator[None]:
        """Lets so many things happen, one at a time."""
        for _ in range(count):
            self.random.choice((self._post, self._post, self._take, self._take, self._grant, self._correct))()
            self.books.clock.advance(self.random.randrange(1, 3_600_000))
            yield

    def _post(self) -> None:
        made = []
        for _ in range(self.random.randrange(1, 8)):
            self.sequence += 1
            pool_id = self.random.choice(POOLS)
            self.operations.append((f"op-{self.sequence}", pool_id))
            settled_at_ms = self.books.clock.now_ms() - self.random.choice((0, 5, DAY_MS, 40 * DAY_MS, -5))
            dimensions = [wire.Dimension(key=key, value=self.random.choice(HOSTILE)) for key in ("a", "model")]
            made.append(
                debit(
                    self.sequence,
                    self.random.randrange(1, 1_000),
                    pool_id=pool_id,
                    settled_at_unix_ms=settled_at_ms,
                    dimensions=dimensions,
                    subject=self.random.choice(("", "org", "org/team/user")),
                    quantities={} if self.random.random() < 0.5 else {"input": self.random.randrange(100)},
                )
            )
        self.books.post(*made)

    def _grant(self) -> None:
        cost = self.random.randrange(1_000)
        self.books.grant(
            f"g{self.random.getrandbits(60)}",
            self.random.randrange(1, 4_000),
            self.random.choice(POOLS),
            priority=self.random.randrange(3),
            category=self.random.choice((1, 2)),
            cost_amount=cost,
            cost_currency="USD" if cost else "",
            metadata='{"product": "gold"}' if self.random.random() < 0.5 else "{}",
        )

    def _correct(self) -> None:
        if self.operations:
            operation_id, pool_id = self.random.choice(self.operations)
            amount, correction_id = self.random.choice((0, 1, 50)), f"c{self.random.getrandbits(60)}"
            try:
                self.books.correct(operation_id, amount, correction_id, pool_id)
            except LedgerError:
                return  # it is corrected already

    def _take(self) -> None:
        batch = [self._event() for _ in range(self.random.randrange(1, 10))]
        self.sent += batch
        take(self.books, *batch, origin=f"sidecar:{self.random.getrandbits(60)}")

    def _event(self) -> ingest.RecordedEvent:
        if self.sent and self.random.random() < 0.3:
            return self.random.choice(self.sent)
        event_id = str(self.random.randrange(200))
        if self.random.random() < 0.2:
            return event(event_id, void=True)
        return event(
            event_id,
            time_unix_ms=START_MS - self.random.randrange(30 * DAY_MS),
            quantities={"s": self.random.randrange(500)},
            dimensions={"model": self.random.choice(HOSTILE)},
            corrects_id=str(self.random.randrange(200)) if self.random.random() < 0.1 else "",
        )


def counted(events: list[ingest.RecordedEvent]) -> dict[str, int]:
    """What the meters of a history count, by the rules in plain words: the first of a name, unless it is taken back."""
    first: dict[str, ingest.RecordedEvent] = {}
    void = set()
    for one in events:
        if one.void:
            void.add(one.event.id)
        elif one.event.id not in first:
            first[one.event.id] = one
            if one.event.corrects_id:
                void.add(one.event.corrects_id)
    left = [one.event.quantities["s"] for name, one in first.items() if name not in void]
    return {"calls": len(left), "minutes": sum(_half_even(seconds, 60) for seconds in left)}


def _half_even(numerator: int, divisor: int) -> int:
    quotient, rest = divmod(numerator, divisor)
    return quotient + (rest * 2 > divisor or (rest * 2 == divisor and quotient % 2 == 1))
