"""The reference model: what one host with an honest ledger beside it must answer, in the plainest terms.

No leases, no batches, no records of changes: balances are recomputed from lists at every step. Independent of the
engine; it imports nothing from it. A verdict is a tuple that reads like a page of a ledger.
"""

from dataclasses import dataclass, field

OK, INSUFFICIENT, OVERDRAFT, LINKED_FAILED = "OK", "INSUFFICIENT_BALANCE", "OVERDRAFT_LIMIT", "LINKED_FAILED"
STRICT, OPTIMISTIC = 1, 2

Outcome = tuple[object, ...]


@dataclass
class ModelHold:
    """An open hold."""

    pool: str
    amount: int
    settled: int
    expires_ms: int


@dataclass
class Model:
    """One account; amounts in minor units, time in milliseconds."""

    enforcement: dict[str, int] = field(default_factory=dict)
    overdraft_limit: dict[str, int] = field(default_factory=dict)
    granted: dict[str, int] = field(default_factory=dict)
    spent: list[tuple[str, int]] = field(default_factory=list)
    charged_late: int = 0
    """Sum of what was used already when nothing covered it."""
    holds: dict[str, ModelHold] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    """Pool by the id of every hold that was ever granted."""
    attempted: dict[str, str] = field(default_factory=dict)
    """Pool by the id of every Reserve that was ever answered."""
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    recorded: dict[str, tuple[object, Outcome]] = field(default_factory=dict)
    """Content and outcome by operation id."""
    now_ms: int = 0

    def create(self, pool: str, amount: int, enforcement: int, overdraft_limit: int) -> None:
        self.enforcement[pool] = enforcement
        self.overdraft_limit[pool] = overdraft_limit
        self.granted[pool] = amount

    # ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────

    def posted(self, pool: str) -> int:
        return self.granted[pool] - sum(amount for name, amount in self.spent if name == pool)

    def held(self, pool: str) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.pool == pool)

    def balance(self, pool: str) -> Outcome:
        posted, held = self.posted(pool), self.held(pool)
        return posted, held, posted - held + self.overdraft_limit[pool]

    def _grantable(self, pool: str, amount: int, least: int) -> tuple[int, str]:
        if self.enforcement[pool] == OPTIMISTIC:
            crossed = self.posted(pool) <= -self.overdraft_limit[pool]
            return (0, OVERDRAFT) if crossed else (amount, OK)
        left = self.posted(pool) - self.held(pool)
        if left >= amount:
            return amount, OK
        return (left, OK) if left >= least else (0, INSUFFICIENT)

    # ── operations ───────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        self.holds = {name: hold for name, hold in self.holds.items() if hold.expires_ms > self.now_ms}

    def repeated(self, operation_id: str, content: object) -> Outcome | None:
        if operation_id not in self.recorded:
            return None
        first, outcome = self.recorded[operation_id]
        return outcome if first == content else ("ALREADY_EXISTS",)

    def check(self, pool: str, amount: int, least: int) -> Outcome:
        granted, reason = self._grantable(pool, amount, least or amount)
        return reason, granted, *self.balance(pool)

    def reserve(self, operation_id: str, pool: str, amount: int, least: int, ttl_ms: int) -> Outcome:
        content = ("reserve", pool, amount, least, ttl_ms)
        if (again := self.repeated(operation_id, content)) is not None:
            return again
        granted, reason = self._grantable(pool, amount, least or amount)
        if granted:
            self.holds[operation_id] = ModelHold(pool, granted, 0, self.now_ms + ttl_ms)
            self.opened[operation_id] = pool
        self.attempted[operation_id] = pool
        return self._record(operation_id, content, (reason, granted, *self.balance(pool)))

    def extend(self, operation_id: str, hold_id: str, add: int, least: int, ttl_ms: int) -> Outcome:
        content = ("extend", hold_id, add, least, ttl_ms)
        if (again := self.repeated(operation_id, content)) is not None:
            return again
        if hold_id not in self.holds:
            return self._gone(hold_id)
        hold = self.holds[hold_id]
        added, reason = self._grantable(hold.pool, add, least or add) if add else (0, OK)
        if reason == OK:
            hold.amount += added
            if ttl_ms:
                hold.expires_ms = self.now_ms + ttl_ms
        return self._record(operation_id, content, (reason, added, hold.amount, *self.balance(hold.pool)))

    def settle(self, operation_id: str, hold_id: str, amount: int, final: bool, pool: str) -> Outcome:
        content = ("settle", hold_id, amount, final, pool)
        if (again := self.repeated(operation_id, content)) is not None:
            return again
        if hold_id not in self.holds:
            return self._settle_late(operation_id, hold_id, amount, pool, content)
        hold = self.holds[hold_id]
        taken = min(amount, hold.amount)
        hold.amount -= taken
        hold.settled += amount
        self.spent.append((hold.pool, amount))
        returned = 0
        if final:
            returned = hold.amount
            del self.holds[hold_id]
        left = 0 if final else hold.amount
        outcome = (amount, returned, left, False, amount - taken, *self.balance(hold.pool))
        return self._record(operation_id, content, outcome)

    def _settle_late(self, operation_id: str, hold_id: str, amount: int, pool: str, content: object) -> Outcome:
        pool = self.attempted.get(hold_id, pool)
        if not pool:
            return ("NOT_FOUND",)
        self.spent.append((pool, amount))
        return self._record(operation_id, content, (amount, 0, 0, True, 0, *self.balance(pool)))

    def release(self, operation_id: str, hold_id: str) -> Outcome:
        content = ("release", hold_id)
        if (again := self.repeated(operation_id, content)) is not None:
            return again
        if hold_id not in self.holds:
            return self._gone(hold_id)
        hold = self.holds.pop(hold_id)
        return self._record(operation_id, content, (hold.amount, *self.balance(hold.pool)))

    def charge(self, operation_id: str, pool: str, delta: int, counter: str, total: int, used: bool = False) -> Outcome:
        content = ("charge", pool, delta, counter, total, used)
        if (again := self.repeated(operation_id, content)) is not None:
            return again
        before = self.counters.get((pool, counter), 0) if counter else 0
        amount = total - before if counter else delta
        if amount < 0:
            return ("FAILED_PRECONDITION",)
        _, reason = self._grantable(pool, amount, amount) if amount else (0, OK)
        if used and reason != OK:
            self.charged_late += amount
            reason = OK
        if reason == OK:
            self.spent.append((pool, amount))
            if counter:
                self.counters[pool, counter] = total
        debited = amount if reason == OK else 0
        after = self.counters.get((pool, counter), before) if counter else 0
        return self._record(operation_id, content, (reason, debited, *self.balance(pool), after))

    def _gone(self, hold_id: str) -> Outcome:
        return ("FAILED_PRECONDITION",) if hold_id in self.opened else ("NOT_FOUND",)

    def _record(self, operation_id: str, content: object, outcome: Outcome) -> Outcome:
        self.recorded[operation_id] = (content, outcome)
        return outcome
