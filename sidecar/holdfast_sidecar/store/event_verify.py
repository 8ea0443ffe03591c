"""What `holdfast verify` checks of events: that those which wait are whole and contiguous, and what is known of names.

Neighbour of `verify`, which reads the tables and knows which checksums fit.
"""

from collections.abc import Callable, Iterable

from google.protobuf.message import DecodeError
from holdfast.v1 import ingest_service_pb2

from holdfast_sidecar.store import codec, event_codec
from holdfast_sidecar.store.codec import Row
from holdfast_sidecar.store.interface import StoreUnusable

Fault = Callable[[str], None]
"""Notes a fault."""


def check_events(payloads: Iterable[Row], acked_sequence: int, fault: Fault) -> tuple[int, int]:
    """Returns how many events wait, and the sequence of the last one that was ever made."""
    waiting_count, last_sequence = 0, 0
    for key, payload in payloads:
        try:
            row = event_codec.decode_events(key, codec.seal(payload))
            batch = ingest_service_pb2.EventBatch.FromString(row.payload)
        except (StoreUnusable, DecodeError) as error:
            fault(f"events: record {key.hex()}: {error}")
            continue
        first_sequence = row.first_sequence
        if len(batch.events) != row.event_count:
            fault(f"events {first_sequence}: {len(batch.events)} of {row.event_count} are there")
        if first_sequence != (last_sequence or min(first_sequence - 1, acked_sequence)) + 1:
            fault(f"events: {first_sequence} follows {last_sequence or acked_sequence}")
        last_sequence = first_sequence + row.event_count - 1
        waiting_count += min(row.event_count, max(0, last_sequence - acked_sequence))
    return waiting_count, max(last_sequence, acked_sequence)


def check_names(names: Iterable[Row], times: Iterable[Row], fault: Fault) -> None:
    """Each name belongs to a row of times that has it, or to none that is left."""
    used: dict[bytes, int] = {}
    for key, payload in times:
        try:
            number = codec.sequence_of(key)
            _, found = event_codec.decode_times(codec.seal(payload))
        except StoreUnusable as error:
            fault(f"event_times: record {key.hex()}: {error}")
            continue
        used.update(dict.fromkeys(found, number))
    for name, payload in names:
        known = event_codec.decode_name(codec.seal(payload))
        if known is None:
            fault(f"event_names: record {name.hex()} cannot be read")
        elif used.get(name) != known[1]:
            fault(f"event_names: {name.hex()} was used in row {known[1]}, and is in row {used.get(name, 0)}")


def check_meters(payloads: Iterable[Row], fault: Fault) -> None:
    """The meters, as the store would take them."""
    try:
        event_codec.decode_meters((key, codec.seal(payload)) for key, payload in payloads)
    except (StoreUnusable, DecodeError) as error:
        fault(f"meters: {error}")
