"""From a message to an event: CloudEvents 1.0, in structured mode, or in binary mode with attributes in headers.

Attributes: id, source, type, time (RFC 3339), accountid; subject and correctsid may be missing. The data is a JSON
object of `dimensions` (strings) and `quantities` (whole numbers). What else is in it is refused: it would not count.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from holdfast.v1.usage_service_pb2 import UsageEvent

HEADER_PREFIX = "ce_"
"""Of attributes in binary mode: CloudEvents, Kafka protocol binding, 3.2.3."""

MAX_MESSAGE_BYTES = 1_048_576
INT64_MAX = 2**63 - 1

_EPOCH = datetime.fromtimestamp(0, UTC)

_ATTRIBUTES = frozenset({"specversion", "id", "source", "type", "time", "subject", "accountid", "correctsid"})
_DATA_FIELDS = frozenset({"dimensions", "quantities"})


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
    content = _object("value", _parse(value))
    if f"{HEADER_PREFIX}id" in headers:
        attributes = {
            name.removeprefix(HEADER_PREFIX): _text(name, _decoded(name, raw))
            for name, raw in headers.items()
            if name.startswith(HEADER_PREFIX)
        }
        return _event(attributes, content)
    return _event(content, _object("data", content.get("data", {})))


def _event(attributes: Mapping[str, object], data: Mapping[str, object]) -> UsageEvent:
    if attributes.get("specversion") != "1.0":
        raise NotAnEvent("specversion", 'is not "1.0"')
    for name in data.keys() - _DATA_FIELDS:
        raise NotAnEvent(f"data.{name}", "is neither dimensions nor quantities")
    said = {name: _text(name, attributes[name]) for name in _ATTRIBUTES & attributes.keys()}
    dimensions = _object("dimensions", data.get("dimensions", {}))
    quantities = _object("quantities", data.get("quantities", {}))
    return UsageEvent(
        id=said.get("id", ""),
        source=said.get("source", ""),
        type=said.get("type", ""),
        time_unix_ms=_time_ms(said.get("time", "")),
        account_id=said.get("accountid", ""),
        subject=said.get("subject", ""),
        corrects_id=said.get("correctsid", ""),
        dimensions={name: _text(f"dimensions[{name}]", value) for name, value in dimensions.items()},
        quantities={name: _whole(f"quantities[{name}]", value) for name, value in quantities.items()},
    )


def _parse(value: bytes) -> object:
    def no_number(name: str) -> NoReturn:
        raise NotAnEvent("value", f"has {name}, which is no number")

    try:
        parsed: object = json.loads(
            value, parse_float=Decimal, parse_constant=no_number, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as fault:
        raise NotAnEvent("value", f"is not JSON: {fault}") from fault
    return parsed


def _without_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotAnEvent("value", "has a key twice")
    return result


def _object(field: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise NotAnEvent(field, "is not an object")
    return value


def _decoded(field: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        raise NotAnEvent(field, "is not UTF-8") from fault


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise NotAnEvent(field, "is not a string")
    try:
        value.encode()
    except UnicodeEncodeError as fault:
        raise NotAnEvent(field, "is not valid Unicode") from fault
    return value


def _whole(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise NotAnEvent(field, "is not a number")
    if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) < 20 and value % 1 == 0):
        raise NotAnEvent(field, "is not a whole number in 0..2^63-1")
    if not 0 <= value <= INT64_MAX:
        raise NotAnEvent(field, "is not a whole number in 0..2^63-1")
    return int(value)


def _time_ms(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as fault:
        raise NotAnEvent("time", "is not an RFC 3339 time") from fault
    if at.tzinfo is None:
        raise NotAnEvent("time", "has no offset from UTC")
    return (at - _EPOCH) // timedelta(milliseconds=1)
