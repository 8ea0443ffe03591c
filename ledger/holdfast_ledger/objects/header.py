"""Which column of a file is which field of an event."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from holdfast_ledger.objects.config import REQUIRED, Shape, is_field


class BadHeader(Exception):
    """The columns are not those of events; the message names the column at fault."""


def columns_of(names: Sequence[str], shape: Shape) -> dict[str, str]:
    """Returns the name of the column of each field that there is one of. Raises `BadHeader`."""
    if twice := {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set():
        raise BadHeader(f"there are two columns {min(twice)!r}")
    for field, column in shape.columns.items():
        if column not in names:
            raise BadHeader(f"there is no column {column!r}, which is to be {field}")
    fields = dict(shape.columns)
    mapped = set(fields.values())
    for name in names:
        if name in mapped:
            continue
        if is_field(name) and name not in fields:
            fields[name] = name
        elif not is_ignored(name, shape):
            raise BadHeader(f"column {name!r} is nothing of an event: map it in columns, or name it in ignored_columns")
    if missing := [field for field in REQUIRED if field not in fields and field not in shape.defaults]:
        raise BadHeader(f"there is no column {missing[0]!r}; columns are {', '.join(map(repr, names[:20]))}")
    return fields


def is_ignored(name: str, shape: Shape) -> bool:
    """Returns whether a column is said to be nothing of an event."""
    return any(fnmatchcase(name, pattern) for pattern in shape.ignored_columns)
