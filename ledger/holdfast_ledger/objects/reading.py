"""An object becomes pieces, whatever it holds and however it is compressed."""

from collections.abc import Iterator

from obstore.store import ObjectStore

from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import Format, Source
from holdfast_ledger.objects.line_formats import csv_pieces, json_pieces
from holdfast_ledger.objects.listing import format_of
from holdfast_ledger.objects.parquet_format import parquet_pieces
from holdfast_ledger.objects.pieces import Piece
from holdfast_ledger.objects.stores import Found, ObjectFile, streamed
from holdfast_ledger.objects.unpacking import Damaged, unpacked


def read_object(
    store: ObjectStore, source: Source, found: Found, checker: Checker, start_row: int = 0
) -> Iterator[Piece]:
    """Reads an object from a row on.

    Raises:
        Damaged: The rest cannot be read.
        BadHeader: It has other columns.
        ObjectGone: It is deleted or replaced.
        StoreFault: The store has a fault that may pass.
    """
    match format_of(found.path, source):
        case Format.PARQUET:
            yield from parquet_pieces(ObjectFile(store, found), source, checker, start_row)
        case Format.CSV:
            yield from csv_pieces(unpacked(found.path, streamed(store, found)), source, checker, start_row)
        case Format.JSON_LINES:
            yield from json_pieces(unpacked(found.path, streamed(store, found)), source, checker, start_row)
        case None:
            raise Damaged("is of no format that its suffix tells: say it in the source's format")
