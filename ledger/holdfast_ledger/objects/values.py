"""What one value of a row is as text, as a time or as a quantity; columns of them are in `shaping`."""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

MAX_INT64 = 2**63 - 1

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,25}(\.0{1,25})?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{1,18}", re.ASCII)
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_SHOWN_CHARS = 40


class BadValue(Exception):
    """A value that cannot be counted; the message says why, to follow the field's name."""


def shown(value: object) -> str:
    """Returns a value as a message shows it, cut short."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def text_of(value: object) -> str:
    """Returns text, and whole numbers and booleans as text. Raises `BadValue`."""
    if type(value) is str and value.isascii():  # nearly always
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    try:
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, str):
            value.encode()
            return value
    except UnicodeError as fault:
        raise BadValue("is not UTF-8") from fault
    raise BadValue(f"is {shown(value)}, not text")


def quantity_of(value: object) -> int:
    """Returns a whole number, 3.0 for 3, in 0..2^63-1. Raises `BadValue`."""
    number = value if type(value) is int else _whole(value)
    if not 0 <= number <= MAX_INT64:
        raise BadValue(f"is {shown(number)}, not in 0..{MAX_INT64}")
    return number


def _whole(value: object) -> int:
    if isinstance(value, (bool, type(None))):
        raise BadValue(f"is {shown(value)}, not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, (float, Decimal)) and math.isfinite(value) and value == int(value):
        return int(value)
    raise BadValue(f"is {shown(value)}, not a whole number")


def time_of(value: object) -> int:
    """Returns Unix time in milliseconds, of that or of RFC 3339. Raises `BadValue`."""
    if isinstance(value, str):
        return int(value) if _MILLISECONDS.fullmatch(value) else _date_time(value)
    try:
        number = _whole(value)
    except BadValue as fault:
        raise BadValue(f"is {shown(value)}, neither RFC 3339 nor Unix time in milliseconds") from fault
    if not -MAX_INT64 <= number <= MAX_INT64:
        raise BadValue(f"is {shown(number)}, no Unix time in milliseconds")
    return number


def _date_time(text: str) -> int:
    if not _DATE_TIME.fullmatch(text):
        raise BadValue(f"is {shown(text)}, neither RFC 3339 nor Unix time in milliseconds")
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as fault:
        raise BadValue(f"is {shown(text)}, which no calendar has") from fault
