"""All sidecars that share one pool, at one moment of one transaction."""

from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import Lease, Pool, Reader

SEEN_HEARTBEATS = 3
"""Heartbeat intervals after which a silent sidecar is not waited for."""


def is_heard(lease: Lease, now_ms: int, terms: LeaseTerms) -> bool:
    """Whether the sidecar of a lease was heard of lately, in the life that the lease belongs to."""
    return lease.last_seen_at_ms >= now_ms - SEEN_HEARTBEATS * terms.heartbeat_interval_ms


class Circle:
    """The leases of a pool whose lives are not over; read when first looked at.

    `lease` is among them as the very object, so that what the transaction does to it is seen here.
    """

    def __init__(self, reader: Reader, pool: Pool, lease: Lease, now_ms: int, terms: LeaseTerms) -> None:
        self._reader = reader
        self._leases: list[Lease] | None = None
        self.pool = pool
        self.lease = lease
        self.now_ms = now_ms
        self.terms = terms

    @property
    def leases(self) -> list[Lease]:
        """Every lease, that of the caller included even if its life is over."""
        if self._leases is None:
            others = self._reader.leases_of_pool(self.pool.pool_key)
            self._leases = [self.lease, *(x for x in others if x.lease_key != self.lease.lease_key)]
        return self._leases

    @property
    def sharers(self) -> int:
        """Leases whose sidecars may still spend their rights; at least 1."""
        valid_from_ms = self.now_ms - self.terms.lease_validity_ms
        return sum(x is self.lease or x.last_seen_at_ms >= valid_from_ms for x in self.leases)

    @property
    def waiting(self) -> int:
        """What others need and have not got, in minor units."""
        return sum(x.needed for x in self.leases if x is not self.lease and self._is_heard(x))

    @property
    def shortage(self) -> int:
        """What a recall round has to bring, in minor units; not above 0: nothing is missing.

        A pool that owes takes what comes back until it does not, so that has to come back too.
        """
        return self.lease.needed + self.waiting - self.pool.free

    @property
    def recalling(self) -> bool:
        """Whether a recall round is under way."""
        return self.pool.recall_until_ms > self.now_ms

    @property
    def is_anyone_asked(self) -> bool:
        """Whether an answer to the latest round is still to come."""
        return any(map(self.is_asked, self.leases))

    def is_asked(self, lease: Lease) -> bool:
        """Whether the round waits for this lease: it has rights, needs none, and has not answered."""
        return self.may_spare(lease) and lease.answered_round < self.pool.recall_round

    def may_spare(self, lease: Lease) -> bool:
        """Whether the sidecar of a lease could give something back if asked."""
        return lease.outstanding > 0 and lease.needed == 0 and self._is_heard(lease)

    def _is_heard(self, lease: Lease) -> bool:
        return lease is self.lease or is_heard(lease, self.now_ms, self.terms)
