"""All that changes holds, balances, counters and outcomes, each change noted for the commit and, if asked, for undo.

Neighbours: the engine decides and calls these; `take_writes` hands the sum of a batch to the store. A hold's life:

    state     on         to
    (none)    open       open
    open      extend     open
    open      shrink     open        (a part given back, or moved to a hold inside it)
    open      capture    open        (partial settle)
    open      close      (none)      (final settle, release, expiry)

Invariants (docs/invariants.md): I-1 pool.held = Σ amount of its open holds, likewise each window's; I-2 amounts of
holds are never negative; I-3 debit sequences are contiguous.
"""

from collections.abc import Callable

from holdfast_sidecar.engine.accounts import Account, Accounts
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.deadlines import Deadlines
from holdfast_sidecar.engine.limits import RateLimit
from holdfast_sidecar.engine.partition import COVERED, Unleased, unleased_of
from holdfast_sidecar.engine.rules import Calendar, RateCardContent, SubjectRules
from holdfast_sidecar.engine.state import (
    Counter,
    Debit,
    Hold,
    Kind,
    Lapsed,
    Meta,
    Outcome,
    Pool,
    Rights,
    Window,
    Writes,
)


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
        self._windows: dict[Window, None] = {}
        self._holds: dict[Hold, None] = {}
        self._counters: dict[Counter, None] = {}

    # ── a batch ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def take_writes(self) -> Writes:
        """Returns what changed since the last call, complete rows, and starts anew."""
        writes, self._writes = self._writes, Writes()
        writes.pools.extend(self._pools)
        writes.windows.extend(self._windows)
        if writes.closed_windows:
            # One of that name may have come back in the same batch.
            kept = {(window.account_id, window.pool_id) for window in self._windows}
            writes.closed_windows = [
                window for window in writes.closed_windows if (window.account_id, window.pool_id) not in kept
            ]
        if writes.outcomes_lapsed:
            evicted_to = writes.outcomes_evicted_to
            writes.outcomes_lapsed = [outcome for outcome in writes.outcomes_lapsed if outcome.sequence > evicted_to]
        writes.holds.extend(hold for hold in self._holds if hold.open)
        writes.counters.extend(self._counters)
        self._pools.clear()
        self._windows.clear()
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
        self._link(hold)
        self._holds[hold] = None
        if self._undo is not None:
            self._undo.append(lambda: self._forget(account, hold))

    def _link(self, hold: Hold) -> None:
        amount, pool = hold.amount, hold.pool
        pool.held += amount
        pool.allowance_held += hold.allowance_amount
        pool.hold_count += 1
        if hold.max_output_tokens and not hold.inner:
            pool.stream_count += 1
        for window in hold.budgets:
            window.held += amount
            window.hold_count += 1
        for window in hold.slots:
            window.held += 1
            window.hold_count += 1
        parent = hold.parent
        if parent is not None:
            if parent.children is None:
                parent.children = {}
            parent.children[hold] = None
        self._accounts.hold_count += 1
        self.hold_deadlines.push(hold.deadline_ns, hold)

    def extend_hold(self, hold: Hold, add_amount: int, unleased: Unleased, ttl_ms: int, now_ns: int) -> None:
        """Raises the amount by `add_amount` (>= 0) and, with a `ttl_ms`, lets the hold live so long from now."""
        assert hold.open
        assert add_amount >= 0
        before, deadline_ns = hold.ttl_ms, hold.deadline_ns
        self._add(hold, add_amount)
        self._add_unleased(hold, unleased, 1)
        if ttl_ms:
            hold.ttl_ms = ttl_ms
            self._move_deadline(hold, now_ns + ttl_ms * NS_PER_MS)
        self._holds[hold] = None
        if self._undo is not None:

            def undo() -> None:
                hold.ttl_ms = before
                self._add(hold, -add_amount)
                self._add_unleased(hold, unleased, -1)
                self._move_deadline(hold, deadline_ns)

            self._undo.append(undo)

    def shrink_hold(self, hold: Hold, amount: int) -> Unleased:
        """Takes `amount`, 0..hold.amount, out of an open hold, which stays open; returns the uncovered parts of it."""
        assert hold.open
        assert 0 <= amount <= hold.amount
        unleased = unleased_of(hold, amount)
        if unleased is not COVERED:
            self._add_unleased(hold, unleased, -1)
        self._add(hold, -amount)
        assert hold.pool.held >= 0
        assert 0 <= hold.allowance_amount + hold.fail_open_amount <= hold.amount
        self._holds[hold] = None
        if self._undo is not None:

            def undo() -> None:
                self._add(hold, amount)
                self._add_unleased(hold, unleased, 1)

            self._undo.append(undo)
        return unleased

    def move(self, source: Hold, target: Hold, amount: int) -> None:
        """Moves `amount`, 0..source.amount, from one open hold to another of the same pool."""
        assert source.pool is target.pool
        self.extend_hold(target, amount, self.shrink_hold(source, amount), 0, 0)

    def capture(self, hold: Hold, amount: int) -> tuple[int, Unleased]:
        """Takes up to `amount` out of an open hold, which stays open; returns what it took, and its uncovered parts."""
        taken = amount if amount < hold.amount else hold.amount
        unleased = self.shrink_hold(hold, taken)
        hold.settled_amount += amount
        if self._undo is not None:

            def undo() -> None:
                hold.settled_amount -= amount

            self._undo.append(undo)
        return taken, unleased

    def report_output(self, hold: Hold, tokens: int) -> None:
        """A partial settle reported so much output."""
        hold.settled_output_tokens += tokens
        self._holds[hold] = None
        if self._undo is not None:

            def undo() -> None:
                hold.settled_output_tokens -= tokens

            self._undo.append(undo)

    def _add(self, hold: Hold, amount: int) -> None:
        hold.amount += amount
        hold.pool.held += amount
        for window in hold.budgets:
            window.held += amount

    def _add_unleased(self, hold: Hold, unleased: Unleased, sign: int) -> None:
        hold.allowance_amount += sign * unleased.allowance_amount
        hold.fail_open_amount += sign * unleased.fail_open_amount
        hold.pool.allowance_held += sign * unleased.allowance_amount

    def close_hold(self, account: Account, hold: Hold) -> None:
        """Closes an open hold; what it held returns to the hold around it, or to the pool.

        The holds inside it stay open, and are from now on inside the hold that was around it.
        """
        assert hold.open
        if hold.children:
            self._hand_over(hold)
        if hold.parent is not None:
            self.move(hold, hold.parent, hold.amount)
        del account.holds[hold.hold_id]
        self._unlink(hold)
        self._writes.closed_holds.append(hold.sequence)
        if self._undo is not None:
            self._undo.append(lambda: self._reopen(account, hold))

    def expire_hold(self, account: Account, hold: Hold) -> None:
        """Closes an open hold whose time is over; what a late settle needs stays with the answer of its Reserve."""
        opening = account.outcomes.get(hold.hold_id)
        if opening is not None and opening.kind == Kind.RESERVE and (hold.subject or hold.dimensions or hold.budgets):
            names = tuple([window.pool_id for window in hold.budgets])
            opening.lapsed = Lapsed(hold.subject, hold.dimensions, names)
            self._writes.outcomes_lapsed.append(opening)
        self.close_hold(account, hold)

    def _hand_over(self, hold: Hold) -> None:
        children, heir = list(hold.children or ()), hold.parent
        for child in children:
            self._move_child(child, heir)
        if self._undo is not None:

            def undo() -> None:
                for child in children:
                    self._move_child(child, hold)

            self._undo.append(undo)

    def _move_child(self, child: Hold, parent: Hold | None) -> None:
        if child.parent is not None and child.parent.children is not None:
            child.parent.children.pop(child, None)
        child.parent = parent
        if parent is not None:
            if parent.children is None:
                parent.children = {}
            parent.children[child] = None
        self._holds[child] = None

    def _reopen(self, account: Account, hold: Hold) -> None:
        hold.open = True
        account.holds[hold.hold_id] = hold
        self._link(hold)
        self._writes.closed_holds.remove(hold.sequence)
        self._holds[hold] = None

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
        if hold.max_output_tokens and not hold.inner:
            pool.stream_count -= 1
        for window in hold.budgets:
            window.held -= hold.amount
            window.hold_count -= 1
        for window in hold.slots:
            window.held -= 1
            window.hold_count -= 1
        if hold.parent is not None and hold.parent.children is not None:
            hold.parent.children.pop(hold, None)
        self._accounts.hold_count -= 1
        assert pool.held >= 0
        assert pool.allowance_held >= 0

    # ── debits, counters, leases ────────────────────────────────────────────────────────────────────────────────────

    def debit(self, pool: Pool, debit: Debit, windows: tuple[Window, ...] = ()) -> None:
        """Debits a pool, and counts against windows; the sequence is given here. `debit.amount` > 0."""
        assert debit.amount > 0
        self.meta.last_sequence += 1
        debit.sequence = self.meta.last_sequence
        pool.consumed_total += debit.amount
        pool.allowance_consumed_total += debit.allowance_amount
        self._writes.debits.append(debit)
        self._pools[pool] = None
        for window in windows:
            window.consumed_total += debit.amount
            self._windows[window] = None
        if self._undo is not None:
            self._undo.append(lambda: self._undo_debit(pool, windows))

    def _undo_debit(self, pool: Pool, windows: tuple[Window, ...]) -> None:
        debit = self._writes.debits.pop()
        for window in windows:
            window.consumed_total -= debit.amount
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

    def take_rate(self, limit: RateLimit, cost: int, now_ns: int) -> None:
        """Lets a cost through a rate limit."""
        limit.bucket.take(cost, now_ns)
        if self._undo is not None:
            self._undo.append(lambda: limit.bucket.give_back(cost))

    def touch_rights(self, rights: Rights) -> None:
        """Notes that the totals of a pool or window changed."""
        if isinstance(rights, Pool):
            self._pools[rights] = None
        elif isinstance(rights, Window):
            self._windows[rights] = None

    def close_window(self, window: Window) -> None:
        """Forgets a window."""
        self._windows.pop(window, None)
        self._writes.closed_windows.append(window)

    # ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def put_rules(self, rules: SubjectRules) -> None:
        """Keeps the rules of a node for the next start."""
        self._writes.rules.append(rules)

    def drop_rules(self, account_id: str, subject: str) -> None:
        """Forgets the rules of a node."""
        self._writes.rules_dropped.append((account_id, subject))

    def put_calendar(self, calendar: Calendar) -> None:
        """Keeps a calendar for the next start."""
        self._writes.calendars.append(calendar)

    def put_rate_card(self, card: RateCardContent) -> None:
        """Keeps a rate card for the next start."""
        self._writes.rate_cards.append(card)

    # ── the folder itself ───────────────────────────────────────────────────────────────────────────────────────────

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
