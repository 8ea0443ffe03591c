"""Dimensions without end: the store's memory stays within its limit, and its questions too."""

from pathlib import Path

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.usage.database import UsageTooLarge
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.usage.feeder import ROWS_A_TURN

from tests.ledger.harness import Books, debit
from tests.ledger.usage.feeding import event, feed_all, take

ROWS, BLOCK = 1_000_000, 100_000

NEW_VALUES = """INSERT INTO spend (entry_key, batch_no, time, posted_at, account_id, pool_id, amount, dimensions)
SELECT number, 1, toDateTime64('2026-11-01 00:00:00', 3, 'UTC') + number % 86400 AS time, time, 'a', 'p', 1,
    map('model', toString(cityHash64(number)), 'request', toString(number))
FROM numbers({first:UInt64}, {count:UInt64})"""

NEW_KEYS = """INSERT INTO spend (entry_key, batch_no, time, posted_at, account_id, pool_id, amount, dimensions)
SELECT number, 1, toDateTime64('2026-11-02 00:00:00', 3, 'UTC') AS time, time, 'a', 'p', 1,
    mapFromArrays(arrayMap(x -> concat('k', toString(number * 100 + x)), range(100)),
        arrayMap(x -> toString(x), range(100))) FROM numbers({count:UInt64})"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    """One kind of ledger: its database is not what these tests are about."""
    return str(tmp_path / "ledger.sqlite")


def test_a_million_values_of_a_dimension_are_one_column_more(usage: EmbeddedDatabase) -> None:
    """Also of one that has a column of its own; each can be found, and grouping by them all is bounded."""
    for first in range(0, ROWS, BLOCK):
        usage.command(NEW_VALUES, {"first": first, "count": BLOCK})
    found = usage.query(
        "SELECT sum(amount) AS n FROM spend WHERE dimension_model = {value:String}",
        {"value": usage.query("SELECT dimension_model AS m FROM spend WHERE entry_key = 77777").to_pylist()[0]["m"]},
    )
    assert found.to_pylist() == [{"n": 1}]
    sql = "SELECT dimension_model AS model, sum(amount) AS n FROM spend GROUP BY model ORDER BY n DESC, model LIMIT 10"
    assert usage.query(sql).num_rows == 10
    with pytest.raises(UsageTooLarge):
        usage.query("SELECT groupArray((dimensions, subject, time)) FROM spend CROSS JOIN numbers(9) AS n")


def test_a_hundred_dimensions_of_ever_new_names_are_taken(usage: EmbeddedDatabase) -> None:
    """Their number costs rows, not columns."""
    usage.command(NEW_KEYS, {"count": 5_000})
    sql = "SELECT sum(amount) AS n FROM spend WHERE dimensions[{key:String}] = '7'"
    assert usage.query(sql, {"key": "k1207"}).to_pylist() == [{"n": 1}]
    assert usage.query("SELECT count() AS n FROM system.columns WHERE table = 'spend'").to_pylist()[0]["n"] < 50


@pytest.mark.parametrize("kind", ["debits", "events"])
def test_the_largest_dimensions_fit_into_a_turn(books: Books, usage: EmbeddedDatabase, kind: str) -> None:
    """A turn full of rows with all that is allowed needs no more memory than the smallest store has."""
    said = {f"{number:02}{'k' * 62}": "\u00e9" * 128 for number in range(16)}
    if kind == "debits":
        books.open_pool()
        books.hello()
        told = [wire.Dimension(key=key, value=value) for key, value in said.items()]
        for first in range(1, ROWS_A_TURN, 1_000):
            books.post(*(debit(first + n, 1, dimensions=told, quantities={"m": 1}) for n in range(1_000)))
    else:
        for batch in range(2):
            take(books, *(event(f"{batch}-{n}", dimensions=said) for n in range(10_000)), origin=f"sidecar:{batch}")
    feed_all(usage, books)
    table = "spend" if kind == "debits" else "events"
    sql = f"SELECT count() AS n, min(length(dimensions)) AS least FROM {table}"
    assert usage.query(sql).to_pylist() == [{"n": ROWS_A_TURN if kind == "debits" else 20_000, "least": 16}]
