"""What can be read of a request in which some text is not UTF-8, for which protobuf refuses all of it.

A walk over the wire format (protobuf encoding guide, "Message Structure"); only ever used for requests at fault.
"""

from collections.abc import Iterator
from itertools import islice
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_VARINT_MAX_BYTES = 10
MAX_PARTS = 10_000
"""Fields of a request that are looked at: ten times what any request may have. The walk is slow, and a request of two
bytes a field is as quickly made as any."""


def parts_of(payload: bytes, field: int) -> list[bytes]:
    """Returns the messages in a repeated field.

    Raises:
        DecodeError: The bytes are no message at all, or have more than `MAX_PARTS` fields.
    """
    fields = list(islice(_fields(payload), MAX_PARTS + 1))
    if len(fields) > MAX_PARTS:
        raise DecodeError(f"the request has more than {MAX_PARTS} fields")
    return [part for number, part in fields if number == field and part is not None]


def first_bad_text(payload: bytes, descriptor: Descriptor) -> str:
    """Returns the name of the first field whose text is not UTF-8; empty: there is none."""
    for number, part in _fields(payload):
        field = descriptor.fields_by_number.get(number)
        if part is None or field is None:
            continue
        if field.type == FieldDescriptor.TYPE_STRING and not _is_text(part):
            return field.name
        if field.type == FieldDescriptor.TYPE_MESSAGE and first_bad_text(part, cast("Descriptor", field.message_type)):
            return field.name
    return ""


def _is_text(part: bytes) -> bool:
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fields(payload: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Yields the fields' numbers, with the bytes of those that have a length."""
    place = 0
    while place < len(payload):
        tag, place = _varint(payload, place)
        kind = tag & 7
        part = None
        if kind == _DELIMITED:
            length, place = _varint(payload, place)
            part = payload[place : place + length]
            place += length
        elif kind == _VARINT:
            _, place = _varint(payload, place)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise DecodeError(f"wire type {kind} is not known")
        if place > len(payload):
            raise DecodeError("the message ends within a field")
        yield tag >> 3, part


def _varint(payload: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(_VARINT_MAX_BYTES):
        if place >= len(payload):
            break
        byte = payload[place]
        place += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:  # the last group has no high bit
            return value, place
    raise DecodeError("a number does not end")
