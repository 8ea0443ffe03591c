"""Turns rows of events, their names and the meters into sealed records and back.

    events       first sequence (8 bytes), count (4)   time of intake (8), entries of an EventBatch
    event_names  name                                  content (16), void (1), number of the row of event_times (8)
    event_times  number, ascending (8)                 time of use (8), names, each with its length before it (1)
    meters       "meters"                              `holdfast.v1.Meters`

Numbers are big endian. A name belongs to the last row of `event_times` that has it: names leave from the front of that
table. Neighbour of `codec`, which has the other rows; used by both stores and by `holdfast verify`.
"""

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2

from holdfast_sidecar import meter_messages
from holdfast_sidecar.engine.event_rows import NO_METERS, EventRow, KnownEvent, Meters
from holdfast_sidecar.meter_messages import BadMeter
from holdfast_sidecar.store.codec import CRC_BYTES, Row, seal, sequence_key, unseal
from holdfast_sidecar.store.interface import StoreUnusable

METERS_KEY = b"meters"
NAMES_A_ROW = 500
"""Names in one row of `event_times`, at most: what one step of forgetting looks at."""
NAME_MAX_BYTES = 255
CONTENT_BYTES = 16

_EVENT_KEY = struct.Struct(">QI")
_TIME = struct.Struct(">Q")
_KNOWN = struct.Struct(f">{CONTENT_BYTES}s?Q")
_pack_known = _KNOWN.pack
_pack_crc = struct.Struct(">I").pack
_KNOWN_BYTES = _KNOWN.size + CRC_BYTES


def event_key(first_sequence: int, event_count: int) -> bytes:
    """Returns the key of a row of events; no later one is below it."""
    return _EVENT_KEY.pack(first_sequence, event_count)


def span_of(key: bytes) -> tuple[int, int]:
    """Returns the first sequence and the count in a key of events. Raises `StoreUnusable` on another length."""
    if len(key) != _EVENT_KEY.size:
        raise StoreUnusable(f"a key has {len(key)} bytes where one of events has {_EVENT_KEY.size}")
    first_sequence, event_count = _EVENT_KEY.unpack(key)
    return first_sequence, event_count


def encode_events(row: EventRow) -> Row:
    """One run of events."""
    key = event_key(row.first_sequence, row.event_count)
    return key, seal(_TIME.pack(row.taken_at_unix_ms) + row.payload)


def decode_events(key: bytes, record: bytes) -> EventRow:
    """One run of events. Raises `StoreUnusable` if it is damaged."""
    payload = unseal(record)
    if len(payload) < _TIME.size:
        raise StoreUnusable(f"events {key.hex()}: the record is too short")
    return EventRow(*span_of(key), _TIME.unpack_from(payload)[0], payload[_TIME.size :])


def encode_name(name: bytes, known: KnownEvent, number: int) -> Row:
    """One name, last used in a row of `event_times`."""
    payload = _pack_known(known[0], known[1], number)
    return name, payload + _pack_crc(crc32(payload))


def decode_name(record: bytes) -> tuple[KnownEvent, int] | None:
    """Returns what is known of a name, and the row of its last use; None: the record is damaged.

    Such a name counts as unknown and is written anew with its next event: the ledger drops what came twice.
    """
    payload = record[:-CRC_BYTES]
    if len(record) != _KNOWN_BYTES or record[-CRC_BYTES:] != _pack_crc(crc32(payload)):
        return None
    content, is_void, number = _KNOWN.unpack(payload)
    return KnownEvent(content, is_void), number


def encode_times(number: int, unix_ms: int, names: Iterable[bytes]) -> Row:
    """When names were last used."""
    parts = [_TIME.pack(unix_ms)]
    for name in names:
        parts.append(bytes((len(name),)))
        parts.append(name)
    return sequence_key(number), seal(b"".join(parts))


def decode_times(record: bytes) -> tuple[int, list[bytes]]:
    """Returns the time and the names. Raises `StoreUnusable` if the record is damaged."""
    payload = unseal(record)
    names: list[bytes] = []
    place = _TIME.size
    while place < len(payload):
        end = place + 1 + payload[place]
        names.append(payload[place + 1 : end])
        place = end
    if place != len(payload):
        raise StoreUnusable("a list of names does not end where it should")
    return time_of(payload), names


def times_or_none(record: bytes) -> tuple[int, list[bytes]]:
    """As `decode_times`; a damaged record is very old and has no names: it is to leave, the sidecar to go on."""
    try:
        return decode_times(record)
    except StoreUnusable:
        return 0, []


def time_of(record: bytes) -> int:
    """Returns the time of a row of `event_times`, without a look at the rest of it; at least 1."""
    unix_ms: int = _TIME.unpack(record[: _TIME.size].ljust(_TIME.size, b"\0"))[0]
    return max(1, unix_ms)


def encode_meters(meters: Meters) -> Row:
    """All meters."""
    return METERS_KEY, seal(meter_messages.meters_message(meters).SerializeToString())


def decode_meters(rows: Iterable[Row]) -> Meters:
    """All meters, or none. Raises `StoreUnusable` for what this program never wrote."""
    for key, record in rows:
        if key != METERS_KEY:
            raise StoreUnusable(f"meters stand under the key {key!r}")
        message = sync_pb2.Meters.FromString(unseal(record))
        try:
            return Meters(message.revision, tuple(map(meter_messages.meter, message.meters)))
        except BadMeter as error:
            raise StoreUnusable(f"a stored meter cannot be used: {error}") from error
    return NO_METERS


def check_events(rows: Iterable[Row]) -> int:
    """Checks that events are whole and contiguous; returns the last sequence, 0 without one."""
    last_sequence = 0
    for row in iterate_events(rows):
        if last_sequence and row.first_sequence != last_sequence + 1:
            raise StoreUnusable(f"event {row.first_sequence} follows event {last_sequence}")
        last_sequence = row.first_sequence + row.event_count - 1
    return last_sequence


def iterate_events(rows: Iterable[Row]) -> Iterator[EventRow]:
    """Yields runs of events. Raises `StoreUnusable` if one is damaged."""
    for key, record in rows:
        yield decode_events(key, record)
