"""What this host may spend of one pool: pure figures over the totals that ledger and sidecar share.

Rights and allowances are counted alike, see ledger_sync_service.proto. Amounts in minor units.
"""

from collections.abc import Iterable

from holdfast_sidecar.engine.events import LeaseState
from holdfast_sidecar.engine.state import STRICT, WINDOW_MARK, Pool, Rights

RATE_WINDOW_END = f"{WINDOW_MARK}r"


def rights_left(pool: Rights) -> int:
    """Returns the rights neither held nor spent, in minor units; below zero in overdraft."""
    return pool.granted_total - pool.reclaimed_total - pool.returned_total - pool.consumed_total - pool.held


def any_low(windows: Iterable[Rights], amount: int) -> bool:
    """Whether taking `amount` of each would bring any of them below its low-water mark, or below zero."""
    for window in windows:
        # As `rights_left`, which to call for each would take half as long again.
        left = window.granted_total - window.reclaimed_total - window.returned_total
        if left - window.consumed_total - window.held - amount < window.low_water:
            return True
    return False


def allowance_left(pool: Pool) -> int:
    """Returns the allowance neither held nor spent, in minor units; below zero once some of it was reclaimed."""
    return (
        pool.allowance_granted_total
        - pool.allowance_reclaimed_total
        - pool.allowance_returned_total
        - pool.allowance_consumed_total
        - pool.allowance_held
    )


def posted(pool: Rights) -> int:
    """Returns the settled balance as known here: the ledger's last word less the debits it has not posted."""
    return pool.pool_posted - (pool.consumed_total - pool.posted_total)


def available(pool: Pool) -> int:
    """Returns posted - held + permitted overdraft, in minor units."""
    return posted(pool) - pool.held + pool.overdraft_limit


def is_rate(pool: Rights) -> bool:
    """Whether it is the window of a rate limit, whose rights are millionths of the rate."""
    return pool.pool_id.endswith(RATE_WINDOW_END)


def enforcement(pool: Rights) -> int:
    """Returns the pool's enforcement; a window is STRICT."""
    return pool.enforcement if isinstance(pool, Pool) else STRICT


def allowance_totals(pool: Rights) -> tuple[int, int, int]:
    """Returns what was granted, reclaimed and returned of the pool's allowance; a window has none."""
    if not isinstance(pool, Pool):
        return 0, 0, 0
    return pool.allowance_granted_total, pool.allowance_reclaimed_total, pool.allowance_returned_total


def spare(pool: Rights) -> int:
    """Returns the rights that can be given to a host that needs them: what is not held or spent, half of a rate."""
    left = rights_left(pool)
    return left // 2 if is_rate(pool) else left


def apply_lease(pool: Rights, lease: LeaseState) -> None:
    """Takes in the ledger's word. Totals never go back, so an old message does no harm.

    The ledger can know of more given back than this folder does only if the folder is an older copy of itself.
    """
    pool.granted_total = max(pool.granted_total, lease.granted_total)
    pool.reclaimed_total = max(pool.reclaimed_total, lease.reclaimed_total)
    if lease.posted_total >= pool.posted_total:
        pool.posted_total = lease.posted_total
        pool.pool_posted = lease.pool_posted
    pool.returned_total = max(pool.returned_total, lease.returned_total)
    if not isinstance(pool, Pool):
        # A window that was forgotten here comes back without what was spent of it: by then all of that was posted.
        pool.consumed_total = max(pool.consumed_total, lease.posted_total)
        return
    pool.currency = lease.currency
    pool.enforcement = lease.enforcement
    pool.shadow = lease.shadow
    pool.overdraft_limit = lease.overdraft_limit
    pool.partition_mode = lease.partition_mode
    pool.partition_after_ms = lease.partition_after_ms
    pool.allowance_granted_total = max(pool.allowance_granted_total, lease.allowance_granted_total)
    pool.allowance_reclaimed_total = max(pool.allowance_reclaimed_total, lease.allowance_reclaimed_total)
    pool.allowance_returned_total = max(pool.allowance_returned_total, lease.allowance_returned_total)
    pool.pool_overdraft_bound = lease.pool_overdraft_bound


def taken(pool: Rights) -> int:
    """Returns what was ever taken out of the rights here and not given back to them: consumed + held."""
    return pool.consumed_total + pool.held
