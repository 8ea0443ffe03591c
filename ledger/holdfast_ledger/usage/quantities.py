"""Turns the quantities of debits, and changes of metered periods, into rows of `usage`."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from holdfast_ledger.metering.posting import METERING_CALLER
from holdfast_ledger.store.feed_rows import QuantityLine
from holdfast_ledger.store.metering_rows import MeteredChange
from holdfast_ledger.usage.columns import numbers, repeated, texts, times, unsigned
from holdfast_ledger.usage.names import Names


class _Usage(NamedTuple):
    """A row, by the names of its columns; times in milliseconds, dimensions as JSON."""

    row_id: int
    time: int
    posted_at: int
    account_id: str
    pool_id: str
    meter_id: str
    quantity: int
    source: str
    subject: str
    dimensions_json: str
    debit_key: int = 0
    operation_id: str = ""
    hold_id: str = ""
    sidecar_id: str = ""
    caller: str = ""


_TIMES = ("time", "posted_at")
_NUMBERS = ("quantity",)
_KEYS = ("row_id", "debit_key")


def usage_rows(
    debits: Sequence[QuantityLine], changes: Sequence[MeteredChange], names: Names, batch_no: int
) -> pa.Table | None:
    """Returns the rows of debits and changes; None if there are none.

    Args:
        debits: Those with quantities.
        changes: Of metered periods.
        names: Has all leases of the debits, and their pools.
        batch_no: Of the turn.
    """
    rows = [row for debit in debits for row in _of_debit(debit, names)]
    rows += [_of_change(change) for change in changes]
    if not rows:
        return None
    columns = {
        name: _column(name, values) for name, values in zip(_Usage._fields, zip(*rows, strict=True), strict=True)
    }
    return pa.table({**columns, "batch_no": repeated(batch_no, len(rows))})


def _of_debit(debit: QuantityLine, names: Names) -> list[_Usage]:
    lease = names.leases[debit.lease_key]
    pool = names.pools[lease.pool_key]
    quantities: dict[str, int] = json.loads(debit.quantities)
    return [
        _Usage(
            debit.debit_key,
            debit.used_at_ms,
            debit.posted_at_ms,
            pool.account_id,
            pool.pool_id,
            meter_id,
            quantity,
            "debit",
            debit.subject,
            debit.dimensions,
            debit.debit_key,
            debit.operation_id,
            debit.hold_id,
            lease.sidecar_id,
            debit.caller,
        )
        for meter_id, quantity in quantities.items()
        if quantity
    ]


def _of_change(change: MeteredChange) -> _Usage:
    return _Usage(
        change.change_key,
        change.starts_at_ms,
        change.changed_at_ms,
        change.account_id,
        change.pool_id,
        change.meter_id,
        change.quantity,
        "metered",
        change.subject,
        change.dimensions,
        caller=METERING_CALLER,
    )


def _column(name: str, values: Sequence[int] | Sequence[str]) -> pa.Array:
    if name in _TIMES:
        return times(values)  # type: ignore[arg-type]  # by the name of the column
    if name in _KEYS:
        return unsigned(values)  # type: ignore[arg-type]
    if name in _NUMBERS:
        return numbers(values)  # type: ignore[arg-type]
    return texts(values)  # type: ignore[arg-type]
