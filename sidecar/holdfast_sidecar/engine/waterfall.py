"""The last step of the decision on one amount (DESIGN §4): the pool, or the hold around a nested one. Changes nothing.

The steps before it are behind us when this is called: who may call and what is a repetition, and in `governing` the
entitlement, the subject, rate limits, concurrency and budgets.
"""

from holdfast_sidecar.engine.rights import posted, rights_left
from holdfast_sidecar.engine.state import OPTIMISTIC, Hold, Pool
from holdfast_sidecar.engine.verdicts import Reason


def decide(pool: Pool, amount: int, min_amount: int, lease_valid: bool) -> tuple[int, Reason]:
    """Returns what can be granted here and now, 0 or min_amount..amount, and why not all of it.

    The reason is OK exactly when the whole amount is granted. The ledger may yet help with INSUFFICIENT_BALANCE.
    """
    if not lease_valid:
        return 0, Reason.PARTITIONED
    if pool.enforcement == OPTIMISTIC:
        if posted(pool) > -pool.overdraft_limit:
            return amount, Reason.OK
        return 0, Reason.OVERDRAFT_LIMIT
    left = rights_left(pool)
    if left >= amount:
        return amount, Reason.OK
    return (left if left >= min_amount else 0), Reason.INSUFFICIENT_BALANCE


def inside(parent: Hold, amount: int, least: int) -> tuple[int, Reason]:
    """Returns what a hold can give to one inside it, 0 or least..amount, and why not all of it."""
    if parent.amount >= amount:
        return amount, Reason.OK
    return (parent.amount if parent.amount >= least else 0), Reason.PARENT_EXHAUSTED
