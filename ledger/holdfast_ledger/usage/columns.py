"""Columns of Arrow from lists of Python, as the tables of the usage store take them."""

from collections.abc import Sequence

import pyarrow as pa

from holdfast_ledger.usage.database import UsageDatabase

MAX_BLOCK_BYTES = 32 * 1024 * 1024
"""Rows that take more are inserted in several blocks: the engine needs some times as much for each."""

BLOCK_ROWS = 2_000
"""Of such blocks: 20 MB of the largest rows. Always so many, as a block that is repeated must be the same."""


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


def insert(database: UsageDatabase, table: str, rows: pa.Table, token: str = "") -> None:
    """Inserts rows in blocks that the engine has memory for; see `UsageDatabase.insert`. Raises `UsageStoreError`."""
    if rows.nbytes <= MAX_BLOCK_BYTES:
        database.insert(table, rows, token)
        return
    for start in range(0, rows.num_rows, BLOCK_ROWS):
        database.insert(table, rows.slice(start, BLOCK_ROWS), f"{token}:{start}" if token else "")
