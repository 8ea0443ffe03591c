"""The embedded store: SQLite, write-ahead log, every commit synced. See `interface` for what the methods promise.

Speed comes from few statements: rows go in many a statement, so that one step of SQLite, which runs without the
interpreter lock, carries many of them.
"""

import itertools
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from holdfast_ledger.store.interface import (
    LEASE_FIGURES,
    NEVER,
    POOL_FIGURES,
    Account,
    BookLine,
    BurnPosition,
    Conflict,
    CurrencyTotal,
    DebitRow,
    DuplicateRow,
    EntryRow,
    EntryType,
    FlagSum,
    Grant,
    GrantState,
    JournalLine,
    Lease,
    LeaseSum,
    LedgerState,
    Life,
    Locks,
    Policy,
    Pool,
    QuarantineRow,
    SequenceSum,
    Sidecar,
    StoreFailed,
    StoreTooNew,
    lease_figures,
    pool_figures,
)

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

Value = int | str | bytes | None

_POOL = """SELECT p.account_key, a.account_id, p.pool_id, p.currency, p.currency_exponent, p.enforcement,
 p.overdraft_limit, p.overdraft_limit_bps, p.partition_mode, p.partition_overdraft_limit, p.partition_after_ms,
 p.created_at_ms, p.pool_key, p.free, p.leased, p.granted_total, p.spent_total, p.expired_total, p.overdraft,
 p.allowance_leased, p.allowance_spent_total, p.fail_open_total, p.over_hold_total, p.late_total, p.unleased_total,
 p.expired_leased_total, p.recall_round, p.recall_until_ms
 FROM pools p JOIN accounts a USING (account_key) """
_GRANT = """SELECT pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms, cost_amount,
 cost_currency, created_at_ms, remaining, state, due_at_ms, grant_key FROM grants """
_SIDECAR = """SELECT s.sidecar_id, s.epoch, s.birth_epoch, s.instance, s.stream_number, s.acked_sequence,
 s.max_hold_ttl_ms, s.version, s.last_seen_at_ms, l.reclaim_at_ms, l.allowance_reclaim_at_ms, s.generation,
 s.sidecar_key
 FROM sidecars s JOIN lives l USING (sidecar_key, birth_epoch) """
_LEASE = """SELECT l.sidecar_key, l.birth_epoch, l.pool_key, l.granted_total, l.reclaimed_total, l.returned_total,
 l.posted_total, l.allowance_granted_total, l.allowance_reclaimed_total, l.allowance_returned_total,
 l.allowance_posted_total, l.needed, l.answered_round, l.lease_key, s.sidecar_id,
 CASE WHEN s.birth_epoch = l.birth_epoch THEN s.last_seen_at_ms ELSE 0 END
 FROM leases l JOIN sidecars s USING (sidecar_key) """
_JOURNAL = """SELECT e.entry_key, e.type, coalesce(g.grant_id, ''), e.amount, e.posted_at_ms,
 coalesce(s.sidecar_id, ''), coalesce(d.epoch, 0), coalesce(d.sequence, 0), coalesce(d.operation_id, ''),
 coalesce(d.hold_id, '') FROM entries e
 LEFT JOIN grants g USING (grant_key) LEFT JOIN debits d USING (debit_key)
 LEFT JOIN leases l USING (lease_key) LEFT JOIN sidecars s USING (sidecar_key) """
_IN_KEYS = "(SELECT value FROM json_each(?))"


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
    """Brings the tables to this version, each step in a transaction. Raises `StoreTooNew`."""
    steps = _migrations()
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


class SqliteReader:
    """Reads on one connection, within the transaction that its owner has opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _rows(self, sql: str, *values: Value) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def account(self, account_id: str) -> Account | None:
        """See `Reader`."""
        sql = "SELECT account_id, display_name, created_at_ms, account_key FROM accounts WHERE account_id = ?"
        return next((Account(*row) for row in self._rows(sql, account_id)), None)

    def accounts(self, after_key: int, limit: int) -> list[Account]:
        """See `Reader`."""
        sql = """SELECT account_id, display_name, created_at_ms, account_key FROM accounts
            WHERE account_key > ? ORDER BY account_key LIMIT ?"""
        return [Account(*row) for row in self._rows(sql, after_key, limit)]

    def _pools(self, where: str, *values: Value) -> list[Pool]:
        return [Pool(*(*row[:5], Policy(*row[5:11]), *row[11:])) for row in self._rows(_POOL + where, *values)]

    def pool(self, account_id: str, pool_id: str) -> Pool | None:
        """See `Reader`."""
        return next(iter(self._pools("WHERE a.account_id = ? AND p.pool_id = ?", account_id, pool_id)), None)

    def pools_by_key(self, pool_keys: Collection[int]) -> dict[int, Pool]:
        """See `Reader`."""
        rows = self._pools(f"WHERE p.pool_key IN {_IN_KEYS}", json.dumps(list(pool_keys)))
        return {pool.pool_key: pool for pool in rows}

    def pools(self, account_key: int, after_key: int, limit: int) -> list[Pool]:
        """See `Reader`."""
        where = "WHERE p.account_key = ? AND p.pool_key > ? ORDER BY p.pool_key LIMIT ?"
        return self._pools(where, account_key, after_key, limit)

    def _grants(self, where: str, *values: Value) -> list[Grant]:
        return [Grant(*(*row[:11], GrantState(row[11]), *row[12:])) for row in self._rows(_GRANT + where, *values)]

    def grant(self, pool_key: int, grant_id: str) -> Grant | None:
        """See `Reader`."""
        return next(iter(self._grants("WHERE pool_key = ? AND grant_id = ?", pool_key, grant_id)), None)

    def grants(self, pool_key: int, after: BurnPosition | None, limit: int) -> list[Grant]:
        """See `Reader`."""
        order = "(priority, category, expires_at_ms, effective_at_ms, grant_id)"
        tail = "ORDER BY priority, category, expires_at_ms, effective_at_ms, grant_id LIMIT ?"
        if after is None:
            return self._grants(f"WHERE pool_key = ? {tail}", pool_key, limit)
        return self._grants(f"WHERE pool_key = ? AND {order} > (?, ?, ?, ?, ?) {tail}", pool_key, *after, limit)

    def grants_burning(self, pool_keys: Collection[int]) -> list[Grant]:
        """See `Reader`."""
        where = f"WHERE state <= 2 AND state = 2 AND pool_key IN {_IN_KEYS}"
        return self._grants(where, json.dumps(list(pool_keys)))

    def grants_due(self, now_ms: int, limit: int, pool_keys: Collection[int] | None) -> list[Grant]:
        """See `Reader`."""
        order = "ORDER BY due_at_ms, grant_key LIMIT ?"
        if pool_keys is None:
            return self._grants(f"WHERE due_at_ms <= ? AND due_at_ms < {NEVER} {order}", now_ms, limit)
        where = f"WHERE state <= 2 AND pool_key IN {_IN_KEYS} AND due_at_ms <= ? {order}"
        return self._grants(where, json.dumps(list(pool_keys)), now_ms, limit)

    def pending_amount(self, pool_key: int) -> int:
        """See `Reader`."""
        sql = "SELECT coalesce(sum(amount), 0) FROM grants WHERE state <= 2 AND state = 1 AND pool_key = ?"
        return int(self._rows(sql, pool_key).fetchone()[0])

    def _journal(self, where: str, *values: Value) -> list[JournalLine]:
        tail = "AND e.entry_key > ? ORDER BY e.entry_key LIMIT ?"
        rows = self._rows(f"{_JOURNAL} {where} {tail}", *values)
        return [JournalLine(row[0], EntryType(row[1]), *row[2:]) for row in rows]

    def journal(self, pool_key: int, after_key: int, limit: int) -> list[JournalLine]:
        """See `Reader`."""
        return self._journal("WHERE e.pool_key = ?", pool_key, after_key, limit)

    def journal_of_operation(
        self, account_key: int, pool_key: int, operation_id: str, after_key: int, limit: int
    ) -> list[JournalLine]:
        """See `Reader`."""
        where = """WHERE e.debit_key = (SELECT debit_key FROM debits WHERE account_key = ? AND operation_id = ?)
            AND e.pool_key = ?"""
        return self._journal(where, account_key, operation_id, pool_key, after_key, limit)

    def sidecar(self, sidecar_id: str) -> Sidecar | None:
        """See `Reader`."""
        rows = self._rows(_SIDECAR + "WHERE s.sidecar_id = ?", sidecar_id)
        return next((Sidecar(*row) for row in rows), None)

    def sidecars(self, after_key: int, limit: int) -> list[Sidecar]:
        """See `Reader`."""
        where = "WHERE s.sidecar_key > ? ORDER BY s.sidecar_key LIMIT ?"
        return [Sidecar(*row) for row in self._rows(_SIDECAR + where, after_key, limit)]

    def lives_due(self, now_ms: int, limit: int) -> list[Life]:
        """See `Reader`."""
        one = f"""SELECT * FROM (SELECT sidecar_key, birth_epoch, reclaim_at_ms, allowance_reclaim_at_ms FROM lives
            WHERE {{0}} <= ? AND {{0}} < {NEVER} ORDER BY {{0}} LIMIT ?)"""
        sql = " UNION ".join(one.format(column) for column in ("reclaim_at_ms", "allowance_reclaim_at_ms"))
        lives = [Life(*row) for row in self._rows(sql, now_ms, limit, now_ms, limit)]
        return sorted(lives, key=lambda life: (min(life[2:]), life))[:limit]

    def ledger(self) -> LedgerState:
        """See `Reader`."""
        return LedgerState(*self._rows("SELECT generation, recover_until_ms FROM ledger").fetchone())

    def leases_of_pool(self, pool_key: int) -> list[Lease]:
        """See `Reader`."""
        where = f"""JOIN lives v USING (sidecar_key, birth_epoch) WHERE l.pool_key = ?
            AND (v.reclaim_at_ms < {NEVER} OR v.allowance_reclaim_at_ms < {NEVER}) ORDER BY l.lease_key"""
        return [Lease(*row) for row in self._rows(_LEASE + where, pool_key)]

    def pools_needy(self, limit: int) -> list[int]:
        """See `Reader`."""
        sql = "SELECT DISTINCT pool_key FROM leases WHERE needed > 0 ORDER BY pool_key LIMIT ?"
        return [row[0] for row in self._rows(sql, limit)]

    def leases_of_life(self, sidecar_key: int, birth_epoch: int, pool_keys: Collection[int] | None) -> list[Lease]:
        """See `Reader`."""
        where = "WHERE l.sidecar_key = ? AND l.birth_epoch = ? "
        values: list[Value] = [sidecar_key, birth_epoch]
        if pool_keys is not None:
            where += f"AND l.pool_key IN {_IN_KEYS} "
            values.append(json.dumps(list(pool_keys)))
        return [Lease(*row) for row in self._rows(_LEASE + where + "ORDER BY l.lease_key", *values)]

    def leases(
        self, account_key: int | None, pool_key: int | None, sidecar_key: int | None, after_key: int, limit: int
    ) -> list[Lease]:
        """See `Reader`."""
        where, values = "WHERE l.lease_key > ? ", [after_key]
        if account_key is not None:
            where += "AND l.pool_key IN (SELECT pool_key FROM pools WHERE account_key = ?) "
            values.append(account_key)
        if pool_key is not None:
            where += "AND l.pool_key = ? "
            values.append(pool_key)
        if sidecar_key is not None:
            where += "AND l.sidecar_key = ? "
            values.append(sidecar_key)
        rows = self._rows(_LEASE + where + "ORDER BY l.lease_key LIMIT ?", *values, limit)
        return [Lease(*row) for row in rows]

    def lease_count(self) -> int:
        """See `Reader`."""
        sql = """SELECT count(*) FROM leases
            WHERE granted_total - reclaimed_total - returned_total - posted_total > 0"""
        return int(self._rows(sql).fetchone()[0])

    def currency_totals(self) -> list[CurrencyTotal]:
        """See `Reader`."""
        sql = """SELECT currency, total(leased), total(overdraft), count(nullif(overdraft, 0)),
            total(allowance_leased), total(allowance_spent_total), total(fail_open_total), total(over_hold_total),
            total(late_total), total(unleased_total), total(expired_leased_total),
            total(max(1.0 * allowance_leased - free, overdraft, CASE WHEN enforcement <> 2 THEN 0
                WHEN overdraft_limit_bps = 0 THEN overdraft_limit
                ELSE granted_total / 10000.0 * overdraft_limit_bps END)),
            sum(recall_round) FROM pools GROUP BY currency ORDER BY currency"""
        return [CurrencyTotal(*row) for row in self._rows(sql)]

    def book_lines(self) -> list[BookLine]:
        """See `Reader`."""
        sql = "SELECT pool_key, type, grant_key, sum(amount), count(*) FROM entries GROUP BY 1, 2, 3"
        return [BookLine(row[0], EntryType(row[1]), *row[2:]) for row in self._rows(sql)]

    def lease_sums(self) -> list[LeaseSum]:
        """See `Reader`."""
        sql = """SELECT lease_key, sum(amount), sum(allowance_amount) FROM
            (SELECT lease_key, amount, allowance_amount FROM debits
             UNION ALL SELECT lease_key, amount, allowance_amount FROM duplicate_debits)
            GROUP BY lease_key"""
        return [LeaseSum(*row) for row in self._rows(sql)]

    def flag_sums(self) -> list[FlagSum]:
        """See `Reader`."""
        sql = """SELECT l.pool_key, sum(d.allowance_amount), sum(d.fail_open_amount), sum(d.over_hold_amount),
            sum(CASE WHEN d.late THEN d.amount ELSE 0 END)
            FROM debits d JOIN leases l USING (lease_key) GROUP BY l.pool_key"""
        return [FlagSum(*row) for row in self._rows(sql)]

    def debits_not_balanced(self, limit: int) -> list[int]:
        """See `Reader`."""
        sql = """SELECT debit_key FROM debits d WHERE amount <>
            (SELECT coalesce(sum(e.amount), 0) FROM entries e WHERE e.debit_key = d.debit_key) LIMIT ?"""
        return [row[0] for row in self._rows(sql, limit)]

    def sequence_sums(self) -> list[SequenceSum]:
        """See `Reader`."""
        sql = """SELECT sidecar_key, count(DISTINCT sequence), max(sequence) FROM (
            SELECT l.sidecar_key, d.sequence FROM debits d JOIN leases l USING (lease_key)
            UNION ALL SELECT l.sidecar_key, d.sequence FROM duplicate_debits d JOIN leases l USING (lease_key)
            UNION ALL SELECT sidecar_key, sequence FROM quarantined_debits) GROUP BY sidecar_key"""
        return [SequenceSum(*row) for row in self._rows(sql)]


def _insert_sql(head: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head} VALUES {', '.join([row] * rows)}"


class SqliteWriter(SqliteReader):
    """Reads and writes on the writer's connection, within the transaction that its owner has opened."""

    def _insert(self, sql: str, *values: Value) -> int:
        try:
            key = self._connection.execute(sql, values).lastrowid
        except sqlite3.IntegrityError as fault:
            if fault.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                raise Conflict(str(fault)) from fault
            raise
        assert key is not None
        return key

    def _insert_many(self, head: str, rows: Sequence[tuple[Value, ...]], tail: str = "") -> int:
        """Inserts rows, many a statement; returns how many were not refused by `tail`."""
        inserted, start = 0, 0
        while start < len(rows):
            left = len(rows) - start
            count = ROWS_A_STATEMENT if left >= ROWS_A_STATEMENT else 1 << (left.bit_length() - 1)
            sql = _insert_sql(head, len(rows[0]), count) + tail
            values = tuple(itertools.chain.from_iterable(rows[start : start + count]))
            inserted += self._connection.execute(sql, values).rowcount
            start += count
        return inserted

    def lock(self, wanted: Locks) -> None:
        """See `Writer`. One process writes, one transaction at a time: nobody is there to keep away."""

    def save_ledger(self, state: LedgerState) -> None:
        """See `Writer`."""
        self._rows("UPDATE ledger SET generation = ?, recover_until_ms = ?", *state)

    def insert_account(self, account: Account) -> int:
        """See `Writer`."""
        sql = "INSERT INTO accounts (account_id, display_name, created_at_ms) VALUES (?, ?, ?)"
        account.account_key = self._insert(sql, account.account_id, account.display_name, account.created_at_ms)
        return account.account_key

    def insert_pool(self, pool: Pool) -> int:
        """See `Writer`."""
        rules = pool.policy
        head = f"""INSERT INTO pools (account_key, pool_id, currency, currency_exponent, enforcement, overdraft_limit,
            overdraft_limit_bps, partition_mode, partition_overdraft_limit, partition_after_ms, created_at_ms,
            {", ".join(POOL_FIGURES)})"""
        values: tuple[Value, ...] = (
            pool.account_key, pool.pool_id, pool.currency, pool.currency_exponent, rules.enforcement,
            rules.overdraft_limit, rules.overdraft_limit_bps, rules.partition_mode, rules.partition_overdraft_limit,
            rules.partition_after_ms, pool.created_at_ms, *pool_figures(pool),
        )  # fmt: skip
        pool.pool_key = self._insert(_insert_sql(head, len(values), 1), *values)
        return pool.pool_key

    def save_policy(self, pool_key: int, policy: Policy) -> None:
        """See `Writer`."""
        sql = """UPDATE pools SET enforcement = ?, overdraft_limit = ?, overdraft_limit_bps = ?, partition_mode = ?,
            partition_overdraft_limit = ?, partition_after_ms = ? WHERE pool_key = ?"""
        self._rows(
            sql, policy.enforcement, policy.overdraft_limit, policy.overdraft_limit_bps, policy.partition_mode,
            policy.partition_overdraft_limit, policy.partition_after_ms, pool_key,
        )  # fmt: skip

    def save_pools(self, pools: Iterable[Pool]) -> None:
        """See `Writer`."""
        sql = f"UPDATE pools SET {', '.join(f'{name} = ?' for name in POOL_FIGURES)} WHERE pool_key = ?"
        self._connection.executemany(sql, [(*pool_figures(pool), pool.pool_key) for pool in pools])

    def insert_grant(self, grant: Grant) -> int:
        """See `Writer`."""
        sql = _insert_sql(
            """INSERT INTO grants (pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms,
            cost_amount, cost_currency, created_at_ms, remaining, state, due_at_ms)""",
            13,
            1,
        )
        grant.grant_key = self._insert(
            sql, grant.pool_key, grant.grant_id, grant.amount, grant.category, grant.priority, grant.effective_at_ms,
            grant.expires_at_ms, grant.cost_amount, grant.cost_currency, grant.created_at_ms, grant.remaining,
            grant.state, grant.due_at_ms,
        )  # fmt: skip
        return grant.grant_key

    def save_grants(self, grants: Iterable[Grant]) -> None:
        """See `Writer`."""
        sql = "UPDATE grants SET remaining = ?, state = ?, due_at_ms = ? WHERE grant_key = ?"
        self._connection.executemany(sql, [(g.remaining, g.state, g.due_at_ms, g.grant_key) for g in grants])

    def insert_sidecar(self, sidecar: Sidecar) -> int:
        """See `Writer`."""
        sql = _insert_sql(
            """INSERT INTO sidecars (sidecar_id, epoch, birth_epoch, instance, stream_number, acked_sequence,
            max_hold_ttl_ms, version, last_seen_at_ms, generation)""",
            10,
            1,
        )
        sidecar.sidecar_key = self._insert(
            sql, sidecar.sidecar_id, sidecar.epoch, sidecar.birth_epoch, sidecar.instance, sidecar.stream_number,
            sidecar.acked_sequence, sidecar.max_hold_ttl_ms, sidecar.version, sidecar.last_seen_at_ms,
            sidecar.generation,
        )  # fmt: skip
        self.save_life(sidecar.life)
        return sidecar.sidecar_key

    def save_sidecar(self, sidecar: Sidecar) -> None:
        """See `Writer`."""
        sql = """UPDATE sidecars SET epoch = ?, birth_epoch = ?, instance = ?, stream_number = ?, acked_sequence = ?,
            max_hold_ttl_ms = ?, version = ?, last_seen_at_ms = ?, generation = ? WHERE sidecar_key = ?"""
        self._rows(
            sql, sidecar.epoch, sidecar.birth_epoch, sidecar.instance, sidecar.stream_number, sidecar.acked_sequence,
            sidecar.max_hold_ttl_ms, sidecar.version, sidecar.last_seen_at_ms, sidecar.generation,
            sidecar.sidecar_key,
        )  # fmt: skip
        self.save_life(sidecar.life)

    def save_acked(self, sidecar_key: int, acked_sequence: int) -> None:
        """See `Writer`."""
        self._rows("UPDATE sidecars SET acked_sequence = ? WHERE sidecar_key = ?", acked_sequence, sidecar_key)

    def save_life(self, life: Life) -> None:
        """See `Writer`."""
        sql = """INSERT INTO lives (sidecar_key, birth_epoch, reclaim_at_ms, allowance_reclaim_at_ms)
            VALUES (?, ?, ?, ?) ON CONFLICT (sidecar_key, birth_epoch) DO UPDATE SET
            reclaim_at_ms = excluded.reclaim_at_ms, allowance_reclaim_at_ms = excluded.allowance_reclaim_at_ms"""
        self._rows(sql, *life)

    def insert_lease(self, lease: Lease) -> int:
        """See `Writer`."""
        head = f"INSERT INTO leases (sidecar_key, birth_epoch, pool_key, {', '.join(LEASE_FIGURES)})"
        values = (lease.sidecar_key, lease.birth_epoch, lease.pool_key, *lease_figures(lease))
        lease.lease_key = self._insert(_insert_sql(head, len(values), 1), *values)
        return lease.lease_key

    def save_leases(self, leases: Iterable[Lease]) -> None:
        """See `Writer`."""
        sql = f"UPDATE leases SET {', '.join(f'{name} = ?' for name in LEASE_FIGURES)} WHERE lease_key = ?"
        self._connection.executemany(sql, [(*lease_figures(lease), lease.lease_key) for lease in leases])

    def insert_debits(self, rows: Sequence[DebitRow]) -> list[int]:
        """See `Writer`."""
        (last,) = self._rows("SELECT coalesce(max(debit_key), 0) FROM debits").fetchone()
        keys = list(range(last + 1, last + len(rows) + 1))
        keyed = [(key, *row) for key, row in zip(keys, rows, strict=True)]
        tail = " ON CONFLICT (account_key, operation_id) DO NOTHING"
        if self._insert_many("INSERT INTO debits", keyed, tail) == len(rows):
            return keys
        there = {row[0] for row in self._rows("SELECT debit_key FROM debits WHERE debit_key > ?", last)}
        return [key if key in there else 0 for key in keys]

    def debit_of_operation(self, account_key: int, operation_id: str) -> int:
        """See `Writer`."""
        sql = "SELECT debit_key FROM debits WHERE account_key = ? AND operation_id = ?"
        return next((int(row[0]) for row in self._rows(sql, account_key, operation_id)), 0)

    def insert_entries(self, rows: Sequence[EntryRow]) -> None:
        """See `Writer`."""
        self._insert_many("INSERT INTO entries (type, pool_key, grant_key, debit_key, amount, posted_at_ms)", rows)

    def insert_duplicates(self, rows: Sequence[DuplicateRow]) -> None:
        """See `Writer`."""
        self._insert_many("INSERT INTO duplicate_debits", rows)

    def insert_quarantined(self, rows: Sequence[QuarantineRow]) -> None:
        """See `Writer`."""
        self._insert_many("INSERT INTO quarantined_debits", rows)

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
