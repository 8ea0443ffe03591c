"""Columns of a file become columns of events, whole columns at a time; what does not fit is told by row and field.

A column is converted by Arrow where all of it can be; a value that Arrow may see otherwise than `values` does is left
to `values`, one by one. So both always agree, and files without such values never meet Python.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from holdfast_ledger.metering.columns import DIMENSIONS, EVENT_COLUMNS, QUANTITIES
from holdfast_ledger.objects.config import DIMENSION, QUANTITY, REQUIRED, TEXT_FIELDS, Shape
from holdfast_ledger.objects.header import BadHeader
from holdfast_ledger.objects.values import BadValue, quantity_of, text_of, time_of

Mask = npt.NDArray[np.bool_]

_DATE_TIME = r"^[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_DIGITS = r"^[0-9]{1,18}$"
_EXACT_FLOAT = 2.0**53
_FARTHEST_S = (2**63 - 1) // 1_000


class BadRow(NamedTuple):
    """Why a row is not taken in."""

    row: int
    """Its place in what was handed in, from 0."""
    field: str
    reason: str


@dataclass(slots=True)
class Shaped:
    """Rows as events."""

    table: pa.Table
    """Of `EVENT_COLUMNS`; a row for each that was handed in, also for the bad ones."""
    bad: dict[int, BadRow] = field(default_factory=dict)
    """The first fault of each bad row."""

    def refuse(self, row: int, name: str, reason: str) -> None:
        """Notes a fault, if it is the row's first."""
        self.bad.setdefault(row, BadRow(row, _as_in_events(name), reason))


def shaped(columns: Mapping[str, pa.Array], row_count: int, shape: Shape, accepted_at_ms: int) -> Shaped:
    """Makes events of columns.

    Args:
        columns: By field; a value that is null is not there.
        row_count: Rows in each.
        shape: What holds where a row has no value.
        accepted_at_ms: When the events are taken in.

    Raises:
        BadHeader: A column is of a type that its field cannot have.
    """
    result = Shaped(EVENT_COLUMNS.empty_table())
    made = {name: _text(name, columns, row_count, shape, result) for name in TEXT_FIELDS}
    made["time_ms"] = _required("time", _made("time", columns, row_count, _times, result), result, 0)
    made["accepted_at_ms"] = pa.repeat(pa.scalar(accepted_at_ms, pa.int64()), row_count)
    made["void"] = pa.repeat(pa.scalar(False), row_count)
    made["dimensions"] = _map(DIMENSIONS, _entries(DIMENSION, columns, row_count, _texts, result), row_count)
    made["quantities"] = _map(QUANTITIES, _entries(QUANTITY, columns, row_count, _quantities, result), row_count)
    made["charges"] = no_charges(row_count)
    result.table = pa.table([made[name] for name in EVENT_COLUMNS.names], schema=EVENT_COLUMNS)
    return result


def no_charges(row_count: int) -> pa.Array:
    """Returns the column of events that nothing was charged for yet."""
    kind = EVENT_COLUMNS.field("charges").type
    return pa.ListArray.from_arrays(
        pa.array(np.zeros(row_count + 1, np.int32)), pa.array([], kind.value_type), type=kind
    )


def _as_in_events(name: str) -> str:
    for prefix, field_name in ((DIMENSION, "dimensions"), (QUANTITY, "quantities")):
        if name.startswith(prefix):
            return f"{field_name}[{name.removeprefix(prefix)}]"
    return name


_Converter = Callable[[pa.Array, str], tuple[pa.Array, Mask]]
"""Returns a column's values as far as Arrow has them, and which are left to `values`."""


def _made(name: str, columns: Mapping[str, pa.Array], row_count: int, kind: "_Kind", result: Shaped) -> pa.Array:
    column = columns.get(name)
    if column is None:
        return pa.nulls(row_count, kind.type)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    made, left = kind.columns(column, name)
    rows = np.flatnonzero(left)
    if not rows.size:
        return made
    values: list[object] = []
    for row in rows.tolist():
        try:
            values.append(kind.value(column[row].as_py()))
        except BadValue as fault:
            result.refuse(row, name, str(fault))
            values.append(None)
    return pc.replace_with_mask(made, pa.array(left), pa.array(values, kind.type))


def _text(name: str, columns: Mapping[str, pa.Array], row_count: int, shape: Shape, result: Shaped) -> pa.Array:
    made = _made(name, columns, row_count, _texts, result)
    if name in shape.defaults:
        return pc.fill_null(made, shape.defaults[name])
    return _required(name, made, result, "") if name in REQUIRED else pc.fill_null(made, "")


def _required(name: str, column: pa.Array, result: Shaped, filler: str | int) -> pa.Array:
    if not column.null_count:
        return column
    for row in np.flatnonzero(column.is_null()).tolist():
        result.refuse(row, name, "is missing")
    return pc.fill_null(column, filler)


def _entries(
    prefix: str, columns: Mapping[str, pa.Array], row_count: int, kind: "_Kind", result: Shaped
) -> dict[str, pa.Array]:
    names = sorted(name for name in columns if name.startswith(prefix))
    return {name.removeprefix(prefix): _made(name, columns, row_count, kind, result) for name in names}


def _map(kind: pa.DataType, entries: Mapping[str, pa.Array], row_count: int) -> pa.Array:
    """Returns columns as one column of maps, in the order of their names, nulls left out."""
    names: Sequence[str] = list(entries)
    there = np.zeros((row_count, len(names)), np.bool_)
    for place, column in enumerate(entries.values()):
        there[:, place] = column.is_valid()
    offsets = np.zeros(row_count + 1, np.int32)
    np.cumsum(there.sum(axis=1), out=offsets[1:])
    rows, places = np.nonzero(there)
    columns = list(entries.values()) or [pa.array([], kind.item_type)]
    values = pa.concat_arrays(columns).take(pa.array(places * row_count + rows))
    keys = pa.array(names, pa.string()).take(pa.array(places))
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values, type=kind)


def _nothing_left(column: pa.Array) -> Mask:
    return np.zeros(len(column), np.bool_)


def _all_left(column: pa.Array) -> Mask:
    return np.asarray(column.is_valid())


def _matching(column: pa.Array, pattern: str) -> Mask:
    return np.asarray(pc.fill_null(pc.match_substring_regex(column, pattern), False))


def _text_columns(column: pa.Array, name: str) -> tuple[pa.Array, Mask]:
    types, kind = pa.types, column.type
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_null(kind) or _is_text(kind):
        return column.cast(pa.string()), _nothing_left(column)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        try:
            return column.cast(pa.string()), _nothing_left(column)
        except pa.ArrowInvalid:
            return pa.nulls(len(column), pa.string()), _all_left(column)
    raise BadHeader(f"the column of {name} is of type {kind}, not text")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _quantity_columns(column: pa.Array, name: str) -> tuple[pa.Array, Mask]:
    made, left = _number_columns(column, name)
    return made, left | np.asarray(pc.fill_null(pc.less(made, 0), False))


def _number_columns(column: pa.Array, name: str) -> tuple[pa.Array, Mask]:
    types, kind = pa.types, column.type
    if (types.is_integer(kind) and not types.is_uint64(kind)) or types.is_null(kind):
        return column.cast(pa.int64()), _nothing_left(column)
    if types.is_floating(kind):
        column = column.cast(pa.float64())
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), _EXACT_FLOAT))
        return _where(column, np.asarray(pc.fill_null(whole, False)))
    if types.is_uint64(kind) or types.is_decimal(kind):
        return pa.nulls(len(column), pa.int64()), _all_left(column)
    if _is_text(kind):
        column = column.cast(pa.string())
        return _where(column, _matching(column, _DIGITS))
    raise BadHeader(f"the column of {name} is of type {kind}, not a number")


def _where(column: pa.Array, fits: Mask) -> tuple[pa.Array, Mask]:
    """Returns the values that fit as int64, and the others that there are as left."""
    fitting = pc.if_else(pa.array(fits), column, pa.scalar(None, column.type))
    return fitting.cast(pa.int64()), np.asarray(column.is_valid()) & ~fits


def _time_columns(column: pa.Array, name: str) -> tuple[pa.Array, Mask]:
    if pa.types.is_timestamp(column.type):
        return _milliseconds(column), _nothing_left(column)
    if not _is_text(column.type):
        return _number_columns(column, name)
    column = column.cast(pa.string())
    dated = _matching(column, _DATE_TIME)
    if not dated.any():
        return _where(column, _matching(column, _DIGITS))
    try:
        dates = pc.if_else(pa.array(dated), column, pa.scalar(None, pa.string())).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return pa.nulls(len(column), pa.int64()), _all_left(column)
    return _milliseconds(dates), np.asarray(column.is_valid()) & ~dated


def _milliseconds(column: pa.Array) -> pa.Array:
    """Returns Unix time of timestamps, rounded down; seconds beyond all calendars as far away as there are numbers."""
    units = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    match column.type.unit:
        case "s":
            made = np.clip(units, -_FARTHEST_S, _FARTHEST_S) * 1_000
        case "ms":
            made = units
        case "us":
            made = units // 1_000
        case _:
            made = units // 1_000_000
    return pa.array(made, pa.int64(), mask=np.asarray(column.is_null()))


class _Kind(NamedTuple):
    """How the values of a kind are converted: a column at a time, and one by one."""

    type: pa.DataType
    columns: _Converter
    value: Callable[[object], object]


_texts = _Kind(pa.string(), _text_columns, text_of)
_quantities = _Kind(pa.int64(), _quantity_columns, quantity_of)
_times = _Kind(pa.int64(), _time_columns, time_of)
