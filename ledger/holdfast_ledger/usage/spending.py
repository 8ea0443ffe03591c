"""Turns journal lines into rows of `spend`: whose it was, for what, and how much of a grant's cost it recognised."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from holdfast_ledger.metering.posting import METERING
from holdfast_ledger.store.feed_rows import FeedGrant, SpendLine
from holdfast_ledger.store.interface import EntryType
from holdfast_ledger.usage.columns import numbers, repeated, texts, times, unsigned
from holdfast_ledger.usage.names import Names

CATEGORIES = {0: "overdraft", 1: "promotional", 2: "paid"}
"""Names of `GrantCategory`; 0: no grant."""

_SPENT = {
    EntryType.DEBIT: 1,
    EntryType.OVERDRAFT: 1,
    EntryType.CORRECTION: -1,
    EntryType.OVERDRAFT_CORRECTION: -1,
}
"""What a line does to what was spent; who repays overdraft spends nothing more."""

_BURNED = {
    EntryType.DEBIT: 1,
    EntryType.REPAYMENT: 1,
    EntryType.CORRECTION: -1,
    EntryType.REPAYMENT_RETURN: -1,
}
"""What a line does to what burned of its grant."""

_NAMED_AFTER_EVENTS = re.compile("ev:[0-9a-f]{32}")
"""Operations of debits that a sidecar made of events."""

_NO_GRANT = FeedGrant(0, "", 0, 0, 0, "", "{}")


def burn_of(line: SpendLine) -> int:
    """Returns what a line adds to what burned of its grant, in minor units."""
    return _BURNED.get(EntryType(line.type), 0) * line.amount


def costs(lines: Sequence[SpendLine], grants: Mapping[int, FeedGrant], burned: dict[int, int]) -> list[int]:
    """Returns what each line recognises of its grant's cost, in its minor unit.

    After each line of a grant floor(cost * burned / amount) is recognised in all, so a grant that burned whole has
    recognised its whole cost, to the unit.

    Args:
        lines: In the order of their keys.
        grants: By key, at least those of the lines.
        burned: What burned of each grant before, in minor units of credits; moved on by the lines.
    """
    result = []
    for line in lines:
        moved = burn_of(line)
        if not line.grant_key or not moved:
            result.append(0)
            continue
        grant, before = grants[line.grant_key], burned.get(line.grant_key, 0)
        after = burned[line.grant_key] = before + moved
        result.append(grant.cost_amount * after // grant.amount - grant.cost_amount * before // grant.amount)
    return result


def spend_rows(lines: Sequence[SpendLine], names: Names, batch_no: int) -> pa.Table:
    """Returns the rows of lines; moves on what `names` has of what burned.

    Args:
        lines: In the order of their keys, at least one.
        names: Has all pools, grants and leases of the lines, and what burned of the grants before them.
        batch_no: Of the turn.
    """
    pools = [names.pools[line.pool_key] for line in lines]
    grants = [names.grants.get(line.grant_key, _NO_GRANT) for line in lines]
    return pa.table(
        {
            "entry_key": unsigned([line.entry_key for line in lines]),
            "batch_no": repeated(batch_no, len(lines)),
            "time": times([line.used_at_ms for line in lines]),
            "posted_at": times([line.posted_at_ms for line in lines]),
            "account_id": texts([pool.account_id for pool in pools]),
            "pool_id": texts([pool.pool_id for pool in pools]),
            "currency": texts([pool.currency for pool in pools]),
            "grant_id": texts([grant.grant_id for grant in grants]),
            "category": texts([CATEGORIES[grant.category] for grant in grants]),
            "product": texts([names.product(line) for line in lines]),
            "entry_type": pa.array([line.type for line in lines], pa.uint8()),
            "amount": numbers([_SPENT.get(EntryType(line.type), 0) * line.amount for line in lines]),
            "cost_amount": numbers(costs(lines, names.grants, names.burned)),
            "cost_currency": texts([grant.cost_currency for grant in grants]),
            **_of_debits(lines, names),
        }
    )


def _of_events(line: SpendLine, sidecar_id: str) -> bool:
    """Tells whether a debit was made of events, which are counted themselves. Callers' names may look like theirs."""
    return sidecar_id == METERING or _NAMED_AFTER_EVENTS.fullmatch(line.operation_id) is not None


def _of_debits(lines: Sequence[SpendLine], names: Names) -> dict[str, pa.Array]:
    """Returns the columns that are those of the debits."""
    leases = [names.leases.get(line.lease_key) for line in lines]
    sidecar_ids = [lease.sidecar_id if lease else "" for lease in leases]
    counts = (line.counts and not _of_events(line, name) for line, name in zip(lines, sidecar_ids, strict=True))
    return {
        "subject": texts([line.subject for line in lines]),
        "dimensions_json": texts([line.dimensions for line in lines]),
        "debit_count": pa.array(map(int, counts), pa.uint8()),
        "debit_key": unsigned([line.debit_key for line in lines]),
        "correction_id": texts([line.correction_id for line in lines]),
        "operation_id": texts([line.operation_id for line in lines]),
        "hold_id": texts([line.hold_id for line in lines]),
        "sidecar_id": texts(sidecar_ids),
        "caller": texts([line.caller for line in lines]),
        "epoch": unsigned([line.epoch for line in lines]),
        "sequence": unsigned([line.sequence for line in lines]),
        "late": pa.array([line.late for line in lines], pa.uint8()),
        "estimated": pa.array([line.estimated for line in lines], pa.uint8()),
        "over_hold_amount": numbers([line.over_hold_amount for line in lines]),
    }
