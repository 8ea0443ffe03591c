"""The statements about windows, a part of `statements`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from holdfast_ledger.store.rows import Rows, Value
from holdfast_ledger.store.rule_rows import Node
from holdfast_ledger.store.window_rows import (
    WINDOW_COLUMNS,
    BucketRow,
    Window,
    WindowKind,
    WindowLeaseSum,
    WindowSum,
    window_values,
)

_WINDOW = """SELECT w.pool_key, w.rule_id, w.kind, w.subject, w.leased, w.starts_at_ms, w.ends_at_ms, w.rolling_ms,
 w.alert_bps, w.alerted_bps, w.alert_count, w.left_total, w.closed, w.due_at_ms FROM windows w """


class WindowStatements(ABC):
    """Reads, within the transaction that its owner has opened."""

    in_keys: ClassVar[str]
    each_key: ClassVar[str]
    """A table of the keys in the JSON list that is put in for "{}", in a column named `value`."""

    each_node: ClassVar[str]

    @abstractmethod
    def _nodes(self, nodes: Collection[Node]) -> Sequence[Value]:
        """As in `SqlRuleReader`."""

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    @abstractmethod
    def _keys(self, keys: Collection[int]) -> Value:
        """Returns keys as one parameter."""

    def _windows(self, where: str, *values: Value) -> list[Window]:
        rows = self._rows(_WINDOW + where, *values)
        return [Window(*(*row[:2], WindowKind(row[2]), *row[3:])) for row in rows]

    def windows(self, pool_keys: Collection[int]) -> dict[int, Window]:
        """See `WindowReader`."""
        if not pool_keys:
            return {}
        found = self._windows(f"WHERE w.pool_key {self.in_keys}", self._keys(pool_keys))
        return {window.pool_key: window for window in found}

    def windows_after(self, after_key: int, limit: int) -> list[Window]:
        """See `WindowReader`."""
        return self._windows("WHERE w.pool_key > ? ORDER BY w.pool_key LIMIT ?", after_key, limit)

    def windows_of_rules(self, account_key: int, rule_ids: Collection[str]) -> list[int]:
        """See `WindowReader`. U+0020 follows U+001F, so the names between them are those of the rule."""
        where = """r.account_key = n.account_key AND r.pool_id >= n.subject || '\x1f'
            AND r.pool_id < n.subject || '\x20' AND r.is_window = 1"""
        sql = f"SELECT r.pool_key FROM {self.each_node.format(table='pools', where=where)}"
        return [row[0] for row in self._rows(sql, *self._nodes([(account_key, rule_id) for rule_id in rule_ids]))]

    def windows_due(self, now_ms: int, limit: int) -> list[int]:
        """See `WindowReader`."""
        sql = """SELECT pool_key FROM windows WHERE due_at_ms <= ? AND due_at_ms < 9223372036854775807
            ORDER BY due_at_ms, pool_key LIMIT ?"""
        return [row[0] for row in self._rows(sql, now_ms, limit)]

    def windows_of_debit(self, debit_key: int) -> list[int]:
        """See `WindowReader`."""
        each = self.each_key.format("nullif(d.windows, '')")
        sql = f"""SELECT CAST(w.value AS BIGINT) FROM debits d CROSS JOIN {each} w
            WHERE d.debit_key = ? AND d.windows <> '' ORDER BY 1"""
        return [row[0] for row in self._rows(sql, debit_key)]

    def buckets(self, pool_key: int) -> list[BucketRow]:
        """See `WindowReader`."""
        sql = "SELECT pool_key, ends_at_ms, amount FROM window_buckets WHERE pool_key = ? ORDER BY ends_at_ms"
        return [BucketRow(*row) for row in self._rows(sql, pool_key)]

    def bucket_sums(self) -> list[WindowSum]:
        """See `WindowReader`."""
        sql = "SELECT pool_key, CAST(sum(amount) AS BIGINT) FROM window_buckets GROUP BY pool_key"
        return [WindowSum(*row) for row in self._rows(sql)]

    def window_sums(self) -> list[WindowSum]:
        """See `WindowReader`."""
        each = self.each_key.format("nullif(d.windows, '')")
        sql = f"""SELECT CAST(w.value AS BIGINT), CAST(sum(d.amount) AS BIGINT) FROM debits d CROSS JOIN {each} w
            WHERE d.windows <> '' GROUP BY 1"""
        return [WindowSum(*row) for row in self._rows(sql)]

    def window_lease_sums(self) -> list[WindowLeaseSum]:
        """See `WindowReader`."""
        each = self.each_key.format("nullif(d.windows, '')")
        sql = f"""SELECT l.sidecar_key, l.birth_epoch, CAST(w.value AS BIGINT), CAST(sum(d.amount) AS BIGINT) FROM
            (SELECT lease_key, amount, windows FROM debits WHERE windows <> ''
             UNION ALL SELECT lease_key, amount, windows FROM duplicate_debits WHERE windows <> '') d
            JOIN leases l USING (lease_key) CROSS JOIN {each} w GROUP BY 1, 2, 3"""
        return [WindowLeaseSum(*row) for row in self._rows(sql)]


class WindowChanges(WindowStatements):
    """Reads and writes, within the transaction that its owner has opened."""

    @abstractmethod
    def _insert(self, table: str, key: str, columns: Sequence[str], values: Sequence[Value]) -> int:
        """Adds a row and returns the key that the database gives it. Raises `Conflict`."""

    @abstractmethod
    def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str = ""
    ) -> None:
        """Adds rows, in their order; `tail` says what becomes of one that is there."""

    @abstractmethod
    def _update_many(self, table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Writes columns of rows; each of `rows` has their values, and the row's key last."""

    def insert_window(self, window: Window) -> None:
        """See `WindowWriter`."""
        columns = ("pool_key", "rule_id", "kind", "starts_at_ms", *WINDOW_COLUMNS)
        values = (window.pool_key, window.rule_id, window.kind, window.starts_at_ms, *window_values(window))
        self._insert("windows", "pool_key", columns, values)

    def save_windows(self, windows: Iterable[Window]) -> None:
        """See `WindowWriter`."""
        rows = [(*window_values(window), window.pool_key) for window in windows]
        self._update_many("windows", "pool_key", WINDOW_COLUMNS, rows)

    def add_to_buckets(self, rows: Sequence[BucketRow]) -> None:
        """See `WindowWriter`."""
        tail = """ ON CONFLICT (pool_key, ends_at_ms) DO UPDATE SET
            amount = window_buckets.amount + excluded.amount"""
        self._insert_many("window_buckets", BucketRow._fields, rows, tail)

    def save_bucket(self, row: BucketRow) -> None:
        """See `WindowWriter`."""
        if row.amount == 0:
            self._rows("DELETE FROM window_buckets WHERE pool_key = ? AND ends_at_ms = ?", *row[:2])
            return
        sql = "UPDATE window_buckets SET amount = ? WHERE pool_key = ? AND ends_at_ms = ?"
        self._rows(sql, row.amount, row.pool_key, row.ends_at_ms)

    def take_buckets(self, pool_keys: Collection[int], now_ms: int) -> dict[int, int]:
        """See `WindowWriter`."""
        sql = f"""DELETE FROM window_buckets WHERE pool_key {self.in_keys} AND ends_at_ms <=
            (SELECT ? - w.rolling_ms FROM windows w WHERE w.pool_key = window_buckets.pool_key)
            RETURNING pool_key, amount"""
        taken: dict[int, int] = {}
        for pool_key, amount in self._rows(sql, self._keys(pool_keys), now_ms):
            taken[pool_key] = taken.get(pool_key, 0) + amount
        return taken

    def first_buckets(self, pool_keys: Collection[int]) -> dict[int, int]:
        """See `WindowWriter`."""
        sql = f"SELECT pool_key, min(ends_at_ms) FROM window_buckets WHERE pool_key {self.in_keys} GROUP BY pool_key"
        return {row[0]: row[1] for row in self._rows(sql, self._keys(pool_keys))}

    def delete_idle_leases(self, pool_keys: Collection[int]) -> None:
        """See `WindowWriter`."""
        sql = f"""DELETE FROM leases WHERE pool_key {self.in_keys}
            AND granted_total - reclaimed_total - returned_total - posted_total = 0"""
        self._rows(sql, self._keys(pool_keys))

    def pools_leased(self, pool_keys: Collection[int]) -> set[int]:
        """See `WindowWriter`."""
        sql = f"SELECT DISTINCT pool_key FROM leases WHERE pool_key {self.in_keys}"
        return {row[0] for row in self._rows(sql, self._keys(pool_keys))}

    def delete_windows(self, pool_keys: Collection[int]) -> set[int]:
        """See `WindowWriter`."""
        (last,) = self._rows("SELECT max(pool_key) FROM pools").fetchone()
        gone = {key for key in pool_keys if key != last}
        for table in ("leases", "window_buckets", "windows", "pools"):
            self._rows(f"DELETE FROM {table} WHERE pool_key {self.in_keys}", self._keys(gone))
        return gone
