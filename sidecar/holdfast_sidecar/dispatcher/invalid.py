"""What a caller may get wrong in the shape of a request, and the limits that say so (see enforcement_service.proto)."""

from holdfast_rating.meters import Meter

from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.rules import Dimensions, Quantities

ID_MAX_BYTES = 128
SUBJECT_MAX_BYTES = 512
DIMENSION_MAX_COUNT = 16
DIMENSION_KEY_MAX_BYTES = 64
DIMENSION_VALUE_MAX_BYTES = 256
CURRENCY_MAX_BYTES = 16
FEATURE_MAX_BYTES = 128
QUANTITIES_MAX_COUNT = len(Meter)
"""One a meter."""
OUTPUT_TOKENS_MAX_COUNT = 2**31 - 1

_METERS = frozenset(map(str, Meter))
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F
_LAST_CONTROL = 0x9F


class Invalid(Exception):
    """A request that is refused with INVALID_ARGUMENT; nothing has changed.

    Args:
        field: The field at fault, dotted.
        problem: What is wrong and what would be right.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


def check_text(field: str, text: str, max_bytes: int) -> str:
    """Returns the text. Raises Invalid if it is too long or has control characters."""
    if len(text) <= max_bytes and text.isascii() and text.isprintable():
        return text
    if len(text.encode()) > max_bytes:
        raise Invalid(field, f"longer than {max_bytes} bytes")
    if any(ord(char) < _FIRST_PRINTABLE or _DELETE <= ord(char) <= _LAST_CONTROL for char in text):
        raise Invalid(field, "has control characters")
    return text


def check_id(field: str, text: str) -> str:
    """Returns the id. Raises Invalid if it is empty, too long, or has control characters."""
    if not text:
        raise Invalid(field, "must not be empty")
    return check_text(field, text, ID_MAX_BYTES)


def check_amount(field: str, amount: int, minimum: int, maximum: int = INT64_MAX) -> int:
    """Returns the amount in minor units. Raises Invalid outside minimum..maximum."""
    if minimum <= amount <= maximum:
        return amount
    raise Invalid(field, f"must be {minimum}..{maximum}, is {amount}")


def check_dimensions(pairs: list[tuple[str, str]]) -> Dimensions:
    """Returns the pairs sorted by key. Raises Invalid where there are too many or they are too long."""
    if len(pairs) > DIMENSION_MAX_COUNT:
        raise Invalid("dimensions", f"more than {DIMENSION_MAX_COUNT}")
    for key, value in pairs:
        if not key:
            raise Invalid("dimensions", "a key is empty")
        check_text("dimensions", key, DIMENSION_KEY_MAX_BYTES)
        check_text(f"dimensions[{key}]", value, DIMENSION_VALUE_MAX_BYTES)
    return tuple(sorted(pairs))


def check_meter(field: str, text: str) -> str:
    """Returns the name of a meter of rate cards. Raises Invalid if there is no such meter."""
    if text not in _METERS:
        raise Invalid(field, f"is not a meter of rate cards; known are {', '.join(Meter)}")
    return text


def check_quantities(field: str, pairs: list[tuple[str, int]]) -> Quantities:
    """Returns the pairs sorted by meter. Raises Invalid for a meter that is not known, or a quantity out of range."""
    if len(pairs) > QUANTITIES_MAX_COUNT:
        raise Invalid(field, f"more than {QUANTITIES_MAX_COUNT}")
    for meter, quantity in pairs:
        if meter not in _METERS:
            raise Invalid(f"{field}[{meter}]", f"is not a meter; known are {', '.join(Meter)}")
        check_amount(f"{field}[{meter}]", quantity, 0)
    return tuple(sorted(pairs))
