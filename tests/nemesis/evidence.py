"""What is on disk after a run: the sidecars' folders and the ledger's rows, read without the code that wrote them.

Of the sidecar it uses the messages of `records.proto` alone, of the ledger the tables' names. Downstream: `checker`.
"""

from __future__ import annotations  # py-lmdb's classes are generic in its stub alone

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import lmdb
import psycopg
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from holdfast_sidecar.store.v1 import records_pb2

CRC_BYTES = 4
TABLE_COUNT = 16
MAP_BYTES = 1 << 34


@dataclass(frozen=True, slots=True)
class Debit:
    """A debit, as a folder or the ledger has it; amounts in minor units."""

    operation_id: str
    pool: str
    amount: int
    hold_id: str
    epoch: int
    late: bool = False
    over_hold_amount: int = 0
    allowance_amount: int = 0
    fail_open_amount: int = 0


@dataclass(frozen=True, slots=True)
class Folder:
    """A sidecar's folder."""

    acked_sequence: int
    last_sequence: int
    debits: dict[int, Debit] = field(default_factory=dict)
    """By sequence; those that it has kept."""
    holds: dict[str, int] = field(default_factory=dict)
    """Amount by hold id."""
    consumed: dict[str, int] = field(default_factory=dict)
    """All debited in this life, by pool."""
    granted: dict[str, int] = field(default_factory=dict)
    """All rights granted to this life, as it knows, by pool."""
    rights_out: dict[str, int] = field(default_factory=dict)
    """Rights neither reclaimed, given back nor spent, as it knows, by pool; what is held is among them."""
    debit_bytes: int = 0
    """Size of the debits kept, as messages."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool of the ledger; amounts in minor units."""

    granted: int
    spent: int
    expired: int
    free: int
    leased: int
    partition_limit: int = 0
    """The threshold, if its mode is ALLOWANCE."""
    allowance_leased: int = 0
    allowance_spent: int = 0
    fail_open: int = 0
    over_hold: int = 0
    late: int = 0
    unleased: int = 0
    expired_leased: int = 0


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """What one life of a sidecar has of a pool."""

    sidecar: str
    pool: str
    granted: int
    reclaimed: int
    returned: int
    posted: int
    allowance_out: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A debit that was posted before by another one."""

    pool: str
    amount: int
    first: tuple[str, int]
    """Sidecar and sequence of the one that was posted."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The ledger's rows. Debits are named by sidecar and sequence."""

    pools: dict[str, PoolRow]
    leases: list[LeaseRow]
    acked: dict[str, int]
    """Mark of each sidecar."""
    debits: list[tuple[str, int, Debit]]
    entries: dict[tuple[str, int], int]
    """Sum of the journal's lines of each debit."""
    duplicates: dict[tuple[str, int], Duplicate] = field(default_factory=dict)
    quarantined: dict[tuple[str, int], str] = field(default_factory=dict)
    """Reason."""


def read_folder(path: Path) -> Folder:
    """Reads the folder of a sidecar that does not run."""
    with (
        lmdb.open(
            str(path), map_size=MAP_BYTES, max_dbs=TABLE_COUNT, readonly=True, lock=False, create=False, lib_version=0
        ) as environment,
        environment.begin() as transaction,
    ):
        tables = _Tables(environment, transaction)
        (meta,) = map(records_pb2.MetaRecord.FromString, tables.values(b"meta"))
        pools = list(map(records_pb2.PoolRecord.FromString, tables.values(b"pools")))
        holds = list(map(records_pb2.HoldRecord.FromString, tables.values(b"holds")))
        debits = list(map(sync_pb2.Debit.FromString, tables.values(b"debits")))
    return Folder(
        meta.acked_sequence,
        max([meta.last_sequence, *(debit.sequence for debit in debits)]),
        {debit.sequence: _debit(debit) for debit in debits},
        {hold.hold_id: hold.amount for hold in holds},
        {pool.pool_id: pool.consumed_total for pool in pools},
        {pool.pool_id: pool.granted_total for pool in pools},
        {
            pool.pool_id: pool.granted_total - pool.reclaimed_total - pool.returned_total - pool.consumed_total
            for pool in pools
        },
        sum(debit.ByteSize() for debit in debits),
    )


class _Tables:
    """The values of a folder's tables, their checksums taken off after a look."""

    def __init__(self, environment: lmdb.Environment, transaction: lmdb.Transaction[bytes]) -> None:
        self._environment = environment
        self._transaction = transaction

    def values(self, table: bytes) -> Iterator[bytes]:
        """Every value of a table, in the order of its keys."""
        handle = self._environment.open_db(table, txn=self._transaction, create=False)
        for _, record in self._transaction.cursor(db=handle).iternext():
            payload = record[:-CRC_BYTES]
            assert crc32(payload) == int.from_bytes(record[-CRC_BYTES:], "big"), f"a checksum in {table!r} does not fit"
            yield payload


def _debit(debit: sync_pb2.Debit) -> Debit:
    return Debit(
        debit.operation_id,
        debit.pool_id,
        debit.amount,
        debit.hold_id,
        debit.epoch,
        debit.late,
        debit.over_hold_amount,
        debit.allowance_amount,
        debit.fail_open_amount,
    )


POOLS = """
SELECT pool_id, granted_total, spent_total, expired_total, free, leased,
       CASE WHEN partition_mode = 2 THEN partition_overdraft_limit ELSE 0 END,
       allowance_leased, allowance_spent_total, fail_open_total, over_hold_total, late_total, unleased_total,
       expired_leased_total
FROM pools
"""
LEASES = """
SELECT s.sidecar_id, p.pool_id, l.granted_total, l.reclaimed_total, l.returned_total, l.posted_total,
       l.allowance_granted_total - l.allowance_reclaimed_total - l.allowance_returned_total - l.allowance_posted_total
FROM leases l JOIN sidecars s ON s.sidecar_key = l.sidecar_key JOIN pools p ON p.pool_key = l.pool_key
"""
DEBITS = """
SELECT s.sidecar_id, d.sequence, d.operation_id, p.pool_id, d.amount, d.hold_id, d.epoch, d.late, d.over_hold_amount,
       d.allowance_amount, d.fail_open_amount
FROM debits d JOIN leases l ON l.lease_key = d.lease_key JOIN sidecars s ON s.sidecar_key = l.sidecar_key
     JOIN pools p ON p.pool_key = l.pool_key
"""
ENTRIES = """
SELECT s.sidecar_id, d.sequence, SUM(e.amount)
FROM entries e JOIN debits d ON d.debit_key = e.debit_key JOIN leases l ON l.lease_key = d.lease_key
     JOIN sidecars s ON s.sidecar_key = l.sidecar_key
GROUP BY s.sidecar_id, d.sequence
"""
DUPLICATES = """
SELECT s.sidecar_id, x.sequence, p.pool_id, x.amount, t.sidecar_id, d.sequence
FROM duplicate_debits x JOIN leases l ON l.lease_key = x.lease_key JOIN sidecars s ON s.sidecar_key = l.sidecar_key
     JOIN pools p ON p.pool_key = l.pool_key
     JOIN debits d ON d.debit_key = x.debit_key JOIN leases f ON f.lease_key = d.lease_key
     JOIN sidecars t ON t.sidecar_key = f.sidecar_key
"""
QUARANTINED = """
SELECT s.sidecar_id, q.sequence, q.reason
FROM quarantined_debits q JOIN sidecars s ON s.sidecar_key = q.sidecar_key
"""


def read_rows(database: str) -> Rows:
    """Reads the ledger's rows: of a SQLite file, or by a `postgresql://` address."""
    with closing(_connect(database)) as connection:

        def rows(statement: str) -> list[tuple[object, ...]]:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

        return Rows(
            {str(row[0]): PoolRow(*map(_int, row[1:])) for row in rows(POOLS)},
            [LeaseRow(str(row[0]), str(row[1]), *map(_int, row[2:])) for row in rows(LEASES)],
            {str(row[0]): _int(row[1]) for row in rows("SELECT sidecar_id, acked_sequence FROM sidecars")},
            [(str(row[0]), _int(row[1]), _debit_row(row[2:])) for row in rows(DEBITS)],
            {(str(row[0]), _int(row[1])): _int(row[2]) for row in rows(ENTRIES)},
            {
                (str(row[0]), _int(row[1])): Duplicate(str(row[2]), _int(row[3]), (str(row[4]), _int(row[5])))
                for row in rows(DUPLICATES)
            },
            {(str(row[0]), _int(row[1])): str(row[2]) for row in rows(QUARANTINED)},
        )


def _connect(database: str) -> sqlite3.Connection | psycopg.Connection:
    if database.startswith("postgresql:"):
        return psycopg.connect(database)
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _debit_row(row: tuple[object, ...]) -> Debit:
    operation_id, pool, amount, hold_id, epoch, late, over_hold, allowance, fail_open = row
    return Debit(
        str(operation_id),
        str(pool),
        _int(amount),
        str(hold_id),
        _int(epoch),
        bool(late),
        _int(over_hold),
        _int(allowance),
        _int(fail_open),
    )


def _int(value: object) -> int:
    assert isinstance(value, int | Decimal)  # PostgreSQL sums to decimals
    return int(value)
