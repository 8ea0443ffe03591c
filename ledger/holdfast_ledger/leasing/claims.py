"""What a sidecar says it was given, against what this ledger knows.

In the ordinary way of things the ledger knows at least as much, since a right is in its database before it is told.
A sidecar that knows more has it from a ledger that was restored from an older backup. If this ledger knows that it
was restored, it takes the totals over; if not, it refuses, since it might give the same rights to two sidecars.
"""

from dataclasses import dataclass

from holdfast_ledger.errors import InvalidArgument, RightsUnknown
from holdfast_ledger.store.interface import MAX_AMOUNT, Lease, Pool


@dataclass(frozen=True, slots=True)
class Claim:
    """The totals of one lease as its sidecar knows them; fields as in `holdfast.v1.LeaseWant`."""

    granted_total: int = 0
    reclaimed_total: int = 0
    returned_total: int = 0
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0


_LEDGERS = ("granted_total", "reclaimed_total", "allowance_granted_total", "allowance_reclaimed_total")
"""The totals that the ledger alone moves; `returned` ones may be ahead of it."""

_TOTALS = (*_LEDGERS, "returned_total", "allowance_returned_total")


def check(pool: Pool, lease: Lease, claim: Claim) -> None:
    """Raises `RightsUnknown` if a sidecar was told more than this ledger ever gave."""
    for name in _LEDGERS:
        said, known = getattr(claim, name), getattr(lease, name)
        if said > known:
            raise RightsUnknown(
                f"pool {pool.account_id}/{pool.pool_id}: {name} is {said} at the sidecar and {known} here; if the "
                "ledger was restored from a backup, run `holdfast ledger restored`",
                account_id=pool.account_id,
                pool_id=pool.pool_id,
            )


def take_over(pool: Pool, lease: Lease, claim: Claim, field: str) -> None:
    """Moves the totals of a lease up to those claimed, and the pool's figures with them.

    Totals only grow, so the larger of two is the later one. What the backup has posted beyond them is granted after the
    fact, as in posting. `free` may fall below zero: then more is out than the backup has to give.

    Raises:
        InvalidArgument: the claims would pass int64.
    """
    rights, allowance = lease.outstanding, lease.allowance_outstanding
    for name in _TOTALS:
        setattr(lease, name, max(getattr(lease, name), getattr(claim, name)))
    lease.granted_total += max(0, -lease.outstanding)
    lease.allowance_granted_total += max(0, -lease.allowance_outstanding)
    more, more_allowance = lease.outstanding - rights, lease.allowance_outstanding - allowance
    figures = (lease.granted_total, lease.allowance_granted_total, pool.leased + more, more - pool.free)
    if max(*figures, pool.allowance_leased + more_allowance) > MAX_AMOUNT:
        raise InvalidArgument(field, "what is claimed would pass 2^63-1")
    pool.leased += more
    pool.free -= more
    pool.allowance_leased += more_allowance
    assert pool.free + pool.leased == pool.posted
