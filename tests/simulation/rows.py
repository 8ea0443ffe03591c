"""The ledger's rows as the checks read them, in statements of their own, and what a run is excused for."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Key: TypeAlias = tuple[str, str]
LeaseKey: TypeAlias = tuple[str, int, str, str]
"""(sidecar_id, birth_epoch, account_id, pool_id)."""

POOLS = """SELECT p.pool_key, a.account_id, p.pool_id, p.free, p.leased, p.granted_total, p.spent_total,
 p.expired_total, p.enforcement, p.partition_mode, p.partition_overdraft_limit, p.allowance_leased,
 p.allowance_spent_total, p.fail_open_total, p.over_hold_total, p.late_total, p.unleased_total, p.expired_leased_total,
 p.voided_total, p.corrected_total, p.is_window FROM pools p JOIN accounts a USING (account_key)"""
LEASES = """SELECT s.sidecar_id, l.birth_epoch, l.pool_key, l.granted_total, l.reclaimed_total, l.returned_total,
 l.posted_total, l.allowance_granted_total, l.allowance_reclaimed_total, l.allowance_returned_total,
 l.allowance_posted_total FROM leases l JOIN sidecars s USING (sidecar_key)"""


class PoolRow(NamedTuple):
    """A pool or window as the ledger has it."""

    pool_key: int
    account_id: str
    pool_id: str
    free: int
    leased: int
    granted_total: int
    spent_total: int
    expired_total: int
    enforcement: int
    partition_mode: int
    partition_limit: int
    allowance_leased: int
    allowance_spent_total: int
    fail_open_total: int
    over_hold_total: int
    late_total: int
    unleased_total: int
    expired_leased_total: int
    voided_total: int
    corrected_total: int
    is_window: int

    @property
    def posted(self) -> int:
        """Settled balance."""
        return self.granted_total - self.spent_total - self.expired_total - self.voided_total


class LeaseRow(NamedTuple):
    """A lease as the ledger has it."""

    sidecar_id: str
    birth_epoch: int
    pool_key: int
    granted_total: int
    reclaimed_total: int
    returned_total: int
    posted_total: int
    allowance_granted_total: int
    allowance_reclaimed_total: int
    allowance_returned_total: int
    allowance_posted_total: int

    @property
    def outstanding(self) -> int:
        """Rights out."""
        return self.granted_total - self.reclaimed_total - self.returned_total - self.posted_total

    @property
    def allowance_outstanding(self) -> int:
        """Allowance out."""
        return (
            self.allowance_granted_total
            - self.allowance_reclaimed_total
            - self.allowance_returned_total
            - self.allowance_posted_total
        )


@dataclass(slots=True)
class Excuses:
    """What happened that a promise excludes; see docs/guarantees.md."""

    restored: bool = False
    """The ledger went back to an older backup."""
    forked: bool = False
    """A folder was copied, so that rights were on two disks."""
    optimistic: bool = False
    """A pool was OPTIMISTIC at some time."""
