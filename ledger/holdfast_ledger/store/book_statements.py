"""The statements of the books that every SQL store shares; a part of `statements`.

An entry has its effect when what it comes from happened, which may be in an earlier month than its posting: a debit
when it was settled, an expiry when the grant expired however late the sweep was, a correction when what it corrects
was. None has it before the grant had begun, so that a grant's figures add up at the end of every month.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from holdfast_ledger.store.book_rows import (
    BookMonth,
    BookState,
    Canonical,
    ClosedLine,
    ClosedPeriod,
    EntryGroup,
    ExportLine,
    GrantFacts,
    LineSum,
    Link,
)
from holdfast_ledger.store.rows import Rows, Value

OLDEST_EFFECT_MS = 35 * 86_400_000
"""How long before its posting a debit may have its effect: a sidecar's clock is believed no further."""

# Entry types, as in the contract: 1 GRANT, 2 DEBIT, 3 OVERDRAFT, 4 REPAYMENT, 5 EXPIRY, 6 VOID, 7 CORRECTION,
# 8 OVERDRAFT_CORRECTION, 9 REVIVAL, 10 ROLLOVER_OUT, 11 ROLLOVER_IN, 12 REPAYMENT_RETURN.
_SETTLED = f"""(CASE WHEN d.settled_at_ms <= 0 OR d.settled_at_ms > d.posted_at_ms THEN d.posted_at_ms
 ELSE {{greatest}}(d.settled_at_ms, d.posted_at_ms - {OLDEST_EFFECT_MS}) END)"""
_BEGUN = """(CASE WHEN g.rolled_from = '' THEN {greatest}(g.effective_at_ms, g.created_at_ms)
 ELSE g.effective_at_ms END)"""
_EFFECT = f"""(CASE
 WHEN e.type IN (2, 7) THEN {{greatest}}({_SETTLED}, {_BEGUN})
 WHEN e.type IN (3, 8) THEN {_SETTLED}
 WHEN e.type IN (1, 11) OR (e.type = 4 AND e.correction_key IS NULL) THEN {_BEGUN}
 WHEN e.type = 10 OR (e.type = 5 AND e.correction_key IS NULL) THEN g.expires_at_ms
 WHEN e.type = 9 OR (e.type = 5 AND NOT EXISTS (SELECT 1 FROM entries r WHERE r.debit_key = e.debit_key
  AND r.type = 12 AND r.correction_key = e.correction_key AND r.grant_key = e.grant_key))
  THEN {{greatest}}({_SETTLED}, g.expires_at_ms)
 ELSE e.posted_at_ms END)"""
_CLOSED = """coalesce((SELECT c.period FROM closed_periods c WHERE c.last_entry_key < e.entry_key
 ORDER BY c.last_entry_key DESC, c.period DESC LIMIT 1), 0)"""


def _moved(*types: int, back: tuple[int, ...] = ()) -> str:
    given = f"WHEN e.type IN ({', '.join(map(str, types))}) THEN e.amount"
    taken = f" WHEN e.type IN ({', '.join(map(str, back))}) THEN -e.amount" if back else ""
    return f"CAST(sum(CASE {given}{taken} ELSE 0 END) AS BIGINT)"


_GROUPS = f"""SELECT e.grant_key, {_EFFECT} / 86400000 AS day, {_CLOSED} AS closed_period,
 {_moved(1)}, {_moved(11)}, {_moved(2, 4, back=(7, 12))}, {_moved(5, back=(9,))}, {_moved(6)}, {_moved(10)}
 FROM {{entries}} JOIN grants g ON g.grant_key = e.grant_key
 LEFT JOIN debits d ON d.debit_key = e.debit_key WHERE {{where}} GROUP BY 1, 2, 3"""

_NUMBERS_OF_ENTRY = (
    "e.entry_key", "e.type", "e.pool_key", "e.grant_key", "e.debit_key", "e.amount", "e.posted_at_ms",
    "e.correction_key", "c.amount", "c.asked_amount", "d.account_key", "l.birth_epoch", "d.epoch", "d.sequence",
    "d.amount", "d.posted_at_ms", "d.settled_at_ms", "d.late", "d.over_hold_amount", "d.estimated", "d.mode",
    "d.allowance_amount", "d.fail_open_amount", "d.hold_age_ms", "p.currency_exponent", "g.amount", "g.category",
    "g.effective_at_ms", "g.expires_at_ms", "g.cost_amount", "g.created_at_ms",
    "CASE WHEN e.type = 6 THEN g.refunded_amount END",
)  # fmt: skip
_TEXTS_OF_ENTRY = (
    "c.correction_id", "d.operation_id", "s.sidecar_id", "d.hold_id", "d.subject", "d.dimensions", "d.quantities",
    "a.account_id", "p.pool_id", "p.currency", "g.grant_id", "g.cost_currency", "g.metadata", "g.rolled_from",
    "d.caller",
)  # fmt: skip
_CANONICAL_FORM = "|".join(["%s"] * len(_NUMBERS_OF_ENTRY) + ["%s:%s"] * len(_TEXTS_OF_ENTRY))
"""Numbers in decimal, texts after their length in characters; what is not there is empty, its length too."""

# The database puts the text together, without the interpreter's lock: posting goes on meanwhile.
_CANONICAL = f"""SELECT coalesce({{join_text}}(block.text, ?), ''), count(*), coalesce(min(block.entry_key), 0) FROM (
 SELECT e.entry_key, format(?, {", ".join([*_NUMBERS_OF_ENTRY, *(f"length({x}), {x}" for x in _TEXTS_OF_ENTRY)])})
  AS text
 FROM entries e LEFT JOIN corrections c ON c.correction_key = e.correction_key
 LEFT JOIN debits d ON d.debit_key = e.debit_key LEFT JOIN leases l ON l.lease_key = d.lease_key
 LEFT JOIN sidecars s ON s.sidecar_key = l.sidecar_key
 LEFT JOIN grants g ON g.grant_key = e.grant_key AND e.type IN (1, 6, 11)
 LEFT JOIN pools p ON p.pool_key = g.pool_key LEFT JOIN accounts a ON a.account_key = p.account_key
 WHERE e.entry_key > ? AND e.entry_key <= ? ORDER BY e.entry_key) block"""

_EXPORT = f"""SELECT e.entry_key, e.type, e.amount, e.posted_at_ms, {_EFFECT}, {_CLOSED}, a.account_id, p.pool_id,
 p.currency, p.currency_exponent, coalesce(g.grant_id, ''), coalesce(g.category, 0), coalesce(g.amount, 0),
 coalesce(g.cost_amount, 0), coalesce(g.cost_currency, ''), coalesce(g.metadata, '{{{{}}}}'),
 coalesce(c.correction_id, ''), coalesce(d.operation_id, ''), coalesce(d.amount, 0), coalesce(s.sidecar_id, ''),
 coalesce(d.epoch, 0), coalesce(d.sequence, 0), CASE WHEN l.birth_epoch = 0 THEN 1 ELSE 0 END,
 coalesce(d.hold_id, ''), coalesce(d.settled_at_ms, 0), coalesce(d.subject, ''), coalesce(d.dimensions, '{{{{}}}}'),
 coalesce(d.quantities, ''), coalesce(d.late, 0), coalesce(d.estimated, 0), coalesce(d.over_hold_amount, 0),
 coalesce(d.caller, ''),
 CASE WHEN e.type = 6 AND e.correction_key IS NULL THEN g.refunded_amount ELSE 0 END
 FROM entries e JOIN pools p ON p.pool_key = e.pool_key JOIN accounts a ON a.account_key = p.account_key
 LEFT JOIN grants g ON g.grant_key = e.grant_key LEFT JOIN debits d ON d.debit_key = e.debit_key
 LEFT JOIN corrections c ON c.correction_key = e.correction_key LEFT JOIN leases l ON l.lease_key = d.lease_key
 LEFT JOIN sidecars s ON s.sidecar_key = l.sidecar_key """

# CROSS JOIN: SQLite takes the tables in this order, whatever it thinks of how many rows there are.
_GRANTS_OF = """FROM pools p CROSS JOIN grants g {join}
 WHERE p.account_key > ? AND p.account_key <= ? AND p.is_window = 0 AND g.pool_key = p.pool_key
 AND EXISTS (SELECT 1 FROM book_months t WHERE t.grant_key = g.grant_key AND t.period >= ?)"""
_AMOUNTS = BookMonth._fields[3:]
_SUMMED = LineSum._fields[4:]


class SqlBookReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    greatest: ClassVar[str]
    join_text: ClassVar[str]
    """The aggregate that joins texts in the order of a sorted subquery, with a separator."""

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    def _rows_replanned(self, sql: str, *values: Value) -> Rows:
        """As in `SqlRuleReader`."""
        return self._rows(sql, *values)

    def books(self) -> BookState:
        """See `BookReader`."""
        return BookState(*self._rows("SELECT policy, last_entry_key, closing_until_ms FROM books").fetchone())

    def last_entry_key(self) -> int:
        """See `BookReader`."""
        return int(self._rows("SELECT coalesce(max(entry_key), 0) FROM entries").fetchone()[0])

    def block_end(self, after_key: int, last_key: int, limit: int) -> tuple[int, int]:
        """See `BookReader`."""
        sql = """SELECT coalesce(max(entry_key), 0), count(*) FROM (SELECT entry_key FROM entries
            WHERE entry_key > ? AND entry_key <= ? ORDER BY entry_key LIMIT ?) block"""
        end, count = self._rows(sql, after_key, last_key, limit).fetchone()
        return end, count

    def entries_waiting(self) -> int:
        """See `BookReader`."""
        sql = """SELECT posted_at_ms FROM entries WHERE entry_key > (SELECT last_entry_key FROM books)
            ORDER BY entry_key LIMIT 1"""
        return next((int(row[0]) for row in self._rows(sql)), 0)

    def canonical(self, after_key: int, last_key: int) -> Canonical:
        """See `BookReader`."""
        sql = _CANONICAL.format(join_text=self.join_text)
        return Canonical(*self._rows_replanned(sql, "\n", _CANONICAL_FORM, after_key, last_key).fetchone())

    def _groups(self, entries: str, where: str, *values: Value) -> list[EntryGroup]:
        sql = _GROUPS.format(greatest=self.greatest, entries=entries, where=where)
        return [EntryGroup(*row) for row in self._rows_replanned(sql, *values)]

    def entry_groups(self, after_key: int, last_key: int) -> list[EntryGroup]:
        """See `BookReader`."""
        return self._groups("entries e", "e.entry_key > ? AND e.entry_key <= ?", after_key, last_key)

    def entry_groups_of(self, after_account: int, last_account: int, last_key: int) -> list[EntryGroup]:
        """See `BookReader`."""
        entries = "pools p CROSS JOIN entries e"
        where = """e.pool_key = p.pool_key AND p.account_key > ? AND p.account_key <= ? AND p.is_window = 0
            AND e.entry_key <= ?"""
        return self._groups(entries, where, after_account, last_account, last_key)

    def book_months(self, after_account: int, last_account: int, since: int) -> Iterator[BookMonth]:
        """See `BookReader`."""
        columns = ", ".join(f"b.{name}" for name in BookMonth._fields)
        tail = _GRANTS_OF.format(join="CROSS JOIN book_months b")
        sql = f"SELECT {columns} {tail} AND b.grant_key = g.grant_key ORDER BY b.grant_key, b.period, b.late"
        return map(BookMonth._make, self._rows_replanned(sql, after_account, last_account, since))

    def grant_facts(self, after_account: int, last_account: int, since: int) -> dict[int, GrantFacts]:
        """See `BookReader`."""
        sql = f"""SELECT g.grant_key, p.account_key, g.category, g.amount, g.cost_amount, g.cost_currency,
            g.refunded_amount, g.metadata, p.pool_id, p.currency {_GRANTS_OF.format(join="")}"""
        rows = self._rows_replanned(sql, after_account, last_account, since)
        return {row[0]: GrantFacts(*row) for row in rows}

    def account_bounds(self, after_account: int, limit: int) -> int:
        """See `BookReader`."""
        sql = """SELECT coalesce(max(account_key), 0) FROM (SELECT account_key FROM accounts WHERE account_key > ?
            ORDER BY account_key LIMIT ?) run"""
        return int(self._rows(sql, after_account, limit).fetchone()[0])

    def account_names(self, after_account: int, last_account: int) -> dict[int, str]:
        """See `BookReader`."""
        sql = "SELECT account_key, account_id FROM accounts WHERE account_key > ? AND account_key <= ?"
        return {row[0]: row[1] for row in self._rows(sql, after_account, last_account)}

    def first_period(self) -> int:
        """See `BookReader`."""
        return int(self._rows("SELECT coalesce(min(period), 0) FROM book_months").fetchone()[0])

    def last_link(self) -> Link | None:
        """See `BookReader`."""
        return next(iter(self._links("ORDER BY link_key DESC LIMIT 1")), None)

    def links(self, after_key: int, limit: int) -> list[Link]:
        """See `BookReader`."""
        return self._links("WHERE link_key > ? ORDER BY link_key LIMIT ?", after_key, limit)

    def link_of(self, link_hash: bytes) -> Link | None:
        """See `BookReader`."""
        return next(iter(self._links("WHERE hash = ?", link_hash)), None)

    def _links(self, where: str, *values: Value) -> list[Link]:
        sql = f"SELECT {', '.join(Link._fields)} FROM journal_links {where}"
        return [Link(*(*row[:6], bytes(row[6]))) for row in self._rows(sql, *values)]

    def closed_periods(self) -> list[ClosedPeriod]:
        """See `BookReader`."""
        sql = f"SELECT {', '.join(ClosedPeriod._fields)} FROM closed_periods ORDER BY period"
        return [ClosedPeriod(*(*row[:5], bytes(row[5]), bytes(row[6]))) for row in self._rows(sql)]

    def closed_sums(self, first: int, last: int, account_key: int | None) -> list[LineSum]:
        """See `BookReader`."""
        # The upper and the lower half of the bits by themselves: what many lines come to may pass 64 bits.
        halves = (f"{name} {half}" for name in _SUMMED for half in (">> 32", "& 4294967295"))
        sums = ", ".join(f"CAST(sum({half}) AS BIGINT)" for half in halves)
        mine = "" if account_key is None else " AND account_key = ?"
        sql = f"""SELECT period, kind, product, currency, {sums} FROM closed_lines
            WHERE period >= ? AND period <= ?{mine} GROUP BY period, kind, product, currency
            ORDER BY period, kind, product, currency"""
        values = (first, last) if account_key is None else (first, last, account_key)
        rows = self._rows_replanned(sql, *values)
        return [LineSum(*row[:4], *((a << 32) + b for a, b in zip(row[4::2], row[5::2], strict=True))) for row in rows]

    def closed_lines(self, period: int, after_account: int, last_account: int) -> list[ClosedLine]:
        """See `BookReader`."""
        sql = f"""SELECT {", ".join(ClosedLine._fields)} FROM closed_lines WHERE period = ? AND account_key > ?
            AND account_key <= ? ORDER BY account_key, kind, product, currency"""
        return [ClosedLine(*row) for row in self._rows(sql, period, after_account, last_account)]

    def export_lines(
        self, account_key: int | None, posted_from_ms: int, after_key: int, last_key: int, limit: int
    ) -> list[ExportLine]:
        """See `BookReader`."""
        mine = "" if account_key is None else " AND p.account_key = ?"
        where = f"WHERE e.entry_key > ? AND e.entry_key <= ? AND e.posted_at_ms >= ?{mine}"
        values = [after_key, last_key, posted_from_ms, *([] if account_key is None else [account_key]), limit]
        sql = f"{_EXPORT.format(greatest=self.greatest)}{where} ORDER BY e.entry_key LIMIT ?"
        return [ExportLine(*row) for row in self._rows_replanned(sql, *values)]


class SqlBookWriter(SqlBookReader):
    """Reads and writes, within the transaction that its owner has opened."""

    for_no_key_update: ClassVar[str]

    @abstractmethod
    def _insert(self, table: str, key: str, columns: Sequence[str], values: Sequence[Value]) -> int:
        """Adds a row and returns the key that the database gives it. Raises `Conflict`."""

    @abstractmethod
    def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str = ""
    ) -> None:
        """Adds rows, in their order; `tail` says what becomes of one that is there."""

    @abstractmethod
    def _queue_for(self, table: str) -> None:
        """As in `SqlMeteringWriter`."""

    def end_of_journal(self) -> int:
        """See `BookWriter`."""
        self._queue_for("entries")
        return self.last_entry_key()

    def lock_books(self) -> BookState:
        """See `BookWriter`."""
        sql = f"SELECT policy, last_entry_key, closing_until_ms FROM books {self.for_no_key_update}"
        return BookState(*self._rows(sql).fetchone())

    def save_books(self, state: BookState) -> None:
        """See `BookWriter`."""
        self._rows("UPDATE books SET policy = ?, last_entry_key = ?, closing_until_ms = ?", *state)

    def save_refund(self, grant_key: int, amount: int) -> None:
        """See `BookWriter`."""
        self._rows("UPDATE grants SET refunded_amount = ? WHERE grant_key = ?", amount, grant_key)

    def add_book_months(self, rows: Sequence[BookMonth]) -> None:
        """See `BookWriter`."""
        added = ", ".join(f"{name} = book_months.{name} + excluded.{name}" for name in _AMOUNTS)
        tail = f" ON CONFLICT (grant_key, period, late) DO UPDATE SET {added}"
        self._insert_many("book_months", BookMonth._fields, rows, tail)

    def clear_book_months(self) -> None:
        """See `BookWriter`."""
        self._rows("DELETE FROM book_months")

    def insert_link(self, link: Link) -> None:
        """See `BookWriter`."""
        self._insert("journal_links", "link_key", Link._fields, link)

    def insert_closed_period(self, closed: ClosedPeriod) -> None:
        """See `BookWriter`."""
        self._insert("closed_periods", "period", ClosedPeriod._fields, closed)

    def insert_closed_lines(self, lines: Sequence[ClosedLine]) -> None:
        """See `BookWriter`."""
        self._insert_many("closed_lines", ClosedLine._fields, lines)

    def clear_closed_lines(self, after: int) -> None:
        """See `BookWriter`."""
        self._rows("DELETE FROM closed_lines WHERE period > ?", after)
