"""Posts debits that come by an operator's hand: from a folder that was fenced or set aside, or out of quarantine.

Upstream: `replays`, the calls. The rules of posting are those of `post`; what differs:

- A debit is named by its sidecar, epoch, sequence and operation. The operation is a part of the name because two
  copies of a folder may both have made debits under one epoch and one sequence. Replayed twice, it is posted once.
- It lies under a lease of the sidecar's life 0, not under that of the folder's life. The life may go on in another
  copy of the folder, which counts its rights by the totals of its lease: a debit that it never made must not move
  them. So what is replayed is granted after the fact and taken from `free`.
- Unless the folder's life is over: then nobody uses the rights that it still has out, and as far as they go the debits
  use them up.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.posting.post import Posted, post_under
from holdfast_ledger.store.interface import (
    NEVER,
    REPLAY_LIFE,
    DebitTrace,
    Lease,
    Life,
    Pool,
    QuarantineLine,
    QuarantinePosition,
    Reader,
    ReplayRow,
    Sidecar,
    Writer,
)
from holdfast_ledger.windows.counting import running


class Outcome(IntEnum):
    """As `holdfast.v1.ReplayOutcome`."""

    POSTED = 1
    ALREADY_REPLAYED = 2
    ALREADY_POSTED = 3
    DUPLICATE = 4
    UNKNOWN_POOL = 5
    OVERFLOW = 6


_KEPT = (Outcome.POSTED, Outcome.DUPLICATE)
"""What is recorded as replayed."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a debit, or would become of it."""

    outcome: Outcome
    conflicting: bool = False
    """A duplicate with another amount or another pool than the debit that is posted."""
    debit_key: int = 0
    """Of the debit that is posted for its operation; 0: none is."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A debit, the pool that it names, and what it would become by what is stored."""

    debit: wire.Debit
    pool: Pool | None
    fate: Fate


def foresee(reader: Reader, sidecar: Sidecar, debits: Sequence[wire.Debit]) -> list[Fate]:
    """Returns what would become of debits of a sidecar, each by itself. Changes nothing."""
    return [case.fate for case in _cases(reader, sidecar, debits)]


def replay(
    writer: Writer, sidecar: Sidecar, birth_epoch: int, debits: Sequence[wire.Debit], now_ms: int, result: Posted
) -> list[Fate]:
    """Posts debits of a sidecar that are not here yet, in their order; returns what became of each.

    Args:
        writer: the transaction.
        sidecar: who made them.
        birth_epoch: the life of the folder that they come from; 0: not known.
        debits: checked, in any order.
        now_ms: the ledger's time.
        result: counts what is posted, and which pools changed.
    """
    fates: dict[int, Fate] = {}
    left = list(enumerate(debits))
    while left:
        # One debit an operation at a time, so that each finds what the one before it has become.
        operations: dict[tuple[str, str], int] = {}
        for place, debit in left:
            operations.setdefault((debit.account_id, debit.operation_id), place)
        turn = sorted(operations.values())
        cases = _cases(writer, sidecar, [debits[place] for place in turn])
        fates |= zip(turn, _carry_out(writer, sidecar, birth_epoch, cases, now_ms, result), strict=True)
        left = [(place, debit) for place, debit in left if place not in fates]
    return [fates[place] for place in range(len(debits))]


def _cases(reader: Reader, sidecar: Sidecar, debits: Sequence[wire.Debit]) -> list[_Case]:
    pools = reader.pools_named({(debit.account_id, debit.pool_id) for debit in debits})
    cases = []
    for debit in debits:
        pool = pools.get((debit.account_id, debit.pool_id))
        pool = None if pool and pool.is_window else pool
        traces = reader.debit_traces(pool.account_key, debit.operation_id) if pool else []
        cases.append(_Case(debit, pool, _fate(sidecar, debit, pool, traces)))
    return cases


def _fate(sidecar: Sidecar, debit: wire.Debit, pool: Pool | None, traces: Sequence[DebitTrace]) -> Fate:
    """Returns what becomes of a debit, given all debits of its operation."""
    if pool is None:
        return Fate(Outcome.UNKNOWN_POOL)
    if not traces:
        return Fate(Outcome.POSTED)
    name = (sidecar.sidecar_key, debit.epoch, debit.sequence)
    for trace in traces:
        if (trace.sidecar_key, trace.epoch, trace.sequence) == name:
            replayed = trace.birth_epoch == REPLAY_LIFE
            return Fate(Outcome.ALREADY_REPLAYED if replayed else Outcome.ALREADY_POSTED, debit_key=trace.debit_key)
    posted = traces[0]
    conflicting = (posted.amount, posted.pool_key) != (debit.amount, pool.pool_key)
    return Fate(Outcome.DUPLICATE, conflicting, posted.debit_key)


def _carry_out(
    writer: Writer, sidecar: Sidecar, birth_epoch: int, cases: Sequence[_Case], now_ms: int, result: Posted
) -> list[Fate]:
    """Posts what is to be posted and keeps what is a duplicate; no two of the cases are of one operation."""
    posting = [case for case in cases if case.fate.outcome is Outcome.POSTED]
    if posting:
        _post(writer, sidecar, birth_epoch, posting, now_ms, result)
    fates, rows = [], []
    leases = _leases(writer, sidecar, {x.pool.pool_key for x in cases if x.pool and x.fate.outcome in _KEPT})
    for case in cases:
        fate, debit = case.fate, case.debit
        if case.pool and fate.outcome is Outcome.POSTED:
            key = writer.debit_of_operation(case.pool.account_key, debit.operation_id)
            fate = Fate(Outcome.POSTED, debit_key=key) if key else Fate(Outcome.OVERFLOW)
        if case.pool and fate.outcome in _KEPT:
            lease_key, posted = leases[case.pool.pool_key].lease_key, int(fate.outcome is Outcome.POSTED)
            rows.append(ReplayRow(lease_key, debit.sequence, debit.epoch, debit.amount, fate.debit_key, posted, now_ms))
        fates.append(fate)
    writer.insert_replayed(rows)
    return fates


def _post(
    writer: Writer, sidecar: Sidecar, birth_epoch: int, cases: Sequence[_Case], now_ms: int, result: Posted
) -> None:
    """Posts debits under the leases of life 0; those that would overflow a total stay out."""
    amounts: defaultdict[int, int] = defaultdict(int)
    for case in cases:
        assert case.pool
        amounts[case.pool.pool_key] += case.debit.amount
    for window_key, debit in running(writer, [case.debit for case in cases], now_ms):
        amounts[window_key] += debit.amount
    leases = _leases(writer, sidecar, amounts.keys())
    if birth_epoch not in (REPLAY_LIFE, sidecar.birth_epoch):
        _hand_over(writer, writer.leases_of_life(sidecar.sidecar_key, birth_epoch, amounts.keys()), leases, amounts)
    turn = Posted(sidecar.acked_sequence)
    post_under(writer, replace(sidecar, birth_epoch=REPLAY_LIFE), [case.debit for case in cases], now_ms, turn)
    _give_back(writer, sidecar, amounts.keys())
    result.debit_count += turn.debit_count
    result.overdraft_amount += turn.overdraft_amount
    result.due_pools |= turn.due_pools
    result.moved_pools |= turn.moved_pools


def _leases(writer: Writer, sidecar: Sidecar, pool_keys: Collection[int]) -> dict[int, Lease]:
    """Returns the leases of the sidecar's life 0, made where they are not there."""
    leases = {x.pool_key: x for x in writer.leases_of_life(sidecar.sidecar_key, REPLAY_LIFE, pool_keys)}
    if leases.keys() != set(pool_keys):
        writer.save_life(Life(sidecar.sidecar_key, REPLAY_LIFE, NEVER))
    for pool_key in sorted(set(pool_keys) - leases.keys()):
        leases[pool_key] = Lease(sidecar.sidecar_key, REPLAY_LIFE, pool_key)
        writer.insert_lease(leases[pool_key])
    return leases


def _hand_over(writer: Writer, old: Sequence[Lease], leases: Mapping[int, Lease], amounts: Mapping[int, int]) -> None:
    """Moves rights that a life which is over has still out to life 0, as far as its debits need them."""
    for lease in old:
        amount = min(lease.outstanding, amounts[lease.pool_key])
        lease.reclaimed_total += amount
        leases[lease.pool_key].granted_total += amount
    writer.save_leases([*old, *(leases[lease.pool_key] for lease in old)])


def _give_back(writer: Writer, sidecar: Sidecar, pool_keys: Collection[int]) -> None:
    """Frees the rights that were handed over for debits that could not be posted."""
    left = [x for x in writer.leases_of_life(sidecar.sidecar_key, REPLAY_LIFE, pool_keys) if x.outstanding]
    pools = writer.pools_by_key({lease.pool_key for lease in left})
    for lease in left:
        pool, amount = pools[lease.pool_key], lease.outstanding
        lease.reclaimed_total += amount
        pool.leased -= amount
        pool.free += amount
        assert pool.free + pool.leased == pool.posted
    writer.save_leases(left)
    writer.save_pools(pools.values())


def release(writer: Writer, lines: Sequence[QuarantineLine], now_ms: int, result: Posted) -> list[Fate]:
    """Posts debits out of quarantine, as `replay` does; those whose operation is posted then leave it."""
    fates: dict[QuarantinePosition, Fate] = {}
    for sidecar_id in sorted({line.sidecar_id for line in lines}):
        sidecar = writer.sidecar(sidecar_id)
        assert sidecar
        mine = [line for line in lines if line.sidecar_id == sidecar_id]
        debits = [wire.Debit.FromString(line.debit) for line in mine]
        for line, fate in zip(mine, replay(writer, sidecar, REPLAY_LIFE, debits, now_ms, result), strict=True):
            fates[line.position] = fate
            if fate.debit_key:
                writer.release_quarantined(line.sidecar_key, line.sequence, fate.debit_key)
    return [fates[line.position] for line in lines]
