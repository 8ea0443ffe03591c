"""What a row of `event_batches` holds: events on their way to the usage store, in one of two forms.

`Content.EVENTS` (1): a serialised `holdfast.v1.EventBatch`, compressed with zlib. What sidecars push, and what comes as
single events: streams, ReportEvents.

`Content.COLUMNS` (2): a Parquet file, compressed with zstd: one table of the Arrow schema `columns.EVENT_COLUMNS`. What
comes as files: a row is never an object of Python's. (Measured on 65,536 events of 210 bytes: 25 bytes a row, written
in 28 ms and read in 30 ms; as an Arrow IPC stream with zstd 70 bytes, 75 ms and 9 ms. Rows are kept for months.)

Both hold the same events, and `columns.table_of(content, blob)` gives the same table for both:

    account_id       string                 never empty
    source           string                 never empty
    id               string                 never empty: (account_id, source, id) names the event
    type             string                 empty for a void alone
    time_ms          int64                  when it happened, Unix time in ms; 0 for a void alone
    accepted_at_ms   int64                  when it was taken in, Unix time in ms
    subject          string                 path below the account; empty: none
    corrects_id      string                 id of the event that it corrects; empty: none
    void             bool                   true: the event of this name is taken back
    dimensions       map<string, string>    keys ascending by their UTF-8 bytes, each once
    quantities       map<string, int64>     the same; each 0..2^63-1
    charges          list<struct<meter_id string, quantity int64, amount int64, operation_id string, pool_id string>>

No column and no entry of a map is null. Maps are sorted, so that equal events are equal rows, whichever way they came,
and a hash over the columns of a row is one of the event's content. Every event in a batch is valid by `event_rules`.

This module needs protobuf alone. Arrow comes with an extra, so `columns` is imported where it is there.
"""

import zlib
from collections.abc import Iterable
from enum import IntEnum

from google.protobuf.message import DecodeError
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent

MAX_BATCH_BYTES = 4 * 2**20
"""Largest content of a batch: a row that any database takes, and a transaction that keeps nobody waiting."""

MAX_PLAIN_BYTES = 64 * 2**20
"""Largest `EventBatch`: what 10,000 events with everything at its limit nearly are; bounds what a bomb unpacks to."""

_LEVEL = 1
"""zlib's fastest: the higher ones save a tenth of the bytes for three times the work."""


class Content(IntEnum):
    """How the content of a batch is written: the column `content_kind` of `event_batches`."""

    EVENTS = 1
    COLUMNS = 2


class BadBatch(Exception):
    """The content of a batch cannot be read; the message says why."""


def pack_events(events: Iterable[RecordedEvent]) -> bytes:
    """Returns events as content of kind `EVENTS`."""
    return zlib.compress(EventBatch(events=events).SerializeToString(), _LEVEL)


def unpack_events(content: bytes) -> EventBatch:
    """Reads content of kind `EVENTS`. Raises `BadBatch`."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(content, MAX_PLAIN_BYTES)
        if not inflater.eof or inflater.unused_data:
            raise BadBatch(f"is not one whole zlib stream of at most {MAX_PLAIN_BYTES} bytes")
        return EventBatch.FromString(plain)
    except (zlib.error, DecodeError) as fault:
        raise BadBatch(f"is not a compressed EventBatch: {fault}") from fault
