"""Reads the ledger's database from another process: snapshots alone, on a connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from holdfast_ledger.store.interface import Reader, StoreFailed
from holdfast_ledger.store.sqlite import SqliteReader

BUSY_TIMEOUT_MS = 5_000

FEEDER_LOCK = 0x484F4C45
"""Key of the advisory lock ("HOLE") that the one feeder of a cluster has."""


WANTED_LOCK = 0x484F4C46
"""Key of the lock ("HOLF") that whoever wants to feed the store anew has."""

_CLAIMS = """SELECT
 exists(SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = pg_backend_pid() AND granted),
 exists(SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid <> pg_backend_pid() AND granted)"""


class Source(Protocol):
    """A ledger's database. One thread."""

    def reading(self) -> AbstractContextManager[Reader]:
        """Opens a snapshot. Raises `StoreError`."""

    def claimed(self) -> bool:
        """Tells whether this process is the one that feeds; the claim is gone with the process. Raises `StoreError`."""

    def wanting(self) -> AbstractContextManager[None]:
        """Has every other process give its claim up meanwhile. Raises `StoreError`."""

    def close(self) -> None:
        """Closes the connection."""


class SqliteSource:
    """The file of an embedded ledger. See `Source`."""

    def __init__(self, path: Path) -> None:
        """Opens the file, which is there already. Raises `StoreFailed`."""
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        except sqlite3.Error as fault:
            raise StoreFailed(f"cannot read {path}: {fault}") from fault

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """See `Source`."""
        try:
            self._connection.execute("BEGIN")
            yield SqliteReader(self._connection)
        except sqlite3.Error as fault:
            raise StoreFailed(str(fault)) from fault
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def claimed(self) -> bool:
        """See `Source`. One ledger has the file."""
        return True

    @contextmanager
    def wanting(self) -> Iterator[None]:
        """See `Source`. There is no other."""
        yield

    def close(self) -> None:
        """See `Source`."""
        self._connection.close()


class PostgresSource:
    """A database that replicas share. See `Source`; a connection that is lost is opened again."""

    def __init__(self, url: str) -> None:
        """Connects. Raises `StoreError`."""
        from holdfast_ledger.store import postgres, postgres_session  # noqa: PLC0415 - its driver is an extra

        self._reader, self._session, self._url = postgres.PostgresReader, postgres_session, url
        self._connection = postgres_session.connect_reader(url)
        self._claim: postgres_session.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """See `Source`."""
        if self._connection.closed:
            self._connection = self._session.connect_reader(self._url)
        with self._faults():
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield self._reader(self._connection)
        finally:
            with self._faults():
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415

        try:
            yield
        except psycopg.Error as fault:
            self._connection.close()
            raise self._session.store_error(fault) or StoreFailed(str(fault)) from fault

    def claimed(self) -> bool:
        """See `Source`. An advisory lock of a session: it goes with the connection."""
        import psycopg  # noqa: PLC0415

        try:
            if self._claim is None or self._claim.closed:
                self._claim = self._session.connect_reader(self._url)
            row = self._claim.execute(_CLAIMS, (FEEDER_LOCK, WANTED_LOCK)).fetchone()
            held, wanted = row or (False, False)
            if wanted and held:
                self._claim.execute("SELECT pg_advisory_unlock(%s)", (FEEDER_LOCK,))
            if wanted or held:
                return bool(held and not wanted)
            got = self._claim.execute("SELECT pg_try_advisory_lock(%s)", (FEEDER_LOCK,)).fetchone()
        except psycopg.Error as fault:
            raise self._session.store_error(fault) or StoreFailed(str(fault)) from fault
        return bool(got and got[0])

    @contextmanager
    def wanting(self) -> Iterator[None]:
        """See `Source`."""
        if not self.claimed():
            assert self._claim is not None
            self._claim.execute("SELECT pg_advisory_lock(%s)", (WANTED_LOCK,))
        try:
            yield
        finally:
            if self._claim is not None:
                self._claim.close()

    def close(self) -> None:
        """See `Source`."""
        self._connection.close()
        if self._claim is not None:
            self._claim.close()


def open_source(database: str) -> Source:
    """Opens a file with SQLite, a postgresql:// URL with PostgreSQL. Raises `StoreError`."""
    if database.startswith(("postgresql://", "postgres://")):
        return PostgresSource(database)
    return SqliteSource(Path(database))
