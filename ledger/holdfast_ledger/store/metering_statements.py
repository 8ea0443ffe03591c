"""The statements of metering that every SQL store shares; a part of `statements`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import ClassVar

from holdfast_ledger.store.metering_rows import (
    EventBatchRow,
    EventCorrection,
    IngestSourceRow,
    MeteredChange,
    MeteredCharge,
    MeteredPeriod,
    MeteringBacklog,
    MeteringTotals,
    MeterRevision,
    RefusedEventRow,
)
from holdfast_ledger.store.rows import Rows, Value

_BATCH = ", ".join(EventBatchRow._fields)
_TOTALS = ", ".join(MeteringTotals._fields)
_REVISION = ", ".join(MeterRevision._fields)
_REFUSED = ", ".join(RefusedEventRow._fields)
_CHARGE = ", ".join(MeteredCharge._fields)
_CORRECTION = ", ".join(EventCorrection._fields)
_CHANGE_COLUMNS = ("period_key", "quantity", "amount", "pool_id", "changed_at_ms")
_PERIOD_CHANGED = ("quantity", "amount", "change_count")
_PERIOD_COLUMNS = ("period_hash", "account_key", "meter_id", "subject", "dimensions", "starts_at_ms", *_PERIOD_CHANGED)
_PERIOD = ", ".join((*_PERIOD_COLUMNS, "period_key"))

_change_values: Callable[[MeteredChange], tuple[Value, ...]] = attrgetter(*_CHANGE_COLUMNS)
_period_values: Callable[[MeteredPeriod], tuple[Value, ...]] = attrgetter(*_PERIOD_COLUMNS)

HASHES_A_STATEMENT = 256
"""Periods that are looked for at once; fewer are filled up, so that one statement serves all."""


class SqlMeteringReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    in_keys: ClassVar[str]

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    @abstractmethod
    def _keys(self, keys: Collection[int]) -> Value:
        """Returns keys as one parameter."""

    @abstractmethod
    def _names(self, names: Collection[str]) -> Value:
        """Returns names as one parameter."""

    def event_batches(self, after_key: int, limit: int) -> list[EventBatchRow]:
        """See `MeteringReader`."""
        sql = f"SELECT {_BATCH} FROM event_batches WHERE batch_key > ? ORDER BY batch_key LIMIT ?"
        return [EventBatchRow(*(*row[:5], bytes(row[5]))) for row in self._rows(sql, after_key, limit)]

    def last_batch_key(self) -> int:
        """See `MeteringReader`."""
        return int(self._rows("SELECT coalesce(max(batch_key), 0) FROM event_batches").fetchone()[0])

    def batches_wait(self, count: int) -> bool:
        """See `MeteringReader`. Keys have gaps, so rows are counted."""
        sql = """SELECT 1 FROM event_batches WHERE batch_key > (SELECT metered_batch_key FROM metering)
            ORDER BY batch_key LIMIT 1 OFFSET ?"""
        return next(iter(self._rows(sql, count)), None) is not None

    def batch_charges(self, batch_keys: Collection[int]) -> dict[int, bytes]:
        """See `MeteringReader`."""
        sql = f"SELECT batch_key, content FROM batch_charges WHERE batch_key {self.in_keys}"
        return {row[0]: bytes(row[1]) for row in self._rows(sql, self._keys(batch_keys))}

    def meters_revision(self) -> int:
        """See `MeteringReader`."""
        return int(self._rows("SELECT coalesce(max(revision), 0) FROM meter_revisions").fetchone()[0])

    def meter_revisions(self, after_revision: int) -> list[MeterRevision]:
        """See `MeteringReader`."""
        sql = f"SELECT {_REVISION} FROM meter_revisions WHERE revision > ? ORDER BY revision"
        return [MeterRevision(*(*row[:4], bytes(row[4]))) for row in self._rows(sql, after_revision)]

    def meters(self, after_id: str, limit: int) -> list[MeterRevision]:
        """See `MeteringReader`."""
        sql = f"""SELECT {_REVISION} FROM meter_revisions m WHERE meter_id > ? AND in_use = 1 AND revision =
            (SELECT max(revision) FROM meter_revisions n WHERE n.meter_id = m.meter_id) ORDER BY meter_id LIMIT ?"""
        return [MeterRevision(*(*row[:4], bytes(row[4]))) for row in self._rows(sql, after_id, limit)]

    def latest_meter(self, meter_id: str) -> MeterRevision | None:
        """See `MeteringReader`."""
        sql = f"SELECT {_REVISION} FROM meter_revisions WHERE meter_id = ? ORDER BY revision DESC LIMIT 1"
        return next((MeterRevision(*(*row[:4], bytes(row[4]))) for row in self._rows(sql, meter_id)), None)

    def ingest_sources(self, after_origin: str, limit: int) -> list[IngestSourceRow]:
        """See `MeteringReader`."""
        waiting = """SELECT CAST(sum(b.event_count) AS BIGINT) FROM event_batches b
            WHERE b.origin = s.origin AND b.batch_key > (SELECT metered_batch_key FROM metering)"""
        sql = f"""SELECT origin, event_count, last_at_ms, coalesce(({waiting}), 0)
            FROM ingest_sources s WHERE origin > ? ORDER BY origin LIMIT ?"""
        return [IngestSourceRow(*row) for row in self._rows(sql, after_origin, limit)]

    def refused_events(self, account_id: str, before_key: int, limit: int) -> list[RefusedEventRow]:
        """See `MeteringReader`."""
        tail = "refused_key < ? ORDER BY refused_key DESC LIMIT ?"
        if account_id:
            sql = f"SELECT {_REFUSED} FROM refused_events WHERE account_id = ? AND {tail}"
            rows = self._rows(sql, account_id, before_key, limit)
        else:
            rows = self._rows(f"SELECT {_REFUSED} FROM refused_events WHERE {tail}", before_key, limit)
        return [RefusedEventRow(*(*row[:3], bytes(row[3]), *row[4:])) for row in rows]

    def metering_totals(self) -> MeteringTotals:
        """See `MeteringReader`."""
        return MeteringTotals(*self._rows(f"SELECT {_TOTALS} FROM metering").fetchone())

    def metering_backlog(self) -> MeteringBacklog:
        """See `MeteringReader`."""
        waiting = "FROM event_batches WHERE batch_key > (SELECT metered_batch_key FROM metering)"
        sql = f"""SELECT (SELECT count(*) {waiting}), coalesce((SELECT min(accepted_at_ms) {waiting}), 0),
            (SELECT count(*) FROM metered_charges WHERE state = 0),
            (SELECT count(*) FROM event_corrections WHERE state = 0)"""
        return MeteringBacklog(*self._rows(sql).fetchone())

    def metered_changes(self, after_key: int, limit: int) -> list[MeteredChange]:
        """See `MeteringReader`."""
        sql = """SELECT c.change_key, c.period_key, a.account_id, p.meter_id, p.subject, p.dimensions, p.starts_at_ms,
            c.quantity, c.amount, c.pool_id, c.changed_at_ms
            FROM metered_changes c JOIN metered_periods p USING (period_key) JOIN accounts a USING (account_key)
            WHERE c.change_key > ? ORDER BY c.change_key LIMIT ?"""
        return [MeteredChange(*row) for row in self._rows(sql, after_key, limit)]

    def metered_not_balanced(self, limit: int) -> list[str]:
        """See `MeteringReader`."""
        changed = """SELECT 'period ' || p.period_key || ' is not what its changes come to'
            FROM metered_periods p LEFT JOIN metered_changes c USING (period_key)
            GROUP BY p.period_key, p.quantity, p.amount, p.change_count
            HAVING coalesce(sum(c.quantity), 0) <> p.quantity OR coalesce(sum(c.amount), 0) <> p.amount
            OR count(c.change_key) <> p.change_count"""
        charged = """SELECT 'period ' || p.period_key || ' is not what was charged of it' FROM metered_periods p
            LEFT JOIN metered_charges m ON m.period_key = p.period_key AND m.period_key > 0
            GROUP BY p.period_key, p.amount HAVING coalesce(sum(m.amount - m.corrected_amount), 0) <> p.amount"""
        posted = """SELECT 'charge ' || m.operation_id || ' is not what was posted of it' FROM metered_charges m
            LEFT JOIN debits d ON d.account_key = m.account_key AND d.operation_id = m.operation_id
            WHERE (m.state = 1 AND d.debit_key IS NULL) OR (m.state = 0 AND d.debit_key IS NOT NULL)
            OR (d.debit_key IS NOT NULL AND d.amount <> m.amount)"""
        unnoted = """SELECT 'debit ' || d.operation_id || ' is of no charge' FROM debits d
            JOIN leases l ON l.lease_key = d.lease_key JOIN sidecars s ON s.sidecar_key = l.sidecar_key
            LEFT JOIN metered_charges m ON m.account_key = d.account_key AND m.operation_id = d.operation_id
            WHERE s.sidecar_id = 'holdfast:metering' AND m.charge_key IS NULL"""
        given = """SELECT 'correction ' || e.correction_id || ' is more than was asked for' FROM event_corrections e
            JOIN corrections c ON c.account_key = e.account_key AND c.correction_id = e.correction_id
            WHERE e.state <> 1 OR c.amount > e.amount"""
        found = (
            row[0] for sql in (changed, charged, posted, unnoted, given) for row in self._rows(f"{sql} LIMIT ?", limit)
        )
        return list(found)[:limit]

    def account_keys(self, account_ids: Collection[str]) -> dict[str, int]:
        """See `MeteringReader`."""
        sql = f"SELECT account_id, account_key FROM accounts WHERE account_id {self.in_keys}"
        return {row[0]: row[1] for row in self._rows(sql, self._names(account_ids))}

    def account_starts(self, account_ids: Collection[str]) -> dict[str, int]:
        """See `MeteringReader`."""
        sql = f"SELECT account_id, created_at_ms FROM accounts WHERE account_id {self.in_keys}"
        return {row[0]: row[1] for row in self._rows(sql, self._names(account_ids))}

    def waiting_charges(self, limit: int) -> list[MeteredCharge]:
        """See `MeteringReader`."""
        sql = f"SELECT {_CHARGE} FROM metered_charges WHERE state = 0 ORDER BY charge_key LIMIT ?"
        return [MeteredCharge(*row) for row in self._rows(sql, limit)]

    def waiting_corrections(self, now_ms: int, limit: int) -> list[EventCorrection]:
        """See `MeteringReader`."""
        sql = f"""SELECT {_CORRECTION} FROM event_corrections WHERE state = 0 AND due_at_ms <= ?
            ORDER BY due_at_ms LIMIT ?"""
        return [EventCorrection(*row) for row in self._rows(sql, now_ms, limit)]

    def account_ids(self, account_keys: Collection[int]) -> dict[int, str]:
        """See `MeteringReader`."""
        sql = f"SELECT account_key, account_id FROM accounts WHERE account_key {self.in_keys}"
        return {row[0]: row[1] for row in self._rows(sql, self._keys(account_keys))}


class SqlMeteringWriter(SqlMeteringReader):
    """Writes, within the transaction that its owner has opened."""

    skip_locked: ClassVar[str]
    for_update: ClassVar[str]

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

    @abstractmethod
    def _queue_for(self, table: str) -> None:
        """Waits for whoever else adds rows to a table, and keeps them waiting until the transaction ends."""

    def insert_event_batch(self, row: EventBatchRow, content_hash: bytes) -> int:
        """See `MeteringWriter`."""
        self._queue_for("event_batches")
        columns = ("origin", "content_hash", *EventBatchRow._fields[2:])
        sql = f"""INSERT INTO event_batches ({", ".join(columns)}) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (origin, content_hash) DO NOTHING RETURNING batch_key"""
        found = next(iter(self._rows(sql, row.origin, content_hash, *row[2:])), None)
        if found is None:
            return 0
        sql = """INSERT INTO ingest_sources (origin, event_count, last_at_ms) VALUES (?, ?, ?) ON CONFLICT (origin)
            DO UPDATE SET event_count = ingest_sources.event_count + excluded.event_count,
            last_at_ms = excluded.last_at_ms"""
        self._rows(sql, row.origin, row.event_count, row.accepted_at_ms)
        return int(found[0])

    def delete_event_batches(self, until_key: int, until_ms: int, limit: int) -> int:
        """See `MeteringWriter`."""
        sql = f"""SELECT batch_key FROM event_batches WHERE accepted_at_ms <= ? AND batch_key <= ?
            ORDER BY accepted_at_ms LIMIT ? {self.skip_locked}"""
        keys = [row[0] for row in self._rows(sql, until_ms, until_key, limit)]
        if keys:
            self._rows(f"DELETE FROM batch_charges WHERE batch_key {self.in_keys}", self._keys(keys))
            self._rows(f"DELETE FROM event_batches WHERE batch_key {self.in_keys}", self._keys(keys))
        return len(keys)

    def insert_meter_revision(self, row: MeterRevision) -> None:
        """See `MeteringWriter`."""
        self._queue_for("event_batches")
        after_key = max(self.last_batch_key(), self.metering_totals().metered_batch_key)
        self._insert("meter_revisions", "revision", MeterRevision._fields, row._replace(after_batch_key=after_key))

    def insert_refused_events(self, rows: Sequence[RefusedEventRow]) -> None:
        """See `MeteringWriter`."""
        self._insert_many("refused_events", RefusedEventRow._fields[:-1], [row[:-1] for row in rows])

    def delete_refused_events(self, until_ms: int, limit: int) -> int:
        """See `MeteringWriter`."""
        sql = f"""SELECT refused_key FROM refused_events WHERE refused_at_ms <= ? ORDER BY refused_at_ms LIMIT ?
            {self.skip_locked}"""
        keys = [row[0] for row in self._rows(sql, until_ms, limit)]
        if keys:
            self._rows(f"DELETE FROM refused_events WHERE refused_key {self.in_keys}", self._keys(keys))
        return len(keys)

    def lock_metering(self) -> MeteringTotals:
        """See `MeteringWriter`."""
        return MeteringTotals(*self._rows(f"SELECT {_TOTALS} FROM metering {self.for_update}").fetchone())

    def save_metering_totals(self, totals: MeteringTotals) -> None:
        """See `MeteringWriter`."""
        changes = ", ".join(f"{name} = ?" for name in MeteringTotals._fields)
        self._rows(f"UPDATE metering SET {changes}", *totals)

    def save_batch_charges(self, batch_key: int, content: bytes) -> None:
        """See `MeteringWriter`."""
        sql = """INSERT INTO batch_charges (batch_key, content) VALUES (?, ?)
            ON CONFLICT (batch_key) DO UPDATE SET content = excluded.content"""
        self._rows(sql, batch_key, content)

    def metered_periods(self, period_hashes: Collection[bytes]) -> dict[bytes, MeteredPeriod]:
        """See `MeteringWriter`."""
        hashes, found = list(period_hashes), {}
        sql = f"""SELECT {_PERIOD} FROM metered_periods WHERE period_hash IN
            ({", ".join("?" * HASHES_A_STATEMENT)})"""
        for start in range(0, len(hashes), HASHES_A_STATEMENT):
            chosen = hashes[start : start + HASHES_A_STATEMENT]
            filled = chosen + chosen[-1:] * (HASHES_A_STATEMENT - len(chosen))
            for row in self._rows(sql, *filled):
                found[bytes(row[0])] = MeteredPeriod(bytes(row[0]), *row[1:])
        return found

    def insert_metered_periods(self, periods: Sequence[MeteredPeriod]) -> None:
        """See `MeteringWriter`."""
        self._insert_many("metered_periods", _PERIOD_COLUMNS, [_period_values(one) for one in periods])
        there = self.metered_periods([one.period_hash for one in periods])
        for one in periods:
            one.period_key = there[one.period_hash].period_key

    def save_metered_periods(self, periods: Iterable[MeteredPeriod]) -> None:
        """See `MeteringWriter`."""
        rows = [(one.quantity, one.amount, one.change_count, one.period_key) for one in periods]
        self._update_many("metered_periods", "period_key", _PERIOD_CHANGED, rows)

    def insert_metered_changes(self, changes: Iterable[MeteredChange]) -> None:
        """See `MeteringWriter`."""
        self._insert_many("metered_changes", _CHANGE_COLUMNS, [_change_values(one) for one in changes])

    def insert_metered_charges(self, rows: Sequence[MeteredCharge]) -> None:
        """See `MeteringWriter`."""
        tail = " ON CONFLICT (account_key, operation_id) DO NOTHING"
        self._insert_many("metered_charges", MeteredCharge._fields[:-1], [row[:-1] for row in rows], tail)

    def charges_of_period(self, period_key: int) -> list[MeteredCharge]:
        """See `MeteringWriter`."""
        sql = f"""SELECT {_CHARGE} FROM metered_charges WHERE period_key = ? AND period_key > 0
            AND amount > corrected_amount ORDER BY charge_key DESC"""
        return [MeteredCharge(*row) for row in self._rows(sql, period_key)]

    def charge_of_operation(self, account_key: int, operation_id: str) -> MeteredCharge | None:
        """See `MeteringWriter`."""
        sql = f"SELECT {_CHARGE} FROM metered_charges WHERE account_key = ? AND operation_id = ?"
        return next((MeteredCharge(*row) for row in self._rows(sql, account_key, operation_id)), None)

    def save_charge_corrected(self, charge_key: int, corrected_amount: int) -> None:
        """See `MeteringWriter`."""
        self._rows("UPDATE metered_charges SET corrected_amount = ? WHERE charge_key = ?", corrected_amount, charge_key)

    def save_charge_states(self, charge_keys: Collection[int], state: int) -> None:
        """See `MeteringWriter`."""
        sql = f"UPDATE metered_charges SET state = ? WHERE charge_key {self.in_keys}"
        self._rows(sql, state, self._keys(charge_keys))

    def insert_event_corrections(self, rows: Sequence[EventCorrection]) -> int:
        """See `MeteringWriter`."""
        columns = EventCorrection._fields[:-1]
        sql = f"""INSERT INTO event_corrections ({", ".join(columns)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (account_key, correction_id) DO NOTHING RETURNING 1"""
        return sum(next(iter(self._rows(sql, *row[:-1])), None) is not None for row in rows)

    def save_event_correction(self, event_correction_key: int, state: int, due_at_ms: int) -> None:
        """See `MeteringWriter`."""
        sql = "UPDATE event_corrections SET state = ?, due_at_ms = ? WHERE event_correction_key = ?"
        self._rows(sql, state, due_at_ms, event_correction_key)
