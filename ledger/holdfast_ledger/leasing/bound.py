"""What a pool may come to owe: the figures that are published, told to sidecars, and checked."""

from holdfast_ledger.store.interface import MAX_AMOUNT, OPTIMISTIC, Pool

BPS = 10_000
"""Basis points of the whole."""


def overdraft_limit(pool: Pool) -> int:
    """Returns how far below zero the pool's settled balance may go, in minor units; 0 unless OPTIMISTIC."""
    if pool.policy.overdraft_limit_bps:
        return pool.granted_total * pool.policy.overdraft_limit_bps // BPS
    return pool.policy.overdraft_limit


def overdraft_bound(pool: Pool) -> int:
    """Returns what the overdraft can come to with every right and allowance that is out spent, in minor units.

    Late and over-hold settles, and what FAIL_OPEN lets through, come on top: nobody knows them before they are posted.
    """
    limit = overdraft_limit(pool) if pool.policy.enforcement == OPTIMISTIC else 0
    return min(MAX_AMOUNT, max(pool.allowance_leased - pool.free, pool.overdraft, limit))
