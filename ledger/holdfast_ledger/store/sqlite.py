"""The embedded store: SQLite, write-ahead log, every commit synced. See `interface` for what the methods promise.

Speed comes from few statements: rows go in many a statement, so that one step of SQLite, which runs without the
interpreter lock, carries many of them.
"""

import itertools
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from holdfast_ledger.store.interface import Conflict, DebitRow, Locks, StoreFailed, StoreTooNew
from holdfast_ledger.store.rows import Value
from holdfast_ledger.store.rule_rows import Node
from holdfast_ledger.store.rule_statements import upsert_tail
from holdfast_ledger.store.statements import SqlReader, SqlWriter

BUSY_TIMEOUT_MS = 5_000
"""Wait for another process's transaction, such as an audit's checkpoint, before giving up."""

CACHE_KIB = 65_536
"""Page cache of the writer: the upper levels of the indexes of some hundred million debits."""

CHECKPOINT_PAGES = 8_000
"""Pages in the log (32 MB) after which they are moved into the database: fewer, longer stalls than by default."""

ROWS_A_STATEMENT = 256
"""Rows of the largest INSERT; the rest goes in powers of two, so that few statements have to be prepared."""

APPLICATION_ID = 0x484F4C44
"""In the file's header ("HOLD"), so that no other program's database is taken for a ledger."""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    settings = (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    )
    try:
        _refuse_foreign(connection)
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
    except (sqlite3.Error, StoreFailed):
        connection.close()
        raise
    return connection


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    """Raises `StoreFailed` for a database with someone else's tables, before anything in it is changed."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (table_count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and (owner or table_count):
        raise StoreFailed("the database is not a ledger of Holdfast; nothing was touched")


def _migrations() -> list[str]:
    folder = resources.files("holdfast_ledger.store") / "migrations" / "sqlite"
    return [f.read_text("utf-8") for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".sql")]


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the tables to this version, in one transaction. Raises `StoreTooNew`, `StoreFailed`.

    Foreign keys are off meanwhile and checked as a whole at its end, so that a step may make a table anew.
    """
    steps = _migrations()
    (enforced,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _migrate(connection, steps)
    finally:
        connection.execute(f"PRAGMA foreign_keys = {enforced}")


def _migrate(connection: sqlite3.Connection, steps: list[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise StoreTooNew(
                f"the database has format {version}, this version knows up to {len(steps)}: run the newer version"
            )
        for number, script in enumerate(steps[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        if version < len(steps) and (stray := connection.execute("PRAGMA foreign_key_check").fetchone()):
            raise StoreFailed(f"a row of {stray[0]} refers to one of {stray[2]} that is not there; nothing was changed")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class SqliteReader(SqlReader):
    """Reads on one connection."""

    in_keys = "IN (SELECT value FROM json_each(?))"
    each_key = "json_each({})"
    each_pair = "json_each({})"
    month_of = "strftime('%Y-%m', ({}) / 1000, 'unixepoch')"
    each_node = """(SELECT json_extract(value, '$[0]') AS account_key, json_extract(value, '$[1]') AS subject
        FROM json_each(?)) n CROSS JOIN {table} r ON {where}"""
    greatest = "max"
    join_text = "group_concat"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _rows(self, sql: str, *values: Value) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def _keys(self, keys: Collection[int]) -> Value:
        return json.dumps(list(keys))

    def _names(self, names: Collection[str]) -> Value:
        return json.dumps(list(names))

    def _nodes(self, nodes: Collection[Node]) -> Sequence[Value]:
        return [json.dumps(list(nodes))]


def _insert_sql(table: str, columns: Sequence[str], row_count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * row_count)}"


class SqliteWriter(SqliteReader, SqlWriter):
    """Reads and writes on the writer's connection."""

    skip_locked = for_update = for_no_key_update = for_key_share = ""

    def _insert(self, table: str, key: str, columns: Sequence[str], values: Sequence[Value]) -> int:
        try:
            row_key = self._connection.execute(_insert_sql(table, columns, 1), values).lastrowid
        except sqlite3.IntegrityError as fault:
            if fault.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                raise Conflict(str(fault)) from fault
            raise
        assert row_key is not None
        return row_key

    def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str = ""
    ) -> None:
        self._insert_new(table, columns, rows, tail)

    def _upsert_many(self, table: str, keys: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        self._insert_new(table, columns, rows, upsert_tail(keys, columns))

    def _insert_new(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str) -> int:
        """Inserts rows, many a statement; returns how many were not refused by `tail`."""
        inserted, start = 0, 0
        while start < len(rows):
            left = len(rows) - start
            count = ROWS_A_STATEMENT if left >= ROWS_A_STATEMENT else 1 << (left.bit_length() - 1)
            values = tuple(itertools.chain.from_iterable(rows[start : start + count]))
            inserted += self._connection.execute(_insert_sql(table, columns, count) + tail, values).rowcount
            start += count
        return inserted

    def _update_many(self, table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        sql = f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)} WHERE {key} = ?"
        self._connection.executemany(sql, rows)

    def lock(self, wanted: Locks) -> None:
        """See `Writer`. One process writes, one transaction at a time: nobody is there to keep away."""

    def _queue_for(self, table: str) -> None:
        """One transaction at a time: nobody is there to wait for."""

    def share_rules(self, account_key: int) -> None:
        """See `WindowWriter`. As `lock`."""

    def insert_debits(self, rows: Sequence[DebitRow]) -> list[int]:
        """See `Writer`."""
        (last,) = self._rows("SELECT coalesce(max(debit_key), 0) FROM debits").fetchone()
        keys = list(range(last + 1, last + len(rows) + 1))
        keyed = [(key, *row) for key, row in zip(keys, rows, strict=True)]
        tail = " ON CONFLICT (account_key, operation_id) DO NOTHING"
        if self._insert_new("debits", ("debit_key", *DebitRow._fields), keyed, tail) == len(rows):
            return keys
        there = {row[0] for row in self._rows("SELECT debit_key FROM debits WHERE debit_key > ?", last)}
        return [key if key in there else 0 for key in keys]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See `Writer`."""
        if not self._connection.in_transaction:  # a full disk ends the whole transaction; this would begin another
            raise StoreFailed("the database ended the transaction")
        self._connection.execute("SAVEPOINT job")
        try:
            yield
        except BaseException as fault:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO job")
                self._connection.execute("RELEASE job")
            if isinstance(fault, sqlite3.OperationalError):
                raise StoreFailed(str(fault)) from fault
            raise
        self._connection.execute("RELEASE job")


class SqliteStore:
    """One file; one connection for writing, one for each thread that reads."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the database. Raises `StoreTooNew`, `StoreFailed`."""
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._writer = _connect(path)
        except (OSError, sqlite3.Error) as fault:
            raise StoreFailed(f"cannot open {path}: {fault}") from fault
        try:
            migrate(self._writer)
        except BaseException as fault:
            self._writer.close()
            if isinstance(fault, sqlite3.Error):
                raise StoreFailed(f"cannot open {path}: {fault}") from fault
            raise

    @contextmanager
    def writing(self) -> Iterator[SqliteWriter]:
        """See `Store`."""
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as fault:
            raise StoreFailed(f"cannot begin: {fault}") from fault
        try:
            yield SqliteWriter(connection)
            if not connection.in_transaction:
                raise StoreFailed("the database ended the transaction")
            connection.execute("COMMIT")
        except sqlite3.Error as fault:
            self._reopen()
            raise StoreFailed(f"the transaction failed: {fault}") from fault
        except BaseException:
            self._reopen() if not connection.in_transaction else connection.execute("ROLLBACK")
            raise

    def _reopen(self) -> None:
        """Starts over on a fresh connection: after a failed commit the old one's state says nothing."""
        self._writer.close()
        try:
            self._writer = _connect(self._path)
        except sqlite3.Error as fault:
            raise StoreFailed(f"cannot open {self._path} again: {fault}") from fault

    @contextmanager
    def reading(self) -> Iterator[SqliteReader]:
        """See `Store`."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or _connect(self._path)
        connection.execute("BEGIN")
        try:
            yield SqliteReader(connection)
        finally:
            connection.execute("ROLLBACK")
            with self._lock:
                self._idle.append(connection)

    def announce(self, pool_keys: Collection[int]) -> None:
        """See `Store`. One process has the file: there is nobody to tell."""

    def listen(self, heard: Callable[[frozenset[int] | None], None]) -> Callable[[], None]:
        """See `Store`."""
        return lambda: None

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()
