"""Windows follow their rules: their limits move with them, and they are closed when the rule is gone.

Upstream: governance, whose transaction changes rules; `opening`.
"""

import json
from collections.abc import Collection, Sequence

from holdfast_ledger.governance.windows import LimitChange, WindowRule, window_rule
from holdfast_ledger.store.interface import NEVER, Locks, Pool, Reader, Writer
from holdfast_ledger.store.window_rows import Window
from holdfast_ledger.windows.alerts import watch
from holdfast_ledger.windows.rolling import let_go
from holdfast_ledger.windows.times import KEPT_MS, clear_at_ms, ends_at_ms

SOFT = 2
"""`WindowRule.action`, as `holdfast.v1.BudgetAction`."""


def limits_changed(writer: Writer, account_key: int, changes: Sequence[LimitChange], now_ms: int) -> set[int]:
    """Brings the windows of budgets and limits to what their rules say now; returns the keys of those that changed.

    Called in the transaction that has changed, made or deleted the rules. Periods that are over stay as they are.
    """
    keys = set(writer.windows_of_rules(account_key, {change.rule_id for change in changes}))
    if not keys:
        return set()
    writer.lock(Locks(pool_keys=frozenset(keys)))
    pools, changed = writer.pools_by_key(keys), set[int]()
    for key, window in writer.windows(keys).items():
        if window.closed or now_ms < window.ends_at_ms:
            pool = pools[key]
            rule = window_rule(writer, pool.account_id, pool.pool_id, now_ms)
            if rule is not None:
                take_over(writer, pool, window, rule, now_ms)
            elif not window.closed:
                _close(writer, window, now_ms)
            else:
                continue
            changed.add(key)
    return changed


def take_over(writer: Writer, pool: Pool, window: Window, rule: WindowRule, now_ms: int) -> None:
    """Gives a window that is there its rule, with what that has to say at once."""
    follow(pool, window, rule)
    if window.rolling_ms:
        oldest_ms = writer.first_buckets([window.pool_key]).get(window.pool_key)
        window.due_at_ms = NEVER if oldest_ms is None else oldest_ms + window.rolling_ms
        writer.save_windows([window])  # what leaves is found by the length of the period as it is stored
        let_go(writer, {pool.pool_key: pool}, [window], now_ms)
    watch(writer, [(pool, window)], now_ms)
    writer.save_pools([pool])
    writer.save_windows([window])


def follow(pool: Pool, window: Window, rule: WindowRule) -> None:
    """Moves the figures of a window to its rule. What is leased stays leased, so `free` may fall below zero."""
    more = rule.limit_amount - pool.granted_total
    pool.granted_total += more
    pool.free += more
    window.subject, window.leased = rule.subject, int(rule.action != SOFT)
    window.ends_at_ms, window.rolling_ms = ends_at_ms(rule), rule.rolling_ms
    window.alert_bps = json.dumps(rule.alert_bps)
    window.closed = 0
    window.due_at_ms = clear_at_ms(window)


def _close(writer: Writer, window: Window, now_ms: int) -> None:
    """Gives nothing of a window any more. What is out is still counted, should the rule come back."""
    window.closed, window.due_at_ms = 1, now_ms + KEPT_MS
    writer.save_windows([window])


def usage(reader: Reader, account_id: str, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Returns what is used of windows, and what of the rest is leased, in minor units; those not there are left out."""
    found = reader.pools_named({(account_id, name) for name in names})
    return {pool.pool_id: (pool.spent_total, pool.leased) for pool in found.values() if pool.is_window}
