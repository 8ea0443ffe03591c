"""What feeding a store anew takes, in the worker and by an operator's hand."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from holdfast_ledger.queries import rollups
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageDatabase, UsageStoreDown
from holdfast_ledger.usage.feeder import Feeder
from holdfast_ledger.usage.schema import Placement
from holdfast_ledger.usage.source import Source

CLAIM_TIMEOUT_S = 60
"""For replicas to notice that somebody wants to feed the store anew, and to end their turn."""


def make_feeder(database: UsageDatabase, source: Source, now_ms: Callable[[], int]) -> Feeder:
    """Returns a feeder that tells the sums of hours what it brings."""
    return Feeder(database, source.reading, now_ms, partial(rollups.touched, database))


def make_empty(database: UsageDatabase, placement: Placement | None) -> None:
    """Makes all tables anew, without a row. Raises `UsageStoreError`."""
    schema.drop(database, placement)
    schema.create(database, placement)


def feed_all(database: UsageDatabase, source: Source, now_ms: Callable[[], int]) -> None:
    """Feeds everything that the ledger has, and sums its hours.

    Raises:
        HistoryChanged: The store is of another history.
        StoreError: The ledger's database.
        UsageStoreError: The store.
    """
    feeder, roller = make_feeder(database, source, now_ms), Roller(database)
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
