"""A JSON object becomes the fields of an event: CloudEvents' structured mode, or the flat form.

    {"specversion": "1.0", "id": …, "source": …, "type": …, "time": …, "accountid": …, "subject": …,
     "data": {"dimensions": {…}, "quantities": {…}}}
    {"id": …, "source": …, "type": …, "time": …, "account_id": …, "dimension.model": …, "quantity.input": …}

Attributes beside these are extensions, and mean nothing here; members of `data` beside these are a mistake, unless they
are said to be ignored, since a misspelt one would be usage that is not counted.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from holdfast_ledger.objects.config import DIMENSION, QUANTITY, REQUIRED, TEXT_FIELDS, Shape
from holdfast_ledger.objects.header import is_ignored
from holdfast_ledger.objects.json_plain import Fields, plain_fields
from holdfast_ledger.objects.json_text import BadField, read_json
from holdfast_ledger.objects.values import BadValue, quantity_of, shown, text_of, time_of

_Value = TypeVar("_Value", str, int)

ATTRIBUTES = {"account_id": "accountid", "corrects_id": "correctsid"}
"""Names of CloudEvents' attributes, which have no "_", where ours is another; both are taken."""

_MEMBERS = {"dimensions", "quantities"}


class FieldReader:
    """Reads rows of one shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._columns = shape.columns
        self._texts = [self._place(name) for name in TEXT_FIELDS]
        self._mapped = {
            prefix: [
                (name.removeprefix(prefix), path) for name, path in shape.columns.items() if name.startswith(prefix)
            ]
            for prefix in (DIMENSION, QUANTITY)
        }

    def _place(self, name: str) -> tuple[str, str, str | None]:
        """Returns a field's name, what CloudEvents call it, and what it is where it is not there; None: a mistake."""
        return name, ATTRIBUTES.get(name, name), self._shape.defaults.get(name, None if name in REQUIRED else "")

    def read(self, line: bytes) -> Fields:
        """Returns the fields of an event that is written as a JSON object. Raises `BadField`."""
        plain = None if self._columns else plain_fields(line)
        return self.fields(read_json(line)) if plain is None else plain

    def fields(self, row: Mapping[str, object]) -> Fields:
        """Returns the fields of an event. Raises `BadField` with the first that is at fault."""
        if row.get("specversion", "1.0") != "1.0":
            raise BadField("specversion", f"is {shown(row['specversion'])}, not 1.0")
        texts = tuple([self._text(row, name, attribute, default) for name, attribute, default in self._texts])
        time_ms = _converted("time", self._found(row, "time", "time"), time_of)
        data = row.get("data")
        members: Mapping[str, object] = {} if data is None else self._members(data)
        flat: Mapping[str, object] = row if self._columns or any("." in name for name in row) else {}
        return Fields(
            texts,
            time_ms,
            self._entries(flat, DIMENSION, "dimensions", members.get("dimensions"), text_of),
            self._entries(flat, QUANTITY, "quantities", members.get("quantities"), quantity_of),
        )

    def _found(self, row: Mapping[str, object], name: str, attribute: str) -> object:
        if name in self._columns:
            return _at(row, self._columns[name])
        value = row.get(attribute)
        return row.get(name) if value is None else value

    def _text(self, row: Mapping[str, object], name: str, attribute: str, default: str | None) -> str:
        value = self._found(row, name, attribute)
        if type(value) is str and value.isascii():
            return value
        return default if value is None and default is not None else _converted(name, value, text_of)

    def _members(self, data: object) -> Mapping[str, object]:
        if not isinstance(data, dict):
            raise BadField("data", f"is {shown(data)}, not an object")
        for member in () if data.keys() <= _MEMBERS else data.keys() - _MEMBERS:
            path = f"data.{member}"
            used = any(one.startswith(path) for one in self._shape.columns.values())
            if not used and not is_ignored(path, self._shape):
                raise BadField(shown(path), "is nothing of an event; name it in ignored_columns")
        return data

    def _entries(
        self,
        row: Mapping[str, object],
        prefix: str,
        field: str,
        members: object,
        convert: Callable[[object], _Value],
    ) -> list[tuple[str, _Value]]:
        if members is not None and not isinstance(members, dict):
            raise BadField(field, f"is {shown(members)}, not an object")
        found = {**(members or {}), **dict(self._flat(row, prefix))} if row else (members or {})
        try:
            return [(text_of(key), convert(value)) for key, value in sorted(found.items()) if value is not None]
        except BadValue:  # one of them; which, is only asked now
            entries = sorted(found.items())
            return [
                (_converted(field, key, text_of), _converted(f"{field}[{shown(key)}]", value, convert))
                for key, value in entries
            ]

    def _flat(self, row: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
        for name, path in self._mapped[prefix]:
            yield name, _at(row, path)
        for name, value in row.items():
            if name.startswith(prefix) and name not in self._columns:
                yield name.removeprefix(prefix), value


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
