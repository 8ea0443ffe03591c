"""Journal lines as files for auditors: each line with the debit, hold, request and grant that it comes from."""

import csv
import io
import json
from collections.abc import Callable, Sequence

from holdfast.v1 import ledger_service_pb2

from holdfast_ledger.books.figures import product_of
from holdfast_ledger.books.months import month_of, month_text, next_month
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.posting.books import books_of
from holdfast_ledger.store.book_rows import ExportLine, GrantFacts
from holdfast_ledger.store.interface import EntryType

Cell = int | str | bool

_TYPES = {value: name.removeprefix("ENTRY_TYPE_") for name, value in ledger_service_pb2.EntryType.items()}
_CATEGORIES = {value: name.removeprefix("GRANT_CATEGORY_") for name, value in ledger_service_pb2.GrantCategory.items()}


def period_of(line: ExportLine) -> int:
    """Returns the month in which the books count an entry."""
    month = month_of(line.effective_at_ms)
    return month if month > line.closed_period else next_month(line.closed_period)


def _books(line: ExportLine) -> tuple[str, str]:
    return books_of(EntryType(line.type), line.grant_id)


def _product(line: ExportLine) -> str:
    if not line.grant_id:
        return ""
    return product_of(GrantFacts(0, 0, 0, 0, 0, "", 0, line.grant_metadata, line.pool_id, line.currency))


COLUMNS: tuple[tuple[str, type, Callable[[ExportLine], Cell]], ...] = (
    ("entry_id", int, lambda x: x.entry_key),
    ("type", str, lambda x: _TYPES[x.type]),
    ("period", str, lambda x: month_text(period_of(x))),
    ("late_correction", bool, lambda x: month_of(x.effective_at_ms) <= x.closed_period),
    ("posted_at_unix_ms", int, lambda x: x.posted_at_ms),
    ("effective_at_unix_ms", int, lambda x: x.effective_at_ms),
    ("account_id", str, lambda x: x.account_id),
    ("pool_id", str, lambda x: x.pool_id),
    ("currency", str, lambda x: x.currency),
    ("currency_exponent", int, lambda x: x.currency_exponent),
    ("from_book", str, lambda x: _books(x)[0]),
    ("to_book", str, lambda x: _books(x)[1]),
    ("amount", int, lambda x: x.amount),
    ("grant_id", str, lambda x: x.grant_id),
    ("grant_category", str, lambda x: _CATEGORIES[x.grant_category] if x.grant_category else ""),
    ("product", str, _product),
    ("grant_amount", int, lambda x: x.grant_amount),
    ("grant_cost_amount", int, lambda x: x.grant_cost_amount),
    ("grant_cost_currency", str, lambda x: x.grant_cost_currency),
    ("correction_id", str, lambda x: x.correction_id),
    ("operation_id", str, lambda x: x.operation_id),
    ("debit_amount", int, lambda x: x.debit_amount),
    ("sidecar_id", str, lambda x: x.sidecar_id),
    ("epoch", int, lambda x: x.epoch),
    ("sequence", int, lambda x: x.sequence),
    ("replayed", bool, lambda x: bool(x.replayed)),
    ("hold_id", str, lambda x: x.hold_id),
    ("settled_at_unix_ms", int, lambda x: x.settled_at_ms),
    ("subject", str, lambda x: x.subject),
    ("dimensions", str, lambda x: x.dimensions),
    ("quantities", str, lambda x: x.quantities or "{}"),
    ("late", bool, lambda x: bool(x.late)),
    ("estimated", bool, lambda x: bool(x.estimated)),
    ("over_hold_amount", int, lambda x: x.over_hold_amount),
    ("caller", str, lambda x: x.caller),
    ("refunded_amount", int, lambda x: x.refunded_amount),
)
"""Name, type and value of each column; 0 and "" where there is nothing."""


def csv_file(lines: Sequence[ExportLine]) -> bytes:
    """Returns lines as RFC 4180 says, with a header, in UTF-8; truth as "true" and "false"."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([name for name, _, _ in COLUMNS])
    for line in lines:
        values = [value(line) for _, _, value in COLUMNS]
        writer.writerow([json.dumps(x) if isinstance(x, bool) else x for x in values])
    return file.getvalue().encode()


def parquet_file(lines: Sequence[ExportLine]) -> bytes:
    """Returns lines as a Parquet file. Raises `InvalidArgument` if the ledger has no pyarrow."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as fault:
        raise InvalidArgument("format", "Parquet needs the extra holdfast[analytics] where the ledger runs") from fault
    kinds = {int: pa.int64(), str: pa.string(), bool: pa.bool_()}
    columns = {name: pa.array([value(line) for line in lines], type=kinds[kind]) for name, kind, value in COLUMNS}
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()
