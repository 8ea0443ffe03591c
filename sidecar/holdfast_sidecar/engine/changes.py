"""All that changes holds, balances, counters and outcomes, each change noted for the commit and, if asked, for undo.

Neighbours: the engine decides and calls these; `take_writes` hands the sum of a batch to the store. A hold's life:

    state     on         to
    (none)    open       open
    open      extend     open
    open      capture    open        (partial settle)
    open      close      (none)      (final settle, release, expiry)

Invariants (docs/invariants.md): I-1 pool.held = Σ amount of its open holds; I-2 amounts of holds are never negative;
I-3 debit sequences are contiguous.
"""

from collections.abc import Callable

from holdfast_sidecar.engine.accounts import Account, Accounts
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.deadlines import Deadlines
from holdfast_sidecar.engine.partition import COVERED, Unleased, unleased_of
from holdfast_sidecar.engine.state import Counter, Debit, Hold, Meta, Outcome, Pool, Writes


def _hold_due_ns(hold: Hold) -> int | None:
    return hold.deadline_ns if hold.open else None


class Changes:
    """The one place that changes the state that is kept; collects what one batch changes."""

    def __init__(self, accounts: Accounts, meta: Meta, last_hold: int, last_outcome: int) -> None:
        self._accounts = accounts
        self.meta = meta
        self.hold_deadlines: Deadlines[Hold] = Deadlines(_hold_due_ns)
        self._last_hold = last_hold
        self._last_outcome = last_outcome
        self._undo: list[Callable[[], None]] | None = None
        self._writes = Writes()
        self._pools: dict[Pool, None] = {}
        self._holds: dict[Hold, None] = {}
        self._counters: dict[Counter, None] = {}

    # ── a batch ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def take_writes(self) -> Writes:
        """Returns what changed since the last call, complete rows, and starts anew."""
        writes, self._writes = self._writes, Writes()
        writes.pools.extend(self._pools)
        writes.holds.extend(hold for hold in self._holds if hold.open)
        writes.counters.extend(self._counters)
        self._pools.clear()
        self._holds.clear()
        self._counters.clear()
        return writes

    def begin_linked(self) -> None:
        """From now on every change can be taken back."""
        assert self._undo is None
        self._undo = []

    def keep_linked(self) -> None:
        """The changes since `begin_linked` stand."""
        self._undo = None

    def undo_linked(self) -> None:
        """Takes back every change since `begin_linked`, the latest first."""
        undo, self._undo = self._undo, None
        assert undo is not None
        for step in reversed(undo):
            step()

    # ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def open_hold(self, account: Account, pool: Pool, hold: Hold) -> None:
        """Opens a hold; its sequence is given here."""
        self._last_hold += 1
        hold.sequence = self._last_hold
        account.holds[hold.hold_id] = hold
        pool.held += hold.amount
        pool.allowance_held += hold.allowance_amount
        pool.hold_count += 1
        self._accounts.hold_count += 1
        self._holds[hold] = None
        self.hold_deadlines.push(hold.deadline_ns, hold)
        if self._undo is not None:
            self._undo.append(lambda: self._forget(account, hold))

    def extend_hold(self, hold: Hold, add_amount: int, unleased: Unleased, ttl_ms: int, now_ns: int) -> None:
        """Raises the amount by `add_amount` (>= 0) and, with a `ttl_ms`, lets the hold live so long from now."""
        assert hold.open
        assert add_amount >= 0
        before, deadline_ns = (hold.amount, hold.ttl_ms), hold.deadline_ns
        hold.amount += add_amount
        hold.pool.held += add_amount
        self._add_unleased(hold, unleased, 1)
        if ttl_ms:
            hold.ttl_ms = ttl_ms
            self._move_deadline(hold, now_ns + ttl_ms * NS_PER_MS)
        self._holds[hold] = None
        if self._undo is not None:

            def undo() -> None:
                hold.amount, hold.ttl_ms = before
                hold.pool.held -= add_amount
                self._add_unleased(hold, unleased, -1)
                self._move_deadline(hold, deadline_ns)

            self._undo.append(undo)

    def capture(self, hold: Hold, amount: int) -> tuple[int, Unleased]:
        """Takes up to `amount` out of an open hold, which stays open; returns what it took, and its uncovered parts."""
        assert hold.open
        assert amount >= 0
        taken = amount if amount < hold.amount else hold.amount
        unleased = unleased_of(hold, taken)
        if unleased is not COVERED:
            self._add_unleased(hold, unleased, -1)
        hold.amount -= taken
        hold.settled_amount += amount
        hold.pool.held -= taken
        assert hold.pool.held >= 0
        assert 0 <= hold.allowance_amount + hold.fail_open_amount <= hold.amount
        self._holds[hold] = None
        if self._undo is not None:

            def undo() -> None:
                hold.amount += taken
                hold.settled_amount -= amount
                hold.pool.held += taken
                self._add_unleased(hold, unleased, 1)

            self._undo.append(undo)
        return taken, unleased

    def _add_unleased(self, hold: Hold, unleased: Unleased, sign: int) -> None:
        hold.allowance_amount += sign * unleased.allowance_amount
        hold.fail_open_amount += sign * unleased.fail_open_amount
        hold.pool.allowance_held += sign * unleased.allowance_amount

    def close_hold(self, account: Account, hold: Hold) -> None:
        """Closes an open hold; what it held returns to the pool."""
        assert hold.open
        del account.holds[hold.hold_id]
        self._unlink(hold)
        self._writes.closed_holds.append(hold.sequence)
        if self._undo is not None:
            self._undo.append(lambda: self._reopen(account, hold))

    def _reopen(self, account: Account, hold: Hold) -> None:
        hold.open = True
        account.holds[hold.hold_id] = hold
        hold.pool.held += hold.amount
        hold.pool.allowance_held += hold.allowance_amount
        hold.pool.hold_count += 1
        self._accounts.hold_count += 1
        self._writes.closed_holds.remove(hold.sequence)
        self._holds[hold] = None
        self.hold_deadlines.push(hold.deadline_ns, hold)

    def _forget(self, account: Account, hold: Hold) -> None:
        del account.holds[hold.hold_id]
        self._unlink(hold)

    def _move_deadline(self, hold: Hold, deadline_ns: int) -> None:
        self.hold_deadlines.discard(hold.deadline_ns, hold)
        hold.deadline_ns = deadline_ns
        self.hold_deadlines.push(deadline_ns, hold)

    def _unlink(self, hold: Hold) -> None:
        pool = hold.pool
        hold.open = False
        self.hold_deadlines.discard(hold.deadline_ns, hold)
        pool.held -= hold.amount
        pool.allowance_held -= hold.allowance_amount
        pool.hold_count -= 1
        self._accounts.hold_count -= 1
        assert pool.held >= 0
        assert pool.allowance_held >= 0

    # ── debits, counters, leases ────────────────────────────────────────────────────────────────────────────────────

    def debit(self, pool: Pool, debit: Debit) -> None:
        """Debits a pool; the sequence is given here. `debit.amount` > 0."""
        assert debit.amount > 0
        self.meta.last_sequence += 1
        debit.sequence = self.meta.last_sequence
        pool.consumed_total += debit.amount
        pool.allowance_consumed_total += debit.allowance_amount
        self._writes.debits.append(debit)
        self._pools[pool] = None
        if self._undo is not None:
            self._undo.append(lambda: self._undo_debit(pool))

    def _undo_debit(self, pool: Pool) -> None:
        debit = self._writes.debits.pop()
        pool.consumed_total -= debit.amount
        pool.allowance_consumed_total -= debit.allowance_amount
        self.meta.last_sequence -= 1

    def set_counter(self, account: Account, counter: Counter, total: int) -> None:
        """Moves a counter, a new one is added."""
        before = counter.total
        key = (counter.pool_id, counter.counter_id)
        if key not in account.counters:
            account.counters[key] = counter
            self._accounts.counter_count += 1
        counter.total = total
        self._counters[counter] = None
        if self._undo is not None:
            # A counter that the undone call brought stays, at its old total: it holds no money.
            self._undo.append(lambda: setattr(counter, "total", before))

    def touch_pool(self, pool: Pool) -> None:
        """Notes that the totals of a pool changed."""
        self._pools[pool] = None

    def touch_meta(self) -> None:
        """Notes that the meta record changed."""
        self._writes.meta = self.meta

    def trim_debits(self, sequence: int) -> None:
        """Drops the debits up to a sequence."""
        self._writes.debits_trimmed_to = sequence

    # ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def record(self, account: Account, outcome: Outcome) -> None:
        """Records an answer; the sequence is given here."""
        self._last_outcome += 1
        outcome.sequence = self._last_outcome
        account.outcomes[outcome.operation_id] = outcome
        self._accounts.outcome_order.append(outcome)
        self._writes.outcomes.append(outcome)
        if self._undo is not None:
            self._undo.append(lambda: self._undo_record(account))

    def _undo_record(self, account: Account) -> None:
        outcome = self._writes.outcomes.pop()
        self._accounts.outcome_order.pop()
        del account.outcomes[outcome.operation_id]

    def evict_outcomes(self, decided_before_ns: int, limit_count: int) -> int:
        """Drops outcomes decided before a time, and the oldest ones above a limit; returns how many of the latter."""
        order = self._accounts.outcome_order
        early_count = 0
        while order and (order[0].decided_at_ns < decided_before_ns or len(order) > limit_count):
            outcome = order.popleft()
            early_count += outcome.decided_at_ns >= decided_before_ns
            outcomes = self._accounts.by_id[outcome.account_id].outcomes
            if outcomes.get(outcome.operation_id) is outcome:
                del outcomes[outcome.operation_id]
            self._writes.outcomes_evicted_to = outcome.sequence
        return early_count
