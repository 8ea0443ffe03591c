"""What comes out of an object, piece by piece: the events of some rows, and the rows that are none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.shaping import BadRow, Shaped

Original = str | bytes
"""A row as it was read; bytes where it is not text."""


class DeadRow(NamedTuple):
    """A row that is not taken in."""

    number: int
    """Of its line, or of the row in a Parquet file, from 1."""
    field: str
    reason: str
    original: Original


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows that follow one another."""

    table: pa.Table
    """Their events, of `EVENT_COLUMNS`."""
    dead: tuple[DeadRow, ...]
    row_count: int
    """Of both kinds."""
    end_bytes: int
    """How far into the object, or into its text, this brings us."""


def judged(
    shaped: Shaped,
    checker: Checker,
    numbered: Callable[[int], int],
    original: Callable[[int], Original],
    end_bytes: int,
    dead: Iterable[DeadRow] = (),
) -> Piece:
    """Sorts rows into events and dead rows.

    Args:
        shaped: The rows.
        checker: The rules of events.
        numbered: Tells the number of a row in its object.
        original: Tells a row as it was read.
        end_bytes: See `Piece`.
        dead: Rows before, between or behind these that could not even be shaped.
    """
    for fault in checker.faults(shaped.table, shaped.bad):
        shaped.refuse(*fault)
    rows: list[BadRow] = list(shaped.bad.values())
    table = shaped.table
    if rows:
        good = np.ones(table.num_rows, np.bool_)
        good[[bad.row for bad in rows]] = False
        table = table.filter(pa.array(good))
    told = [DeadRow(numbered(bad.row), bad.field, bad.reason, original(bad.row)) for bad in rows]
    everything = tuple(sorted([*told, *dead], key=lambda one: one.number))
    return Piece(table, everything, table.num_rows + len(everything), end_bytes)
