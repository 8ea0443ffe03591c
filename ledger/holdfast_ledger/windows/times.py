"""How long windows are open, and how long they are kept."""

from holdfast_ledger.governance.windows import WindowRule
from holdfast_ledger.store.interface import NEVER
from holdfast_ledger.store.window_rows import Window

GRACE_MS = 5 * 60_000
"""How long after its end, by the ledger's clock, a period still takes in sidecars that are new to it: their clocks may
be so much behind. Whoever has a lease of it goes on as long as that is there."""

KEPT_MS = 8 * 86_400_000
"""How long after its end a window is kept: a week and a day, in which its figures can be looked up, and debits of hosts
that were cut off still count against it."""

LATE_MS = KEPT_MS
"""How long after its end a period is still opened for debits: as long as it would be kept."""

ABANDONED_MS = KEPT_MS + 31 * 86_400_000
"""After so long it goes even if a sidecar never gave its rights back: no hold lives longer than a month."""

CLEAR_INTERVAL_MS = 3_600_000
"""How often a window that has ended is looked at while a sidecar has rights to it."""

STEPS = 60
"""Parts of a rolling period in which spending leaves it."""


def ends_at_ms(rule: WindowRule) -> int:
    """Returns when the period of a window ends; `NEVER`: it has none."""
    return rule.end_ms or NEVER


def runs(window: Window, now_ms: int) -> bool:
    """Whether a sidecar that has no lease of a window may get one; there are none of it that were cleared."""
    return now_ms < window.ends_at_ms + GRACE_MS


def clear_at_ms(window: Window) -> int:
    """Returns when a window is first cleared after its end; later than any replica's clock lets anyone in."""
    return min(window.ends_at_ms + 2 * GRACE_MS, NEVER)


def bucket_ends_at_ms(window: Window, posted_at_ms: int) -> int:
    """Returns the end of the step of a rolling window in which something was posted."""
    step_ms = max(1, window.rolling_ms // STEPS)
    return (posted_at_ms // step_ms + 1) * step_ms
