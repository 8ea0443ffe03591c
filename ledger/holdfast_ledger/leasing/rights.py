"""The bookkeeping of rights: what a sidecar asks for, gives back, and loses when it has not been heard of.

Upstream: `sync`. Every change keeps `free + leased = posted` of its pool.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing import allowances, claims, recall
from holdfast_ledger.leasing.allocate import allocate
from holdfast_ledger.leasing.circle import Circle
from holdfast_ledger.leasing.claims import Claim
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import (
    NEVER,
    Lease,
    Life,
    Pool,
    Reader,
    Sidecar,
    Writer,
    lease_figures,
    pool_figures,
)
from holdfast_ledger.windows.names import MARK
from holdfast_ledger.windows.opening import find_asked
from holdfast_ledger.windows.rolling import let_go
from holdfast_ledger.windows.times import runs

SWEEP_LIMIT = 100
"""Lives that one transaction reclaims: bounds how long the others wait for it."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a sidecar wants of one pool; fields as in `holdfast.v1.LeaseWant`, within their ranges."""

    account_id: str
    pool_id: str
    want_amount: int = 0
    need_amount: int = 0
    held_amount: int = 0
    consumed_total: int = 0
    recall_round: int = 0
    claim: Claim = field(default_factory=Claim)


@dataclass(frozen=True, slots=True)
class Granted:
    """The state of one lease after a request; no account or no pool when there is none of that name."""

    account_id: str
    pool_id: str
    account_known: bool
    pool: Pool | None = None
    lease: Lease | None = None
    recall_round: int = 0
    """The round that asks the sidecar; 0: none does."""
    recall_amount: int = 0
    allowance_recall_amount: int = 0
    allowance_missing: bool = False
    """Whether the sidecar has less than its share of the threshold, since others have more than theirs."""

    denied: bool = False
    """The "no" to what the sidecar needs."""
    pending_until_ms: int = 0
    """When to look again at what the sidecar needs; 0: nothing is open."""

    @property
    def pending(self) -> bool:
        """Whether the answer to what the sidecar needs is still to come."""
        return self.pending_until_ms > 0


@dataclass(slots=True)
class Served:
    """What was granted, and which pools others must hear of."""

    granted: list[Granted] = field(default_factory=list)
    changed_pools: set[int] = field(default_factory=set)
    """Pools that concern every sidecar that leases from them."""
    freed_pools: set[int] = field(default_factory=set)
    """Pools that concern those that wait for rights or allowance of them."""


class Desk:
    """Serves one sidecar in one transaction."""

    def __init__(self, writer: Writer, sidecar: Sidecar, now_ms: int, terms: LeaseTerms) -> None:
        self._writer = writer
        self._sidecar = sidecar
        self._now_ms = now_ms
        self._terms = terms
        state = writer.ledger()
        self._claiming = sidecar.generation < state.generation
        self._recover_until_ms = state.recover_until_ms
        self._gives = state.recover_until_ms <= now_ms and sidecar.reclaim_at_ms != NEVER
        """Not while sidecars may have rights that a restored ledger does not know, nor to a life that has ended."""
        self._served = Served()

    def serve(self, wants: Sequence[Want]) -> Served:
        """Takes what is given back and gives what is wanted, as far as it is free; one answer a want, in order.

        Raises:
            InvalidArgument: more is given back than was ever out. Nothing is changed.
            RightsUnknown: the sidecar was told more than this ledger ever gave. Nothing is changed.
        """
        for place, want in enumerate(wants):
            pool = self._pool(want)
            if pool is None:
                known = self._writer.account(want.account_id) is not None
                self._served.granted.append(Granted(want.account_id, want.pool_id, known))
                continue
            self._serve(pool, want, f"lease_request.wants[{place}]")
        return self._served

    def _pool(self, want: Want) -> Pool | None:
        """Returns the pool or window that is wanted; None: there is none of that name."""
        if MARK not in want.pool_id:
            return self._writer.pool(want.account_id, want.pool_id)
        claim, ahead_ms = None if self._claiming else want.claim, self._terms.clock_slack_ms
        names = want.account_id, want.pool_id
        return find_asked(self._writer, self._sidecar, names, claim, self._now_ms, ahead_ms)

    def _serve(self, pool: Pool, want: Want, path: str) -> None:
        lease, is_new = self._lease(pool)
        before = (pool_figures(pool), lease_figures(lease))
        free, allowance_leased = pool.free, pool.allowance_leased
        if self._claiming:
            claims.take_over(pool, lease, want.claim, path)
        else:
            claims.check(pool, lease, want.claim)
        _give_back(pool, lease, want.claim.returned_total, f"{path}.returned_total")
        allowances.give_back(pool, lease, want.claim.allowance_returned_total, f"{path}.allowance_returned_total")
        freed = pool.free > free or pool.allowance_leased < allowance_leased
        circle = Circle(self._writer, pool, lease, self._now_ms, self._terms)
        answered = recall.answered(pool, lease, want.recall_round)
        unmet = self._top_up(circle, want)
        turn = recall.Turn()
        if self._gives:
            turn = recall.need(circle, unmet)
        else:
            lease.needed = unmet
        self._finish(circle, before, turn, is_new, denied=unmet > 0 and lease.needed == 0)
        if freed or answered:
            self._served.freed_pools.add(pool.pool_key)

    def tell(self, pool_keys: Collection[int]) -> Served:
        """Looks at leases again: what is needed and came free is given, and allowances are set right."""
        leases = _leases(self._writer, self._sidecar, pool_keys)
        pools = {pool.pool_key: pool for _, pool in leases if pool.is_window}
        windows = self._writer.windows(pools.keys())
        let_go(self._writer, pools, windows.values(), self._now_ms)
        for lease, pool in leases:
            if pool.is_window and windows[pool.pool_key].closed:
                self._served.granted.append(Granted(pool.account_id, pool.pool_id, True))
                continue
            before = (pool_figures(pool), lease_figures(lease))
            circle = Circle(self._writer, pool, lease, self._now_ms, self._terms)
            turn, unmet = recall.Turn(), 0
            if lease.needed and self._gives:
                given = _give(pool, lease, max(0, min(pool.free, lease.needed)))
                lease.needed = unmet = lease.needed - given
                turn = recall.review(circle)
            self._finish(circle, before, turn, denied=unmet > 0 and lease.needed == 0)
        return self._served

    def _lease(self, pool: Pool) -> tuple[Lease, bool]:
        sidecar = self._sidecar
        for lease in self._writer.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, [pool.pool_key]):
            return lease, False
        lease = Lease(sidecar.sidecar_key, sidecar.birth_epoch, pool.pool_key)
        self._writer.insert_lease(lease)
        return lease, True

    def _top_up(self, circle: Circle, want: Want) -> int:
        """Gives what is needed and wanted, as far as it is free; returns what is needed and was not."""
        pool, lease = circle.pool, circle.lease
        # Debits and requests travel in different jobs: the posted total may be ahead of what the request says.
        consumed = max(want.consumed_total, lease.posted_total)
        left = lease.granted_total - lease.reclaimed_total - lease.returned_total - consumed - want.held_amount
        if want.want_amount <= left:
            return 0
        needed = want.need_amount - left
        if not self._gives:
            return max(0, needed)
        given = allocate(
            free=pool.free,
            needed=needed,
            wanted=want.want_amount - left,
            waiting=circle.waiting,
            sharers=circle.sharers,
            granted_total=lease.granted_total,
        )
        return max(0, needed - _give(pool, lease, given))

    def _finish(
        self,
        circle: Circle,
        before: tuple[tuple[int, ...], tuple[int, ...]],
        turn: recall.Turn,
        is_new: bool = False,
        *,
        denied: bool,
    ) -> None:
        """Sets the allowance right, writes back what changed, and notes the answer and who else must hear of it."""
        pool, lease, served = circle.pool, circle.lease, self._served
        asked_back, missing = self._allowance(circle) if allowances.matters(pool, lease) else (0, False)
        if before != (pool_figures(pool), lease_figures(lease)):
            assert pool.free + pool.leased == pool.posted
            self._writer.save_leases([lease])
            self._writer.save_pools([pool])
        if turn.began or (is_new and missing):
            served.changed_pools.add(pool.pool_key)
        if turn.ended:
            served.freed_pools.add(pool.pool_key)
        asks = circle.recalling and circle.is_asked(lease) and circle.shortage > 0
        served.granted.append(
            Granted(
                pool.account_id,
                pool.pool_id,
                True,
                pool,
                lease,
                pool.recall_round if asks else 0,
                circle.shortage if asks else 0,
                asked_back,
                missing,
                denied,
                max(1, pool.recall_until_ms if self._gives else self._recover_until_ms) if lease.needed else 0,
            )
        )

    def _allowance(self, circle: Circle) -> tuple[int, bool]:
        """Returns what the sidecar shall give back, and whether it has less than its share."""
        sidecar, terms = self._sidecar, self._terms
        if self._gives and allowances.give(circle) and sidecar.allowance_reclaim_at_ms == NEVER:
            sidecar.allowance_reclaim_at_ms = min(
                sidecar.last_seen_at_ms + terms.allowance_validity_ms + sidecar.max_hold_ttl_ms + terms.clock_slack_ms,
                NEVER - 1,
            )
            self._writer.save_life(sidecar.life)
        surplus = circle.lease.allowance_outstanding - allowances.target(circle)
        return max(0, surplus), self._gives and surplus < 0


def _give(pool: Pool, lease: Lease, amount: int) -> int:
    lease.granted_total += amount
    pool.free -= amount
    pool.leased += amount
    return amount


def _give_back(pool: Pool, lease: Lease, returned_total: int, path: str) -> None:
    """Takes rights back. An older total than the one known is a message that came late: it changes nothing.

    A sidecar may give back what was reclaimed before it heard of that, or what debits took here that it made without
    rights after it had given these back. Then the right is granted once more on paper, so that its totals and ours
    agree, and no right comes into being.
    """
    returned = returned_total - lease.returned_total
    if returned <= 0:
        return
    if returned_total > lease.granted_total:
        raise InvalidArgument(path, f"gives back {returned_total} in all of {lease.granted_total} that were granted")
    deficit = max(0, returned - lease.outstanding)
    lease.granted_total += deficit
    lease.returned_total = returned_total
    pool.free += returned - deficit
    pool.leased -= returned - deficit


def use_up(pool: Pool, lease: Lease, consumed: int, spent: int) -> None:
    """Takes what debits used out of a lease and its pool. What the lease lacks is granted after the fact.

    Args:
        pool: The pool, or window.
        lease: The lease of the sidecar that made the debits.
        consumed: What it has counted as used, in minor units.
        spent: The part of it that is posted; the rest was posted before, as other debits, and comes back to `free`.
    """
    before = lease.outstanding
    deficit = max(0, consumed - before)
    lease.posted_total += consumed
    lease.granted_total += deficit
    pool.leased += lease.outstanding - before
    pool.free += consumed - spent - deficit
    pool.spent_total += spent
    assert lease.outstanding >= 0


def sweep(writer: Writer, now_ms: int) -> tuple[set[int], bool]:
    """Takes back rights and allowances of up to `SWEEP_LIMIT` lives that have not been heard of in time.

    Not while a restored ledger recovers: who could not reach it yet is no older than the backup makes him look.

    Returns the pools that changed, and whether to go on.
    """
    lives, touched = writer.lives_due(now_ms, SWEEP_LIMIT), set[int]()
    if writer.ledger().recover_until_ms > now_ms:
        return touched, False
    for life in lives:
        leases = writer.leases_of_life(life.sidecar_key, life.birth_epoch, None)
        pools = writer.pools_by_key({lease.pool_key for lease in leases})
        changed = [lease for lease in leases if _reclaim(pools[lease.pool_key], lease, life, now_ms)]
        keys = {lease.pool_key for lease in changed}
        writer.save_leases(changed)
        writer.save_pools(pools[key] for key in keys)
        writer.save_life(
            Life(
                life.sidecar_key,
                life.birth_epoch,
                NEVER if life.reclaim_at_ms <= now_ms else life.reclaim_at_ms,
                NEVER if life.allowance_reclaim_at_ms <= now_ms else life.allowance_reclaim_at_ms,
            )
        )
        touched |= keys
    return touched, len(lives) == SWEEP_LIMIT


def _reclaim(pool: Pool, lease: Lease, life: Life, now_ms: int) -> bool:
    """Takes back what is due of a lease; whether anything changed."""
    before = lease_figures(lease)
    if life.reclaim_at_ms <= now_ms:
        amount = lease.outstanding
        lease.reclaimed_total += amount
        lease.needed = 0
        pool.leased -= amount
        pool.free += amount
    if life.allowance_reclaim_at_ms <= now_ms:
        allowances.reclaim(pool, lease)
    assert pool.free + pool.leased == pool.posted
    return before != lease_figures(lease)


def leases_told(reader: Reader, granted: Sequence[Granted], now_ms: int) -> list[Granted]:
    """Returns what a sidecar that comes is told of its leases: not of windows that it has nothing to do with any more.

    Nothing is out of those, and they are closed, or not for sidecars to lease, or their period is over.
    """
    windows = reader.windows([one.pool.pool_key for one in granted if one.pool and one.pool.is_window])

    def is_told(one: Granted) -> bool:
        window = windows.get(one.pool.pool_key) if one.pool else None
        if window is None or (one.lease and one.lease.outstanding):
            return True
        return bool(window.leased) and not window.closed and runs(window, now_ms)

    return [one for one in granted if is_told(one)]


def leases_now(reader: Reader, sidecar: Sidecar, pool_keys: Collection[int] | None) -> list[Granted]:
    """Returns leases of the sidecar's present life as they are, of some pools or (None) of all."""
    return [
        Granted(pool.account_id, pool.pool_id, True, pool, lease) for lease, pool in _leases(reader, sidecar, pool_keys)
    ]


def _leases(reader: Reader, sidecar: Sidecar, pool_keys: Collection[int] | None) -> list[tuple[Lease, Pool]]:
    leases = reader.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, pool_keys)
    pools = reader.pools_by_key({lease.pool_key for lease in leases})
    return [(lease, pools[lease.pool_key]) for lease in leases]
