"""Dimensions with a column of their own: a list of the ledger's settings, here its names are checked.

Their names stand in SQL, so they are of few characters. Every other dimension is read out of the map `dimensions`.
"""

import re
from collections.abc import Sequence

DEFAULT_DIMENSIONS = ("model", "feature", "region", "provider", "environment")
"""Those of calls to models."""

MAX_DIMENSIONS = 16
"""With a column: each is written with every row, and makes the sums of hours finer."""

COLUMN_PREFIX = "dimension_"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of a list. Raises ValueError: they are too many, twice there, or of other characters."""
    if len(names) > MAX_DIMENSIONS:
        raise ValueError(f"has {len(names)} names, more than {MAX_DIMENSIONS}")
    for place, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is not a name of 1..64 letters, digits and _ . : / -")
        if name in names[:place]:
            raise ValueError(f"{name!r} is there twice")
    return tuple(names)


def split(text: str) -> tuple[str, ...]:
    """Reads a list with commas; empty: none. Raises ValueError."""
    return checked([name.strip() for name in text.split(",")] if text.strip() else [])


def column_of(name: str) -> str:
    """Returns the column of a dimension that has one, as it stands in SQL."""
    assert _NAME.fullmatch(name)
    return f"`{COLUMN_PREFIX}{name}`"
