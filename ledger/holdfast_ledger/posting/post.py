"""Posts a run of debits: each exactly once, in one transaction with the mark, the books and the rights.

Upstream: `sync`. Three fates besides being posted, none of them silent:

- Dropped: its sequence is at or below the acked mark, so it is already here.
- Duplicate: its (account, operation) was posted before, under another sequence: the caller repeated the operation on
  another host, or after the sidecar had forgotten it. The mark moves; nothing is burned. The sidecar has counted it
  as consumed, so `posted_total` advances all the same, and since `posted` did not fall the amount goes to `free`.
- Quarantined: there is no such pool, or a total would pass int64. The mark moves; the debit is kept whole.

A hold that was opened before a grant expired may burn it when it is settled: within its time to live, and as far back
from the posting as the debit says that it was open. What had expired is taken back for it (a REVIVAL line) and burned.

A debit counts against the windows of budgets that it names too, in the same transaction (`windows.counting`).

A debit may exceed what is leased (late, above its hold, or let through while cut off). The deficit is granted after
the fact: `granted_total` and `free` take it, so that `outstanding` is zero and not below, and `free + leased =
posted` holds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.errors import SequenceGap
from holdfast_ledger.leasing.allowances import spend
from holdfast_ledger.leasing.rights import use_up
from holdfast_ledger.posting.alerts import watch
from holdfast_ledger.posting.burn import Burn, burn, burn_also_lapsed
from holdfast_ledger.posting.grants import due_at_ms, take_due
from holdfast_ledger.posting.order import burn_position
from holdfast_ledger.store.interface import (
    MAX_AMOUNT,
    NEVER,
    OPTIMISTIC,
    DebitRow,
    DuplicateRow,
    EntryRow,
    EntryType,
    Grant,
    GrantState,
    Lease,
    Pool,
    QuarantineRow,
    Sidecar,
    Writer,
)
from holdfast_ledger.windows.counting import Counted, Counting

DIMENSION_SETS_CACHED = 1_024
"""Sets of dimensions whose text is kept at hand."""


@dataclass(slots=True)
class Posted:
    """What became of a run of debits."""

    acked_sequence: int
    debit_count: int = 0
    dropped_count: int = 0
    duplicate_count: int = 0
    quarantined_count: int = 0
    overdraft_amount: int = 0
    event_count: int = 0
    due_pools: set[int] = field(default_factory=set)
    """Pools whose grants took effect or expired on the way; the sidecars that lease from them are told at once."""
    moved_pools: set[int] = field(default_factory=set)
    """Pools whose settled balance moved; the sidecars that lease from them are told at the next sweep."""
    optimistic_pools: set[int] = field(default_factory=set)
    """Those among them in which that is told sooner."""


@dataclass(slots=True)
class _Share:
    """The debits of one pool in the run."""

    pool: Pool
    lease: Lease
    consumed: int = 0
    """Amount of all its debits, duplicates included."""
    burning: list[tuple[int, int]] = field(default_factory=list)
    """(debit_key, amount) of those that are posted."""
    allowance: int = 0
    """The part of `consumed` that was taken from the lease's allowance."""
    allowance_spent: int = 0
    """This and the next three: what the posted ones say of themselves, in minor units."""
    fail_open: int = 0
    over_hold: int = 0
    late: int = 0
    explained: int = 0
    """The part of what is posted for which no rights have to be there."""
    hold_ages: dict[int, int] = field(default_factory=dict)
    """How long the holds had been open, in milliseconds, by debit_key; of settles within their time to live."""

    def count(self, row: DebitRow) -> None:
        """Adds up what a posted debit says of itself."""
        flagged = row.allowance_amount + row.fail_open_amount + row.over_hold_amount
        if flagged or row.late:
            self.allowance_spent += row.allowance_amount
            self.fail_open += row.fail_open_amount
            self.over_hold += row.over_hold_amount
            self.late += row.amount if row.late else 0
            self.explained += row.amount if row.late else min(row.amount, flagged)


_Shares = dict[tuple[str, str], _Share | None]


def post(writer: Writer, sidecar: Sidecar, debits: Sequence[wire.Debit], now_ms: int) -> Posted:
    """Posts debits with contiguous sequences for a sidecar, whose acked sequence moves along.

    Raises:
        SequenceGap: the first one lies beyond the next sequence. Nothing is changed.
    """
    skip = sidecar.acked_sequence + 1 - debits[0].sequence
    if skip < 0:
        raise SequenceGap(
            f"the next sequence is {sidecar.acked_sequence + 1}, not {debits[0].sequence}",
            expected=str(sidecar.acked_sequence + 1),
        )
    fresh = debits[skip:]
    result = Posted(sidecar.acked_sequence, dropped_count=len(debits) - len(fresh))
    if not fresh:
        return result
    result.acked_sequence = sidecar.acked_sequence = fresh[-1].sequence
    writer.save_acked(sidecar.sidecar_key, sidecar.acked_sequence, fresh[-1].operation_id)
    refused = post_under(writer, sidecar, fresh, now_ms, result)
    writer.insert_quarantined(
        [QuarantineRow(sidecar.sidecar_key, x.sequence, reason, x.SerializeToString(), now_ms) for x, reason in refused]
    )
    result.quarantined_count = len(refused)
    return result


def post_under(
    writer: Writer, sidecar: Sidecar, debits: Sequence[wire.Debit], now_ms: int, result: Posted
) -> list[tuple[wire.Debit, str]]:
    """Posts debits, whatever their sequences, under the leases of the sidecar's life; returns those that it cannot.

    With each goes the reason for its quarantine.
    """
    shares = _shares(writer, sidecar, {(debit.account_id, debit.pool_id) for debit in debits}, now_ms, result)
    windows = Counting(writer, sidecar, debits, now_ms)
    refused = _insert(writer, debits, shares, windows, now_ms, result)
    _burn(writer, [share for share in shares.values() if share and share.consumed], now_ms, result)
    result.event_count += windows.finish()
    return refused


def _shares(writer: Writer, sidecar: Sidecar, names: set[tuple[str, str]], now_ms: int, result: Posted) -> _Shares:
    """Reads the pools that the debits name, with this life's leases; None for a pool that is not there."""
    pools = writer.pools_named(names)
    keys = [pool.pool_key for pool in pools.values()]
    result.due_pools = take_due(writer, now_ms, keys)
    if result.due_pools:
        pools = writer.pools_named(names)
    leases = {x.pool_key: x for x in writer.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, keys)}
    shares: _Shares = {}
    for name in sorted(names):
        pool = pools.get(name)
        if pool is None or pool.is_window:
            shares[name] = None
            continue
        lease = leases.get(pool.pool_key)
        if lease is None:
            lease = Lease(sidecar.sidecar_key, sidecar.birth_epoch, pool.pool_key)
            writer.insert_lease(lease)
        shares[name] = _Share(pool, lease)
    return shares


def _insert(
    writer: Writer, debits: Sequence[wire.Debit], shares: _Shares, windows: Counting, now_ms: int, result: Posted
) -> list[tuple[wire.Debit, str]]:
    """Stores each debit as posted or duplicate; returns those that no pool can take, with the reason."""
    rows: list[DebitRow] = []
    owners: list[tuple[_Share, Counted]] = []
    refused: list[tuple[wire.Debit, str]] = []
    for debit in debits:
        share = shares[debit.account_id, debit.pool_id]
        amount, counted = debit.amount, windows.of(debit)
        if share is None or not (_fits(share, amount) and counted.fits(amount)):
            refused.append((debit, "UNKNOWN_POOL" if share is None else "OVERFLOW"))
            continue
        share.consumed += amount
        share.allowance += debit.allowance_amount
        counted.consume(amount)
        owners.append((share, counted))
        rows.append(_row(debit, amount, share, counted, now_ms))
    keys = writer.insert_debits(rows) if rows else []
    duplicates: list[DuplicateRow] = []
    for key, row, (share, counted) in zip(keys, rows, owners, strict=True):
        if key:
            share.burning.append((key, row.amount))
            counted.spend(row.amount)
            share.count(row)
            if row.hold_age_ms and not row.late:
                share.hold_ages[key] = row.hold_age_ms
            continue
        first = writer.debit_of_operation(row.account_key, row.operation_id)
        told = row.amount, first, now_ms, row.allowance_amount, row.windows
        duplicates.append(DuplicateRow(row.lease_key, row.sequence, row.epoch, *told))
    writer.insert_duplicates(duplicates)
    result.debit_count = len(rows) - len(duplicates)
    result.duplicate_count = len(duplicates)
    return refused


def _fits(share: _Share, amount: int) -> bool:
    """Whether every total that the debit may move stays an int64."""
    due = share.consumed + amount
    lease, pool = share.lease, share.pool
    return (
        pool.spent_total + pool.corrected_total + due <= MAX_AMOUNT
        and lease.posted_total + due <= MAX_AMOUNT
        and lease.granted_total + due <= MAX_AMOUNT
        and lease.allowance_granted_total + due <= MAX_AMOUNT
        and pool.free - due >= -MAX_AMOUNT
    )


def _row(debit: wire.Debit, amount: int, share: _Share, counted: Counted, now_ms: int) -> DebitRow:
    dimensions, quantities = debit.dimensions, debit.quantities
    return DebitRow(
        share.pool.account_key,
        debit.operation_id,
        share.lease.lease_key,
        debit.epoch,
        debit.sequence,
        amount,
        debit.hold_id,
        now_ms,
        debit.settled_at_unix_ms,
        debit.subject,
        _dimensions_text(tuple([(d.key, d.value) for d in dimensions])) if dimensions else "{}",
        int(debit.late),
        debit.over_hold_amount,
        int(debit.estimated),
        debit.mode,
        debit.allowance_amount,
        debit.fail_open_amount,
        debit.hold_age_ms,
        counted.keys,
        json.dumps(dict(sorted(quantities.items())), ensure_ascii=False) if quantities else "",
        debit.caller,
    )


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _dimensions_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Returns dimensions as they are kept. Few sets serve many debits, and to write one takes as long as a row."""
    return json.dumps(dict(pairs), ensure_ascii=False)


def _burn(writer: Writer, shares: list[_Share], now_ms: int, result: Posted) -> None:
    """Burns grants for what was posted, writes the journal, and moves the figures of pools and leases."""
    grants: dict[int, list[Grant]] = {share.pool.pool_key: [] for share in shares}
    for grant in [*writer.grants_burning(grants.keys()), *_lapsed(writer, shares, now_ms)]:
        grants[grant.pool_key].append(grant)
    lines: list[EntryRow] = []
    burned: list[Grant] = []
    for share in shares:
        pool_key = share.pool.pool_key
        ordered = sorted(grants[pool_key], key=burn_position)
        done = _burn_share(share, ordered, now_ms)
        for key, debit_key, amount in done.lines:
            if key in done.revived:
                lines.append(EntryRow(EntryType.REVIVAL, pool_key, key, debit_key, amount, now_ms))
            kind = EntryType.DEBIT if key is not None else EntryType.OVERDRAFT
            lines.append(EntryRow(kind, pool_key, key, debit_key, amount, now_ms))
        burned += _take_from(ordered, done)
        spent = sum(amount for _, amount in share.burning)
        _revive(share.pool, sum(done.revived.values()))
        _move_figures(share, spent, done.overdraft_amount)
        result.overdraft_amount += done.overdraft_amount
        result.moved_pools.add(pool_key)
        if share.pool.policy.enforcement == OPTIMISTIC:
            result.optimistic_pools.add(pool_key)
    writer.insert_entries(lines)
    writer.save_grants(burned)
    writer.save_leases(share.lease for share in shares)
    writer.save_pools(share.pool for share in shares)
    result.event_count += watch(writer, (share.pool for share in shares), now_ms)


def _lapsed(writer: Writer, shares: list[_Share], now_ms: int) -> list[Grant]:
    """Returns the grants that expired while a hold that is settled now was open."""
    aged = [share for share in shares if share.hold_ages]
    if not aged:
        return []
    oldest_ms = max(age for share in aged for age in share.hold_ages.values())
    return writer.grants_lapsed([share.pool.pool_key for share in aged], max(0, now_ms - oldest_ms))


def _burn_share(share: _Share, ordered: list[Grant], now_ms: int) -> Burn:
    """Burns the grants of a pool for the debits of the run; those that have expired only for holds opened before."""
    if all(grant.state is GrantState.ACTIVE for grant in ordered):
        return burn([(grant.grant_key, grant.remaining) for grant in ordered], share.burning)
    candidates = [
        (x.grant_key, x.remaining, NEVER) if x.state is GrantState.ACTIVE else (x.grant_key, x.lapsed, x.expires_at_ms)
        for x in ordered
    ]
    opened = [(key, amount, now_ms - share.hold_ages.get(key, 0)) for key, amount in share.burning]
    return burn_also_lapsed(candidates, opened)


def _take_from(grants: list[Grant], done: Burn) -> list[Grant]:
    changed = [grant for grant in grants if grant.grant_key in done.remaining or grant.grant_key in done.revived]
    for grant in changed:
        if grant.grant_key in done.revived:
            grant.lapsed -= done.revived[grant.grant_key]
            continue
        grant.remaining = done.remaining[grant.grant_key]
        if grant.remaining == 0:
            grant.state = GrantState.EXHAUSTED
            grant.due_at_ms = due_at_ms(grant)
    return changed


def _revive(pool: Pool, amount: int) -> None:
    """Takes what had expired back, for the debits of holds opened before; they burn it in the same transaction."""
    pool.expired_total -= amount
    pool.revived_total += amount
    pool.free += amount


def _move_figures(share: _Share, spent: int, overdraft: int) -> None:
    """Moves the figures so that `free + leased = posted` before and after (see the head of this file)."""
    pool, lease = share.pool, share.lease
    assert pool.free + pool.leased == pool.posted
    before = lease.outstanding
    use_up(pool, lease, share.consumed, spent)
    pool.overdraft += overdraft
    pool.allowance_spent_total += share.allowance_spent
    pool.fail_open_total += share.fail_open
    pool.over_hold_total += share.over_hold
    pool.late_total += share.late
    # What was spent beyond the lease is what `free` lost; duplicates gave theirs back to it.
    pool.unleased_total += max(0, spent - before - share.explained)
    spend(pool, lease, share.allowance)
    assert pool.free + pool.leased == pool.posted
