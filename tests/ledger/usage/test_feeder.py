"""The feeder: whatever happens to the ledger, whenever the feeder is cut off, the store says what the ledger says."""

import random
from collections.abc import Mapping
from contextlib import suppress

import pyarrow as pa
import pytest
from holdfast_ledger.usage.checking import differences
from holdfast_ledger.usage.database import NO_PARAMETERS, QUERY_TIMEOUT_MS, Parameter, UsageDatabase, UsageStoreDown
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.usage.feeder import HistoryChanged

from tests.ledger.harness import Books, debit
from tests.ledger.usage.feeding import feed_all, feeder, rows
from tests.ledger.usage.histories import History, counted


class Failing:
    """A store that is gone before or after one of the next writes."""

    def __init__(self, usage: UsageDatabase, chooser: random.Random) -> None:
        self._usage = usage
        self._left = chooser.randrange(1, 25)
        self._after = chooser.random() < 0.5

    def _around(self, write: str) -> bool:
        """Tells whether the write is to be made; raises before it if that is its turn."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise UsageStoreDown(f"before {write}")
        return self._left == 0

    def query(
        self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, timeout_ms: int = QUERY_TIMEOUT_MS
    ) -> pa.Table:
        """See `UsageDatabase`."""
        return self._usage.query(sql, parameters, timeout_ms)

    def command(self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, token: str = "") -> None:
        """See `UsageDatabase`."""
        last = self._around(sql)
        self._usage.command(sql, parameters, token)
        if last:
            raise UsageStoreDown(f"after {sql}")

    def insert(self, table: str, rows: pa.Table, token: str = "") -> None:
        """See `UsageDatabase`."""
        last = self._around(table)
        self._usage.insert(table, rows, token)
        if last:
            raise UsageStoreDown(f"after {table}")

    def close(self) -> None:
        """See `UsageDatabase`."""


class FailingAfter(Failing):
    """A store that is gone after the first rows of a table."""

    def __init__(self, usage: UsageDatabase, table: str) -> None:
        super().__init__(usage, random.Random(0))
        self._table = table

    def _around(self, write: str) -> bool:
        return write == self._table


def agree(usage: UsageDatabase, books: Books) -> int:
    """Checks that store and ledger agree; returns the number of figures."""
    with books.store.reading() as reader:
        _, count, lines = differences(reader, usage)
    assert lines == []
    return count


def cut_off(usage: UsageDatabase, history: History, chooser: random.Random) -> None:
    """Feeds until the store is gone."""
    failing = feeder(Failing(usage, chooser), history.books)
    with suppress(UsageStoreDown):
        for _ in history.go_on(30):
            failing.turn()
        pytest.fail("it was never gone")


@pytest.mark.parametrize("seed", range(2))
def test_the_store_says_what_the_ledger_says(books: Books, usage: EmbeddedDatabase, seed: int) -> None:
    """After a random history, fed in turns that were cut off at random, every figure agrees; no row is there twice."""
    history, chooser = History(books, seed), random.Random(seed)
    for _ in history.go_on(120):
        if chooser.random() < 0.1:
            cut_off(usage, history, chooser)
    feed_all(usage, books)
    assert agree(usage, books) > 20
    sums = dict(rows(usage, "SELECT meter_id, sum(quantity) FROM usage WHERE source IN ('event', 'void') GROUP BY ALL"))
    assert sums == counted(history.sent)
    for table, name in (("spend", "entry_key"), ("usage", "(source, row_id, meter_id)")):
        assert rows(usage, f"SELECT count() - uniqExact({name}) AS n FROM {table}") == [(0,)]
    with books.store.reading() as reader:
        spent = {pool.pool_id: pool.spent_total for pool in reader.pools(1, 0, 10) if not pool.is_window}
    assert dict(rows(usage, "SELECT pool_id, sum(amount) FROM spend GROUP BY pool_id")) == spent


def test_what_a_debit_says_of_itself_is_in_its_rows(books: Books, usage: EmbeddedDatabase) -> None:
    """Subject by levels, dimensions by name, the grant's product and category, and each debit counted once."""
    books.open_pool()
    books.grant("g", 10, cost_amount=5, cost_currency="USD", metadata='{"product": "gold"}', category=1)
    books.hello()
    said = {"model": "it's", "x.y": "z"}
    dimensions = [{"key": key, "value": value} for key, value in said.items()]
    books.post(debit(1, 25, subject="org/team/user", dimensions=dimensions, hold_id="h", late=True))
    feed_all(usage, books)
    sql = """SELECT amount, cost_amount, category, product, grant_id, debit_count, subject_1, subject_3, subject_4,
        dimension_model, dimensions['x.y'] AS x, late, sidecar_id FROM spend ORDER BY entry_key"""
    of_both = ("org", "user", "", "it's", "z", 1, "s")
    assert rows(usage, sql) == [
        (10, 5, "promotional", "gold", "g", 1, *of_both),
        (15, 0, "overdraft", "general", "", 0, *of_both),
    ]


def test_only_debits_that_were_made_of_events_are_not_counted(books: Books, usage: EmbeddedDatabase) -> None:
    """Their events are. A caller may name an operation like one."""
    books.open_pool()
    books.hello()
    names = ("ev:mine", "mt:mine", f"ev:{'0' * 33}", f"ev:{'0' * 32}")
    books.post(*(debit(n, 1, operation_id=name, quantities={"input": n}) for n, name in enumerate(names[:3], start=1)))
    books.post(debit(4, 1, operation_id=names[3]))
    feed_all(usage, books)
    assert rows(usage, "SELECT operation_id, debit_count FROM spend ORDER BY entry_key") == [
        *((name, 1) for name in names[:3]),
        (names[3], 0),
    ]
    assert rows(usage, "SELECT operation_id, quantity FROM usage ORDER BY row_id") == [
        (name, n) for n, name in enumerate(names[:3], start=1)
    ]


@pytest.mark.parametrize("table", ["spend", "grant_burns", "usage"])
def test_a_turn_that_was_cut_off_recognises_no_cost_twice(books: Books, usage: EmbeddedDatabase, table: str) -> None:
    """Whatever of it was written, another process finds what burned before it, and every figure agrees."""
    books.open_pool()
    books.grant("g", 3, cost_amount=1, cost_currency="USD")
    books.hello()
    for sequence in (1, 2):
        books.post(debit(sequence, 1, quantities={"m": 1}))
        with pytest.raises(UsageStoreDown):
            feeder(FailingAfter(usage, table), books).turn()
    usage.command("OPTIMIZE TABLE grant_burns FINAL")
    feed_all(usage, books)
    assert agree(usage, books) > 3
    assert rows(usage, "SELECT sum(cost_amount) AS n FROM spend") == [(0,)]


def test_another_history_is_noticed(books: Books, usage: EmbeddedDatabase) -> None:
    """A ledger that was restored from an older backup and went on, past the store's marks, is not fed into it."""
    books.open_pool()
    books.hello()
    books.post(debit(1, 1), debit(2, 1))
    feed_all(usage, books)
    usage.command("ALTER TABLE feed_turns UPDATE anchor = 'another' WHERE 1 SETTINGS mutations_sync = 1")
    with pytest.raises(HistoryChanged):
        feeder(usage, books).turn()


def test_a_difference_is_found_and_named(books: Books, usage: EmbeddedDatabase) -> None:
    """One unit in one row is enough."""
    books.open_pool()
    books.grant("g", 10, cost_amount=100)
    books.hello()
    books.post(debit(1, 5, quantities={"input": 3}))
    feed_all(usage, books)
    for table, change in (("spend", "amount = amount + 1"), ("usage", "quantity = quantity - 1")):
        usage.command(f"ALTER TABLE {table} UPDATE {change} WHERE 1 SETTINGS mutations_sync = 1")
    with books.store.reading() as reader:
        _, _, lines = differences(reader, usage)
    assert lines == [
        "spent minor units of a / general / 2027-01: the ledger has 5, the usage store 6",
        "quantities of debits a / general / input / 2027-01: the ledger has 3, the usage store 2",
    ]
