"""JSON lines and CSV: a row is a line, whatever quotes say, so that a bad one never reaches into the next."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from holdfast_ledger.metering.columns import DIMENSIONS, EVENT_COLUMNS, QUANTITIES
from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import TEXT_FIELDS, Shape
from holdfast_ledger.objects.header import BadHeader, columns_of
from holdfast_ledger.objects.json_events import FieldReader
from holdfast_ledger.objects.json_plain import Fields
from holdfast_ledger.objects.json_text import BadField
from holdfast_ledger.objects.lines import MAX_LINE_BYTES, is_cut, kept, read_lines
from holdfast_ledger.objects.pieces import DeadRow, Original, Piece, judged
from holdfast_ledger.objects.shaping import Shaped, no_charges, shaped

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

MAX_ROWS = 131_072
"""Rows that are worked at together: lines of two bytes, which unpack from nearly nothing, would be millions."""


class _Rows(NamedTuple):
    """Lines that are not blank."""

    numbers: Sequence[int]
    lines: list[bytes]
    end_bytes: int

    def dead(self, place: int, field: str, reason: str) -> DeadRow:
        """Returns one of them as dead."""
        return DeadRow(self.numbers[place], field, reason, _original(self.lines[place]))

    def at(self, places: Sequence[int]) -> "_Rows":
        """Returns some of them."""
        return _Rows([self.numbers[at] for at in places], [self.lines[at] for at in places], self.end_bytes)

    def after(self, count: int) -> "_Rows":
        """Returns those behind some."""
        return _Rows(self.numbers[count:], self.lines[count:], self.end_bytes)


def _rows(text: Iterator[bytes]) -> Iterator[_Rows]:
    for number, lines, end_bytes in read_lines(text):
        if number == 1:
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        for start in range(0, len(lines), MAX_ROWS):
            some = lines[start : start + MAX_ROWS]
            rows = _Rows(range(number + start, number + start + len(some)), some, end_bytes)
            there = [place for place, line in enumerate(some) if line and not line.isspace()]
            yield rows if len(there) == len(some) else rows.at(there)


def _after(pieces: Iterable[_Rows], count: int) -> Iterator[_Rows]:
    """Leaves rows out that are behind us."""
    for rows in pieces:
        left = rows.after(count) if count else rows
        count = max(count - len(rows.lines), 0)
        if left.lines:
            yield left


def _original(line: bytes) -> Original:
    shown = kept(line)
    try:
        return shown.decode()
    except UnicodeDecodeError:
        return shown


TOO_LONG = f"is longer than {MAX_LINE_BYTES} bytes"


def json_pieces(text: Iterator[bytes], shape: Shape, checker: Checker, start_row: int) -> Iterator[Piece]:
    """Reads JSON lines. Raises what `text` raises.

    Args:
        text: The object, unpacked.
        shape: How rows become events.
        checker: The rules of events.
        start_row: Rows that are behind us.
    """
    reader = FieldReader(shape)
    for rows in _after(_rows(text), start_row):
        fields: list[Fields] = []
        good: list[int] = []
        dead: list[DeadRow] = []
        for place, line in enumerate(rows.lines):
            try:
                if is_cut(line):
                    raise BadField("", TOO_LONG)
                fields.append(reader.read(line))
                good.append(place)
            except BadField as fault:
                dead.append(rows.dead(place, fault.field, fault.reason))
        yield _piece(Shaped(_table(fields, checker.accepted_at_ms)), checker, rows.at(good), dead)


def _piece(made: Shaped, checker: Checker, rows: _Rows, dead: Sequence[DeadRow]) -> Piece:
    def original(place: int) -> Original:
        return _original(rows.lines[place])

    return judged(made, checker, rows.numbers.__getitem__, original, rows.end_bytes, dead)


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
    first = next((rows for rows in source if rows.lines), None)
    if first is None:
        raise BadHeader("there is no header: the object is empty")
    header = _header(first.lines[0], shape)
    fields = columns_of(header, shape)
    places = {field: header.index(column) for field, column in fields.items()}
    for rows in _after(itertools.chain([first.after(1)], source), start_row):
        columns, good, dead = _parsed(rows, len(header), shape.delimiter)
        made = {field: columns[place] for field, place in places.items()}
        yield _piece(shaped(made, len(good.lines), shape, checker.accepted_at_ms), checker, good, dead)


def _header(line: bytes, shape: Shape) -> list[str]:
    try:
        names = _values(line, None, shape.delimiter)
    except BadField as fault:
        raise BadHeader(f"the header {fault.reason}") from fault
    return [name.strip() for name in names]


def _parsed(rows: _Rows, width: int, delimiter: str) -> tuple[list[pa.Array], _Rows, list[DeadRow]]:
    """Parses rows: by Arrow where all are as they should be, else one by one."""
    if columns := _split(b"\n".join(rows.lines), len(rows.lines), width, delimiter):
        return columns, rows, []
    values: list[list[str]] = []
    good: list[int] = []
    dead: list[DeadRow] = []
    for place, line in enumerate(rows.lines):
        try:
            values.append(_values(line, width, delimiter))
            good.append(place)
        except BadField as fault:
            dead.append(rows.dead(place, fault.field, fault.reason))
    return _columns(values, width), rows.at(good), dead


def _split(text: bytes, row_count: int, width: int, delimiter: str) -> list[pa.Array] | None:
    """Parses lines at once; None: one of them is not as it should be, or its quotes reach into the next."""
    if b"\r" in text:  # ends a line for Arrow
        return None
    names = [str(place) for place in range(width)]
    end = "x" + delimiter * (width - 1)
    guarded = b"%b\n%b" % (text, end.encode())  # a last quote that is not closed reaches into a line too many
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(guarded),
            arrow_csv.ReadOptions(column_names=names, block_size=len(guarded) + 1),
            arrow_csv.ParseOptions(delimiter=delimiter),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != row_count + 1:
        return None
    return [column.combine_chunks().slice(0, row_count) for column in table.columns]


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[pa.Array]:
    columns = zip(*rows, strict=True) if rows else [()] * width
    made = [pa.array(values, pa.string()) for values in columns]
    return [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in made]


def _values(line: bytes, width: int | None, delimiter: str) -> list[str]:
    """Parses a line. Raises `BadField`; also where it has not as many values as it should have, None: any number."""
    if is_cut(line):
        raise BadField("", TOO_LONG)
    try:
        values, *rest = csv.reader([line.decode(), ""], delimiter=delimiter)
        if not rest:
            raise BadField("", "has a quote that is not closed")
    except UnicodeDecodeError as fault:
        raise BadField("", "is not UTF-8") from fault
    except csv.Error as fault:
        raise BadField("", f"is not CSV: {fault}") from fault
    if width is not None and len(values) != width:
        raise BadField("", f"has {len(values)} values, the header has {width}")
    return values
