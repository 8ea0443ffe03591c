"""A database of every earlier format opens, is what it was, and goes on; both stores end up with the same tables."""

import sqlite3
from importlib import resources
from pathlib import Path

import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.store.interface import DeliveryState, EventTotals
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.postgres_session import connect
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.harness import Books, Clock, debit, instance

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = sorted(FIXTURES.glob("sqlite_format_*.sql"))


@pytest.mark.parametrize("dump", FORMATS, ids=lambda path: path.stem)
def test_an_earlier_format_opens_audits_and_goes_on(tmp_path: Path, dump: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text("utf-8"))
    connection.close()
    store = open_store(str(path))
    books = Books(store, Clock())
    books.audit()
    assert [line.operation_id for line in books.journal("bound") if line.operation_id] == ["op-11", "op-11"]
    assert (books.pool().spent_total, books.pool("bound").overdraft) == (87, 10)
    books.hello("s", epoch=1, last_sequence=12)
    books.post(debit(12, 25), debit(13, 5), debit(14, 1, operation_id="op-12"))
    books.hello("t", epoch=2, instance=instance(4), last_sequence=3)
    books.want(30, "t")
    books.audit()
    assert books.pool().spent_total == 92
    store.close()


def test_events_and_deliveries_of_an_earlier_format_are_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript((FIXTURES / "sqlite_format_5.sql").read_text("utf-8"))
    connection.close()
    store = open_store(str(path))
    with store.reading() as reader:
        events, found = reader.events(None, 0, 10), reader.deliveries(1, 0, 0, 10)
        totals = reader.event_totals()
    store.close()
    assert totals == EventTotals((("pool.threshold_crossed", 2),), pending_delivery_count=1, dead_delivery_count=1)
    assert [event.event_key for event in events] == [1, 2]
    assert [x.delivery_key for x in found] == [1, 2]
    assert [x.state for x in found] == [DeliveryState.DEAD, DeliveryState.PENDING]
    assert [x.since_ms for x in found] == [event.created_at_ms for event in events], "their age counts on"


def test_a_postgresql_of_an_earlier_format_opens_audits_and_goes_on(postgres: Server) -> None:
    url = postgres.create()
    connection = connect(url)
    first = (resources.files("holdfast_ledger.store") / "migrations/postgres/0001_initial.sql").read_text("utf-8")
    connection.execute(first.encode())
    connection.execute(b"CREATE TABLE schema_version (application TEXT PRIMARY KEY, version BIGINT NOT NULL)")
    connection.execute(b"INSERT INTO schema_version VALUES ('holdfast ledger', 1)")
    connection.execute(b"INSERT INTO accounts (account_id, display_name, created_at_ms) VALUES ('a', '', 1)")
    connection.execute(_POSTGRES_FORMAT_1)
    connection.close()
    books = Books(PostgresStore(url), Clock())
    books.audit()
    assert books.grants()["gone"].lapsed == 13
    books.hello()
    books.post(debit(1, 5))
    books.correct("op-1")
    books.audit()
    books.store.close()


def test_every_format_before_this_one_has_a_fixture(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "l.sqlite")
    (present,) = store._writer.execute("PRAGMA user_version").fetchone()
    store.close()
    assert [path.stem for path in FORMATS] == [f"sqlite_format_{number}" for number in range(1, present)]


def test_both_stores_have_the_same_columns_and_indexes(tmp_path: Path, postgres: Server) -> None:
    sqlite = SqliteStore(tmp_path / "l.sqlite")
    in_sqlite = sqlite._writer.execute(
        """SELECT t.name, c.name, c.type, c."notnull" FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2"""
    ).fetchall()
    indexes_in_sqlite = {row[0] for row in sqlite._writer.execute(_INDEXES_OF_SQLITE)}
    sqlite.close()
    store = PostgresStore(postgres.create())
    in_postgres = store._writer.execute(_COLUMNS_OF_POSTGRES).fetchall()
    indexes_in_postgres = {row[0] for row in store._writer.execute(_INDEXES_OF_POSTGRES)}
    store.close()
    types = {"BIGINT": "INTEGER", "BYTEA": "BLOB", "TEXT": "TEXT"}
    assert sorted((table, name) for table, name, *_ in in_sqlite) == sorted((t, n) for t, n, _ in in_postgres)
    assert {(t, n, types[str(kind).upper()]) for t, n, kind in in_postgres} == {(t, n, k) for t, n, k, _ in in_sqlite}
    assert indexes_in_sqlite == indexes_in_postgres


_POSTGRES_FORMAT_1 = b"""
    INSERT INTO pools (account_key, pool_id, currency, currency_exponent, enforcement, overdraft_limit,
     overdraft_limit_bps, partition_mode, partition_overdraft_limit, partition_after_ms, created_at_ms, free, leased,
     granted_total, spent_total, expired_total, overdraft)
     VALUES (1, 'general', 'credits', 6, 1, 0, 0, 1, 0, 0, 1, 0, 0, 13, 0, 13, 0);
    INSERT INTO grants (pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms, cost_amount,
     cost_currency, created_at_ms, remaining, state, due_at_ms)
     VALUES (1, 'gone', 13, 1, 0, 1, 2, 0, '', 1, 0, 4, 9223372036854775807);
    INSERT INTO entries (type, pool_key, grant_key, amount, posted_at_ms) VALUES (1, 1, 1, 13, 1), (5, 1, 1, 13, 2)"""
_INDEXES_OF_SQLITE = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
_COLUMNS_OF_POSTGRES = b"""SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'schema_version' ORDER BY 1, 2"""
_INDEXES_OF_POSTGRES = b"""SELECT indexname FROM pg_indexes WHERE schemaname = 'public'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)"""
