"""Columns of Arrow from lists of Python, as the tables of the usage store take them."""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa

DIMENSIONS = pa.map_(pa.string(), pa.string())


def texts(values: Sequence[str]) -> pa.Array:
    """Returns a column of text."""
    return pa.array(values, pa.string())


def numbers(values: Sequence[int]) -> pa.Array:
    """Returns a column of Int64."""
    return pa.array(values, pa.int64())


def unsigned(values: Sequence[int]) -> pa.Array:
    """Returns a column of UInt64."""
    return pa.array(values, pa.uint64())


def times(values: Sequence[int]) -> pa.Array:
    """Returns a column of times from Unix times in milliseconds."""
    return pa.array(values, pa.timestamp("ms", "UTC"))


def repeated(value: int, count: int) -> pa.Array:
    """Returns a column of UInt64 with one value."""
    return pa.repeat(pa.scalar(value, pa.uint64()), count)


def dimension_maps(values: Sequence[str]) -> pa.Array:
    """Returns a column of maps from JSON objects of strings; empty: no dimensions.

    Each text is read once: many rows have the same.
    """
    places: dict[str, int] = {}
    indices = [places.setdefault(text, len(places)) for text in values]
    return pa.array([_pairs(text) for text in places], DIMENSIONS).take(pa.array(indices, pa.int32()))


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    return list(json.loads(text).items()) if text else []
