"""JSON lines and CSV: a row is a line, whatever quotes say, so that a bad one never reaches into the next."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast_ledger.metering.columns import DIMENSIONS, EVENT_COLUMNS, QUANTITIES
from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import TEXT_FIELDS, Shape
from holdfast_ledger.objects.header import BadHeader, columns_of
from holdfast_ledger.objects.json_events import BadField, Fields, fields_of, read_json
from holdfast_ledger.objects.lines import MAX_LINE_BYTES, is_cut, kept, read_lines
from holdfast_ledger.objects.pieces import DeadRow, Original, Piece, judged
from holdfast_ledger.objects.shaping import Shaped, no_charges, shaped

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A line that is not blank."""

    number: int
    line: bytes


class _Rows(NamedTuple):
    rows: list[Row]
    end_bytes: int


def _rows(text: Iterator[bytes]) -> Iterator[_Rows]:
    for number, lines, end_bytes in read_lines(text):
        if number == 1:
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        yield _Rows([Row(at, line) for at, line in enumerate(lines, number) if line and not line.isspace()], end_bytes)


def _after(pieces: Iterable[_Rows], count: int) -> Iterator[_Rows]:
    """Leaves rows out that are behind us."""
    for rows, end_bytes in pieces:
        left = rows[count:]
        count = max(count - len(rows), 0)
        if left:
            yield _Rows(left, end_bytes)


def _original(line: bytes) -> Original:
    shown = kept(line)
    try:
        return shown.decode()
    except UnicodeDecodeError:
        return shown


def _dead(row: Row, field: str, reason: str) -> DeadRow:
    return DeadRow(row.number, field, reason, _original(row.line))


TOO_LONG = f"is longer than {MAX_LINE_BYTES} bytes"


def json_pieces(text: Iterator[bytes], shape: Shape, checker: Checker, start_row: int) -> Iterator[Piece]:
    """Reads JSON lines. Raises what `text` raises.

    Args:
        text: The object, unpacked.
        shape: How rows become events.
        checker: The rules of events.
        start_row: Rows that are behind us.
    """
    for rows, end_bytes in _after(_rows(text), start_row):
        fields: list[Fields] = []
        good: list[Row] = []
        dead: list[DeadRow] = []
        for row in rows:
            if is_cut(row.line):
                dead.append(_dead(row, "", TOO_LONG))
                continue
            try:
                fields.append(fields_of(read_json(row.line), shape))
                good.append(row)
            except BadField as fault:
                dead.append(_dead(row, fault.field, fault.reason))
        yield _piece(Shaped(_table(fields, checker.accepted_at_ms)), checker, good, end_bytes, dead)


def _piece(made: Shaped, checker: Checker, rows: Sequence[Row], end_bytes: int, dead: Sequence[DeadRow]) -> Piece:
    def numbered(place: int) -> int:
        return rows[place].number

    def original(place: int) -> Original:
        return _original(rows[place].line)

    return judged(made, checker, numbered, original, end_bytes, dead)


def _table(events: Sequence[Fields], accepted_at_ms: int) -> pa.Table:
    made = {
        name: pa.array([event.texts[place] for event in events], pa.string()) for place, name in enumerate(TEXT_FIELDS)
    }
    made["time_ms"] = pa.array([event.time_ms for event in events], pa.int64())
    made["accepted_at_ms"] = pa.repeat(pa.scalar(accepted_at_ms, pa.int64()), len(events))
    made["void"] = pa.repeat(pa.scalar(False), len(events))
    made["dimensions"] = _maps(DIMENSIONS, [event.dimensions for event in events])
    made["quantities"] = _maps(QUANTITIES, [event.quantities for event in events])
    made["charges"] = no_charges(len(events))
    return pa.table([made[name] for name in EVENT_COLUMNS.names], schema=EVENT_COLUMNS)


def _maps(kind: pa.DataType, rows: Sequence[list[tuple[str, str]]] | Sequence[list[tuple[str, int]]]) -> pa.Array:
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, rows), np.int32, len(rows)), out=offsets[1:])
    keys = pa.array([key for row in rows for key, _ in row], pa.string())
    values = pa.array([value for row in rows for _, value in row], kind.item_type)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values, type=kind)


def csv_pieces(text: Iterator[bytes], shape: Shape, checker: Checker, start_row: int) -> Iterator[Piece]:
    """Reads CSV; as `json_pieces`. Raises `BadHeader` too."""
    source = _rows(text)
    first = next(source, None)
    while first is not None and not first.rows:
        first = next(source, None)
    if first is None:
        raise BadHeader("there is no header: the object is empty")
    header = _header(first.rows[0], shape)
    fields = columns_of(header, shape)
    places = {field: header.index(column) for field, column in fields.items()}
    rest = _chained(_Rows(first.rows[1:], first.end_bytes), source)
    for rows, end_bytes in _after(rest, start_row):
        values, good, dead = _parsed(rows, len(header), shape.delimiter)
        columns = list(zip(*values, strict=True)) if values else [()] * len(header)
        made = {field: _column(columns[place]) for field, place in places.items()}
        yield _piece(shaped(made, len(values), shape, checker.accepted_at_ms), checker, good, end_bytes, dead)


def _chained(first: _Rows, rest: Iterator[_Rows]) -> Iterator[_Rows]:
    yield first
    yield from rest


def _header(row: Row, shape: Shape) -> list[str]:
    try:
        if is_cut(row.line):
            raise BadHeader(f"the header {TOO_LONG}")
        (names,) = csv.reader([row.line.decode()], delimiter=shape.delimiter, strict=True)
    except (csv.Error, UnicodeDecodeError) as fault:
        raise BadHeader(f"the header cannot be read: {fault}") from fault
    return [name.strip() for name in names]


def _column(values: Sequence[str]) -> pa.Array:
    column = pa.array(values, pa.string())
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _parsed(rows: Sequence[Row], width: int, delimiter: str) -> tuple[list[list[str]], list[Row], list[DeadRow]]:
    """Parses rows at once; where one of them is not as it should be, one by one."""
    try:
        lines = [row.line.decode() for row in rows]
        values = list(csv.reader(lines, delimiter=delimiter, strict=True))
        if len(values) == len(rows) and all(len(value) == width for value in values):
            return values, list(rows), []
    except (csv.Error, UnicodeDecodeError):
        pass
    values, good, dead = [], [], []
    for row in rows:
        try:
            values.append(_values(row.line, width, delimiter))
            good.append(row)
        except BadField as fault:
            dead.append(_dead(row, fault.field, fault.reason))
    return values, good, dead


def _values(line: bytes, width: int, delimiter: str) -> list[str]:
    if is_cut(line):
        raise BadField("", TOO_LONG)
    try:
        (values,) = csv.reader([line.decode()], delimiter=delimiter, strict=True)
    except UnicodeDecodeError as fault:
        raise BadField("", "is not UTF-8") from fault
    except csv.Error as fault:
        raise BadField("", f"is not CSV: {fault}") from fault
    if len(values) != width:
        raise BadField("", f"has {len(values)} values, the header has {width}")
    return values
