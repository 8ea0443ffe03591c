"""Writes down what events come to, and posts it: exactly once, through a kill at any point and across replicas.

Three kinds of transactions, each of which moves what it did to "done" in itself:

    note       everything that a run of batches comes to becomes rows, and the mark moves past the batches, or nothing
    charge     charges that wait become debits of the pseudo sidecar `METERING`
    give back  corrections that wait are made, once their debit is posted: a sidecar's may come after its events

A debit of metering takes its rights from what is free, under a lease of its own, and is flagged late where that does
not cover it: what was used is never refused.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.errors import AlreadyExists, InvalidArgument
from holdfast_ledger.metering.differences import (
    Differences,
    Figure,
    period_charge_id,
    period_correction_id,
    period_hash,
)
from holdfast_ledger.posting.correct import Asked, correct
from holdfast_ledger.posting.grants import take_due
from holdfast_ledger.posting.post import Posted, post
from holdfast_ledger.store.interface import NEVER, Lease, Locks, Pool, Reader, Sidecar, Writer
from holdfast_ledger.store.metering_rows import (
    ChargeState,
    CorrectionState,
    EventCorrection,
    MeteredChange,
    MeteredCharge,
    MeteredPeriod,
    RefusedEventRow,
)

METERING = "holdfast:metering"
"""Id of the pseudo sidecar that makes metering's debits; no sidecar may say Hello with it."""

METERING_CALLER = "ledger:metering"
"""Who calls in these debits: the ledger itself."""

DEBIT_WAIT_MS = 40 * 86_400_000
"""After which a correction is given up whose debit never came: longer than events may be late."""

RETRY_MS = 1_000
"""First wait for a debit that has not come; it doubles with the age of the correction."""

TEXTS_CACHED = 1_024
"""Sets of dimensions and of windows that are kept read: few serve many charges."""

Keys = Collection[int]


@dataclass(frozen=True, slots=True)
class Turned:
    """What a transaction of metering did."""

    count: int
    """Charges or corrections that it looked at; 0: nothing waits."""
    pools: frozenset[int] = field(default_factory=frozenset)
    """Pools that changed, for the sidecars that lease from them."""


def note(writer: Writer, found: Differences, now_ms: int) -> bool:
    """Writes down what batches come to; False: another replica has done so meanwhile."""
    totals = writer.lock_metering()
    if totals.metered_batch_key != found.after_key:
        return False
    account_ids = {charge.group.account_id for charge in found.charges}
    account_ids |= {figure.group.account_id for figure in found.figures}
    keys = writer.account_keys(account_ids | {one.account_id for one in found.corrections})
    writer.insert_refused_events([RefusedEventRow(*one, now_ms) for one in found.refused])
    for batch_key, content in found.batch_charges.items():
        writer.save_batch_charges(batch_key, content)
    charges = [
        MeteredCharge(
            one.operation_id,
            keys[one.group.account_id],
            one.pool_id,
            one.group.meter_id,
            one.group.subject,
            one.group.dimensions,
            one.quantity,
            one.amount,
            one.used_at_ms,
            0,
            windows=json.dumps(one.windows),
        )
        for one in found.charges
    ]
    writer.insert_metered_charges(charges)
    for one in found.corrections:
        key = keys[one.account_id]
        row = EventCorrection(one.correction_id, key, one.pool_id, one.operation_id, one.amount, now_ms, now_ms)
        _insert_correction(writer, row)
    _note_figures(writer, found.figures, keys, now_ms)
    counts = (found.counted_count, found.duplicate_count, found.conflict_count, found.void_count, found.refused_count)
    summed = [old + new for old, new in zip(totals[1:], counts, strict=True)]
    writer.save_metering_totals(type(totals)(found.until_key, *summed))
    return True


def _insert_correction(writer: Writer, row: EventCorrection) -> None:
    """Adds a correction once, and counts it against the charge if that is the ledger's own."""
    if not writer.insert_event_corrections([row]):
        return
    charge = writer.charge_of_operation(row.account_key, row.operation_id)
    if charge is not None:
        corrected = min(charge.amount, charge.corrected_amount + row.amount)
        writer.save_charge_corrected(charge.charge_key, corrected)


def _note_figures(writer: Writer, figures: Sequence[Figure], keys: dict[str, int], now_ms: int) -> None:
    """Moves metered periods to their figures, and charges or gives back the difference."""
    hashes = {period_hash(one.group, one.starts_at_ms): one for one in figures}
    there = writer.metered_periods(hashes)
    moved: list[tuple[MeteredPeriod, Figure, tuple[int, int]]] = []
    for name, figure in hashes.items():
        account_id, meter_id, subject, dimensions = figure.group
        period = there.get(name)
        if period is None:
            period = MeteredPeriod(name, keys[account_id], meter_id, subject, dimensions, figure.starts_at_ms)
        amount = period.amount if figure.amount is None else figure.amount
        change = (figure.quantity - period.quantity, amount - period.amount)
        if change != (0, 0):
            period.change_count += 1
            period.quantity, period.amount = figure.quantity, amount
            moved.append((period, figure, change))
    writer.save_metered_periods(period for period, *_ in moved if period.period_key)
    writer.insert_metered_periods([period for period, *_ in moved if not period.period_key])
    writer.insert_metered_changes(
        MeteredChange(0, period.period_key, "", "", "", "", 0, *change, figure.pool_id, now_ms)
        for period, figure, change in moved
    )
    writer.insert_metered_charges([_rise(period, figure, *change) for period, figure, change in moved if change[1] > 0])
    for period, _, (_, amount) in moved:
        if amount < 0:
            _fall(writer, period, -amount, now_ms)


def _rise(period: MeteredPeriod, figure: Figure, quantity: int, amount: int) -> MeteredCharge:
    return MeteredCharge(
        period_charge_id(period.period_hash, period.change_count),
        period.account_key,
        figure.pool_id,
        period.meter_id,
        period.subject,
        period.dimensions,
        quantity,
        amount,
        figure.used_at_ms,
        period.period_key,
        windows=json.dumps(figure.windows),
    )


def _fall(writer: Writer, period: MeteredPeriod, due: int, now_ms: int) -> None:
    """Gives back what a period was charged too much, the latest charge first."""
    for charge in writer.charges_of_period(period.period_key):
        part = min(due, charge.amount - charge.corrected_amount)
        due -= part
        if part:
            name = period_correction_id(period.period_hash, period.change_count, charge.charge_key)
            row = EventCorrection(name, period.account_key, charge.pool_id, charge.operation_id, part, now_ms, now_ms)
            writer.insert_event_corrections([row])
            writer.save_charge_corrected(charge.charge_key, charge.corrected_amount + part)
    assert due == 0, "a period's charges, less what was given back, are its amount"


def charge_locks(reader: Reader, limit: int) -> tuple[Keys, Locks]:
    """Returns the charges that wait, at most so many, and the rows that posting them changes."""
    waiting = reader.waiting_charges(limit)
    account_ids = reader.account_ids({one.account_key for one in waiting})
    names = ((account_ids[one.account_key], one.pool_id, _windows(one.windows)) for one in waiting)
    pools = frozenset((account_id, name) for account_id, pool_id, windows in names for name in (pool_id, *windows))
    return [one.charge_key for one in waiting], Locks(frozenset({METERING}), pools)


def post_charges(writer: Writer, charge_keys: Keys, now_ms: int) -> Turned:
    """Posts those of the charges that still wait, in one transaction with their rows. Their locks are taken."""
    chosen = set(charge_keys)
    waiting = [one for one in writer.waiting_charges(len(chosen)) if one.charge_key in chosen]
    account_ids = writer.account_ids({one.account_key for one in waiting})
    names = {(account_ids[one.account_key], one.pool_id) for one in waiting}
    sidecar = writer.sidecar(METERING) or _make_sidecar(writer, now_ms)
    found = writer.pools_named(names)
    due_pools = take_due(writer, now_ms, {pool.pool_key for pool in found.values()})
    pools = {name: pool for name, pool in writer.pools_named(names).items() if not pool.is_window}
    payable = [one for one in waiting if (account_ids[one.account_key], one.pool_id) in pools]
    writer.save_charge_states([one.charge_key for one in waiting if one not in payable], ChargeState.REFUSED)
    if not payable:
        return Turned(len(waiting), frozenset(due_pools))
    free = _borrow(writer, sidecar, pools, payable, account_ids)
    debits = []
    for sequence, one in enumerate(payable, start=sidecar.acked_sequence + 1):
        name = (account_ids[one.account_key], one.pool_id)
        free[name] -= one.amount
        debits.append(_debit(one, name, sidecar, sequence, late=free[name] < 0))
    posted = post(writer, sidecar, debits, now_ms)
    _give_back_rest(writer, sidecar, {pool.pool_key for pool in pools.values()})
    there = {
        one.charge_key
        for one in payable
        if not posted.quarantined_count or writer.debit_of_operation(one.account_key, one.operation_id)
    }
    writer.save_charge_states(there, ChargeState.POSTED)
    writer.save_charge_states({one.charge_key for one in payable} - there, ChargeState.REFUSED)
    return Turned(len(waiting), frozenset(due_pools | _changed(posted)))


def _changed(posted: Posted) -> set[int]:
    return posted.due_pools | posted.moved_pools


def _make_sidecar(writer: Writer, now_ms: int) -> Sidecar:
    """Adds the pseudo sidecar. Its life has no end, so it is in no circle of those that share a pool."""
    sidecar = Sidecar(METERING, 1, 1, bytes(16), 0, 0, 0, "", now_ms, NEVER)
    sidecar.generation = writer.ledger().generation
    writer.insert_sidecar(sidecar)
    return sidecar


def _borrow(
    writer: Writer,
    sidecar: Sidecar,
    pools: dict[tuple[str, str], Pool],
    charges: Sequence[MeteredCharge],
    account_ids: dict[int, str],
) -> dict[tuple[str, str], int]:
    """Leases what is free to metering, as far as charges need it; returns how much of each pool that is."""
    needed = dict.fromkeys(pools, 0)
    for one in charges:
        needed[account_ids[one.account_key], one.pool_id] += one.amount
    leases = {
        lease.pool_key: lease
        for lease in writer.leases_of_life(
            sidecar.sidecar_key, sidecar.birth_epoch, {pool.pool_key for pool in pools.values()}
        )
    }
    taken = {}
    for name, pool in pools.items():
        lease = leases.get(pool.pool_key)
        if lease is None:
            lease = leases[pool.pool_key] = Lease(sidecar.sidecar_key, sidecar.birth_epoch, pool.pool_key)
            writer.insert_lease(lease)
        amount = taken[name] = max(0, min(pool.free, needed[name], NEVER - lease.granted_total))
        pool.free -= amount
        pool.leased += amount
        lease.granted_total += amount
    writer.save_leases(leases.values())
    writer.save_pools(pools.values())
    return taken


def _give_back_rest(writer: Writer, sidecar: Sidecar, pool_keys: Collection[int]) -> None:
    """Frees the rights of charges that could not be posted."""
    left = [x for x in writer.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, pool_keys) if x.outstanding]
    pools = writer.pools_by_key({lease.pool_key for lease in left})
    for lease in left:
        pool, amount = pools[lease.pool_key], lease.outstanding
        lease.reclaimed_total += amount
        pool.leased -= amount
        pool.free += amount
    writer.save_leases(left)
    writer.save_pools(pools.values())


def _debit(one: MeteredCharge, name: tuple[str, str], sidecar: Sidecar, sequence: int, *, late: bool) -> wire.Debit:
    """Returns a charge as a debit; without its quantity, which its events, or its period, count."""
    return wire.Debit(
        sequence=sequence,
        epoch=sidecar.epoch,
        account_id=name[0],
        pool_id=name[1],
        amount=one.amount,
        operation_id=one.operation_id,
        settled_at_unix_ms=one.used_at_ms,
        subject=one.subject,
        dimensions=_dimensions(one.dimensions),
        late=late,
        mode=decision.MODE_CONNECTED,
        caller=METERING_CALLER,
        windows=_windows(one.windows),
    )


@lru_cache(maxsize=TEXTS_CACHED)
def _dimensions(text: str) -> tuple[wire.Dimension, ...]:
    dimensions: dict[str, str] = json.loads(text)
    return tuple(wire.Dimension(key=key, value=value) for key, value in dimensions.items())


@lru_cache(maxsize=TEXTS_CACHED)
def _windows(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def correction_locks(reader: Reader, now_ms: int, limit: int) -> tuple[Keys, Locks]:
    """Returns the corrections that are due, at most so many, and the rows that they change."""
    waiting = reader.waiting_corrections(now_ms, limit)
    account_ids = reader.account_ids({one.account_key for one in waiting})
    pools = frozenset((account_ids[one.account_key], one.pool_id) for one in waiting)
    debits = (reader.posted_debit(one.account_key, one.operation_id) for one in waiting)
    windows = frozenset(key for debit in debits if debit for key in reader.windows_of_debit(debit.debit_key))
    return [one.event_correction_key for one in waiting], Locks(pools=pools, pool_keys=windows)


def make_corrections(writer: Writer, correction_keys: Keys, now_ms: int) -> Turned:
    """Makes those of the corrections that still wait, in one transaction with their rows. Their locks are taken."""
    chosen = set(correction_keys)
    waiting = [one for one in writer.waiting_corrections(now_ms, len(chosen)) if one.event_correction_key in chosen]
    account_ids = writer.account_ids({one.account_key for one in waiting})
    pools: set[int] = set()
    for one in waiting:
        state, due_at_ms = _make(writer, one, account_ids[one.account_key], now_ms, pools.add)
        writer.save_event_correction(one.event_correction_key, state, due_at_ms)
    return Turned(len(waiting), frozenset(pools))


def _make(
    writer: Writer, one: EventCorrection, account_id: str, now_ms: int, changed: Callable[[int], None]
) -> tuple[CorrectionState, int]:
    """Gives back what is left of a debit; returns what became of the correction, and when it is tried next."""
    debit = writer.posted_debit(one.account_key, one.operation_id)
    if debit is None:
        charge = writer.charge_of_operation(one.account_key, one.operation_id)
        age_ms = now_ms - one.made_at_ms
        if age_ms > DEBIT_WAIT_MS or (charge is not None and charge.state == ChargeState.REFUSED):
            return CorrectionState.GIVEN_UP, now_ms
        return CorrectionState.WAITING, now_ms + max(RETRY_MS, age_ms)
    amount = min(one.amount, debit.amount - debit.corrected_amount)
    if amount > 0:
        take_due(writer, now_ms, [debit.pool_key])
        pool = writer.pools_by_key([debit.pool_key])[debit.pool_key]
        assert pool.account_id == account_id
        if pool.pool_id != one.pool_id:  # somebody says so of a debit that is not what the event was charged
            return CorrectionState.GIVEN_UP, now_ms
        try:
            correct(writer, pool, Asked(one.operation_id, one.correction_id, amount), now_ms)
        except (AlreadyExists, InvalidArgument):  # someone has corrected under this very id: nothing is to be added
            return CorrectionState.MADE, now_ms
        changed(pool.pool_key)
    return CorrectionState.MADE, now_ms
