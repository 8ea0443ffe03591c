"""The sweep of windows: spending leaves rolling periods, and what is over is cleared away.

running ──period over──► over ──KEPT_MS, nothing out──► gone
   │  ▲                    └─ its leases go as soon as nothing is out of them
   ▼  │ rule set again
 closed ──KEPT_MS──► gone
"""

from collections.abc import Collection

from holdfast_ledger.store.interface import Writer
from holdfast_ledger.store.window_rows import Window
from holdfast_ledger.windows.rolling import let_go
from holdfast_ledger.windows.times import ABANDONED_MS, CLEAR_INTERVAL_MS, KEPT_MS

SWEEP_LIMIT = 500
"""Windows that one transaction takes care of: bounds how long the others wait for it."""


def sweep(writer: Writer, now_ms: int) -> tuple[set[int], bool]:
    """Takes care of up to `SWEEP_LIMIT` windows.

    Returns the pools that changed, none: sidecars that wait for rights of a window are found by what they need; and
    whether to go on.
    """
    keys = writer.windows_due(now_ms, SWEEP_LIMIT)
    if keys:
        pools, windows = writer.pools_by_key(keys), writer.windows(keys)
        let_go(writer, pools, windows.values(), now_ms)
        _clear(writer, [window for window in windows.values() if window.due_at_ms <= now_ms], now_ms)
    return set(), len(keys) == SWEEP_LIMIT


def _clear(writer: Writer, over: Collection[Window], now_ms: int) -> None:
    """Clears windows that are over or closed, as far as it is time."""
    writer.delete_idle_leases([window.pool_key for window in over if not window.closed])
    leased = writer.pools_leased([window.pool_key for window in over])
    ripe = {window.pool_key for window in over if _is_ripe(window, window.pool_key in leased, now_ms)}
    gone = writer.delete_windows(ripe)
    left = [window for window in over if window.pool_key not in gone]
    for window in left:
        waits = window.pool_key in leased or window.pool_key in ripe
        window.due_at_ms = now_ms + CLEAR_INTERVAL_MS if waits else window.ends_at_ms + KEPT_MS
    writer.save_windows(left)


def _is_ripe(window: Window, leased: bool, now_ms: int) -> bool:
    """Whether a window may go."""
    if window.closed:
        return True
    return now_ms >= window.ends_at_ms + (ABANDONED_MS if leased else KEPT_MS)
