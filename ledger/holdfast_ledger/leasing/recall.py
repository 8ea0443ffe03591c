"""Rights that one sidecar needs and others do not: they are called back in rounds before the ledger says no.

    a need that is not free ──► round under way? ──► joins it                                          pending
                                     │ no
                                     ├─► the last one failed just now, or nobody has anything ──► a "no"
                                     └─► a new round: whoever has rights and needs none is asked        pending

    rights come free        ──► the needy are told, and get them; all served: the round is over
    all have answered, or   ──► over. Who came while it was under way was not in what was asked for: a round of its
    the time is up              own begins. For the others it is the "no"

A round is three figures in rows, so that it goes on whichever replica an answer reaches: the pool's `recall_round` and
`recall_until_ms`, and each lease's `needed` and `answered_round`. A timer only hurries the end.
"""

from collections.abc import Collection
from typing import NamedTuple

from holdfast_ledger.leasing.circle import Circle, is_heard
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import Lease, Pool, Writer

RECALL_PAUSE_MS = 50
"""After a round that did not bring enough: a pool that is used up is not recalled for each call that it denies."""


class Turn(NamedTuple):
    """What others must hear of."""

    began: bool = False
    """A round began: those who are asked."""
    ended: bool = False
    """A round ended: those who wait."""


def answered(pool: Pool, lease: Lease, recall_round: int) -> bool:
    """Notes that a sidecar has answered a round; whether that was the round under way. Unknown rounds are ignored."""
    if not lease.answered_round < recall_round <= pool.recall_round or lease.needed:
        return False
    lease.answered_round = recall_round
    return recall_round == pool.recall_round


def need(circle: Circle, unmet: int) -> Turn:
    """Takes in what the circle's lease needs beyond what was free.

    Afterwards `lease.needed` above 0 means that the answer is pending.
    """
    lease, pool, known = circle.lease, circle.pool, circle.lease.needed
    lease.needed = unmet
    if unmet <= known:
        return review(circle) if known else Turn()
    if circle.recalling and circle.is_anyone_asked:
        lease.answered_round = pool.recall_round - 1  # the others were asked for less
        return Turn()
    if not circle.recalling and circle.now_ms - pool.recall_until_ms < RECALL_PAUSE_MS:
        lease.needed = 0
        return Turn()
    return Turn(began=_begin(circle))


def review(circle: Circle) -> Turn:
    """Looks at a need again after rights became free, an answer came, or time passed."""
    lease, pool = circle.lease, circle.pool
    if lease.needed == 0:
        lease.answered_round = max(lease.answered_round, pool.recall_round)  # not asked in the same round
        if circle.waiting == 0:
            pool.recall_until_ms = 0
        return Turn()
    if circle.recalling and circle.is_anyone_asked:
        return Turn()
    ended = circle.recalling
    pool.recall_until_ms = min(pool.recall_until_ms, circle.now_ms)
    if lease.answered_round < pool.recall_round:
        return Turn(_begin(circle), ended)
    lease.needed = 0
    return Turn(ended=ended)


def _begin(circle: Circle) -> bool:
    lease, pool = circle.lease, circle.pool
    if not any(circle.may_spare(other) for other in circle.leases if other is not lease):
        lease.needed = 0
        return False
    pool.recall_round += 1
    pool.recall_until_ms = circle.now_ms + circle.terms.recall_timeout_ms
    lease.answered_round = pool.recall_round
    return True


def forget_silent(writer: Writer, pool_keys: Collection[int], now_ms: int, terms: LeaseTerms) -> None:
    """Forgets what sidecars needed that are silent now: they ask anew when they are back."""
    for pool_key in pool_keys:
        leases = writer.leases_of_pool(pool_key)
        silent = [lease for lease in leases if lease.needed and not is_heard(lease, now_ms, terms)]
        for lease in silent:
            lease.needed = 0
        writer.save_leases(silent)
