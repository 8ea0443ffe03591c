"""Cut off, and the rights do not suffice: the pool's partition mode decides (DESIGN §4 and §5).

FAIL_CLOSED denies. ALLOWANCE goes on, up to this host's share of the pool's threshold, which the ledger gave ahead of
time; that share is counted like rights, so the sum over hosts stays within the threshold. FAIL_OPEN goes on without a
bound. Either way what no right covers is told apart, in the hold, in the answer and in the debit.
"""

from typing import NamedTuple

from holdfast_sidecar.engine.rights import allowance_left, rights_left
from holdfast_sidecar.engine.state import OPTIMISTIC, Hold, Pool

FAIL_CLOSED = 1
ALLOWANCE = 2
FAIL_OPEN = 3


class Unleased(NamedTuple):
    """The parts of an amount that no leased right covers, in minor units."""

    allowance_amount: int
    fail_open_amount: int


COVERED = Unleased(0, 0)


def go_on(pool: Pool, amount: int, min_amount: int, lease_valid: bool, allowance_valid: bool) -> tuple[int, Unleased]:
    """Returns what the partition mode grants, 0 or min_amount..amount, and the parts of it that no right covers.

    Past the leases' validity no right counts, since the ledger may be about to reclaim it.
    """
    rights = max(0, rights_left(pool)) if lease_valid and pool.enforcement != OPTIMISTIC else 0
    if pool.partition_mode == FAIL_OPEN:
        return amount, Unleased(0, max(0, amount - rights))
    reachable = rights
    if pool.partition_mode == ALLOWANCE and allowance_valid:
        reachable += max(0, allowance_left(pool))
    granted = min(amount, reachable)
    if granted < min_amount:
        return 0, COVERED
    return granted, Unleased(max(0, granted - rights), 0)


def unleased_of(hold: Hold, taken: int) -> Unleased:
    """Returns the parts of `taken`, 0..hold.amount, that no right covers: the covered part of a hold goes first."""
    beyond = taken - (hold.amount - hold.allowance_amount - hold.fail_open_amount)
    if beyond <= 0:
        return COVERED
    allowance_amount = min(beyond, hold.allowance_amount)
    return Unleased(allowance_amount, beyond - allowance_amount)
