"""From a message to an event: CloudEvents 1.0 in structured mode, in binary mode with attributes in headers, or flat.

What a JSON object says of an event is read as it is in files of JSON lines: see `objects.json_events`.
"""

from collections.abc import Mapping

from holdfast.v1.usage_service_pb2 import UsageEvent

from holdfast_ledger.objects.config import TEXT_FIELDS, Shape
from holdfast_ledger.objects.json_events import FieldReader
from holdfast_ledger.objects.json_text import BadField, read_json

HEADER_PREFIX = "ce_"
"""Of attributes in binary mode: CloudEvents, Kafka protocol binding, 3.2.3."""

MAX_MESSAGE_BYTES = 1_048_576

_READER = FieldReader(Shape())


class NotAnEvent(Exception):
    """A message cannot be read as an event."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def event_of(value: bytes, headers: Mapping[str, bytes]) -> UsageEvent:
    """Reads a message. Its rules are checked by `event_rules` then. Raises `NotAnEvent`."""
    if len(value) > MAX_MESSAGE_BYTES:
        raise NotAnEvent("value", f"has {len(value)} bytes, at most {MAX_MESSAGE_BYTES}")
    try:
        if f"{HEADER_PREFIX}id" in headers:
            found = _READER.fields(_binary(headers, read_json(value)))
        else:
            found = _READER.read(value)
    except BadField as fault:
        raise NotAnEvent(fault.field or "value", fault.reason) from fault
    return UsageEvent(
        **dict(zip(TEXT_FIELDS, found.texts, strict=True)),
        time_unix_ms=found.time_ms,
        dimensions=dict(found.dimensions),
        quantities=dict(found.quantities),
    )


def _binary(headers: Mapping[str, bytes], data: object) -> dict[str, object]:
    """Returns a message in binary mode as it would be in structured mode."""
    row: dict[str, object] = {"data": data}
    for name, raw in headers.items():
        if name.startswith(HEADER_PREFIX):
            try:
                row[name.removeprefix(HEADER_PREFIX)] = raw.decode()
            except UnicodeDecodeError as fault:
                raise NotAnEvent(name, "is not UTF-8") from fault
    return row
