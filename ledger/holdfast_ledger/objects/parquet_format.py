"""Parquet: some ten thousand rows at a time, of the columns that are fields alone."""

import json
from collections.abc import Iterator, Mapping

import pyarrow as pa
from pyarrow import parquet

from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import Shape
from holdfast_ledger.objects.header import columns_of
from holdfast_ledger.objects.pieces import Piece, judged
from holdfast_ledger.objects.shaping import shaped
from holdfast_ledger.objects.stores import ObjectFile
from holdfast_ledger.objects.unpacking import Damaged

PIECE_ROWS = 65_536
"""A batch of some two megabytes, a fifth of a second of work."""


def parquet_pieces(file: ObjectFile, shape: Shape, checker: Checker, start_row: int) -> Iterator[Piece]:
    """Reads a Parquet file; as `json_pieces`. Raises `Damaged`, `BadHeader`, `StoreFault`, `ObjectGone`."""
    try:
        with parquet.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=True) as source:
            yield from _pieces(source, shape, checker, start_row)
    except (pa.ArrowException, OSError) as fault:
        if file.fault is not None:
            raise file.fault from fault
        raise Damaged(f"is no whole Parquet file: {fault}") from fault


def _pieces(source: parquet.ParquetFile, shape: Shape, checker: Checker, start_row: int) -> Iterator[Piece]:
    fields = columns_of(source.schema_arrow.names, shape)
    row, bytes_before = 0, 0
    for group in range(source.num_row_groups):
        about = source.metadata.row_group(group)
        group_bytes = about.total_byte_size
        if row + about.num_rows > start_row:
            done = 0
            columns = sorted(set(fields.values()))
            for batch in source.iter_batches(PIECE_ROWS, row_groups=[group], columns=columns):
                fresh = batch.slice(max(start_row - row - done, 0))
                done += batch.num_rows
                if fresh.num_rows:
                    end_bytes = bytes_before + group_bytes * done // about.num_rows
                    yield _piece(fresh, fields, shape, checker, row + done - fresh.num_rows, end_bytes)
        row += about.num_rows
        bytes_before += group_bytes


def _piece(
    batch: pa.RecordBatch, fields: Mapping[str, str], shape: Shape, checker: Checker, rows_before: int, end_bytes: int
) -> Piece:
    columns = {field: batch.column(name) for field, name in fields.items()}
    made = shaped(columns, batch.num_rows, shape, checker.accepted_at_ms)

    def numbered(place: int) -> int:
        return rows_before + place + 1

    def original(place: int) -> str:
        (row,) = batch.slice(place, 1).to_pylist()
        return json.dumps(row, default=str, ensure_ascii=False)

    return judged(made, checker, numbered, original, end_bytes)
