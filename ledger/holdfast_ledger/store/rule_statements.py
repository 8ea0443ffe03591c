"""The statements of governance that every SQL store shares; a part of `statements`.

Whatever is asked for by node comes in one statement, however many nodes: a request of a sidecar names up to a thousand.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from holdfast_ledger.store.rows import Rows, Value
from holdfast_ledger.store.rule_rows import (
    VERSIONS_A_GENERATION,
    AccountRules,
    AccountTerms,
    Budget,
    ConcurrencyLimit,
    Node,
    Plan,
    RateCard,
    RateLimit,
    Subject,
    SubjectNode,
)

_HAS_CHILDREN = """coalesce((SELECT 1 FROM subjects c WHERE c.account_key = r.account_key
 AND c.subject > r.subject || '/' AND c.subject < r.subject || '0' LIMIT 1), 0)"""
"""Paths compare by their bytes, and "0" follows "/": all that is below a path, and nothing else, lies between."""


def _columns(row: type[AccountRules | Budget | RateLimit | ConcurrencyLimit | Subject], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in row._fields)


def upsert_tail(keys: str, columns: Sequence[str]) -> str:
    """Returns what follows an INSERT so that it replaces rows with the same `keys`."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys.split(", "))
    return f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"


class SqlRuleReader(ABC):
    """Reads rules, within the transaction that its owner has opened."""

    in_keys: ClassVar[str]
    """Follows a column: whether its value is among those of one parameter, made by `_keys` or `_names`."""
    each_node: ClassVar[str]
    """Follows FROM: what is found for each of the nodes `n` (account_key, subject), whose parameters `_nodes` makes.

    "{table}" and "{where}" are put in, with `r` for the table. Each is looked up by itself, whatever the database
    thinks of how many there are.
    """

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    def _rows_replanned(self, sql: str, *values: Value) -> Rows:
        """As `_rows`, for tables that grow from none to millions of rows, with several indexes for a statement."""
        return self._rows(sql, *values)

    @abstractmethod
    def _keys(self, keys: Collection[int]) -> Value:
        """Returns keys as one parameter."""

    @abstractmethod
    def _names(self, names: Collection[str]) -> Value:
        """Returns names as one parameter."""

    @abstractmethod
    def _nodes(self, nodes: Collection[Node]) -> Sequence[Value]:
        """Returns nodes as the parameters of `named_nodes`."""

    def _each(self, table: str, name: str, where: str = "") -> str:
        where += f"r.account_key = n.account_key AND r.{name} = n.subject"
        return self.each_node.format(table=table, where=where)

    def account_rules(self, account_key: int) -> AccountRules | None:
        """See `RuleReader`."""
        sql = f"SELECT {_columns(AccountRules)} FROM account_rules WHERE account_key = ?"
        return next((AccountRules(*row) for row in self._rows(sql, account_key)), None)

    def terms_of(self, account_ids: Collection[str]) -> dict[str, AccountTerms]:
        """See `RuleReader`."""
        sql = f"""SELECT a.account_key, a.account_id, a.rules_version, coalesce(r.deny_unknown_subject, 0),
            coalesce(r.features, '{{}}'), coalesce(p.features, '{{}}'), coalesce(r.rate_card_id, ''),
            coalesce(c.revision, 0), coalesce(r.shadow_features, 0), coalesce(r.time_zone, 'UTC')
            FROM accounts a LEFT JOIN account_rules r USING (account_key) LEFT JOIN plans p USING (plan_id)
            LEFT JOIN rate_cards c USING (rate_card_id) WHERE a.account_id {self.in_keys}"""
        return {row[1]: AccountTerms(*row) for row in self._rows(sql, self._names(account_ids))}

    def plan(self, plan_id: str) -> Plan | None:
        """See `RuleReader`."""
        sql = "SELECT plan_id, display_name, features FROM plans WHERE plan_id = ?"
        return next((Plan(*row) for row in self._rows(sql, plan_id)), None)

    def plans(self, after_id: str, limit: int) -> list[Plan]:
        """See `RuleReader`."""
        sql = "SELECT plan_id, display_name, features FROM plans WHERE plan_id > ? ORDER BY plan_id LIMIT ?"
        return [Plan(*row) for row in self._rows(sql, after_id, limit)]

    def rate_card(self, rate_card_id: str) -> RateCard | None:
        """See `RuleReader`."""
        sql = "SELECT rate_card_id, revision, in_use, content FROM rate_cards WHERE rate_card_id = ?"
        return next((RateCard(*(*row[:3], bytes(row[3]))) for row in self._rows(sql, rate_card_id)), None)

    def rate_cards(self, after_id: str, limit: int) -> list[RateCard]:
        """See `RuleReader`."""
        sql = """SELECT rate_card_id, revision, in_use FROM rate_cards WHERE rate_card_id > ? AND in_use = 1
            ORDER BY rate_card_id LIMIT ?"""
        return [RateCard(*(*row, b"")) for row in self._rows(sql, after_id, limit)]

    def subjects_named(self, account_key: int, subjects: Collection[str]) -> dict[str, Subject]:
        """See `RuleReader`."""
        rows = self._named("subjects", _columns(Subject, "r."), account_key, subjects, "subject")
        return {row[1]: Subject(*row) for row in rows}

    def subjects(self, account_key: int, after_subject: str, limit: int) -> list[Subject]:
        """See `RuleReader`."""
        where = "account_key = ? AND subject > ? ORDER BY subject LIMIT ?"
        rows = self._rows(f"SELECT {_columns(Subject)} FROM subjects WHERE {where}", account_key, after_subject, limit)
        return [Subject(*row) for row in rows]

    def nodes(self, nodes: Collection[Node]) -> list[SubjectNode]:
        """See `RuleReader`."""
        accounts = [key for key, subject in nodes if not subject]
        sql = f"""SELECT account_key, '', coalesce((SELECT 1 FROM subjects s WHERE s.account_key = a.account_key
            LIMIT 1), 0) FROM accounts a WHERE account_key {self.in_keys}"""
        found = [SubjectNode(row[0], row[1], bool(row[2])) for row in self._rows(sql, self._keys(accounts))]
        source = self._each("subjects", "subject")
        sql = f"SELECT r.account_key, r.subject, {_HAS_CHILDREN} FROM {source}"
        below = self._rows_replanned(sql, *self._nodes([node for node in nodes if node[1]]))
        return found + [SubjectNode(row[0], row[1], bool(row[2])) for row in below]

    def _named(self, table: str, columns: str, account_key: int, ids: Collection[str], name: str) -> Rows:
        sql = f"SELECT {columns} FROM {self._each(table, name)}"
        return self._rows_replanned(sql, *self._nodes({(account_key, one) for one in ids}))

    def _at(self, table: str, columns: str, nodes: Collection[Node], name: str) -> Rows:
        sql = f"SELECT {columns} FROM {self._each(table, 'subject')} ORDER BY r.{name}"
        return self._rows_replanned(sql, *self._nodes(nodes))

    def _listed(self, table: str, columns: str, name: str, *values: Value) -> Rows:
        sql = f"SELECT {columns} FROM {table} WHERE account_key = ? AND {name} > ? ORDER BY {name} LIMIT ?"
        return self._rows(sql, *values)

    def budgets_named(self, account_key: int, budget_ids: Collection[str]) -> dict[str, Budget]:
        """See `RuleReader`."""
        rows = self._named("budgets", _columns(Budget, "r."), account_key, budget_ids, "budget_id")
        return {row[1]: Budget(*row) for row in rows}

    def budgets_at(self, nodes: Collection[Node]) -> list[Budget]:
        """See `RuleReader`."""
        return [Budget(*row) for row in self._at("budgets", _columns(Budget, "r."), nodes, "budget_id")]

    def budgets_sharing(self, account_key: int, budget_ids: Collection[str]) -> list[Budget]:
        """See `RuleReader`."""
        source = self._each("budgets", "share_of_budget_id", "r.share_bps > 0 AND ")
        nodes = {(account_key, one) for one in budget_ids}
        rows = self._rows_replanned(f"SELECT {_columns(Budget, 'r.')} FROM {source}", *self._nodes(nodes))
        return [Budget(*row) for row in rows]

    def budgets(self, account_key: int, after_id: str, limit: int) -> list[Budget]:
        """See `RuleReader`."""
        rows = self._listed("budgets", _columns(Budget), "budget_id", account_key, after_id, limit)
        return [Budget(*row) for row in rows]

    def rate_limits_named(self, account_key: int, limit_ids: Collection[str]) -> dict[str, RateLimit]:
        """See `RuleReader`."""
        rows = self._named("rate_limits", _columns(RateLimit, "r."), account_key, limit_ids, "limit_id")
        return {row[1]: RateLimit(*row) for row in rows}

    def rate_limits_at(self, nodes: Collection[Node]) -> list[RateLimit]:
        """See `RuleReader`."""
        return [RateLimit(*row) for row in self._at("rate_limits", _columns(RateLimit, "r."), nodes, "limit_id")]

    def rate_limits(self, account_key: int, after_id: str, limit: int) -> list[RateLimit]:
        """See `RuleReader`."""
        rows = self._listed("rate_limits", _columns(RateLimit), "limit_id", account_key, after_id, limit)
        return [RateLimit(*row) for row in rows]

    def concurrency_limits_named(self, account_key: int, limit_ids: Collection[str]) -> dict[str, ConcurrencyLimit]:
        """See `RuleReader`."""
        rows = self._named("concurrency_limits", _columns(ConcurrencyLimit, "r."), account_key, limit_ids, "limit_id")
        return {row[1]: ConcurrencyLimit(*row) for row in rows}

    def concurrency_limits_at(self, nodes: Collection[Node]) -> list[ConcurrencyLimit]:
        """See `RuleReader`."""
        rows = self._at("concurrency_limits", _columns(ConcurrencyLimit, "r."), nodes, "limit_id")
        return [ConcurrencyLimit(*row) for row in rows]

    def concurrency_limits(self, account_key: int, after_id: str, limit: int) -> list[ConcurrencyLimit]:
        """See `RuleReader`."""
        rows = self._listed("concurrency_limits", _columns(ConcurrencyLimit), "limit_id", account_key, after_id, limit)
        return [ConcurrencyLimit(*row) for row in rows]

    def leased_pools(self, account_keys: Collection[int]) -> list[int]:
        """See `RuleReader`."""
        sql = f"""SELECT pool_key FROM pools p WHERE account_key {self.in_keys} AND is_window = 0
            AND EXISTS (SELECT 1 FROM leases l WHERE l.pool_key = p.pool_key)"""
        return [row[0] for row in self._rows(sql, self._keys(account_keys))]


class SqlRuleWriter(SqlRuleReader):
    """Reads and writes rules, within the transaction that its owner has opened."""

    greatest: ClassVar[str]
    for_key_share: ClassVar[str]
    for_update: ClassVar[str]
    for_no_key_update: ClassVar[str]
    """Ends a query whose rows are to be changed, without their keys."""

    @abstractmethod
    def _upsert_many(self, table: str, keys: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Adds rows, or replaces those with the same `keys`; no row comes twice."""

    def lock_rules(self, account_key: int) -> None:
        """See `RuleWriter`."""
        self._rows(f"SELECT 1 FROM accounts WHERE account_key = ? {self.for_no_key_update}", account_key)

    def keep_plan(self, plan_id: str) -> Plan | None:
        """See `RuleWriter`."""
        self._rows(f"SELECT 1 FROM plans WHERE plan_id = ? {self.for_key_share}", plan_id)
        return self.plan(plan_id)

    def keep_rate_card(self, rate_card_id: str) -> RateCard | None:
        """See `RuleWriter`."""
        self._rows(f"SELECT 1 FROM rate_cards WHERE rate_card_id = ? {self.for_key_share}", rate_card_id)
        return self.rate_card(rate_card_id)

    def lock_plan(self, plan_id: str) -> Plan | None:
        """See `RuleWriter`."""
        self._rows(f"SELECT 1 FROM plans WHERE plan_id = ? {self.for_update}", plan_id)
        return self.plan(plan_id)

    def lock_rate_card(self, rate_card_id: str) -> RateCard | None:
        """See `RuleWriter`."""
        self._rows(f"SELECT 1 FROM rate_cards WHERE rate_card_id = ? {self.for_update}", rate_card_id)
        return self.rate_card(rate_card_id)

    def raise_rules_version(self, account_keys: Collection[int] | None) -> None:
        """See `RuleWriter`."""
        first = f"(SELECT (generation - 1) * {VERSIONS_A_GENERATION} FROM ledger)"
        sql = f"UPDATE accounts SET rules_version = {self.greatest}(rules_version, {first}) + 1"
        if account_keys is None:
            self._rows(sql)
        else:
            self._rows(f"{sql} WHERE account_key {self.in_keys}", self._keys(account_keys))

    def accounts_of_plan(self, plan_id: str) -> list[int]:
        """See `RuleWriter`."""
        return [row[0] for row in self._rows("SELECT account_key FROM account_rules WHERE plan_id = ?", plan_id)]

    def accounts_of_rate_card(self, rate_card_id: str) -> list[int]:
        """See `RuleWriter`."""
        sql = "SELECT account_key FROM account_rules WHERE rate_card_id = ?"
        return [row[0] for row in self._rows(sql, rate_card_id)]

    def save_account_rules(self, rules: AccountRules) -> None:
        """See `RuleWriter`."""
        sql = f"INSERT INTO account_rules ({_columns(AccountRules)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._rows(sql + upsert_tail("account_key", AccountRules._fields), *rules)

    def save_plan(self, plan: Plan) -> None:
        """See `RuleWriter`."""
        sql = """INSERT INTO plans (plan_id, display_name, features) VALUES (?, ?, ?)
            ON CONFLICT (plan_id) DO UPDATE SET display_name = excluded.display_name, features = excluded.features"""
        self._rows(sql, *plan)

    def delete_plan(self, plan_id: str) -> None:
        """See `RuleWriter`."""
        self._rows("DELETE FROM plans WHERE plan_id = ?", plan_id)

    def save_rate_card(self, card: RateCard) -> None:
        """See `RuleWriter`."""
        sql = """INSERT INTO rate_cards (rate_card_id, revision, in_use, content) VALUES (?, ?, ?, ?)
            ON CONFLICT (rate_card_id) DO UPDATE
            SET revision = excluded.revision, in_use = excluded.in_use, content = excluded.content"""
        self._rows(sql, *card)

    def save_subjects(self, subjects: Iterable[Subject]) -> None:
        """See `RuleWriter`."""
        self._upsert_many("subjects", "account_key, subject", Subject._fields, list(subjects))

    def delete_subject(self, account_key: int, subject: str) -> None:
        """See `RuleWriter`."""
        self._rows("DELETE FROM subjects WHERE account_key = ? AND subject = ?", account_key, subject)

    def save_budgets(self, budgets: Iterable[Budget]) -> None:
        """See `RuleWriter`."""
        self._upsert_many("budgets", "account_key, budget_id", Budget._fields, list(budgets))

    def delete_budget(self, account_key: int, budget_id: str) -> None:
        """See `RuleWriter`."""
        self._rows("DELETE FROM budgets WHERE account_key = ? AND budget_id = ?", account_key, budget_id)

    def save_rate_limits(self, limits: Iterable[RateLimit]) -> None:
        """See `RuleWriter`."""
        self._upsert_many("rate_limits", "account_key, limit_id", RateLimit._fields, list(limits))

    def delete_rate_limit(self, account_key: int, limit_id: str) -> None:
        """See `RuleWriter`."""
        self._rows("DELETE FROM rate_limits WHERE account_key = ? AND limit_id = ?", account_key, limit_id)

    def save_concurrency_limits(self, limits: Iterable[ConcurrencyLimit]) -> None:
        """See `RuleWriter`."""
        fields = ConcurrencyLimit._fields
        self._upsert_many("concurrency_limits", "account_key, limit_id", fields, list(limits))

    def delete_concurrency_limit(self, account_key: int, limit_id: str) -> None:
        """See `RuleWriter`."""
        self._rows("DELETE FROM concurrency_limits WHERE account_key = ? AND limit_id = ?", account_key, limit_id)
