"""What stands between a subject and a pool: entitlement, subject, rate limits, concurrency, budgets (DESIGN §4).

Neighbours: `reserving` and `charging` ask for passage before they look at the pool, and enter once all is decided.
Nothing changes here but the rate limits of those that enter.

Cut off, a budget stays within its lease in a FAIL_CLOSED pool. In others the pool's partition mode decides how much
goes on, and all of it is counted against the budgets.
"""

from dataclasses import dataclass
from typing import final

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.deciding import Deciding, Wait
from holdfast_sidecar.engine.describing import (
    budget_level,
    feature_level,
    parent_level,
    pool_level,
    rate_level,
    slots_level,
    subject_level,
)
from holdfast_sidecar.engine.gcra import FULL_SHARE
from holdfast_sidecar.engine.governance import rules_key
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.limits import OPEN_PATH, Budget, ConcurrencyLimit, Path, RateLimit
from holdfast_sidecar.engine.operations import Charge, Check, Fault, FaultCode, Required, Reserve
from holdfast_sidecar.engine.partition import FAIL_CLOSED, FAIL_OPEN
from holdfast_sidecar.engine.rights import any_low, rights_left
from holdfast_sidecar.engine.rules import AccountTerms, FeatureValue, Quantities
from holdfast_sidecar.engine.state import WINDOW_MARK, Hold, Pool, Rights, Window
from holdfast_sidecar.engine.verdicts import Mode, Reason
from holdfast_sidecar.engine.waterfall import decide


@final
@dataclass(slots=True)
class Passage:
    """What the levels above the pool let through, and what has to be counted once it goes through."""

    amount: int
    budgets: tuple[Window, ...] = ()
    slots: tuple[Window, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    shadow: tuple[Level, ...] = ()
    feature_value: FeatureValue | None = None
    rated_amount: int = 0
    is_low: bool = False
    """Whether some budget comes below its low-water mark by this, so that it is to be looked at."""


@final
@dataclass(frozen=True, slots=True)
class Blocked:
    """A level that denies."""

    reason: Reason
    level: Level | None = None
    retry_ms: int = 0


class Governing(Deciding):
    """Asks the limits on the path of a subject."""

    def _passage(
        self,
        account: Account,
        pool: Pool,
        op: Check | Reserve | Charge,
        amount: int,
        least: int,
        parent: Hold | None = None,
    ) -> Passage | Blocked | Wait | Fault:
        """Returns the way to the pool, for least..amount, or what is in it. Inside `parent` its limits are passed."""
        if not account.rules_version and op.required is None:
            return Passage(amount)
        path = self._path(account, pool, op.subject)
        if not isinstance(path, Path):
            return path
        path = path.for_operation(pool.currency, pool.pool_id, op.dimensions)
        passage = Passage(amount, (), (), path.rates)
        if op.required is not None:
            blocked = self._entitled(path.terms, op.required, passage)
            if blocked is not None:
                return blocked
        if not path.known and path.terms.deny_unknown_subject:
            return Blocked(Reason.UNKNOWN_SUBJECT, subject_level(op.subject))
        found = self._rates_pass(path, pool, amount, op.quantities, passage) if path.rates else None
        if found is None and path.slots and not isinstance(op, Charge):
            found = self._slots_pass(path, pool, parent, passage)
        if found is None and (path.budgets or parent is not None):
            found = self._budgets_pass(account, path, pool, least, parent, passage)
        return passage if found is None else found

    def _way_of_used(self, account: Account, pool: Pool, op: Charge, amount: int) -> Passage | Wait:
        """As `_passage`, for what was used already: no level denies it, and the budgets that are known count it."""
        passage = Passage(amount)
        path = self._path(account, pool, op.subject) if account.rules_version else None
        if isinstance(path, Wait):
            return path
        if not isinstance(path, Path):
            return passage
        path = path.for_operation(pool.currency, pool.pool_id, op.dimensions)
        now_ms = self._now_unix_ms
        if path.from_unix_ms <= now_ms < path.until_unix_ms or self._governance.turn(account, path, now_ms):
            passage.budgets = path.windows
            passage.is_low = any_low(path.windows, amount)
        return passage

    def _notes(self, passage: Passage) -> Notes | None:
        """Returns what the answer says of what was let through; None: nothing."""
        if not passage.shadow and passage.feature_value is None and not passage.rated_amount:
            return None
        self._tally.shadow_denial_count += len(passage.shadow)
        return Notes(None, passage.shadow, (), passage.feature_value, passage.rated_amount)

    def _enter_extension(self, passage: Passage, added: int) -> None:
        """As `_enter`, for what an Extend adds."""
        for limit in passage.rates:
            self._changes.take_rate(limit, limit.cost(0, added, ()), self._now_ns)
        for window in passage.budgets:
            self._refill(window)

    def _enter(self, passage: Passage, amount: int, quantities: Quantities) -> None:
        """Counts what goes through: its cost on rate limits, and what is left of windows."""
        for limit in passage.rates:
            cost = limit.cost(1, amount, quantities)
            if cost:
                self._changes.take_rate(limit, cost, self._now_ns)
        if passage.is_low:
            for window in passage.budgets:
                if window.leased:
                    self._refill(window)

    # ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _path(self, account: Account, pool: Pool, subject: str) -> Path | Blocked | Wait | Fault:
        path = self._governance.path(account, subject)
        if path is not None:
            return path
        if self._governance.is_full():
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "SUBJECT_LIMIT",
                "too many subjects or windows on this host; raise subject_limit or window_limit",
            )
        if self._may_ask(pool):
            return Wait(rules_key(account.account_id, subject), 0)
        # This call does not wait for them, the next one may find them here.
        self._governance.want((account.account_id, subject))
        if self.mode(pool.partition_after_ms) is Mode.CONNECTED:
            return Blocked(Reason.LEASE_TIMEOUT, None, self._retry_ms(Reason.LEASE_TIMEOUT))
        if pool.partition_mode == FAIL_OPEN:
            return OPEN_PATH
        return Blocked(Reason.PARTITIONED, None, self._retry_ms(Reason.PARTITIONED))

    def _entitled(self, terms: AccountTerms, required: Required, passage: Passage) -> Blocked | None:
        value = dict(terms.features).get(required.feature)
        passage.feature_value = value
        if value is not None and _suffices(value, required):
            return None
        level = feature_level(required.feature, value, shadow=terms.shadow_features)
        if not terms.shadow_features:
            return Blocked(Reason.NOT_ENTITLED, level)
        passage.shadow += (level,)
        return None

    # ── rate limits ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _rates_pass(
        self, path: Path, pool: Pool, amount: int, quantities: Quantities, passage: Passage
    ) -> Blocked | Wait | None:
        for limit in path.rates:
            cost = limit.cost(1, amount, quantities)
            if not cost:
                continue
            if limit.window is not None:
                share = rights_left(limit.window)
                limit.bucket.share(max(0, share), self._now_ns)
                if share <= 0 and self._may_ask(pool) and not self._said_no(limit.window) and not limit.rule.shadow:
                    return Wait((limit.window.account_id, limit.window.pool_id), 1)
            wait_ns = limit.bucket.wait_ns(cost, self._now_ns)
            if wait_ns == 0:
                continue
            if limit.window is not None and limit.bucket.share_held < FULL_SHARE:
                self._leases.need(limit.window, FULL_SHARE, self._now_ns)
            level = rate_level(limit, cost, self._now_ns)
            if not limit.rule.shadow:
                return Blocked(Reason.RATE_LIMITED, level, level.retry_after_ms)
            passage.shadow += (level,)
        return None

    # ── concurrency ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _slots_pass(self, path: Path, pool: Pool, parent: Hold | None, passage: Passage) -> Blocked | Wait | None:
        taken: list[Window] = []
        for limit in path.slots:
            window = limit.window
            if parent is not None and _counts(parent, window):
                continue
            taken.append(window)
            if rights_left(window) >= 1:
                continue
            found = self._no_slot(limit, pool, passage)
            if found is not None:
                return found
        passage.slots = tuple(taken)
        return None

    def _no_slot(self, limit: ConcurrencyLimit, pool: Pool, passage: Passage) -> Blocked | Wait | None:
        window = limit.window
        if limit.rule.shadow:
            if window.leased:
                self._leases.need(window, 1, self._now_ns)
            passage.shadow += (slots_level(limit),)
            return None
        if window.leased:
            if self._is_lenient(pool):
                return None
            if self._may_ask(pool) and not self._said_no(window):
                return Wait((window.account_id, window.pool_id), 1)
            if not self._said_no(window):
                reason = self._silent(pool)
                return Blocked(reason, slots_level(limit, reason), self._retry_ms(reason))
        return Blocked(Reason.CONCURRENCY_LIMITED, slots_level(limit))

    # ── budgets ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _budgets_pass(
        self, account: Account, path: Path, pool: Pool, least: int, parent: Hold | None, passage: Passage
    ) -> Blocked | Wait | None:
        now_ms = self._now_unix_ms
        if not path.from_unix_ms <= now_ms < path.until_unix_ms and not self._governance.turn(account, path, now_ms):
            reason = self._silent(pool)
            return Blocked(reason, None, self._retry_ms(reason))
        passage.budgets = path.windows
        passed = parent.budgets if parent is not None else ()
        if passed:
            passage.budgets = passed + tuple(window for window in path.windows if window not in passed)
        if not any_low(path.windows, passage.amount):
            return None
        for budget, window in zip(path.budgets, path.windows, strict=True):
            left = rights_left(window)
            if left - passage.amount >= window.low_water or not window.leased or window in passed:
                continue
            passage.is_low = True
            if left < passage.amount:
                found = self._short(budget, window, pool, left, least, passage)
                if found is not None:
                    return found
        return None

    def _short(
        self, budget: Budget, window: Window, pool: Pool, left: int, least: int, passage: Passage
    ) -> Blocked | Wait | None:
        """A window has less left here than is asked for."""
        if budget.rule.shadow:
            self._leases.need(window, passage.amount, self._now_ns)
            if self._said_no(window):
                passage.shadow += (budget_level(budget, window, passage.amount, self._now_unix_ms),)
            return None
        if self._is_lenient(pool):
            return None
        key = (window.account_id, window.pool_id)
        if self._peeking:
            if window.pool_free is None and self._may_ask(pool) and not self._said_no(window):
                return Wait(key, 0)
            left = self._reachable(window)
        elif self._may_ask(pool) and not self._said_no(window):
            return Wait(key, passage.amount)
        if left >= least:
            passage.amount = min(passage.amount, left)
            return None
        said_no = self._said_no(window) and self._leases.demand(key).unknown is None
        if not said_no and not (self._peeking and self.mode(pool.partition_after_ms) is Mode.CONNECTED):
            reason = self._silent(pool)
            level = budget_level(budget, window, passage.amount, self._now_unix_ms, reason)
            return Blocked(reason, level, self._retry_ms(reason))
        level = budget_level(budget, window, passage.amount, self._now_unix_ms)
        return Blocked(level.reason, level, level.retry_after_ms)

    def _extend_budgets(
        self, hold: Hold, account: Account, amount: int, least: int, parent: Hold | None = None
    ) -> Passage | Blocked | Wait:
        """As `_budgets_pass`, for more of an open hold: it counts where the hold does, whatever the period is now."""
        passage = Passage(amount, hold.budgets)
        path = self._governance.path(account, hold.subject) if account.rules_version else None
        if path is not None:
            path = path.for_operation(hold.pool.currency, hold.pool.pool_id, hold.dimensions)
            found = self._amount_rates_pass(path, amount, passage)
            if found is not None:
                return found
        for window in hold.budgets:
            left = rights_left(window)
            if left >= passage.amount or not window.leased or (parent is not None and window in parent.budgets):
                continue
            budget = _budget_of(path, window)
            if budget is None or (budget.window is not window and (budget.rule.shadow or self._is_lenient(hold.pool))):
                # The budget is gone, or denies nothing.
                continue
            if budget.window is not window:
                # The period is over: what is leased of it still counts, and no more is given.
                if left < least:
                    level = budget_level(budget, window, passage.amount, self._now_unix_ms)
                    return Blocked(Reason.BUDGET_EXCEEDED, level)
                passage.amount = left
                continue
            short = self._short(budget, window, hold.pool, left, least, passage)
            if short is not None:
                return short
        return passage

    def _amount_rates_pass(self, path: Path, amount: int, passage: Passage) -> Blocked | None:
        """An Extend costs what it adds on rate limits that count amounts, and nothing on others."""
        counting = tuple(limit for limit in path.rates if limit.cost(0, amount, ()))
        passage.rates = counting
        for limit in counting:
            cost = limit.cost(0, amount, ())
            if limit.bucket.wait_ns(cost, self._now_ns) != 0:
                level = rate_level(limit, cost, self._now_ns)
                if not limit.rule.shadow:
                    return Blocked(Reason.RATE_LIMITED, level, level.retry_after_ms)
                passage.shadow += (level,)
        return None

    # ── explaining ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self, account: Account, pool: Pool, op: Check, amount: int) -> tuple[Level, ...]:
        """Returns every level of the waterfall for an operation, the ones after a denial included."""
        steps: list[Level] = []
        path = self._governance.path(account, op.subject)
        if path is not None:
            path = path.for_operation(pool.currency, pool.pool_id, op.dimensions)
            if op.required is not None:
                steps.append(self._feature_step(path.terms, op.required))
            if op.subject:
                known = path.known or not path.terms.deny_unknown_subject
                steps.append(subject_level(op.subject, Reason.OK if known else Reason.UNKNOWN_SUBJECT))
            steps += [rate_level(limit, limit.cost(1, amount, op.quantities), self._now_ns) for limit in path.rates]
            steps += [slots_level(limit) for limit in path.slots]
            if path.from_unix_ms <= self._now_unix_ms < path.until_unix_ms or self._governance.turn(
                account, path, self._now_unix_ms
            ):
                steps += [
                    budget_level(
                        budget,
                        window,
                        amount,
                        self._now_unix_ms,
                        Reason.OK if self._reachable(window) >= amount else None,
                    )
                    for budget, window in zip(path.budgets, path.windows, strict=True)
                ]
        parent = account.holds.get(op.parent_hold_id)
        if parent is not None:
            return *steps, parent_level(parent, Reason.OK if parent.amount >= amount else Reason.PARENT_EXHAUSTED)
        granted, reason = decide(pool, amount, min(op.min_amount, amount) or amount, self._lease_valid())
        if reason is Reason.INSUFFICIENT_BALANCE and self._reachable(pool) >= (min(op.min_amount, amount) or amount):
            granted = amount
        return *steps, pool_level(pool, Reason.OK if granted else reason)

    def _reachable(self, rights: Rights) -> int:
        """Returns the rights left here and, by the ledger's last word, free."""
        return rights_left(rights) + max(rights.pool_free or 0, 0)

    def _feature_step(self, terms: AccountTerms, required: Required) -> Level:
        value = dict(terms.features).get(required.feature)
        reason = Reason.OK if value is not None and _suffices(value, required) else Reason.NOT_ENTITLED
        return feature_level(required.feature, value, reason, shadow=terms.shadow_features)

    # ── the link ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_lenient(self, pool: Pool) -> bool:
        """Whether the pool's partition mode decides how much goes on, and no budget."""
        return pool.partition_mode != FAIL_CLOSED and self.mode(pool.partition_after_ms) is Mode.PARTITIONED

    def _silent(self, pool: Pool) -> Reason:
        """Returns why there is no word of the ledger."""
        cut_off = self.mode(pool.partition_after_ms) is Mode.PARTITIONED
        return Reason.PARTITIONED if cut_off else Reason.LEASE_TIMEOUT


def _counts(hold: Hold | None, window: Window) -> bool:
    """Whether a hold, or one around it, is counted by a concurrency limit."""
    while hold is not None:
        if window in hold.slots:
            return True
        hold = hold.parent
    return False


def _budget_of(path: Path | None, window: Window) -> Budget | None:
    """Returns the budget that a window is of, in the present period or one before; None if it is gone."""
    if path is None:
        return None
    budget_id = window.pool_id.partition(WINDOW_MARK)[0]
    return next((budget for budget in path.budgets if budget.budget_id == budget_id), None)


def _suffices(value: FeatureValue, required: Required) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return required.quantity <= value
    return not required.choice or required.choice in value
