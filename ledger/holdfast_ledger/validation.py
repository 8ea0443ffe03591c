"""The rules for what callers send, shared by both services. Each raises `InvalidArgument` with the field's path."""

import re

from holdfast_ledger.errors import InvalidArgument

MAX_ID_BYTES = 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CURRENCY = re.compile(r"[a-z0-9_]{1,16}")
_ISO_4217 = re.compile(r"[A-Z]{3}")


def check_id(field: str, value: str) -> None:
    """An identifier: 1..128 bytes of UTF-8 without control characters."""
    if not value:
        raise InvalidArgument(field, "is empty")
    check_optional_id(field, value)


def check_optional_id(field: str, value: str) -> None:
    """An identifier or nothing."""
    if len(value.encode()) > MAX_ID_BYTES:
        raise InvalidArgument(field, f"is longer than {MAX_ID_BYTES} bytes")
    if _CONTROL.search(value):
        raise InvalidArgument(field, "has control characters")


def check_text(field: str, value: str, max_bytes: int) -> None:
    """Text for people: bounded, without control characters."""
    if len(value.encode()) > max_bytes:
        raise InvalidArgument(field, f"is longer than {max_bytes} bytes")
    if _CONTROL.search(value):
        raise InvalidArgument(field, "has control characters")


def check_range(field: str, value: int, low: int, high: int) -> None:
    """A number between two bounds, both included."""
    if not low <= value <= high:
        raise InvalidArgument(field, f"is {value}, not in {low}..{high}")


def check_currency(field: str, value: str) -> None:
    """A pool's currency."""
    if not _CURRENCY.fullmatch(value):
        raise InvalidArgument(field, "is not 1..16 lower-case letters, digits and '_'")


def check_cost_currency(field: str, value: str) -> None:
    """An ISO 4217 code."""
    if not _ISO_4217.fullmatch(value):
        raise InvalidArgument(field, "is not an ISO 4217 code such as USD")
