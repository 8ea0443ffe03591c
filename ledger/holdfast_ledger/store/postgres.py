"""The production store: PostgreSQL, any number of replicas over one database. See `interface` for what is promised.

Replicas have no state of their own: what they must agree on are rows, and whoever changes a row locks it first, in one
order (`PostgresWriter.lock`). Transactions are READ COMMITTED: after the locks each statement sees all that those who
had them before have committed. Speed comes from few statements: many rows travel as one array a column.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from holdfast_ledger.store.interface import Aborted, Conflict, DebitRow, Event, Grant, Life, Locks, Pool, StoreFailed
from holdfast_ledger.store.postgres_notices import Announcer
from holdfast_ledger.store.postgres_session import (
    Connection,
    connect_reader,
    connect_writer,
    migrate,
    place,
    store_error,
)
from holdfast_ledger.store.postgres_values import bigints, column, column_type, texts
from holdfast_ledger.store.rows import Rows, Value
from holdfast_ledger.store.rule_rows import Node
from holdfast_ledger.store.rule_statements import upsert_tail
from holdfast_ledger.store.statements import SqlReader, SqlWriter
from holdfast_ledger.store.window_rows import Window

LOCKED_POOLS = "SELECT pool_key FROM pools WHERE pool_key = ANY(?) ORDER BY pool_key FOR NO KEY UPDATE"
"""NO KEY: rows that refer to the pool may be added meanwhile; whoever changes a pool still excludes all others."""

_log = logging.getLogger(__name__)


@lru_cache(maxsize=512)
def _dialect(sql: str) -> bytes:
    """Writes a shared statement as psycopg takes it."""
    return sql.replace("?", "%s").encode()


class PostgresReader(SqlReader):
    """Reads on one connection."""

    in_keys = "= ANY(?)"
    each_key = "LATERAL jsonb_array_elements_text(CAST({} AS jsonb))"
    each_pair = "LATERAL json_each_text(CAST({} AS json))"
    month_of = "to_char(to_timestamp(({}) / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')"
    each_node = """unnest(?, ?) AS n (account_key, subject)
        CROSS JOIN LATERAL (SELECT * FROM {table} r WHERE {where} OFFSET 0) r"""
    greatest = "greatest"
    join_text = "string_agg"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, sql: str, *values: Value) -> Rows:
        return self._execute(sql, values, prepare=True)

    def _execute(self, sql: str, values: Sequence[Value], prepare: bool) -> Rows:
        try:
            return self._connection.execute(_dialect(sql), values, binary=True, prepare=prepare)
        except psycopg.Error as fault:
            if known := store_error(fault):
                raise known from fault
            raise

    def _rows_replanned(self, sql: str, *values: Value) -> Rows:
        """Never prepared: a plan that was made while the table was small may have the wrong one of its indexes."""
        return self._execute(sql, values, prepare=False)

    def feed_fence(self) -> int:
        """See `FeedReader`. A number of its own: a snapshot's xmax may be below those of transactions under way."""
        return int(self._rows("SELECT pg_current_xact_id()::text::bigint").fetchone()[0])

    def fence_passed(self, fence: int) -> bool:
        """See `FeedReader`."""
        sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        return int(self._rows(sql).fetchone()[0]) >= fence

    def pools_named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Pool]:
        """See `Reader`. In one statement: each is a way to the server and back."""
        where = "JOIN unnest(?, ?) AS named (account_id, pool_id) USING (account_id, pool_id)"
        found = self._pools(where, texts([name for name, _ in names]), texts([name for _, name in names]))
        return {(pool.account_id, pool.pool_id): pool for pool in found}

    def _keys(self, keys: Collection[int]) -> Value:
        return bigints(list(keys))

    def _names(self, names: Collection[str]) -> Value:
        return texts(list(names))

    def _nodes(self, nodes: Collection[Node]) -> Sequence[Value]:
        return bigints([key for key, _ in nodes]), texts([subject for _, subject in nodes])


class PostgresWriter(PostgresReader, SqlWriter):
    """Reads and writes on the writer's connection."""

    skip_locked = "FOR UPDATE SKIP LOCKED"
    for_update = "FOR UPDATE"
    for_no_key_update = "FOR NO KEY UPDATE"
    for_key_share = "FOR KEY SHARE"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._locked: set[int] | None = None
        """Pools and windows that nobody else can change meanwhile; None: `lock` was not called, so nobody else is."""

    def lock(self, wanted: Locks) -> None:
        """See `Writer`."""
        self._locked = self._locked or set()
        if wanted.sidecar_ids:
            sql = "SELECT 1 FROM sidecars WHERE sidecar_id = ANY(?) ORDER BY sidecar_key FOR NO KEY UPDATE"
            self._rows(sql, texts(sorted(wanted.sidecar_ids)))
        keys = set(wanted.pool_keys)
        if wanted.pools:
            names = sorted(wanted.pools)
            sql = """SELECT p.pool_key FROM unnest(?, ?) AS named (account_id, pool_id)
                JOIN accounts a USING (account_id) JOIN pools p USING (account_key, pool_id)"""
            rows = self._rows(sql, texts([name for name, _ in names]), texts([name for _, name in names]))
            keys.update(row[0] for row in rows)
        if keys:
            self._lock_pools(keys)

    def _lock_pools(self, pool_keys: Collection[int], tail: str = "") -> list[int]:
        """Locks pools and windows in the order of their keys; returns those that it has."""
        keys = [row[0] for row in self._rows(LOCKED_POOLS + tail, self._keys(pool_keys))]
        if self._locked is not None:
            self._locked.update(keys)
        return keys

    def _check_locked(self, pool_keys: Collection[int]) -> None:
        """Raises `Aborted` for one that was not there yet when `lock` looked for it: it may have changed since read."""
        if self._locked is not None and not self._locked.issuperset(pool_keys):
            raise Aborted("another replica has just made a pool or window that was to be changed")

    def insert_pool(self, pool: Pool) -> int:
        """See `Writer`."""
        key = super().insert_pool(pool)
        if self._locked is not None:
            self._locked.add(key)
        return key

    def save_pools(self, pools: Iterable[Pool]) -> None:
        """See `Writer`."""
        pools = list(pools)
        self._check_locked([pool.pool_key for pool in pools])
        super().save_pools(pools)

    def save_windows(self, windows: Iterable[Window]) -> None:
        """See `WindowWriter`."""
        windows = list(windows)
        self._check_locked([window.pool_key for window in windows])
        super().save_windows(windows)

    def grants_due(self, now_ms: int, limit: int, pool_keys: Collection[int] | None) -> list[Grant]:
        """See `Writer`."""
        if pool_keys is None:
            found = {grant.pool_key for grant in super().grants_due(now_ms, limit, None)}
            pool_keys = self._lock_pools(found, " SKIP LOCKED")
        return super().grants_due(now_ms, limit, pool_keys)

    def lives_due(self, now_ms: int, limit: int) -> list[Life]:
        """See `Writer`."""
        found = {life.sidecar_key for life in super().lives_due(now_ms, limit)}
        sql = "SELECT sidecar_key FROM sidecars WHERE sidecar_key = ANY(?) ORDER BY sidecar_key"
        rows = self._rows(sql + " FOR NO KEY UPDATE SKIP LOCKED", self._keys(found))
        locked = {row[0] for row in rows}
        lives = [life for life in super().lives_due(now_ms, limit) if life.sidecar_key in locked]
        sql = """SELECT DISTINCT l.pool_key FROM unnest(?, ?) AS life (sidecar_key, birth_epoch)
            JOIN leases l USING (sidecar_key, birth_epoch)"""
        pools = self._rows(sql, self._keys([x.sidecar_key for x in lives]), self._keys([x.birth_epoch for x in lives]))
        self._lock_pools([row[0] for row in pools])
        return lives

    def windows_due(self, now_ms: int, limit: int) -> list[int]:
        """See `WindowWriter`."""
        found = super().windows_due(now_ms, limit)
        return self._lock_pools(found, " SKIP LOCKED")

    def share_rules(self, account_key: int) -> None:
        """See `WindowWriter`. Whoever changes rules raises their version in this row first."""
        self._rows("SELECT 1 FROM accounts WHERE account_key = ? FOR SHARE", account_key)

    def _insert(self, table: str, key: str, columns: Sequence[str], values: Sequence[Value]) -> int:
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) RETURNING {key}"
        try:
            return int(self._rows(sql, *values).fetchone()[0])
        except errors.UniqueViolation as fault:
            raise Conflict(str(fault)) from fault

    def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str = ""
    ) -> None:
        if rows:
            self._rows(_insert_many_sql(table, tuple(columns)) + tail, *_columns(columns, rows))

    def _upsert_many(self, table: str, keys: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        if rows:
            sql = _insert_many_sql(table, tuple(columns)) + upsert_tail(keys, columns)
            self._rows(sql, *_columns(columns, rows))

    def _update_many(self, table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        if rows:
            self._rows(_update_many_sql(table, key, tuple(columns)), *_columns((*columns, key), rows))

    def _queue_for(self, table: str) -> None:
        self._rows(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")

    def insert_event(self, event: Event) -> int:
        """See `Writer`. Keys are given out before the commit, so whoever adds an event keeps the others waiting."""
        self._queue_for("events")
        return super().insert_event(event)

    def insert_debits(self, rows: Sequence[DebitRow]) -> list[int]:
        """See `Writer`."""
        sql = "SELECT nextval('debits_debit_key_seq') FROM generate_series(1, ?)"
        keys = [row[0] for row in self._rows(sql, len(rows))]
        columns = ("debit_key", *DebitRow._fields)
        values = [bigints(keys), *_columns(DebitRow._fields, rows)]
        sql = f"""{_insert_many_sql("debits", columns)} ON CONFLICT (account_key, operation_id) DO NOTHING
            RETURNING debit_key"""
        there = {row[0] for row in self._rows(sql, *values)}
        return [key if key in there else 0 for key in keys]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See `Writer`."""
        self._rows("SAVEPOINT job")
        try:
            yield
        except Aborted:
            raise
        except BaseException:
            if not self._connection.broken:
                self._rows("ROLLBACK TO job")
                self._rows("RELEASE job")
            raise
        self._rows("RELEASE job")


@lru_cache(maxsize=64)
def _insert_many_sql(table: str, columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"?::{column_type(name)}[]" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"


@lru_cache(maxsize=64)
def _update_many_sql(table: str, key: str, columns: tuple[str, ...]) -> str:
    names = (*columns, key)
    arrays = ", ".join(f"?::{column_type(name)}[]" for name in names)
    changes = ", ".join(f"{name} = new.{name}" for name in columns)
    return f"UPDATE {table} t SET {changes} FROM unnest({arrays}) AS new ({', '.join(names)}) WHERE t.{key} = new.{key}"


def _columns(names: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> list[Value]:
    return [column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)]


class PostgresStore:
    """One connection for writing, one for each thread that reads, one for what replicas tell each other.

    A connection that is lost is opened again with the next transaction.
    """

    def __init__(self, url: str) -> None:
        """Opens the database, and makes its tables. Raises `StoreTooNew`, `StoreFailed`."""
        self._url = url
        self._place = place(url)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._announcer = Announcer(url)
        self._writer = connect_writer(url)
        try:
            migrate(self._writer)
        except psycopg.Error as fault:
            self._writer.close()
            raise StoreFailed(f"cannot make the tables in {self._place}: {fault}") from fault
        except BaseException:
            self._writer.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[PostgresWriter]:
        """See `Store`."""
        connection = self._begun()
        try:
            yield PostgresWriter(connection)
        except BaseException:
            self._roll_back()
            raise
        if connection.info.transaction_status is not TransactionStatus.INTRANS:
            self._roll_back()
            raise StoreFailed("the database ended the transaction")
        try:
            ended = connection.execute("COMMIT", prepare=False).statusmessage
        except psycopg.Error as fault:
            self._writer.close()
            known = store_error(fault)
            raise known if isinstance(known, Aborted) else StoreFailed(f"COMMIT failed: {fault}") from fault
        if ended != "COMMIT":
            raise StoreFailed(f"COMMIT ended with {ended}")

    def _begun(self) -> Connection:
        """Begins a transaction; on a fresh connection if the old one is lost, since nothing was done on it yet."""
        if not self._writer.closed:
            try:
                self._writer.execute("BEGIN ISOLATION LEVEL READ COMMITTED", prepare=True)
            except psycopg.Error as fault:
                _log.warning("the connection to %s is lost and opened again: %s", self._place, fault)
                self._writer.close()
            else:
                return self._writer
        self._writer = connect_writer(self._url)
        try:
            self._writer.execute("BEGIN ISOLATION LEVEL READ COMMITTED", prepare=True)
        except psycopg.Error as fault:
            self._writer.close()
            raise StoreFailed(f"cannot begin: {fault}") from fault
        return self._writer

    def _roll_back(self) -> None:
        try:
            self._writer.execute("ROLLBACK")
        except psycopg.Error:
            self._writer.close()

    @contextmanager
    def reading(self) -> Iterator[PostgresReader]:
        """See `Store`."""
        connection = self._begun_reader()
        try:
            yield PostgresReader(connection)
        finally:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                connection.close()
            else:
                with self._lock:
                    self._idle.append(connection)

    def _begun_reader(self) -> Connection:
        """Begins a snapshot, on a connection that waits for work or a fresh one."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            try:
                connection.execute(begin, prepare=True)
            except psycopg.Error:
                connection.close()
            else:
                return connection
        connection = connect_reader(self._url)
        try:
            connection.execute(begin, prepare=True)
        except psycopg.Error as fault:
            connection.close()
            raise StoreFailed(f"cannot begin: {fault}") from fault
        return connection

    def announce(self, pool_keys: Collection[int]) -> None:
        """See `Store`."""
        self._announcer.announce(pool_keys)

    def listen(self, heard: Callable[[frozenset[int] | None], None]) -> Callable[[], None]:
        """See `Store`."""
        return self._announcer.listen(heard)

    def close(self) -> None:
        """See `Store`."""
        self._announcer.close()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()
