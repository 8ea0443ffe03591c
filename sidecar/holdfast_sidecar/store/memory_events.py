"""Names of events in dictionaries: the reference of what `lmdb_events` does in its tables."""

from holdfast_sidecar.engine.event_rows import EventWrites
from holdfast_sidecar.store import codec, event_codec

Rows = dict[bytes, bytes]


def put_names(names: Rows, times: Rows, writes: EventWrites) -> None:
    """Adds names, and when they were used."""
    ordered = sorted(writes.names)
    for start in range(0, len(ordered), event_codec.NAMES_A_ROW):
        part = ordered[start : start + event_codec.NAMES_A_ROW]
        number = codec.sequence_of(next(reversed(times))) + 1 if times else 1
        times.update([event_codec.encode_times(number, writes.taken_at_unix_ms, part)])
        names.update(event_codec.encode_name(name, writes.names[name], number) for name in part)


def forget_names(names: Rows, times: Rows, writes: EventWrites) -> None:
    """Drops names that are too old or too many, the oldest first, a row at a time."""
    left = writes.forget_most
    for key in list(times):
        unix_ms, used = event_codec.times_or_none(times[key])
        excess = len(names) - writes.name_limit if writes.name_limit else 0
        if left <= 0 or (unix_ms >= writes.forget_before_unix_ms and excess <= 0):
            break
        for name in used:
            known = event_codec.decode_name(names[name]) if name in names else None
            if known is not None and known[1] == codec.sequence_of(key):
                del names[name]
        del times[key]
        left -= len(used)
