"""Allowances: each sidecar's share of a pool's partition overdraft threshold, a second kind of right, given ahead.

Of one pool, whatever is newly given: all allowances out <= threshold - max(0, -free). Who joins makes the shares of
the others too large; they are asked back, as far as they are not used, and given on.
"""

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing.allocate import allowance_target, threshold_left
from holdfast_ledger.leasing.circle import Circle
from holdfast_ledger.store.interface import MAX_AMOUNT, Lease, Pool

ALLOWANCE = 2
"""`Policy.partition_mode`, as `holdfast.v1.PartitionMode`."""


def threshold(pool: Pool) -> int:
    """Returns the pool's partition overdraft threshold, in minor units; 0 in the other modes."""
    return pool.policy.partition_overdraft_limit if pool.policy.partition_mode == ALLOWANCE else 0


def matters(pool: Pool, lease: Lease) -> bool:
    """Whether the lease has an allowance or is to have one."""
    return threshold(pool) > 0 or lease.allowance_outstanding > 0


def target(circle: Circle) -> int:
    """Returns the allowance that each lease of the pool is to have, in minor units."""
    pool = circle.pool
    return allowance_target(threshold=threshold(pool), free=pool.free, sharers=len(circle.leases))


def give(circle: Circle) -> int:
    """Raises the lease's allowance towards its share, as far as the others leave room; returns what was given."""
    pool, lease = circle.pool, circle.lease
    most = threshold_left(threshold(pool), pool.free)
    missing = target(circle) - lease.allowance_outstanding
    given = max(0, min(missing, most - pool.allowance_leased, MAX_AMOUNT - lease.allowance_granted_total))
    lease.allowance_granted_total += given
    pool.allowance_leased += given
    assert given == 0 or pool.allowance_leased <= most
    return given


def give_back(pool: Pool, lease: Lease, returned_total: int, field: str) -> None:
    """Takes allowance back. An older total than the one known changes nothing.

    What was reclaimed may be given back before that was heard of: it is granted once more on paper, as rights are.

    Raises:
        InvalidArgument: more is given back than was ever out.
    """
    returned = returned_total - lease.allowance_returned_total
    if returned <= 0:
        return
    out = lease.allowance_outstanding
    if returned > out + lease.allowance_reclaimed_total:
        raise InvalidArgument(field, f"gives back {returned}, but {out} are out")
    deficit = max(0, returned - out)
    lease.allowance_granted_total += deficit
    lease.allowance_returned_total = returned_total
    pool.allowance_leased -= returned - deficit
    assert pool.allowance_leased >= 0


def spend(pool: Pool, lease: Lease, amount: int) -> None:
    """Takes what debits used out of the lease. What was reclaimed meanwhile is granted after the fact."""
    out = lease.allowance_outstanding
    lease.allowance_granted_total += max(0, amount - out)
    lease.allowance_posted_total += amount
    pool.allowance_leased -= min(amount, out)
    assert lease.allowance_outstanding >= 0
    assert pool.allowance_leased >= 0


def reclaim(pool: Pool, lease: Lease) -> None:
    """Takes all of it back from a life that was not heard of in time."""
    out = lease.allowance_outstanding
    lease.allowance_reclaimed_total += out
    pool.allowance_leased -= out
    assert pool.allowance_leased >= 0
