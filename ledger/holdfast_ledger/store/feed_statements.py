"""The statements that feed the usage store, shared by every SQL store; a part of `statements`."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

from holdfast_ledger.store.feed_rows import (
    USED_WITHIN_MS,
    FeedGrant,
    FeedHeads,
    FeedLease,
    FeedPool,
    GrantBurn,
    QuantityLine,
    QuantitySum,
    SpendLine,
    SpendSum,
)
from holdfast_ledger.store.rows import Rows, Value

_SPENT = "e.type IN (2, 3, 4, 7, 8, 12)"
"""DEBIT, OVERDRAFT, REPAYMENT, CORRECTION, OVERDRAFT_CORRECTION, REPAYMENT_RETURN: see `EntryType`."""

_AMOUNT = "CASE WHEN e.type IN (2, 3) THEN e.amount WHEN e.type IN (7, 8) THEN -e.amount ELSE 0 END"
"""What a line adds to what was spent."""

_BURNED = "CASE WHEN e.type IN (2, 4) THEN e.amount WHEN e.type IN (7, 12) THEN -e.amount ELSE 0 END"
"""What a line adds to what burned of its grant."""

_USED = f"""CASE WHEN d.settled_at_ms <= 0 OR d.settled_at_ms > d.posted_at_ms THEN d.posted_at_ms
 WHEN d.settled_at_ms < d.posted_at_ms - {USED_WITHIN_MS} THEN d.posted_at_ms - {USED_WITHIN_MS}
 ELSE d.settled_at_ms END"""
"""When a debit was used; a host's clock may say anything."""

_COUNTS = """CASE WHEN e.type IN (2, 3) AND NOT EXISTS (SELECT 1 FROM entries f WHERE f.debit_key = e.debit_key
 AND f.entry_key < e.entry_key AND f.type IN (2, 3)) THEN 1 ELSE 0 END"""
"""Whether a debit is counted by a line: its first one, wherever a turn begins."""

_QUANTITIES = "d.quantities <> ''"
"""What was made of events and metered periods, which are counted there, has none."""

_HEADS = """SELECT (SELECT coalesce(max(entry_key), 0) FROM entries), (SELECT coalesce(max(debit_key), 0) FROM debits),
 (SELECT max(ends.batch_key) FROM (SELECT coalesce(max(batch_key), 0) AS batch_key FROM event_batches
  UNION ALL SELECT metered_batch_key FROM metering) AS ends),
 (SELECT coalesce(max(change_key), 0) FROM metered_changes), (SELECT generation FROM ledger)"""


class SqlFeedReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    in_keys: ClassVar[str]
    month_of: ClassVar[str]
    """The month of a time in milliseconds, as "2026-11"."""
    each_pair: ClassVar[str]
    """The pairs of a JSON object as rows of `key` and `value`."""

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    @abstractmethod
    def _keys(self, keys: Collection[int]) -> Value:
        """Returns keys as one parameter."""

    def feed_heads(self) -> FeedHeads:
        """See `FeedReader`."""
        return FeedHeads(*self._rows(_HEADS).fetchone())

    def feed_fence(self) -> int:
        """See `FeedReader`. Keys commit in their order."""
        return 0

    def fence_passed(self, fence: int) -> bool:
        """See `FeedReader`."""
        return fence == 0

    def feed_anchor(self, entry_key: int, debit_key: int) -> str:
        """See `FeedReader`."""
        sql = "SELECT type, pool_key, amount, posted_at_ms FROM entries WHERE entry_key = ?"
        entry = self._rows(sql, entry_key).fetchone()
        sql = "SELECT operation_id, amount, posted_at_ms FROM debits WHERE debit_key = ?"
        debit = self._rows(sql, debit_key).fetchone()
        return "|".join(" ".join(map(str, row or ())) for row in (entry, debit))

    def spend_lines(self, after_key: int, until_key: int) -> list[SpendLine]:
        """See `FeedReader`."""
        sql = f"""SELECT e.entry_key, e.type, e.pool_key, coalesce(e.grant_key, 0), e.amount, e.posted_at_ms,
            coalesce(c.correction_id, ''), coalesce(d.debit_key, 0), coalesce(d.operation_id, ''),
            coalesce(d.hold_id, ''), coalesce(d.lease_key, 0), coalesce(d.epoch, 0), coalesce(d.sequence, 0),
            coalesce(d.late, 0), coalesce(d.estimated, 0), coalesce(d.over_hold_amount, 0), coalesce(d.caller, ''),
            coalesce({_USED}, e.posted_at_ms), coalesce(d.subject, ''), coalesce(d.dimensions, ''), {_COUNTS}
            FROM entries e LEFT JOIN debits d ON d.debit_key = e.debit_key
            LEFT JOIN corrections c ON c.correction_key = e.correction_key
            WHERE e.entry_key > ? AND e.entry_key <= ? AND {_SPENT} ORDER BY e.entry_key"""
        return [SpendLine._make(row) for row in self._rows(sql, after_key, until_key)]

    def quantity_lines(self, after_key: int, until_key: int) -> list[QuantityLine]:
        """See `FeedReader`."""
        sql = f"""SELECT d.debit_key, d.lease_key, d.operation_id, d.hold_id, d.caller, d.posted_at_ms, {_USED},
            d.subject, d.dimensions, d.quantities FROM debits d
            WHERE d.debit_key > ? AND d.debit_key <= ? AND {_QUANTITIES} ORDER BY d.debit_key"""
        return [QuantityLine._make(row) for row in self._rows(sql, after_key, until_key)]

    def feed_pools(self, pool_keys: Collection[int]) -> list[FeedPool]:
        """See `FeedReader`."""
        sql = f"""SELECT p.pool_key, a.account_id, p.pool_id, p.currency FROM pools p
            JOIN accounts a USING (account_key) WHERE p.pool_key {self.in_keys}"""
        return [FeedPool._make(row) for row in self._rows(sql, self._keys(pool_keys))]

    def feed_grants(self, grant_keys: Collection[int]) -> list[FeedGrant]:
        """See `FeedReader`."""
        sql = f"SELECT {', '.join(FeedGrant._fields)} FROM grants WHERE grant_key {self.in_keys}"
        return [FeedGrant._make(row) for row in self._rows(sql, self._keys(grant_keys))]

    def feed_leases(self, lease_keys: Collection[int]) -> list[FeedLease]:
        """See `FeedReader`."""
        sql = f"""SELECT l.lease_key, l.pool_key, s.sidecar_id FROM leases l JOIN sidecars s USING (sidecar_key)
            WHERE l.lease_key {self.in_keys}"""
        return [FeedLease._make(row) for row in self._rows(sql, self._keys(lease_keys))]

    def spend_sums(self, until_key: int) -> list[SpendSum]:
        """See `FeedReader`."""
        month = self.month_of.format(f"coalesce({_USED}, e.posted_at_ms)")
        sql = f"""SELECT a.account_id, p.pool_id, {month}, CAST(sum({_AMOUNT}) AS BIGINT), count(*)
            FROM entries e LEFT JOIN debits d ON d.debit_key = e.debit_key JOIN pools p ON p.pool_key = e.pool_key
            JOIN accounts a ON a.account_key = p.account_key WHERE e.entry_key <= ? AND {_SPENT} GROUP BY 1, 2, 3"""
        return [SpendSum._make(row) for row in self._rows(sql, until_key)]

    def grant_burns(self, until_key: int) -> list[GrantBurn]:
        """See `FeedReader`."""
        sql = f"""SELECT g.grant_key, a.account_id, p.pool_id, g.grant_id, g.amount, g.cost_amount,
            CAST(sum({_BURNED}) AS BIGINT)
            FROM entries e JOIN grants g ON g.grant_key = e.grant_key JOIN pools p ON p.pool_key = g.pool_key
            JOIN accounts a ON a.account_key = p.account_key WHERE e.entry_key <= ? AND {_SPENT}
            GROUP BY 1, 2, 3, 4, 5, 6"""
        return [GrantBurn._make(row) for row in self._rows(sql, until_key)]

    def quantity_sums(self, until_key: int) -> list[QuantitySum]:
        """See `FeedReader`."""
        pairs = self.each_pair.format("nullif(d.quantities, '')")
        sql = f"""SELECT a.account_id, p.pool_id, q.key, {self.month_of.format(_USED)},
            CAST(sum(CAST(q.value AS BIGINT)) AS BIGINT)
            FROM debits d JOIN leases l ON l.lease_key = d.lease_key JOIN pools p ON p.pool_key = l.pool_key
            JOIN accounts a ON a.account_key = p.account_key CROSS JOIN {pairs} q
            WHERE d.debit_key <= ? AND {_QUANTITIES} GROUP BY 1, 2, 3, 4"""
        return [QuantitySum._make(row) for row in self._rows(sql, until_key)]

    def metered_sums(self, until_key: int) -> list[QuantitySum]:
        """See `FeedReader`."""
        sql = f"""SELECT a.account_id, c.pool_id, p.meter_id, {self.month_of.format("p.starts_at_ms")},
            CAST(sum(c.quantity) AS BIGINT)
            FROM metered_changes c JOIN metered_periods p USING (period_key) JOIN accounts a USING (account_key)
            WHERE c.change_key <= ? GROUP BY 1, 2, 3, 4"""
        return [QuantitySum._make(row) for row in self._rows(sql, until_key)]

    def event_counts(self, after_key: int, until_key: int, limit: int) -> list[tuple[int, int]]:
        """See `FeedReader`."""
        sql = """SELECT batch_key, event_count FROM event_batches WHERE batch_key > ? AND batch_key <= ?
            ORDER BY batch_key LIMIT ?"""
        return [(row[0], row[1]) for row in self._rows(sql, after_key, until_key, limit)]
