"""The statements of streams that every SQL store shares; a part of `statements`."""

from abc import ABC, abstractmethod

from holdfast_ledger.store.rows import Rows, Value
from holdfast_ledger.store.stream_rows import StreamedDebit, StreamedEntry

_DEBITS = """SELECT d.debit_key, a.account_id, p.pool_id, p.currency, d.amount, d.operation_id, d.hold_id, d.subject,
 d.dimensions, d.quantities, d.settled_at_ms, d.posted_at_ms, s.sidecar_id, d.epoch, d.sequence, d.late,
 d.over_hold_amount, d.estimated, d.caller
 FROM debits d JOIN accounts a ON a.account_key = d.account_key JOIN leases l ON l.lease_key = d.lease_key
 JOIN pools p ON p.pool_key = l.pool_key JOIN sidecars s ON s.sidecar_key = l.sidecar_key
 WHERE d.debit_key > ? AND d.debit_key <= ? ORDER BY d.debit_key LIMIT ?"""

_ENTRIES = """SELECT e.entry_key, e.type, a.account_id, p.pool_id, p.currency, coalesce(g.grant_id, ''), e.amount,
 e.posted_at_ms, coalesce(d.operation_id, ''), coalesce(d.hold_id, ''), coalesce(c.correction_id, '')
 FROM entries e JOIN pools p ON p.pool_key = e.pool_key JOIN accounts a ON a.account_key = p.account_key
 LEFT JOIN grants g ON g.grant_key = e.grant_key LEFT JOIN debits d ON d.debit_key = e.debit_key
 LEFT JOIN corrections c ON c.correction_key = e.correction_key
 WHERE e.entry_key > ? AND e.entry_key <= ? ORDER BY e.entry_key LIMIT ?"""

_OF = "group_id = ? AND topic = ? AND partition = ?"


class SqlStreamReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    def debits_to_stream(self, after_key: int, until_key: int, limit: int) -> list[StreamedDebit]:
        """See `StreamReader`."""
        return [StreamedDebit._make(row) for row in self._rows(_DEBITS, after_key, until_key, limit)]

    def entries_to_stream(self, after_key: int, until_key: int, limit: int) -> list[StreamedEntry]:
        """See `StreamReader`."""
        return [StreamedEntry._make(row) for row in self._rows(_ENTRIES, after_key, until_key, limit)]

    def stream_offset(self, group_id: str, topic: str, partition: int) -> int | None:
        """See `StreamReader`."""
        row = self._rows(f"SELECT next_offset FROM stream_offsets WHERE {_OF}", group_id, topic, partition).fetchone()
        return int(row[0]) if row else None


class SqlStreamWriter(SqlStreamReader):
    """Writes, within the transaction that its owner has opened."""

    def move_stream_offset(
        self, group_id: str, topic: str, partition: int, expected: int | None, next_offset: int
    ) -> bool:
        """See `StreamWriter`."""
        name = (group_id, topic, partition)
        if expected is None:
            sql = """INSERT INTO stream_offsets (group_id, topic, partition, next_offset) VALUES (?, ?, ?, ?)
                ON CONFLICT (group_id, topic, partition) DO NOTHING RETURNING 1"""
            return self._rows(sql, *name, next_offset).fetchone() is not None
        sql = f"UPDATE stream_offsets SET next_offset = ? WHERE {_OF} AND next_offset = ? RETURNING 1"
        return self._rows(sql, next_offset, *name, expected).fetchone() is not None
