"""The limits of a subject as they work on this host: live objects made of rules, and the path that joins them.

Upstream: `governance` makes them; downstream: the waterfall asks them. They hold no rights of their own: what may be
used is in windows (`state.Window`), counted as pools are.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TypeVar

from holdfast_sidecar.engine.gcra import FULL_SHARE, Gcra
from holdfast_sidecar.engine.rules import (
    AccountTerms,
    BudgetAction,
    BudgetRule,
    ConcurrencyLimitRule,
    Dimensions,
    Quantities,
    RateLimitRule,
    RateUnit,
    SubjectRules,
)
from holdfast_sidecar.engine.state import WINDOW_MARK, Window

NO_TERMS = AccountTerms()
FOREVER_UNIX_MS = 2**63 - 1
L = TypeVar("L", "Budget", "RateLimit", "ConcurrencyLimit")
LOCAL_END = f"{WINDOW_MARK}l"
"""Ends the names of windows that the ledger never hears of."""


@dataclass(slots=True, eq=False)
class Periods:
    """The starts of a calendar's periods, by the ledger's last word; all budgets of the calendar share it."""

    starts_unix_ms: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Budget:
    """A budget with the window of its present period, valid from `from_unix_ms` until before `until_unix_ms`."""

    own_id: str
    """Its id, empty while it has a window, whose name begins with it: there are as many of these as active subjects."""
    rule: BudgetRule
    """What it says, without its id: one object serves all budgets that say the same."""
    subject: str
    periods: Periods | None
    """None: a rolling one."""
    window: Window | None = None
    from_unix_ms: int = 0
    until_unix_ms: int = 0

    @property
    def budget_id(self) -> str:
        """Its id, unique within the account."""
        return self.own_id if self.window is None else self.window.pool_id.partition(WINDOW_MARK)[0]

    def use(self, window: Window) -> None:
        """From now on it counts in this window."""
        self.window = window
        self.own_id = ""

    def let_go(self) -> Window | None:
        """From now on it has no window; returns the one that it had."""
        window, self.own_id, self.window = self.window, self.budget_id, None
        return window

    @property
    def is_hard(self) -> bool:
        """Whether it denies, or would if it were not in shadow mode."""
        return self.rule.action is not BudgetAction.SOFT

    def period(self, now_unix_ms: int) -> tuple[int, int] | None:
        """Returns start and end of the period under way; None past the calendar's end. A rolling one never ends."""
        if self.periods is None:
            return 0, FOREVER_UNIX_MS
        starts = self.periods.starts_unix_ms
        place = bisect_right(starts, now_unix_ms)
        return (starts[place - 1], starts[place]) if 0 < place < len(starts) else None


@dataclass(slots=True, eq=False)
class RateLimit:
    """A rate limit, with its bucket, and its share of the rate where that is shared."""

    rule: RateLimitRule
    subject: str
    bucket: Gcra
    window: Window | None = None

    def cost(self, requests: int, amount: int, quantities: Quantities) -> int:
        """Returns what an operation costs of it."""
        unit = self.rule.unit
        if unit is RateUnit.REQUESTS:
            return requests
        if unit is RateUnit.AMOUNT:
            return amount
        return sum(quantity for meter, quantity in quantities if meter in self.rule.meters)


@dataclass(slots=True, eq=False)
class ConcurrencyLimit:
    """A concurrency limit; its window's rights are holds."""

    rule: ConcurrencyLimitRule
    subject: str
    window: Window


@dataclass(slots=True, eq=False)
class Path:
    """All that stands between a subject and a pool, the account's limits first."""

    version: int
    """The oldest version of the account's rules that any part of it is of."""
    shape: int
    """The account's `shape` when it was built: in another one it may not be how the nodes lie any more."""
    known: bool
    """Whether every level of the subject exists; if not, the part that does counts."""
    terms: AccountTerms
    budgets: tuple[Budget, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    slots: tuple[ConcurrencyLimit, ...] = ()
    is_plain: bool = True
    """Whether every limit of it counts every operation."""
    currency: str = ""
    """The one currency of its budgets; empty: none, or several."""
    windows: tuple[Window, ...] = ()
    """The windows of its budgets, in their order, from `from_unix_ms` until before `until_unix_ms`."""
    from_unix_ms: int = 0
    until_unix_ms: int = 0

    def for_operation(self, currency: str, pool_id: str, dimensions: Dimensions) -> "Path":
        """Returns the limits that count an operation."""
        if self.is_plain and (not self.budgets or self.currency == currency):
            return self
        given = set(dimensions)
        return Path(
            self.version,
            self.shape,
            self.known,
            self.terms,
            tuple(
                budget
                for budget in self.budgets
                if budget.rule.currency == currency
                and budget.rule.pool_id in ("", pool_id)
                and given.issuperset(budget.rule.match)
            ),
            tuple(limit for limit in self.rates if given.issuperset(limit.rule.match)),
            tuple(limit for limit in self.slots if given.issuperset(limit.rule.match)),
        )


@dataclass(slots=True, eq=False)
class Node:
    """One node of an account's tree with its limits, and the path that ends at it once somebody asked for that."""

    version: int
    has_children: bool
    terms: AccountTerms | None
    """Of the account's own node."""
    budgets: tuple[Budget, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    slots: tuple[ConcurrencyLimit, ...] = ()
    path: Path | None = None

    def windows(self) -> dict[Window, None]:
        """Returns the windows that its limits use now, in their order."""
        limits: tuple[Budget | RateLimit | ConcurrencyLimit, ...] = (*self.budgets, *self.rates, *self.slots)
        return {limit.window: None for limit in limits if limit.window is not None}

    def says(self, rules: SubjectRules) -> bool:
        """Whether it is what these rules would make of it, their version aside."""
        return (
            self.has_children == rules.has_children
            and self.terms == rules.account
            and tuple([replace(budget.rule, budget_id=budget.budget_id) for budget in self.budgets]) == rules.budgets
            and tuple([limit.rule for limit in self.rates]) == rules.rate_limits
            and tuple([limit.rule for limit in self.slots]) == rules.concurrency_limits
        )


OPEN_PATH = Path(0, 0, True, NO_TERMS, until_unix_ms=FOREVER_UNIX_MS)
"""Nothing stands in between: of accounts without rules."""


def join(nodes: list[Node], shape: int, known: bool) -> Path:
    """Returns the path through nodes, the account's own first."""
    budgets = _joined([(node.version, node.budgets) for node in nodes if node.budgets])
    rates = _joined([(node.version, node.rates) for node in nodes if node.rates])
    slots = _joined([(node.version, node.slots) for node in nodes if node.slots])
    currencies = {budget.rule.currency for budget in budgets}
    is_plain = (
        len(currencies) <= 1
        and not any(budget.rule.match or budget.rule.pool_id for budget in budgets)
        and not any(limit.rule.match for limit in rates)
        and not any(limit.rule.match for limit in slots)
    )
    version = min([node.version for node in nodes])
    terms = nodes[0].terms or NO_TERMS
    currency = currencies.pop() if len(currencies) == 1 else ""
    return Path(version, shape, known, terms, budgets, rates, slots, is_plain, currency)


def _joined(parts: list[tuple[int, tuple[L, ...]]]) -> tuple[L, ...]:
    """Returns the limits of nodes as one; where only one node has limits, which is often so, that one's own tuple.

    A limit that moved between nodes is at both until each was told anew: then the one of the later version counts.

    Args:
        parts: The version of each node, and its limits.
    """
    if len(parts) == 1:
        return parts[0][1]
    latest: dict[str, int] = {}
    for version, limits in parts:
        for name in map(_name, limits):
            latest[name] = max(version, latest.get(name, 0))
    joined: dict[str, L] = {}
    for version, limits in parts:
        joined.update({_name(limit): limit for limit in limits if version == latest[_name(limit)]})
    return tuple(joined.values())


def _name(limit: Budget | RateLimit | ConcurrencyLimit) -> str:
    return limit.budget_id if isinstance(limit, Budget) else limit.rule.limit_id


def budget_window_name(budget: Budget, start_unix_ms: int) -> str:
    """Returns the name of a budget's window, as in ledger_sync_service.proto."""
    return f"{budget.budget_id}{WINDOW_MARK}{start_unix_ms}"


def slots_window_name(rule: ConcurrencyLimitRule) -> str:
    """Returns the name of a concurrency limit's window.

    Where each host counts for itself it is one that the ledger never hears, since a limit may come to be shared, and
    what the ledger gave must not be mixed with what it did not.
    """
    return f"{rule.limit_id}{WINDOW_MARK}c" if rule.shared else f"{rule.limit_id}{LOCAL_END}"


def is_local(window: Window) -> bool:
    """Whether it is the window of a concurrency limit that each host counts for itself."""
    return window.pool_id.endswith(LOCAL_END)


def rate_window_name(rule: RateLimitRule) -> str:
    """Returns the name of a rate limit's window."""
    return f"{rule.limit_id}{WINDOW_MARK}r"


def bucket_of(rule: RateLimitRule) -> Gcra:
    """Returns an empty bucket; of a shared rate limit this host has no share yet."""
    return Gcra(rule.amount, rule.per_ms, rule.burst, 0 if rule.shared else FULL_SHARE)
