"""Connections to PostgreSQL: how they are opened, which limits they have, which faults they meet; and the tables."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import psycopg
from psycopg import conninfo, errors

from holdfast_ledger.store import postgres_values
from holdfast_ledger.store.interface import Aborted, StoreError, StoreFailed, StoreTooNew

Connection = psycopg.Connection[tuple[object, ...]]

CONNECTION_DEFAULTS = {
    "application_name": "holdfast-ledger",
    "connect_timeout": "5",  # seconds; whoever waits for a transaction waits behind it
    "target_session_attrs": "read-write",  # of several hosts the primary, also after it has changed
    "keepalives_idle": "10",  # a host that is gone without a word is noticed after 10 + 3 * 5 s
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # and when it is gone with a statement under way
}
"""What the URL may say otherwise."""

STATEMENT_TIMEOUT_MS = 30_000
"""Of a statement of a posting transaction, which takes milliseconds: past it something is wrong and is told."""

LOCK_TIMEOUT_MS = 5_000
"""Wait for another replica's rows; its transactions are over within tenths of a second, or it is in trouble."""

IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
"""A replica that was stopped in the middle of a transaction, or cut off, loses the rows that it has locked."""

READ_TIMEOUT_MS = 600_000
"""Of a statement that reads: the audit sums the whole journal."""

FORMAT_LOCK = 0x484F4C44
"""Key of the advisory lock ("HOLD") under which the tables are made, so that replicas may start at once."""

APPLICATION = "holdfast ledger"
"""In schema_version, so that no other program's database is taken for a ledger."""

_log = logging.getLogger(__name__)


def place(url: str) -> str:
    """Returns what may be told of a URL: hosts and database, never user or password. Raises `StoreFailed`."""
    said = _parsed(url)
    return f"postgresql://{said.get('host', '')}:{said.get('port', '')}/{said.get('dbname', '')}"


def _parsed(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:
        raise StoreFailed("the URL of the PostgreSQL database cannot be read") from None  # its text may have a password


def connect(url: str) -> Connection:
    """Opens a connection that commits by itself where no transaction is begun. Raises `StoreFailed`."""
    said = CONNECTION_DEFAULTS | _parsed(url)
    try:
        connection = psycopg.connect(**said, autocommit=True)  # type: ignore[arg-type]  # strings, as libpq takes them
    except psycopg.Error as fault:
        raise StoreFailed(f"cannot reach {place(url)}: {_told(fault)}") from fault
    postgres_values.register(connection)
    return connection


def connect_writer(url: str) -> Connection:
    """Opens the connection of the writer. Raises `StoreFailed`."""
    connection = connect(url)
    with closing_on_fault(connection):
        connection.execute(f"""
            SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET lock_timeout = {LOCK_TIMEOUT_MS};
            SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS};
            -- An acked debit is on the disk, whatever the database's default. Stricter settings are left as they are.
            SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
            -- Statements are planned once, maybe while a table is empty: each has its index, and is to use it then too.
            SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
            SET plan_cache_mode = force_generic_plan""")
    return connection


def connect_reader(url: str) -> Connection:
    """Opens a connection that only reads. Raises `StoreFailed`."""
    connection = connect(url)
    with closing_on_fault(connection):
        connection.execute(f"""
            SET statement_timeout = {READ_TIMEOUT_MS}; SET idle_in_transaction_session_timeout = {READ_TIMEOUT_MS};
            SET default_transaction_read_only = on""")
    return connection


@contextmanager
def closing_on_fault(connection: Connection) -> Iterator[None]:
    """Closes a connection that could not be made ready. Raises `StoreFailed`."""
    try:
        yield
    except psycopg.Error as fault:
        connection.close()
        raise store_error(fault) or StoreFailed(_told(fault)) from fault
    except BaseException:
        connection.close()
        raise


def store_error(fault: psycopg.Error) -> StoreError | None:
    """Returns what a fault of the database means here; None: a broken rule or a mistake of ours, told as it is."""
    if isinstance(fault, errors.DeadlockDetected | errors.SerializationFailure):
        return Aborted(_told(fault))
    if isinstance(fault, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError):
        return StoreFailed(_told(fault))
    return None


def _told(fault: psycopg.Error) -> str:
    """The message in one line."""
    return re.sub(r"\s+", " ", str(fault)).strip() or type(fault).__name__


def _migrations() -> list[str]:
    folder = resources.files("holdfast_ledger.store") / "migrations" / "postgres"
    return [f.read_text("utf-8") for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".sql")]


def migrate(connection: Connection) -> None:
    """Brings the tables to this version, in one transaction. Raises `StoreTooNew`, `StoreFailed`."""
    steps = _migrations()
    with connection.transaction():
        _check_server(connection)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (FORMAT_LOCK,))
        version = _version(connection)
        if version > len(steps):
            raise StoreTooNew(
                f"the database has format {version}, this version knows up to {len(steps)}: run the newer version"
            )
        for script in steps[version:]:
            connection.execute(script.encode())
        if version < len(steps):
            connection.execute("UPDATE schema_version SET version = %s", (len(steps),))


def _check_server(connection: Connection) -> None:
    values = [_value(connection, f"SELECT current_setting('{name}')") for name in ("server_encoding", "fsync")]
    if values[0] != "UTF8":
        raise StoreFailed(f"the database has the encoding {values[0]}, a ledger needs UTF8")
    if values[1] != "on":
        _log.warning("the server runs with fsync off: a crash of its host may lose debits that were acked")


def _version(connection: Connection) -> int:
    """Returns the format of the tables, 0 if there are none. Raises `StoreFailed` for someone else's."""
    if _value(connection, "SELECT to_regclass(quote_ident(current_schema()) || '.schema_version')::text") is None:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
        if _value(connection, tables):
            raise StoreFailed("the database has tables and is not a ledger of Holdfast; nothing was touched")
        connection.execute("CREATE TABLE schema_version (application TEXT PRIMARY KEY, version BIGINT NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (%s, 0)", (APPLICATION,))
        return 0
    columns = """SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema()
        AND table_name = 'schema_version' AND column_name IN ('application', 'version')"""
    rows = "SELECT version FROM schema_version WHERE application = %s"
    version = _value(connection, rows, APPLICATION) if _value(connection, columns) == 2 else None
    if not isinstance(version, int):
        raise StoreFailed("the database is not a ledger of Holdfast; nothing was touched")
    return version


def _value(connection: Connection, sql: str, *values: str) -> object:
    """Returns the one value that a query is for, None if there is no row."""
    row = connection.execute(sql.encode(), values or None).fetchone()
    return row[0] if row else None
