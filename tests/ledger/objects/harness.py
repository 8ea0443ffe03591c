"""What the tests of object stores share: a folder of objects, a ledger's database, and what came of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from holdfast_ledger.metering.batches import Content
from holdfast_ledger.metering.columns import EVENT_COLUMNS, table_of
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.objects.checking import Checker, KnownAccounts, checker_at
from holdfast_ledger.objects.config import Source
from holdfast_ledger.objects.opening import open_source
from holdfast_ledger.objects.schedule import list_source
from holdfast_ledger.objects.taking import OpenSource, Taker
from holdfast_ledger.store.interface import Account, Store
from holdfast_ledger.store.object_rows import IngestedObject, ObjectState

NOW_MS = 1_800_000_000_000
PATIENCE_S = 120
ACCOUNTS = ("acme", "globex")


def csv_rows(first: int, count: int, model: str = "m") -> str:
    """Rows of CSV for `CSV_HEADER`."""
    return "".join(
        f"e{number},gateway,llm.call,{NOW_MS - number},{ACCOUNTS[number % 2]},{model},{number}\n"
        for number in range(first, first + count)
    )


CSV_HEADER = "id,source,type,time,account_id,dimension.model,quantity.input\n"


def source_of(folder: Path, **settings: object) -> Source:
    """A source over a folder, without a wait for files that are still written."""
    return Source(**{"name": "s", "url": folder.as_uri(), "min_age_ms": 0, **settings})  # type: ignore[arg-type]


@dataclass
class Shop:
    """A ledger's database and one source."""

    store: Store
    source: Source
    opened: OpenSource
    now_ms: int = NOW_MS
    waiting_limit: int = 0
    max_attempts: int = 3
    taker: Taker = field(init=False)

    def __post_init__(self) -> None:
        with self.store.writing() as writer:
            for name in ACCOUNTS:
                if writer.account(name) is None:
                    writer.insert_account(Account(name, "", 1))
        self.taker = self.another()

    def another(self) -> Taker:
        """Another worker on the same database."""
        accounts = KnownAccounts(self.store)

        def checker(at_ms: int) -> Checker:
            return checker_at(at_ms, EventTerms(), accounts)

        return Taker(
            self.store, checker, lambda: self.now_ms, max_attempts=self.max_attempts, waiting_limit=self.waiting_limit
        )

    def listed(self) -> str:
        """Lists the source; returns why it could not be."""
        return list_source(self.source, lambda: self.opened, self.store, self.now_ms)

    def take_all(self) -> list[IngestedObject]:
        """Lists, and takes in whatever is due."""
        assert not self.listed()
        taken: list[IngestedObject] = []
        while row := self.taker.take_next([self.opened]):
            taken.append(row)
        return taken

    def take_one(self) -> IngestedObject:
        """Takes in the one object that is due."""
        (row,) = self.take_all()
        with self.store.reading() as reader:
            kept = reader.object(row.object_key)
        assert kept is not None
        return kept

    def events(self) -> pa.Table:
        """All events of all batches."""
        with self.store.reading() as reader:
            batches = reader.event_batches(0, 10_000)
        tables = [table_of(Content(batch.content_kind), batch.content) for batch in batches]
        return pa.concat_tables([EVENT_COLUMNS.empty_table(), *tables])

    def ids(self) -> list[str]:
        """The ids of all events, sorted, also where one is there twice."""
        ids: list[str] = self.events().column("id").to_pylist()
        return sorted(ids)

    def states(self) -> dict[str, ObjectState]:
        """The state of each object by its path; of several versions the latest one's."""
        with self.store.reading() as reader:
            rows = [row for state in ObjectState for row in reader.objects(self.source.name, state, 0, 1_000)]
        return {row.path: row.state for row in sorted(rows, key=lambda row: row.object_key)}


def shop(store: Store, folder: Path, now_ms: int = NOW_MS, **settings: object) -> Shop:
    """A shop over a folder."""
    source = source_of(folder, **settings)
    return Shop(store, source, open_source(source), now_ms)


def names(prefix: str, numbers: Sequence[int] | range) -> list[str]:
    """Ids, sorted."""
    return sorted(f"{prefix}{number}" for number in numbers)


def until(what: Callable[[], bool]) -> None:
    """Waits for something to be so."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
