"""The statements that every SQL store shares; what differs between databases is in `sqlite` and `postgres`.

Written so that SQLite and PostgreSQL read them alike, with "?" for a value.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from holdfast_ledger.store.access_statements import SqlAccessReader, SqlAccessWriter
from holdfast_ledger.store.book_statements import SqlBookReader, SqlBookWriter
from holdfast_ledger.store.feed_statements import SqlFeedReader
from holdfast_ledger.store.interface import (
    LEASE_FIGURES,
    MAX_AMOUNT,
    NEVER,
    POOL_FIGURES,
    REPLAY_LIFE,
    THRESHOLD_COLUMNS,
    TOP_UP_COLUMNS,
    Account,
    BalanceTotal,
    BookLine,
    BurnPosition,
    Correction,
    CurrencyTotal,
    DebitTrace,
    Delivery,
    DeliveryState,
    DuplicateLine,
    DuplicatePosition,
    DuplicateRow,
    EntryRow,
    EntryType,
    Event,
    EventTotals,
    FlagSum,
    Grant,
    GrantState,
    JournalLine,
    Lease,
    LeaseSum,
    LedgerState,
    Life,
    Policy,
    Pool,
    PostedDebit,
    QuarantineLine,
    QuarantinePosition,
    QuarantineRow,
    ReplayRow,
    Rollover,
    SequenceSum,
    Sidecar,
    Threshold,
    TopUp,
    Webhook,
    lease_figures,
    pool_figures,
    threshold_values,
    top_up_values,
)
from holdfast_ledger.store.metering_statements import SqlMeteringReader, SqlMeteringWriter
from holdfast_ledger.store.object_statements import SqlObjectReader, SqlObjectWriter
from holdfast_ledger.store.rows import Value
from holdfast_ledger.store.rule_statements import SqlRuleReader, SqlRuleWriter
from holdfast_ledger.store.stream_statements import SqlStreamReader, SqlStreamWriter
from holdfast_ledger.store.window_statements import WindowChanges, WindowStatements

_ACCOUNT = "SELECT account_id, display_name, created_at_ms, account_key, rules_version FROM accounts"
_POOL = """SELECT p.account_key, a.account_id, p.pool_id, p.currency, p.currency_exponent, p.enforcement,
 p.overdraft_limit, p.overdraft_limit_bps, p.partition_mode, p.partition_overdraft_limit, p.partition_after_ms,
 p.shadow, p.created_at_ms, p.pool_key, p.free, p.leased, p.granted_total, p.spent_total, p.expired_total, p.overdraft,
 p.allowance_leased, p.allowance_spent_total, p.fail_open_total, p.over_hold_total, p.late_total, p.unleased_total,
 p.expired_leased_total, p.recall_round, p.recall_until_ms, p.voided_total, p.corrected_total, p.revived_total,
 p.watched, p.is_window, a.rules_version
 FROM pools p JOIN accounts a USING (account_key) """
_GRANT = """SELECT pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms, cost_amount,
 cost_currency, created_at_ms, remaining, state, due_at_ms, grant_key, metadata, lapsed, rolled_from,
 rollover_share_bps, rollover_max_amount, rollover_lifetime_ms, rollover_count, refunded_amount FROM grants """
_SIDECAR = """SELECT s.sidecar_id, s.epoch, s.birth_epoch, s.instance, s.stream_number, s.acked_sequence,
 s.max_hold_ttl_ms, s.version, s.last_seen_at_ms, l.reclaim_at_ms, l.allowance_reclaim_at_ms, s.generation,
 s.sidecar_key, s.acked_operation_id
 FROM sidecars s JOIN lives l USING (sidecar_key, birth_epoch) """
_LEASE = """SELECT l.sidecar_key, l.birth_epoch, l.pool_key, l.granted_total, l.reclaimed_total, l.returned_total,
 l.posted_total, l.allowance_granted_total, l.allowance_reclaimed_total, l.allowance_returned_total,
 l.allowance_posted_total, l.needed, l.answered_round, l.lease_key, s.sidecar_id,
 CASE WHEN s.birth_epoch = l.birth_epoch THEN s.last_seen_at_ms ELSE 0 END
 FROM leases l JOIN sidecars s USING (sidecar_key) """
_JOURNAL = f"""SELECT e.entry_key, e.type, coalesce(g.grant_id, ''), e.amount, e.posted_at_ms,
 coalesce(s.sidecar_id, ''), coalesce(d.epoch, 0), coalesce(d.sequence, 0), coalesce(d.operation_id, ''),
 coalesce(d.hold_id, ''), CASE WHEN l.birth_epoch = {REPLAY_LIFE} THEN 1 ELSE 0 END, coalesce(c.correction_id, ''),
 coalesce(d.caller, '')
 FROM entries e LEFT JOIN grants g USING (grant_key) LEFT JOIN debits d ON d.debit_key = e.debit_key
 LEFT JOIN corrections c USING (correction_key)
 LEFT JOIN leases l USING (lease_key) LEFT JOIN sidecars s USING (sidecar_key) """
_QUARANTINE = """SELECT s.sidecar_id, q.sidecar_key, q.sequence, q.reason, q.debit, q.posted_at_ms,
 coalesce(q.debit_key, 0) FROM quarantined_debits q JOIN sidecars s USING (sidecar_key) """

_DUPLICATES = f"""SELECT a.account_id, p.operation_id,
 ps.sidecar_id, p.epoch, p.sequence, pp.pool_id, p.amount,
 ds.sidecar_id, d.epoch, d.sequence, dp.pool_id, d.amount,
 d.posted_at_ms, CASE WHEN dl.birth_epoch = {REPLAY_LIFE} THEN 1 ELSE 0 END, d.lease_key, d.debit_key
 FROM (SELECT lease_key, sequence, epoch, amount, debit_key, posted_at_ms FROM duplicate_debits
  UNION ALL SELECT lease_key, sequence, epoch, amount, debit_key, posted_at_ms FROM replayed_debits WHERE posted = 0) d
 JOIN leases dl ON dl.lease_key = d.lease_key JOIN sidecars ds ON ds.sidecar_key = dl.sidecar_key
 JOIN pools dp ON dp.pool_key = dl.pool_key
 JOIN debits p ON p.debit_key = d.debit_key JOIN leases pl ON pl.lease_key = p.lease_key
 JOIN sidecars ps ON ps.sidecar_key = pl.sidecar_key JOIN pools pp ON pp.pool_key = pl.pool_key
 JOIN accounts a ON a.account_key = p.account_key """
_CORRECTION = """SELECT c.correction_id, d.operation_id, l.pool_key, c.debit_key, c.amount, c.asked_amount,
 c.posted_at_ms, c.correction_key FROM corrections c JOIN debits d USING (debit_key) JOIN leases l USING (lease_key) """
_EVENT = """SELECT e.event_id, e.type, e.account_key, a.account_id, coalesce(e.pool_key, 0), coalesce(p.pool_id, ''),
 e.body, e.created_at_ms, e.event_key
 FROM events e JOIN accounts a ON a.account_key = e.account_key LEFT JOIN pools p ON p.pool_key = e.pool_key """
_WEBHOOK = """SELECT w.webhook_id, coalesce(a.account_id, ''), w.url, w.secret, w.created_at_ms, w.webhook_key
 FROM webhooks w LEFT JOIN accounts a USING (account_key) """
_DELIVERY = """SELECT d.delivery_key, w.webhook_id, w.url, w.secret, e.event_id, e.body, d.since_ms, d.state,
 d.attempt_count, d.next_at_ms, d.last_error, d.ended_at_ms
 FROM deliveries d JOIN webhooks w USING (webhook_key) JOIN events e USING (event_key) """
_ACCOUNT_COLUMNS = ("account_id", "display_name", "created_at_ms")
_POOL_COLUMNS = (
    "account_key", "pool_id", "currency", "currency_exponent", "enforcement", "overdraft_limit", "overdraft_limit_bps",
    "partition_mode", "partition_overdraft_limit", "partition_after_ms", "shadow", "created_at_ms",
    "is_window", *POOL_FIGURES,
)  # fmt: skip
_GRANT_COLUMNS = (
    "pool_key", "grant_id", "amount", "category", "priority", "effective_at_ms", "expires_at_ms", "cost_amount",
    "cost_currency", "created_at_ms", "remaining", "state", "due_at_ms", "metadata", "lapsed", "rolled_from",
    "rollover_share_bps", "rollover_max_amount", "rollover_lifetime_ms", "rollover_count",
)  # fmt: skip
_SIDECAR_COLUMNS = (
    "sidecar_id", "epoch", "birth_epoch", "instance", "stream_number", "acked_sequence", "max_hold_ttl_ms", "version",
    "last_seen_at_ms", "generation",
)  # fmt: skip
_LEASE_COLUMNS = ("sidecar_key", "birth_epoch", "pool_key", *LEASE_FIGURES)


def _sum(expression: str) -> str:
    """An exact sum, of which it is known that it is an int64."""
    return f"CAST(sum({expression}) AS BIGINT)"


def _total(expression: str) -> str:
    """An approximate sum, which may pass int64."""
    return f"sum(CAST({expression} AS DOUBLE PRECISION))"


class SqlReader(
    SqlAccessReader,
    SqlFeedReader,
    SqlBookReader,
    SqlMeteringReader,
    SqlObjectReader,
    SqlRuleReader,
    SqlStreamReader,
    WindowStatements,
):
    """Reads, within the transaction that its owner has opened."""

    greatest: ClassVar[str]
    """The function that returns the greatest of its arguments."""

    def account(self, account_id: str) -> Account | None:
        """See `Reader`."""
        sql = f"{_ACCOUNT} WHERE account_id = ?"
        return next((Account(*row) for row in self._rows(sql, account_id)), None)

    def accounts(self, after_key: int, limit: int) -> list[Account]:
        """See `Reader`."""
        sql = f"{_ACCOUNT} WHERE account_key > ? ORDER BY account_key LIMIT ?"
        return [Account(*row) for row in self._rows(sql, after_key, limit)]

    def _pools(self, where: str, *values: Value) -> list[Pool]:
        return [Pool(*(*row[:5], Policy(*row[5:12]), *row[12:])) for row in self._rows(_POOL + where, *values)]

    def pool(self, account_id: str, pool_id: str) -> Pool | None:
        """See `Reader`."""
        return next(iter(self._pools("WHERE a.account_id = ? AND p.pool_id = ?", account_id, pool_id)), None)

    def pools_named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Pool]:
        """See `Reader`."""
        of_account: dict[str, list[str]] = {}
        for account_id, pool_id in names:
            of_account.setdefault(account_id, []).append(pool_id)
        where = f"WHERE a.account_id = ? AND p.pool_id {self.in_keys}"
        found = (self._pools(where, account_id, self._names(mine)) for account_id, mine in of_account.items())
        return {(pool.account_id, pool.pool_id): pool for pools in found for pool in pools}

    def pools_by_key(self, pool_keys: Collection[int]) -> dict[int, Pool]:
        """See `Reader`."""
        rows = self._pools(f"WHERE p.pool_key {self.in_keys}", self._keys(pool_keys))
        return {pool.pool_key: pool for pool in rows}

    def pools(self, account_key: int, after_key: int, limit: int) -> list[Pool]:
        """See `Reader`."""
        where = "WHERE p.account_key = ? AND p.is_window = 0 AND p.pool_key > ? ORDER BY p.pool_key LIMIT ?"
        return self._pools(where, account_key, after_key, limit)

    def _grants(self, where: str, *values: Value) -> list[Grant]:
        return [
            Grant(*(*row[:11], GrantState(row[11]), *row[12:17], Rollover(*row[17:21]), row[21]))
            for row in self._rows(_GRANT + where, *values)
        ]

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
        where = f"WHERE state <= 2 AND state = 2 AND pool_key {self.in_keys}"
        return self._grants(where, self._keys(pool_keys))

    def grants_lapsed(self, pool_keys: Collection[int], after_ms: int) -> list[Grant]:
        """See `Reader`."""
        where = f"WHERE lapsed > 0 AND state = 4 AND pool_key {self.in_keys} AND expires_at_ms > ?"
        return self._grants(where, self._keys(pool_keys), after_ms)

    def grants_due(self, now_ms: int, limit: int, pool_keys: Collection[int] | None) -> list[Grant]:
        """See `Reader`."""
        order = "ORDER BY due_at_ms, grant_key LIMIT ?"
        if pool_keys is None:
            return self._grants(f"WHERE due_at_ms <= ? AND due_at_ms < {NEVER} {order}", now_ms, limit)
        where = f"WHERE state <= 2 AND pool_key {self.in_keys} AND due_at_ms <= ? {order}"
        return self._grants(where, self._keys(pool_keys), now_ms, limit)

    def pending_amount(self, pool_key: int) -> int:
        """See `Reader`."""
        sql = f"SELECT coalesce({_sum('amount')}, 0) FROM grants WHERE state <= 2 AND state = 1 AND pool_key = ?"
        return int(self._rows(sql, pool_key).fetchone()[0])

    def grants_by_key(self, grant_keys: Collection[int]) -> dict[int, Grant]:
        """See `Reader`."""
        found = self._grants(f"WHERE grant_key {self.in_keys}", self._keys(grant_keys))
        return {grant.grant_key: grant for grant in found}

    def posted_debit(self, account_key: int, operation_id: str) -> PostedDebit | None:
        """See `Reader`."""
        sql = f"""SELECT d.debit_key, l.pool_key, d.amount,
            coalesce((SELECT {_sum("c.amount")} FROM corrections c WHERE c.debit_key = d.debit_key), 0), d.posted_at_ms
            FROM debits d JOIN leases l USING (lease_key) WHERE d.account_key = ? AND d.operation_id = ?"""
        return next((PostedDebit(*row) for row in self._rows(sql, account_key, operation_id)), None)

    def burned_by(self, debit_key: int) -> list[tuple[int | None, int]]:
        """See `Reader`."""
        sql = f"""SELECT grant_key, {_sum("CASE WHEN type IN (2, 3) THEN amount ELSE -amount END")} FROM entries
            WHERE debit_key = ? AND type IN (2, 3, 7, 8) GROUP BY grant_key ORDER BY min(entry_key)"""
        return [(row[0], row[1]) for row in self._rows(sql, debit_key)]

    def repayments(self, pool_key: int) -> list[tuple[int, int]]:
        """See `Reader`."""
        net = _sum("CASE WHEN type = 4 THEN amount ELSE -amount END")
        sql = f"""SELECT grant_key, {net} FROM entries WHERE pool_key = ? AND type IN (4, 12)
            GROUP BY grant_key HAVING {net} > 0 ORDER BY max(CASE WHEN type = 4 THEN entry_key END) DESC"""
        return [(row[0], row[1]) for row in self._rows(sql, pool_key)]

    def correction(self, account_key: int, correction_id: str) -> Correction | None:
        """See `Reader`."""
        sql = f"{_CORRECTION}WHERE c.account_key = ? AND c.correction_id = ?"
        return next((Correction(*row) for row in self._rows(sql, account_key, correction_id)), None)

    def corrections(self, account_key: int, after_key: int, limit: int) -> list[Correction]:
        """See `Reader`."""
        sql = f"{_CORRECTION}WHERE c.account_key = ? AND c.correction_key > ? ORDER BY c.correction_key LIMIT ?"
        return [Correction(*row) for row in self._rows(sql, account_key, after_key, limit)]

    def thresholds(self, pool_keys: Collection[int]) -> list[Threshold]:
        """See `Reader`."""
        sql = f"""SELECT pool_key, threshold_id, {", ".join(THRESHOLD_COLUMNS)}, threshold_key FROM thresholds
            WHERE pool_key {self.in_keys} ORDER BY threshold_key"""
        return [Threshold(*row) for row in self._rows(sql, self._keys(pool_keys))]

    def top_ups(self, pool_keys: Collection[int]) -> list[TopUp]:
        """See `Reader`."""
        sql = f"""SELECT pool_key, {", ".join(TOP_UP_COLUMNS)}, top_up_key FROM top_ups
            WHERE pool_key {self.in_keys} ORDER BY pool_key"""
        return [TopUp(*row) for row in self._rows(sql, self._keys(pool_keys))]

    def events(self, account_key: int | None, after_key: int, limit: int) -> list[Event]:
        """See `Reader`."""
        where, values = "WHERE e.event_key > ? ", [after_key]
        if account_key is not None:
            where += "AND e.account_key = ? "
            values.append(account_key)
        rows = self._rows(f"{_EVENT}{where}ORDER BY e.event_key LIMIT ?", *values, limit)
        return [Event(*row) for row in rows]

    def webhook(self, webhook_id: str) -> Webhook | None:
        """See `Reader`."""
        return next((Webhook(*row) for row in self._rows(f"{_WEBHOOK}WHERE w.webhook_id = ?", webhook_id)), None)

    def webhooks(self, after_key: int, limit: int) -> list[Webhook]:
        """See `Reader`."""
        where = "WHERE w.webhook_key > ? ORDER BY w.webhook_key LIMIT ?"
        return [Webhook(*row) for row in self._rows(_WEBHOOK + where, after_key, limit)]

    def _deliveries(self, where: str, *values: Value) -> list[Delivery]:
        rows = self._rows(_DELIVERY + where, *values)
        return [Delivery(*(*row[:7], DeliveryState(row[7]), *row[8:])) for row in rows]

    def deliveries(self, webhook_key: int, state: int, after_key: int, limit: int) -> list[Delivery]:
        """See `Reader`."""
        where, values = "WHERE d.webhook_key = ? AND d.delivery_key > ? ", [webhook_key, after_key]
        if state:
            where += "AND d.state = ? "
            values.append(state)
        return self._deliveries(f"{where}ORDER BY d.delivery_key LIMIT ?", *values, limit)

    def delivery(self, webhook_key: int, event_id: str) -> Delivery | None:
        """See `Reader`."""
        where = "WHERE d.webhook_key = ? AND e.event_id = ?"
        return next(iter(self._deliveries(where, webhook_key, event_id)), None)

    def dead_deliveries(self, webhook_key: int, after_key: int, limit: int) -> list[Delivery]:
        """See `Reader`. The state is in the text, as it is in the index."""
        where = "WHERE d.webhook_key = ? AND d.delivery_key > ? AND d.state = 3 ORDER BY d.delivery_key LIMIT ?"
        return self._deliveries(where, webhook_key, after_key, limit)

    def _journal(self, where: str, values: list[Value], after_key: int, limit: int, back: bool) -> list[JournalLine]:
        tail = "e.entry_key < ? ORDER BY e.entry_key DESC" if back else "e.entry_key > ? ORDER BY e.entry_key"
        key = after_key if after_key or not back else MAX_AMOUNT
        rows = self._rows(f"{_JOURNAL} {where} AND {tail} LIMIT ?", *values, key, limit)
        return [JournalLine(*(row[0], EntryType(row[1]), *row[2:10], bool(row[10]), *row[11:])) for row in rows]

    def journal(self, pool_key: int, after_key: int, limit: int, *, newest_first: bool = False) -> list[JournalLine]:
        """See `Reader`."""
        return self._journal("WHERE e.pool_key = ?", [pool_key], after_key, limit, newest_first)

    def journal_of_operation(
        self,
        account_key: int,
        pool_key: int,
        operation_id: str,
        after_key: int,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[JournalLine]:
        """See `Reader`."""
        where = """WHERE e.debit_key = (SELECT debit_key FROM debits WHERE account_key = ? AND operation_id = ?)
            AND e.pool_key = ?"""
        return self._journal(where, [account_key, operation_id, pool_key], after_key, limit, newest_first)

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
            WHERE {{0}} <= ? AND {{0}} < {NEVER} ORDER BY {{0}} LIMIT ?) due"""
        sql = " UNION ".join(one.format(column) for column in ("reclaim_at_ms", "allowance_reclaim_at_ms"))
        lives = [Life(*row) for row in self._rows(sql, now_ms, limit, now_ms, limit)]
        return sorted(lives, key=lambda life: (min(life[2:]), life))[:limit]

    def ledger(self) -> LedgerState:
        """See `Reader`."""
        return LedgerState(*self._rows("SELECT generation, recover_until_ms FROM ledger").fetchone())

    def token_secret(self) -> bytes:
        """See `Reader`."""
        return bytes(self._rows("SELECT secret FROM token_secret").fetchone()[0])

    def leases_of_pool(self, pool_key: int) -> list[Lease]:
        """See `Reader`."""
        where = f"""JOIN lives v ON v.sidecar_key = l.sidecar_key AND v.birth_epoch = l.birth_epoch WHERE l.pool_key = ?
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
            where += f"AND l.pool_key {self.in_keys} "
            values.append(self._keys(pool_keys))
        return [Lease(*row) for row in self._rows(_LEASE + where + "ORDER BY l.lease_key", *values)]

    def leases(
        self, account_key: int | None, pool_key: int | None, sidecar_key: int | None, after_key: int, limit: int
    ) -> list[Lease]:
        """See `Reader`."""
        where, values = "WHERE l.lease_key > ? ", [after_key]
        if account_key is not None:
            where += "AND l.pool_key IN (SELECT pool_key FROM pools WHERE account_key = ? AND is_window = 0) "
            values.append(account_key)
        else:
            where += "AND EXISTS (SELECT 1 FROM pools p WHERE p.pool_key = l.pool_key AND p.is_window = 0) "
        if pool_key is not None:
            where += "AND l.pool_key = ? "
            values.append(pool_key)
        if sidecar_key is not None:
            where += "AND l.sidecar_key = ? "
            values.append(sidecar_key)
        rows = self._rows(_LEASE + where + "ORDER BY l.lease_key LIMIT ?", *values, limit)
        return [Lease(*row) for row in rows]

    def window_leases(self, after_key: int, limit: int) -> list[Lease]:
        """See `Reader`."""
        where = "JOIN windows w USING (pool_key) WHERE l.lease_key > ? ORDER BY l.lease_key LIMIT ?"
        return [Lease(*row) for row in self._rows(_LEASE + where, after_key, limit)]

    def lease_count(self) -> int:
        """See `Reader`."""
        sql = """SELECT count(*) FROM leases
            WHERE granted_total - reclaimed_total - returned_total - posted_total > 0"""
        return int(self._rows(sql).fetchone()[0])

    def currency_totals(self) -> list[CurrencyTotal]:
        """See `Reader`."""
        bound = f"""{self.greatest}(1.0 * allowance_leased - free, overdraft, CASE WHEN enforcement <> 2 THEN 0
            WHEN overdraft_limit_bps = 0 THEN overdraft_limit
            ELSE granted_total / 10000.0 * overdraft_limit_bps END)"""
        sql = f"""SELECT currency, {_total("leased")}, {_total("overdraft")}, count(nullif(overdraft, 0)),
            {_total("allowance_leased")}, {_total("allowance_spent_total")}, {_total("fail_open_total")},
            {_total("over_hold_total")}, {_total("late_total")}, {_total("unleased_total")},
            {_total("expired_leased_total")}, {_total(bound)}, {_sum("recall_round")},
            {_total("voided_total")}, {_total("corrected_total")}
            FROM pools WHERE is_window = 0 GROUP BY currency ORDER BY currency"""
        return [CurrencyTotal(*row) for row in self._rows(sql)]

    def balance_totals(self, account_key: int) -> list[BalanceTotal]:
        """See `Reader`. The bound is that of `leasing.bound`."""
        bound = f"""{self.greatest}(overdraft, CASE WHEN free < allowance_leased - {MAX_AMOUNT} THEN {MAX_AMOUNT}
            ELSE allowance_leased - free END, CASE WHEN enforcement <> 2 THEN 0
            WHEN overdraft_limit_bps = 0 THEN overdraft_limit ELSE granted_total / 10000 * overdraft_limit_bps
            + (granted_total - granted_total / 10000 * 10000) * overdraft_limit_bps / 10000 END)"""
        columns = ("free + leased", "free", "leased", "overdraft", "allowance_leased", bound)
        sums = ", ".join(f"{_sum(f'({x}) >> 32')}, {_sum(f'({x}) & 4294967295')}" for x in columns)
        where, values = (" AND account_key = ?", [account_key]) if account_key else ("", [])
        sql = f"""SELECT currency, currency_exponent, count(*), count(DISTINCT account_key), {sums}
            FROM pools WHERE is_window = 0{where} GROUP BY 1, 2 ORDER BY 1, 2"""
        return [
            BalanceTotal(*row[:4], *((high << 32) + low for high, low in zip(row[4::2], row[5::2], strict=True)))
            for row in self._rows(sql, *values)
        ]

    def currency_exponent(self, currency: str) -> int:
        """See `Reader`."""
        sql = "SELECT currency_exponent FROM pools WHERE currency = ? AND is_window = 0 ORDER BY pool_key LIMIT 1"
        row = self._rows(sql, currency).fetchone()
        return int(row[0]) if row is not None else 0

    def event_totals(self) -> EventTotals:
        """See `Reader`. Each count reads an index of the rows that it counts, however many others there are."""
        made = tuple((row[0], row[1]) for row in self._rows("SELECT type, made_count FROM event_counts ORDER BY type"))
        sql = f"""SELECT (SELECT count(*) FROM deliveries WHERE next_at_ms < {NEVER}),
            (SELECT count(*) FROM deliveries WHERE state = 3)"""
        return EventTotals(made, *self._rows(sql).fetchone())

    def book_lines(self) -> list[BookLine]:
        """See `Reader`."""
        sql = f"SELECT pool_key, type, grant_key, {_sum('amount')}, count(*) FROM entries GROUP BY 1, 2, 3"
        return [BookLine(row[0], EntryType(row[1]), *row[2:]) for row in self._rows(sql)]

    def lease_sums(self) -> list[LeaseSum]:
        """See `Reader`."""
        sql = f"""SELECT lease_key, {_sum("amount")}, {_sum("allowance_amount")} FROM
            (SELECT lease_key, amount, allowance_amount FROM debits
             UNION ALL SELECT lease_key, amount, allowance_amount FROM duplicate_debits) d
            GROUP BY lease_key"""
        return [LeaseSum(*row) for row in self._rows(sql)]

    def flag_sums(self) -> list[FlagSum]:
        """See `Reader`."""
        sql = f"""SELECT l.pool_key, {_sum("d.allowance_amount")}, {_sum("d.fail_open_amount")},
            {_sum("d.over_hold_amount")}, {_sum("CASE WHEN d.late = 1 THEN d.amount ELSE 0 END")}
            FROM debits d JOIN leases l USING (lease_key) GROUP BY l.pool_key"""
        return [FlagSum(*row) for row in self._rows(sql)]

    def strays(self, limit: int) -> list[str]:
        """See `Reader`."""
        sql = """SELECT * FROM (
            SELECT 'entry', entry_key FROM entries e WHERE NOT EXISTS (SELECT 1 FROM pools WHERE pool_key = e.pool_key)
             OR grant_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM grants WHERE grant_key = e.grant_key)
             OR debit_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM debits WHERE debit_key = e.debit_key)
            UNION ALL SELECT 'debit', debit_key FROM debits d
             WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_key = d.lease_key)
             OR NOT EXISTS (SELECT 1 FROM accounts WHERE account_key = d.account_key)) stray LIMIT ?"""
        return [f"{kind} {key}" for kind, key in self._rows(sql, limit)]

    def debits_not_balanced(self, limit: int) -> list[int]:
        """See `Reader`."""
        sql = """SELECT debit_key FROM debits d WHERE amount <>
            (SELECT coalesce(sum(e.amount), 0) FROM entries e WHERE e.debit_key = d.debit_key AND e.type IN (2, 3))
            LIMIT ?"""
        return [row[0] for row in self._rows(sql, limit)]

    def corrections_not_balanced(self, limit: int) -> list[int]:
        """See `Reader`."""
        lines = "SELECT coalesce(sum(e.amount), 0) FROM entries e WHERE e.correction_key = c.correction_key"
        sql = f"""SELECT debit_key FROM corrections GROUP BY debit_key
             HAVING sum(amount) > (SELECT d.amount FROM debits d WHERE d.debit_key = corrections.debit_key)
            UNION SELECT c.debit_key FROM corrections c WHERE c.amount <> ({lines}
             AND e.debit_key = c.debit_key AND e.type IN (7, 8)) LIMIT ?"""
        return [row[0] for row in self._rows(sql, limit)]

    def sequence_sums(self) -> list[SequenceSum]:
        """See `Reader`."""
        sql = f"""SELECT sidecar_key, count(DISTINCT sequence), max(sequence) FROM (
            SELECT l.sidecar_key, d.sequence FROM debits d JOIN leases l USING (lease_key)
             WHERE l.birth_epoch <> {REPLAY_LIFE}
            UNION ALL SELECT l.sidecar_key, d.sequence FROM duplicate_debits d JOIN leases l USING (lease_key)
            UNION ALL SELECT sidecar_key, sequence FROM quarantined_debits) d GROUP BY sidecar_key"""
        return [SequenceSum(*row) for row in self._rows(sql)]

    def debit_traces(self, account_key: int, operation_id: str) -> list[DebitTrace]:
        """See `Reader`."""
        sql = """WITH known AS (SELECT debit_key FROM debits WHERE account_key = ? AND operation_id = ?)
            SELECT d.debit_key, l.sidecar_key, l.birth_epoch, d.epoch, d.sequence, l.pool_key, d.amount, d.posted FROM (
             SELECT debit_key, lease_key, epoch, sequence, amount, 1 AS posted FROM debits
              WHERE debit_key IN (SELECT debit_key FROM known)
             UNION ALL SELECT debit_key, lease_key, epoch, sequence, amount, 0 FROM duplicate_debits
              WHERE debit_key IN (SELECT debit_key FROM known)
             UNION ALL SELECT debit_key, lease_key, epoch, sequence, amount, 0 FROM replayed_debits
              WHERE posted = 0 AND debit_key IN (SELECT debit_key FROM known)
            ) d JOIN leases l USING (lease_key) ORDER BY d.posted DESC"""
        return [DebitTrace(*row) for row in self._rows(sql, account_key, operation_id)]

    def duplicates(
        self, account_key: int | None, conflicting_only: bool, after: DuplicatePosition, limit: int
    ) -> list[DuplicateLine]:
        """See `Reader`."""
        where = "WHERE (d.lease_key, d.sequence, d.epoch, d.debit_key) > (?, ?, ?, ?) "
        values: list[Value] = [*after]
        if account_key is not None:
            where += "AND p.account_key = ? "
            values.append(account_key)
        if conflicting_only:
            where += "AND (p.amount <> d.amount OR pl.pool_key <> dl.pool_key) "
        order = "ORDER BY d.lease_key, d.sequence, d.epoch, d.debit_key LIMIT ?"
        rows = self._rows(_DUPLICATES + where + order, *values, limit)
        return [DuplicateLine(*(*row[:13], bool(row[13]), *row[14:])) for row in rows]

    def quarantined(self, released: bool, after: QuarantinePosition, limit: int) -> list[QuarantineLine]:
        """See `Reader`."""
        where = f"WHERE q.debit_key IS {'NOT ' if released else ''}NULL AND (q.sidecar_key, q.sequence) > (?, ?) "
        rows = self._rows(f"{_QUARANTINE}{where}ORDER BY q.sidecar_key, q.sequence LIMIT ?", *after, limit)
        return [QuarantineLine(*(*row[:4], bytes(row[4]), *row[5:])) for row in rows]

    def replays_not_matched(self, limit: int) -> list[int]:
        """See `Reader`."""
        sql = f"""SELECT d.debit_key FROM debits d JOIN leases l USING (lease_key) WHERE l.birth_epoch = {REPLAY_LIFE}
             AND NOT EXISTS (SELECT 1 FROM replayed_debits r WHERE r.debit_key = d.debit_key AND r.posted = 1
              AND r.lease_key = d.lease_key AND r.sequence = d.sequence AND r.epoch = d.epoch AND r.amount = d.amount)
            UNION SELECT r.debit_key FROM replayed_debits r JOIN debits d USING (debit_key)
             WHERE (r.posted = 1) <> (r.lease_key = d.lease_key AND r.sequence = d.sequence AND r.epoch = d.epoch)
            LIMIT ?"""
        return [row[0] for row in self._rows(sql, limit)]


class SqlWriter(
    SqlReader,
    SqlAccessWriter,
    SqlBookWriter,
    SqlMeteringWriter,
    SqlObjectWriter,
    SqlRuleWriter,
    SqlStreamWriter,
    WindowChanges,
):
    """Reads and writes, within the transaction that its owner has opened."""

    skip_locked: ClassVar[str]
    """Ends a query whose rows are locked, those that another has locked left out."""
    for_update: ClassVar[str]
    """Ends a query whose rows are to be deleted."""
    for_key_share: ClassVar[str]
    """Ends a query whose rows may not be deleted until the transaction ends."""

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

    def save_ledger(self, state: LedgerState) -> None:
        """See `Writer`."""
        self._rows("UPDATE ledger SET generation = ?, recover_until_ms = ?", *state)

    def insert_account(self, account: Account) -> int:
        """See `Writer`."""
        values = (account.account_id, account.display_name, account.created_at_ms)
        account.account_key = self._insert("accounts", "account_key", _ACCOUNT_COLUMNS, values)
        return account.account_key

    def insert_pool(self, pool: Pool) -> int:
        """See `Writer`."""
        rules = pool.policy
        values: tuple[Value, ...] = (
            pool.account_key, pool.pool_id, pool.currency, pool.currency_exponent, rules.enforcement,
            rules.overdraft_limit, rules.overdraft_limit_bps, rules.partition_mode, rules.partition_overdraft_limit,
            rules.partition_after_ms, rules.shadow, pool.created_at_ms, pool.is_window,
            *pool_figures(pool),
        )  # fmt: skip
        pool.pool_key = self._insert("pools", "pool_key", _POOL_COLUMNS, values)
        return pool.pool_key

    def save_policy(self, pool_key: int, policy: Policy) -> None:
        """See `Writer`."""
        sql = """UPDATE pools SET enforcement = ?, overdraft_limit = ?, overdraft_limit_bps = ?, partition_mode = ?,
            partition_overdraft_limit = ?, partition_after_ms = ?, shadow = ? WHERE pool_key = ?"""
        self._rows(
            sql, policy.enforcement, policy.overdraft_limit, policy.overdraft_limit_bps, policy.partition_mode,
            policy.partition_overdraft_limit, policy.partition_after_ms, policy.shadow, pool_key,
        )  # fmt: skip

    def save_pools(self, pools: Iterable[Pool]) -> None:
        """See `Writer`."""
        self._update_many("pools", "pool_key", POOL_FIGURES, [(*pool_figures(p), p.pool_key) for p in pools])

    def insert_grant(self, grant: Grant) -> int:
        """See `Writer`."""
        values = (
            grant.pool_key, grant.grant_id, grant.amount, grant.category, grant.priority, grant.effective_at_ms,
            grant.expires_at_ms, grant.cost_amount, grant.cost_currency, grant.created_at_ms, grant.remaining,
            grant.state, grant.due_at_ms, grant.metadata, grant.lapsed, grant.rolled_from, *grant.rollover,
        )  # fmt: skip
        grant.grant_key = self._insert("grants", "grant_key", _GRANT_COLUMNS, values)
        return grant.grant_key

    def save_grants(self, grants: Iterable[Grant]) -> None:
        """See `Writer`."""
        rows = [(g.remaining, g.state, g.due_at_ms, g.lapsed, g.grant_key) for g in grants]
        self._update_many("grants", "grant_key", ("remaining", "state", "due_at_ms", "lapsed"), rows)

    def save_watched(self, pool_key: int, watched: int) -> None:
        """See `Writer`."""
        self._rows("UPDATE pools SET watched = ? WHERE pool_key = ?", watched, pool_key)

    def insert_threshold(self, threshold: Threshold) -> int:
        """See `Writer`."""
        columns = ("pool_key", "threshold_id", *THRESHOLD_COLUMNS)
        values: tuple[Value, ...] = (threshold.pool_key, threshold.threshold_id, *threshold_values(threshold))
        threshold.threshold_key = self._insert("thresholds", "threshold_key", columns, values)
        return threshold.threshold_key

    def save_thresholds(self, thresholds: Iterable[Threshold]) -> None:
        """See `Writer`."""
        rows = [(*threshold_values(x), x.threshold_key) for x in thresholds]
        self._update_many("thresholds", "threshold_key", THRESHOLD_COLUMNS, rows)

    def insert_top_up(self, top_up: TopUp) -> int:
        """See `Writer`."""
        values = (top_up.pool_key, *top_up_values(top_up))
        top_up.top_up_key = self._insert("top_ups", "top_up_key", ("pool_key", *TOP_UP_COLUMNS), values)
        return top_up.top_up_key

    def save_top_ups(self, top_ups: Iterable[TopUp]) -> None:
        """See `Writer`."""
        rows = [(*top_up_values(x), x.top_up_key) for x in top_ups]
        self._update_many("top_ups", "top_up_key", TOP_UP_COLUMNS, rows)

    def insert_event(self, event: Event) -> int:
        """See `Writer`."""
        columns = ("event_id", "type", "account_key", "pool_key", "body", "created_at_ms")
        pool_key = event.pool_key or None
        values = (event.event_id, event.type, event.account_key, pool_key, event.body, event.created_at_ms)
        event.event_key = self._insert("events", "event_key", columns, values)
        sql = """INSERT INTO event_counts (type, made_count) VALUES (?, 1)
            ON CONFLICT (type) DO UPDATE SET made_count = event_counts.made_count + 1"""
        self._rows(sql, event.type)
        return event.event_key

    def insert_deliveries(self, event: Event) -> None:
        """See `Writer`."""
        sql = f"""INSERT INTO deliveries (webhook_key, event_key, state, attempt_count, next_at_ms, last_error,
            ended_at_ms, since_ms)
            SELECT webhook_key, CAST(? AS BIGINT), 1, 0, CAST(? AS BIGINT), '', 0, CAST(? AS BIGINT) FROM webhooks
            WHERE account_key IS NULL OR account_key = ? ORDER BY webhook_key {self.for_key_share}"""
        self._rows(sql, event.event_key, event.created_at_ms, event.created_at_ms, event.account_key)

    def insert_webhook(self, webhook: Webhook, account_key: int | None) -> int:
        """See `Writer`."""
        columns = ("webhook_id", "account_key", "url", "secret", "created_at_ms")
        values = (webhook.webhook_id, account_key, webhook.url, webhook.secret, webhook.created_at_ms)
        webhook.webhook_key = self._insert("webhooks", "webhook_key", columns, values)
        return webhook.webhook_key

    def delete_webhook(self, webhook_key: int) -> None:
        """See `Writer`."""
        self._rows(f"SELECT 1 FROM webhooks WHERE webhook_key = ? {self.for_update}", webhook_key)
        self._rows("DELETE FROM deliveries WHERE webhook_key = ?", webhook_key)
        self._rows("DELETE FROM webhooks WHERE webhook_key = ?", webhook_key)

    def claim_deliveries(self, now_ms: int, until_ms: int, limit: int) -> list[Delivery]:
        """See `Writer`."""
        sql = f"""SELECT delivery_key FROM deliveries WHERE next_at_ms <= ? AND next_at_ms < {NEVER}
            ORDER BY next_at_ms LIMIT ? {self.skip_locked}"""
        keys = [row[0] for row in self._rows(sql, now_ms, limit)]
        sql = f"""UPDATE deliveries SET next_at_ms = ?, attempt_count = attempt_count + 1
            WHERE delivery_key {self.in_keys}"""
        self._rows(sql, until_ms, self._keys(keys))
        return self._deliveries(f"WHERE d.delivery_key {self.in_keys} ORDER BY d.delivery_key", self._keys(keys))

    def save_delivery(self, delivery: Delivery, claimed_until_ms: int) -> None:
        """See `Writer`."""
        sql = """UPDATE deliveries SET state = ?, next_at_ms = ?, last_error = ?, ended_at_ms = ?
            WHERE delivery_key = ? AND attempt_count = ? AND next_at_ms = ?"""
        self._rows(
            sql, delivery.state, delivery.next_at_ms, delivery.last_error, delivery.ended_at_ms, delivery.delivery_key,
            delivery.attempt_count, claimed_until_ms,
        )  # fmt: skip

    def retry_deliveries(self, delivery_keys: Collection[int], now_ms: int) -> int:
        """See `Writer`."""
        sql = f"""SELECT delivery_key FROM deliveries WHERE delivery_key {self.in_keys} AND state = 3
            ORDER BY delivery_key {self.for_update}"""
        keys = [row[0] for row in self._rows(sql, self._keys(delivery_keys))]
        sql = f"""UPDATE deliveries SET state = 1, attempt_count = 0, next_at_ms = ?, ended_at_ms = 0, since_ms = ?
            WHERE delivery_key {self.in_keys}"""
        self._rows(sql, now_ms, now_ms, self._keys(keys))
        return len(keys)

    def delete_events(self, until_ms: int, limit: int) -> int:
        """See `Writer`. What is pending is looked at again once it is locked: it may have been retried meanwhile."""
        sql = f"""SELECT event_key FROM events e WHERE created_at_ms <= ? AND NOT EXISTS
             (SELECT 1 FROM deliveries d WHERE d.event_key = e.event_key AND d.state = 1)
            ORDER BY created_at_ms LIMIT ? {self.skip_locked}"""
        keys = {row[0] for row in self._rows(sql, until_ms, limit)}
        sql = f"""SELECT event_key, state FROM deliveries WHERE event_key {self.in_keys}
            ORDER BY delivery_key {self.for_update}"""
        locked = self._rows(sql, self._keys(keys))
        keys.difference_update(key for key, state in locked if state == DeliveryState.PENDING)
        for table in ("deliveries", "events"):
            self._rows(f"DELETE FROM {table} WHERE event_key {self.in_keys}", self._keys(keys))
        return len(keys)

    def insert_correction(self, account_key: int, correction: Correction) -> int:
        """See `Writer`."""
        columns = ("account_key", "correction_id", "debit_key", "amount", "asked_amount", "posted_at_ms")
        values = (
            account_key, correction.correction_id, correction.debit_key, correction.amount, correction.asked_amount,
            correction.posted_at_ms,
        )  # fmt: skip
        correction.correction_key = self._insert("corrections", "correction_key", columns, values)
        return correction.correction_key

    def insert_sidecar(self, sidecar: Sidecar) -> int:
        """See `Writer`."""
        values = (
            sidecar.sidecar_id, sidecar.epoch, sidecar.birth_epoch, sidecar.instance, sidecar.stream_number,
            sidecar.acked_sequence, sidecar.max_hold_ttl_ms, sidecar.version, sidecar.last_seen_at_ms,
            sidecar.generation,
        )  # fmt: skip
        sidecar.sidecar_key = self._insert("sidecars", "sidecar_key", _SIDECAR_COLUMNS, values)
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

    def save_acked(self, sidecar_key: int, acked_sequence: int, operation_id: str) -> None:
        """See `Writer`."""
        sql = "UPDATE sidecars SET acked_sequence = ?, acked_operation_id = ? WHERE sidecar_key = ?"
        self._rows(sql, acked_sequence, operation_id, sidecar_key)

    def save_life(self, life: Life) -> None:
        """See `Writer`."""
        sql = """INSERT INTO lives (sidecar_key, birth_epoch, reclaim_at_ms, allowance_reclaim_at_ms)
            VALUES (?, ?, ?, ?) ON CONFLICT (sidecar_key, birth_epoch) DO UPDATE SET
            reclaim_at_ms = excluded.reclaim_at_ms, allowance_reclaim_at_ms = excluded.allowance_reclaim_at_ms"""
        self._rows(sql, *life)

    def insert_lease(self, lease: Lease) -> int:
        """See `Writer`."""
        values = (lease.sidecar_key, lease.birth_epoch, lease.pool_key, *lease_figures(lease))
        lease.lease_key = self._insert("leases", "lease_key", _LEASE_COLUMNS, values)
        return lease.lease_key

    def save_leases(self, leases: Iterable[Lease]) -> None:
        """See `Writer`."""
        rows = [(*lease_figures(lease), lease.lease_key) for lease in leases]
        self._update_many("leases", "lease_key", LEASE_FIGURES, rows)

    def debit_of_operation(self, account_key: int, operation_id: str) -> int:
        """See `Writer`."""
        sql = "SELECT debit_key FROM debits WHERE account_key = ? AND operation_id = ?"
        return next((int(row[0]) for row in self._rows(sql, account_key, operation_id)), 0)

    def insert_entries(self, rows: Sequence[EntryRow]) -> None:
        """See `Writer`."""
        self._insert_many("entries", EntryRow._fields, rows)

    def insert_duplicates(self, rows: Sequence[DuplicateRow]) -> None:
        """See `Writer`."""
        self._insert_many("duplicate_debits", DuplicateRow._fields, rows)

    def insert_quarantined(self, rows: Sequence[QuarantineRow]) -> None:
        """See `Writer`."""
        self._insert_many("quarantined_debits", QuarantineRow._fields, rows)

    def insert_replayed(self, rows: Sequence[ReplayRow]) -> None:
        """See `Writer`."""
        self._insert_many("replayed_debits", ReplayRow._fields, rows)

    def release_quarantined(self, sidecar_key: int, sequence: int, debit_key: int) -> None:
        """See `Writer`."""
        sql = "UPDATE quarantined_debits SET debit_key = ? WHERE sidecar_key = ? AND sequence = ?"
        self._rows(sql, debit_key, sidecar_key, sequence)
