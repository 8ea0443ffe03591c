"""A JSON object becomes the fields of an event: CloudEvents' structured mode, or the flat form.

    {"specversion": "1.0", "id": …, "source": …, "type": …, "time": …, "accountid": …, "subject": …,
     "data": {"dimensions": {…}, "quantities": {…}}}
    {"id": …, "source": …, "type": …, "time": …, "account_id": …, "dimension.model": …, "quantity.input": …}

Attributes beside these are extensions, and mean nothing here; members of `data` beside these are a mistake, unless they
are said to be ignored, since a misspelt one would be usage that is not counted.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from holdfast_ledger.objects.config import DIMENSION, QUANTITY, REQUIRED, TEXT_FIELDS, Shape
from holdfast_ledger.objects.header import is_ignored
from holdfast_ledger.objects.values import BadValue, quantity_of, shown, text_of, time_of

_Value = TypeVar("_Value", str, int)

ATTRIBUTES = {"account_id": "accountid", "corrects_id": "correctsid"}
"""Names of CloudEvents' attributes, which have no "_", where ours is another; both are taken."""


class BadField(Exception):
    """A field cannot be counted."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class Fields(NamedTuple):
    """The fields of an event; not yet checked against `event_rules`."""

    texts: tuple[str, ...]
    """By `TEXT_FIELDS`."""
    time_ms: int
    dimensions: list[tuple[str, str]]
    """Ascending by key."""
    quantities: list[tuple[str, int]]


def read_json(text: bytes) -> dict[str, object]:
    """Reads a JSON object. Raises `BadField`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as fault:  # UnicodeDecodeError is a ValueError
        reason = "is not UTF-8" if isinstance(fault, UnicodeDecodeError) else f"is not JSON: {fault}"
        raise BadField("", reason) from fault
    if not isinstance(value, dict):
        raise BadField("", "is JSON, but not an object")
    return value


def fields_of(row: Mapping[str, object], shape: Shape) -> Fields:
    """Returns the fields of an event. Raises `BadField` with the first that is at fault."""
    if row.get("specversion", "1.0") != "1.0":
        raise BadField("specversion", f"is {shown(row['specversion'])}, not 1.0")
    texts = tuple(_text(row, name, shape) for name in TEXT_FIELDS)
    time_ms = _converted("time", _found(row, "time", shape), time_of)
    data = row.get("data")
    members = _members("data", data, shape) if data is not None else {}
    dimensions = _entries(row, DIMENSION, members.get("dimensions"), shape, text_of)
    quantities = _entries(row, QUANTITY, members.get("quantities"), shape, quantity_of)
    return Fields(texts, time_ms, dimensions, quantities)


def _found(row: Mapping[str, object], name: str, shape: Shape) -> object:
    if name in shape.columns:
        return _at(row, shape.columns[name])
    return row.get(name, row.get(ATTRIBUTES.get(name, name)))


def _at(row: Mapping[str, object], path: str) -> object:
    """Returns what a dotted path leads to; a member whose name has the dots is nearer."""
    if path in row:
        return row[path]
    head, _, rest = path.partition(".")
    below = row.get(head)
    return _at(below, rest) if rest and isinstance(below, dict) else None


def _converted(name: str, value: object, convert: Callable[[object], _Value]) -> _Value:
    if value is None:
        raise BadField(name, "is missing")
    try:
        return convert(value)
    except BadValue as fault:
        raise BadField(name, str(fault)) from fault


def _text(row: Mapping[str, object], name: str, shape: Shape) -> str:
    value = _found(row, name, shape)
    if value is None and (name in shape.defaults or name not in REQUIRED):
        return shape.defaults.get(name, "")
    return _converted(name, value, text_of)


def _members(name: str, value: object, shape: Shape) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadField(name, f"is {shown(value)}, not an object")
    for member in value:
        path = f"data.{member}"
        used = member in {"dimensions", "quantities"} or any(one.startswith(path) for one in shape.columns.values())
        if not used and not is_ignored(path, shape):
            raise BadField(shown(path), "is nothing of an event; name it in ignored_columns")
    return value


def _entries(
    row: Mapping[str, object], prefix: str, members: object, shape: Shape, convert: Callable[[object], _Value]
) -> list[tuple[str, _Value]]:
    name = "dimensions" if prefix == DIMENSION else "quantities"
    if members is not None and not isinstance(members, dict):
        raise BadField(f"data.{name}", f"is {shown(members)}, not an object")
    found = {**(members or {}), **dict(_flat(row, prefix, shape))}
    return [
        (_converted(name, key, text_of), _converted(f"{name}[{shown(key)}]", value, convert))
        for key, value in sorted(found.items())
        if value is not None
    ]


def _flat(row: Mapping[str, object], prefix: str, shape: Shape) -> Iterator[tuple[str, object]]:
    for field, column in shape.columns.items():
        if field.startswith(prefix):
            yield field.removeprefix(prefix), _at(row, column)
    for name, value in row.items():
        if name.startswith(prefix) and name not in shape.columns:
            yield name.removeprefix(prefix), value
