"""Text becomes a JSON object, every number exact and no key twice.

msgspec is quick and strict, but of a key that is there twice it keeps the last. So the strings in what it made are
counted, and the quotes in the text: where they differ, and where it refuses, the standard library reads the text again
and decides. A text is never longer than a line may be, and never deeper than either goes.
"""

import json
from decimal import Decimal, InvalidOperation

import msgspec


class BadField(Exception):
    """A field cannot be counted."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidOperation)
"""What msgspec, and what makes its numbers, raise of text that they do not read."""

_quick = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)


def read_json(text: bytes) -> dict[str, object]:
    """Reads a JSON object. Raises `BadField`."""
    try:
        value = _quick.decode(text)
        if _string_count(value) == string_count(text):
            return value
    except REFUSED:
        pass
    return _read_carefully(text)


def string_count(text: bytes) -> int:
    """Returns how many strings, keys too, are in text that is JSON: half its quotes that no backslash escapes."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return text.count(b'"') // 2


def _string_count(value: dict[str, object] | list[object]) -> int:
    inner, count = value, 0
    if isinstance(value, dict):
        inner, count = list(value.values()), len(value)
    for one in inner:
        if isinstance(one, str):
            count += 1
        elif isinstance(one, (dict, list)):
            count += _string_count(one)
    return count


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadField("", "has a key twice")
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_float=Decimal)


def _read_carefully(text: bytes) -> dict[str, object]:
    try:
        value = _decoder.decode(text.decode())
    except InvalidOperation as fault:
        raise BadField("", "has a number whose exponent is beyond all numbers") from fault
    except (ValueError, RecursionError) as fault:  # UnicodeDecodeError is a ValueError
        reason = "is not UTF-8" if isinstance(fault, UnicodeDecodeError) else f"is not JSON: {fault}"
        raise BadField("", reason) from fault
    if not isinstance(value, dict):
        raise BadField("", "is JSON, but not an object")
    return value
