"""Events as columns: the table that both kinds of a batch's content make. See `batches` for what each column means."""

from collections.abc import Iterable

import pyarrow as pa
from holdfast.v1.ingest_service_pb2 import EventBatch
from pyarrow import parquet

from holdfast_ledger.metering.batches import BadBatch, Content, unpack_events

DIMENSIONS = pa.map_(pa.string(), pa.field("value", pa.string(), nullable=False))
QUANTITIES = pa.map_(pa.string(), pa.field("value", pa.int64(), nullable=False))
CHARGE = pa.struct(
    [
        pa.field(name, pa.int64() if name in {"quantity", "amount"} else pa.string(), nullable=False)
        for name in ("meter_id", "quantity", "amount", "operation_id", "pool_id")
    ]
)

EVENT_COLUMNS = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in (
            ("account_id", pa.string()),
            ("source", pa.string()),
            ("id", pa.string()),
            ("type", pa.string()),
            ("time_ms", pa.int64()),
            ("accepted_at_ms", pa.int64()),
            ("subject", pa.string()),
            ("corrects_id", pa.string()),
            ("void", pa.bool_()),
            ("dimensions", DIMENSIONS),
            ("quantities", QUANTITIES),
            ("charges", pa.list_(pa.field("item", CHARGE, nullable=False))),
        )
    ]
)
"""The columns, in their order."""

CALLER = pa.field("caller", pa.string(), nullable=False)
"""Who reported an event, as `RecordedEvent.caller`; of a file nobody is told for each row."""

_REPEATING = [
    *("account_id", "source", "type", "accepted_at_ms", "subject", "void"),
    *("dimensions.key_value.key", "dimensions.key_value.value", "quantities.key_value.key"),
]
"""Columns, as Parquet names them, that are written as a dictionary of their values."""

_ENCODINGS = {"id": "DELTA_LENGTH_BYTE_ARRAY", "time_ms": "DELTA_BINARY_PACKED", "corrects_id": "DELTA_BYTE_ARRAY"}


def pack_columns(table: pa.Table) -> bytes:
    """Returns a table of `EVENT_COLUMNS` as content of kind `COLUMNS`; the same for the same table."""
    if not table.schema.equals(EVENT_COLUMNS):
        raise ValueError(f"is not a table of events: {table.schema}")
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table,
        sink,
        row_group_size=max(table.num_rows, 1),
        compression="zstd",
        compression_level=1,
        use_dictionary=_REPEATING,
        column_encoding=_ENCODINGS,
        write_statistics=False,
    )
    return bytes(sink.getvalue())


def table_of(content: Content, blob: bytes) -> pa.Table:
    """Returns the events of a batch as a table of `EVENT_COLUMNS`. Raises `BadBatch`."""
    return events_table(unpack_events(blob)) if content is Content.EVENTS else _unpack_columns(blob)


def told_by(content: Content, blob: bytes) -> pa.Table:
    """Returns the events of a batch as `table_of` does, with the column `CALLER` behind. Raises `BadBatch`."""
    if content is Content.COLUMNS:
        table = _unpack_columns(blob)
        return table.append_column(CALLER, pa.array([""] * table.num_rows, pa.string()))
    batch = unpack_events(blob)
    return events_table(batch).append_column(CALLER, pa.array([one.caller for one in batch.events], pa.string()))


def _unpack_columns(blob: bytes) -> pa.Table:
    try:
        with parquet.ParquetFile(pa.BufferReader(blob)) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as fault:
        raise BadBatch(f"is not a Parquet file: {fault}") from fault
    if not table.schema.equals(EVENT_COLUMNS):
        raise BadBatch(f"has other columns: {', '.join(table.schema.names)}")
    return table


def events_table(batch: EventBatch) -> pa.Table:
    """Returns events as a table of `EVENT_COLUMNS`."""
    recorded = batch.events
    events = [one.event for one in recorded]
    return pa.table(
        [
            pa.array([event.account_id for event in events], pa.string()),
            pa.array([event.source for event in events], pa.string()),
            pa.array([event.id for event in events], pa.string()),
            pa.array([event.type for event in events], pa.string()),
            pa.array([event.time_unix_ms for event in events], pa.int64()),
            pa.array([one.accepted_at_unix_ms for one in recorded], pa.int64()),
            pa.array([event.subject for event in events], pa.string()),
            pa.array([event.corrects_id for event in events], pa.string()),
            pa.array([one.void for one in recorded], pa.bool_()),
            _maps(DIMENSIONS, [sorted(event.dimensions.items()) for event in events]),
            _maps(QUANTITIES, [sorted(event.quantities.items()) for event in events]),
            _charges(batch),
        ],
        schema=EVENT_COLUMNS,
    )


def _maps(kind: pa.DataType, rows: list[list[tuple[str, str]]] | list[list[tuple[str, int]]]) -> pa.Array:
    keys = pa.array([key for row in rows for key, _ in row], pa.string())
    values = pa.array([value for row in rows for _, value in row], kind.item_type)
    return pa.MapArray.from_arrays(_offsets(map(len, rows)), keys, values, type=kind)


def _charges(batch: EventBatch) -> pa.Array:
    charges = [charge for one in batch.events for charge in one.charges]
    columns = [pa.array([getattr(charge, field.name) for charge in charges], field.type) for field in CHARGE]
    return pa.ListArray.from_arrays(
        _offsets(len(one.charges) for one in batch.events),
        pa.StructArray.from_arrays(columns, fields=list(CHARGE)),
        type=EVENT_COLUMNS.field("charges").type,
    )


def _offsets(counts: Iterable[int]) -> pa.Array:
    total, offsets = 0, [0]
    for count in counts:
        total += count
        offsets.append(total)
    return pa.array(offsets, pa.int32())
