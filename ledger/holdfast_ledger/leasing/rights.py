"""The bookkeeping of rights: what a sidecar asks for, gives back, and loses when it has not been heard of.

Upstream: `sync`. Every change keeps `free + leased = posted` of its pool.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing.allocate import allocate
from holdfast_ledger.store.interface import NEVER, Lease, Life, Pool, Reader, Sidecar, Writer

SWEEP_LIMIT = 100
"""Lives that one transaction reclaims: bounds how long the others wait for it."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a sidecar wants of one pool; fields as in `holdfast.v1.LeaseWant`, within their ranges."""

    account_id: str
    pool_id: str
    want_amount: int
    held_amount: int
    consumed_total: int
    returned_total: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The state of one lease after a request; no account or no pool when there is none of that name."""

    account_id: str
    pool_id: str
    account_known: bool
    pool: Pool | None = None
    lease: Lease | None = None


def serve(writer: Writer, sidecar: Sidecar, wants: Sequence[Want]) -> list[Granted]:
    """Takes what is given back and gives what is wanted, as far as it is free; one answer a want, in order.

    Raises:
        InvalidArgument: more is given back than was ever out. Nothing is changed.
    """
    answers = []
    for place, want in enumerate(wants):
        pool = writer.pool(want.account_id, want.pool_id)
        if pool is None:
            known = writer.account(want.account_id) is not None
            answers.append(Granted(want.account_id, want.pool_id, known))
            continue
        lease = _lease(writer, sidecar, pool)
        before = (pool.free, lease.granted_total, lease.returned_total)
        _give_back(pool, lease, want, f"lease_request.wants[{place}].returned_total")
        _top_up(pool, lease, want)
        if before != (pool.free, lease.granted_total, lease.returned_total):
            assert pool.free + pool.leased == pool.posted
            writer.save_leases([lease])
            writer.save_pools([pool])
        answers.append(Granted(want.account_id, want.pool_id, True, pool, lease))
    return answers


def _lease(writer: Writer, sidecar: Sidecar, pool: Pool) -> Lease:
    for lease in writer.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, [pool.pool_key]):
        return lease
    lease = Lease(sidecar.sidecar_key, sidecar.birth_epoch, pool.pool_key)
    writer.insert_lease(lease)
    return lease


def _give_back(pool: Pool, lease: Lease, want: Want, field: str) -> None:
    """Takes rights back. An older total than the one known is a message that came late: it changes nothing.

    A sidecar may give back what was reclaimed before it heard of that: then the right is granted once more on paper,
    so that its totals and ours agree, and no right comes into being.
    """
    returned = want.returned_total - lease.returned_total
    if returned <= 0:
        return
    if returned > lease.outstanding + lease.reclaimed_total:
        raise InvalidArgument(field, f"gives back {returned}, but {lease.outstanding} are out")
    deficit = max(0, returned - lease.outstanding)
    lease.granted_total += deficit
    lease.returned_total = want.returned_total
    pool.free += returned - deficit
    pool.leased -= returned - deficit


def _top_up(pool: Pool, lease: Lease, want: Want) -> None:
    # Debits and requests travel in different jobs: the posted total may be ahead of what the request says.
    consumed = max(want.consumed_total, lease.posted_total)
    left = lease.granted_total - lease.reclaimed_total - lease.returned_total - consumed - want.held_amount
    given = allocate(free=pool.free, missing=want.want_amount - left, granted_total=lease.granted_total)
    lease.granted_total += given
    pool.free -= given
    pool.leased += given


def sweep(writer: Writer, now_ms: int) -> tuple[set[int], bool]:
    """Takes back the rights of up to `SWEEP_LIMIT` lives that have not been heard of in time.

    Returns the pools that changed, and whether to go on.
    """
    touched: set[int] = set()
    lives = writer.lives_due(now_ms, SWEEP_LIMIT)
    for life in lives:
        out = [x for x in writer.leases_of_life(life.sidecar_key, life.birth_epoch, None) if x.outstanding]
        pools = writer.pools_by_key({lease.pool_key for lease in out})
        for lease in out:
            pool, amount = pools[lease.pool_key], lease.outstanding
            lease.reclaimed_total += amount
            pool.leased -= amount
            pool.free += amount
            assert pool.free + pool.leased == pool.posted
        writer.save_leases(out)
        writer.save_pools(pools.values())
        writer.save_life(Life(life.sidecar_key, life.birth_epoch, NEVER))
        touched |= pools.keys()
    return touched, len(lives) == SWEEP_LIMIT


def leases_now(reader: Reader, sidecar: Sidecar, pool_keys: Collection[int] | None) -> list[Granted]:
    """Returns leases of the sidecar's present life as they are, of some pools or (None) of all."""
    leases = reader.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, pool_keys)
    pools = reader.pools_by_key({lease.pool_key for lease in leases})
    return [
        Granted(pools[x.pool_key].account_id, pools[x.pool_key].pool_id, True, pools[x.pool_key], x) for x in leases
    ]
