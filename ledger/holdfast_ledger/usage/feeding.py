"""What feeding a store anew takes, in the worker and by an operator's hand."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from holdfast_ledger.queries import rollups
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.usage import events, schema
from holdfast_ledger.usage.database import UsageDatabase, UsageStoreDown
from holdfast_ledger.usage.feeder import Feeder
from holdfast_ledger.usage.meters import INT64_MAX
from holdfast_ledger.usage.schema import Placement
from holdfast_ledger.usage.source import Source

CLAIM_TIMEOUT_S = 60
"""For replicas to notice that somebody wants to feed the store anew, and to end their turn."""


def make_feeder(database: UsageDatabase, source: Source, now_ms: Callable[[], int]) -> Feeder:
    """Returns a feeder that tells the sums of hours what it brings."""
    return Feeder(database, source.reading, now_ms, partial(rollups.touched, database))


def make_empty(database: UsageDatabase, placement: Placement | None, source: Source, dimensions: Sequence[str]) -> None:
    """Makes all tables anew, without a row but those of events that the ledger does not have any more.

    Args:
        database: The store.
        placement: Of its tables.
        source: What it is fed from.
        dimensions: Those with a column of their own.

    Raises:
        StoreError: The ledger's database.
        UsageStoreError: The store; `UsageDamaged` if these cannot be read.
    """
    with source.reading() as reader:
        kept = reader.event_counts(0, INT64_MAX, 1)
        first_key = kept[0][0] if kept else reader.metering_totals().metered_batch_key + 1
    events.carry(database, first_key)
    schema.drop(database, placement, keep=("judged",))
    schema.create(database, placement, dimensions)


def feed_all(database: UsageDatabase, source: Source, dimensions: Sequence[str], now_ms: Callable[[], int]) -> None:
    """Feeds everything that the ledger has, and sums its hours.

    Raises:
        HistoryChanged: The store is of another history.
        StoreError: The ledger's database.
        UsageStoreError: The store.
    """
    feeder, roller = make_feeder(database, source, now_ms), Roller(database, dimensions)
    while (fed := feeder.turn()).behind or fed.row_count:
        pass
    while roller.turn(now_ms()):
        pass


@contextmanager
def stopped_feeders(source: Source, *, shared: bool) -> Iterator[None]:
    """Keeps the workers of all replicas from feeding a store that they share. Raises `UsageStoreDown`, `StoreError`."""
    if not shared:
        yield
        return
    with source.wanting():
        deadline = time.monotonic() + CLAIM_TIMEOUT_S
        while not source.claimed():
            if time.monotonic() > deadline:
                raise UsageStoreDown("a replica still feeds the usage store")
            time.sleep(0.2)
        yield
