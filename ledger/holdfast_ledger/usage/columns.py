"""Columns of Arrow from lists of Python, as the tables of the usage store take them."""

from collections.abc import Sequence

import pyarrow as pa


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
