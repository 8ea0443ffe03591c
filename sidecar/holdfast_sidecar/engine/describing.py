"""The figures of each level of the waterfall, for answers. Off the hot path: made when it denies or is asked about.

Units are those of the level; see `holdfast.v1.LimitState`.
"""

from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.levels import Level
from holdfast_sidecar.engine.limits import FOREVER_UNIX_MS, Budget, ConcurrencyLimit, RateLimit
from holdfast_sidecar.engine.rights import available, posted, rights_left
from holdfast_sidecar.engine.rules import BudgetAction, FeatureValue
from holdfast_sidecar.engine.state import OPTIMISTIC, Hold, Pool, Window
from holdfast_sidecar.engine.verdicts import Reason

ROLLING_STEPS = 60
"""Spending leaves a rolling budget in so many steps a period."""


def feature_level(
    feature: str, value: FeatureValue | None, reason: Reason = Reason.NOT_ENTITLED, *, shadow: bool
) -> Level:
    """An entitlement; of a numeric one the limit is its maximum."""
    limit = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return Level(f"entitlement/{feature}", "", reason, limit, 0, 0, limit, shadow=shadow)


def subject_level(subject: str, reason: Reason = Reason.UNKNOWN_SUBJECT) -> Level:
    """Whether the subject exists."""
    return Level(f"subject/{subject}", subject, reason, 0, 0, 0, 0)


def rate_level(limit: RateLimit, cost: int, now_ns: int) -> Level:
    """A rate limit, asked for `cost`."""
    rule, bucket = limit.rule, limit.bucket
    wait_ns = bucket.wait_ns(cost, now_ns)
    return Level(
        f"rate_limit/{rule.limit_id}",
        limit.subject,
        Reason.OK if wait_ns == 0 else Reason.RATE_LIMITED,
        rule.amount,
        bucket.used(now_ns),
        0,
        bucket.left(now_ns),
        retry_after_ms=-(-(wait_ns or 0) // NS_PER_MS),
        shadow=rule.shadow,
    )


def slots_level(limit: ConcurrencyLimit, reason: Reason | None = None) -> Level:
    """A concurrency limit; with no reason given it is the one of its figures."""
    window, rule = limit.window, limit.rule
    left = max(0, rights_left(window))
    if reason is None:
        reason = Reason.OK if left else Reason.CONCURRENCY_LIMITED
    return Level(
        f"concurrency_limit/{rule.limit_id}",
        limit.subject,
        reason,
        rule.max_count,
        0,
        window.held,
        left,
        shadow=rule.shadow,
    )


def budget_level(budget: Budget, window: Window, amount: int, now_unix_ms: int, reason: Reason | None = None) -> Level:
    """A budget, asked for `amount`; with no reason given it is the one of its figures."""
    rule = budget.rule
    left = max(0, rights_left(window)) if window.leased else max(0, rule.limit_amount - window.consumed_total)
    throttles = rule.action is BudgetAction.THROTTLE
    if reason is None:
        exceeded = Reason.RATE_LIMITED if throttles else Reason.BUDGET_EXCEEDED
        reason = Reason.OK if left >= amount or not budget.is_hard else exceeded
    until = budget.until_unix_ms
    if reason not in (Reason.RATE_LIMITED, Reason.BUDGET_EXCEEDED):
        retry_ms = 0
    elif until != FOREVER_UNIX_MS:
        retry_ms = max(0, until - now_unix_ms)
    else:
        retry_ms = -(-rule.rolling_ms // ROLLING_STEPS)
    return Level(
        f"budget/{budget.budget_id}",
        budget.subject,
        reason,
        rule.limit_amount,
        rule.limit_amount - posted(window) if window.leased else window.consumed_total,
        window.held,
        left,
        0 if until == FOREVER_UNIX_MS else until,
        retry_ms,
        rule.shadow,
    )


def parent_level(parent: Hold, reason: Reason) -> Level:
    """The hold inside which another one is to be opened."""
    return Level(
        f"hold/{parent.hold_id}", parent.subject, reason, 0, parent.settled_amount, parent.amount, parent.amount
    )


def pool_level(pool: Pool, reason: Reason) -> Level:
    """The pool."""
    left = available(pool) if pool.enforcement == OPTIMISTIC else rights_left(pool)
    return Level(
        f"pool/{pool.pool_id}",
        "",
        reason,
        0,
        pool.consumed_total,
        pool.held,
        max(0, left),
        shadow=pool.shadow,
    )
