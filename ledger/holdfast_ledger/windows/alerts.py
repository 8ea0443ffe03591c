"""Watches what is used of budgets: makes an event when it comes to a share of the limit that is to be told of.

    below ──used >= share of the limit: event──► reached ──of a rolling period, used < share──► below

A period's windows are new ones, so each share is told of once a period. What a correction or a higher limit takes away
in between does not begin it anew.
"""

import json
from collections.abc import Iterable
from functools import lru_cache

from holdfast_ledger.posting.events import make_event
from holdfast_ledger.store.interface import NEVER, Event, Pool, Writer
from holdfast_ledger.store.window_rows import Window

THRESHOLD_CROSSED = "budget.threshold_crossed"

BPS = 10_000
"""Basis points of the whole."""


@lru_cache(maxsize=1_024)
def _levels(alert_bps: str) -> tuple[int, ...]:
    return tuple(json.loads(alert_bps))


def watch(writer: Writer, moved: Iterable[tuple[Pool, Window]], now_ms: int) -> int:
    """Makes the events of windows whose figures have moved; returns how many. The caller writes the windows back."""
    events: list[Event] = []
    for pool, window in moved:
        levels = _levels(window.alert_bps)
        if not levels or window.closed:
            continue
        used, limit = pool.spent_total, pool.granted_total
        reached = max((level for level in levels if used and used * BPS >= limit * level), default=0)
        for level in levels:
            if window.alerted_bps < level <= reached:
                window.alert_count += 1
                events.append(_crossing(pool, window, level, now_ms))
        if reached > window.alerted_bps or window.rolling_ms:
            window.alerted_bps = reached
    for event in events:
        writer.insert_event(event)
        writer.insert_deliveries(event)
    return len(events)


def _crossing(pool: Pool, window: Window, level: int, now_ms: int) -> Event:
    number = window.alert_count if window.rolling_ms else 0
    told: dict[str, str | int] = {
        "account_id": pool.account_id,
        "budget_id": window.rule_id,
        "subject": window.subject,
        "alert_bps": level,
        "limit": str(pool.granted_total),
        "used": str(pool.spent_total),
        "leased": str(pool.leased),
        "period_start_unix_ms": str(window.starts_at_ms),
        "period_end_unix_ms": str(0 if window.ends_at_ms == NEVER else window.ends_at_ms),
    }
    return make_event(THRESHOLD_CROSSED, (pool.account_id, pool.pool_id, level, number), told, pool, now_ms)
