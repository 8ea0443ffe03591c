"""How values travel to and from PostgreSQL: always as the same types, in binary, and whole columns as one array.

The same types always, so that a statement is prepared once and not for each size of its numbers.
"""

import itertools
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper

from holdfast_ledger.store.rows import Value

INT8_OID, TEXT_OID, BYTEA_OID = 20, 25, 17
INT8_ARRAY_OID, TEXT_ARRAY_OID, BYTEA_ARRAY_OID = 1016, 1009, 1001

TEXT_COLUMNS = frozenset(
    (
        "operation_id", "hold_id", "subject", "dimensions", "reason", "display_name", "budget_id",
        "share_of_budget_id", "currency", "pool_id", "match", "alert_bps", "limit_id", "meters",
        "windows", "quantities", "account_id", "origin", "meter_id", "source", "path", "version", "claim", "error",
        "product", "caller",
    )
)  # fmt: skip
"""Columns of text in the tables that take many rows at once."""

BYTES_COLUMNS = frozenset(("debit", "event", "period_hash"))
"""The same of bytes."""

_NULL = struct.pack("!i", -1)

# PostgreSQL has no U+0000 in text, callers may; what stands for it is escaped itself.
_ESCAPE, _ESCAPED_NUL, _ESCAPED_ESCAPE = "\x1a", "\x1a0", "\x1a1"


class Bigints(bytes):
    """A `bigint[]`, as it goes over the wire."""


class Texts(bytes):
    """A `text[]`."""


class Blobs(bytes):
    """A `bytea[]`."""


def bigints(values: Sequence[int | None]) -> Bigints:
    """Returns numbers, or NULLs, as an array."""
    if None in values:
        items = b"".join(_NULL if v is None else struct.pack("!iq", 8, v) for v in values)
        return Bigints(_head(len(values), INT8_OID, has_null=True) + items)
    pairs = itertools.chain.from_iterable(zip(itertools.repeat(8), values))
    return Bigints(_head(len(values), INT8_OID) + _pairs(len(values)).pack(*pairs))


@lru_cache(maxsize=256)
def _pairs(count: int) -> struct.Struct:
    return struct.Struct("!" + "iq" * count)


def texts(values: Sequence[str]) -> Texts:
    """Returns strings as an array."""
    return Texts(_head(len(values), TEXT_OID) + _sized(escaped(value).encode() for value in values))


def blobs(values: Sequence[bytes]) -> Blobs:
    """Returns byte strings as an array."""
    return Blobs(_head(len(values), BYTEA_OID) + _sized(values))


def column(name: str, values: Sequence[Value]) -> Bigints | Texts | Blobs:
    """Returns a column of many rows as an array; see `column_type`."""
    match column_type(name):
        case "text":
            return texts(values)  # type: ignore[arg-type]  # what the column holds
        case "bytea":
            return blobs(values)  # type: ignore[arg-type]
        case _:
            return bigints(values)  # type: ignore[arg-type]


def column_type(name: str) -> str:
    """Returns the type of a column of a table that takes many rows at once."""
    if name in TEXT_COLUMNS:
        return "text"
    return "bytea" if name in BYTES_COLUMNS else "bigint"


def _head(count: int, oid: int, has_null: bool = False) -> bytes:
    """The array's head: dimensions, whether there are NULLs, type, length, first index."""
    return struct.pack("!iiIii", 1, has_null, oid, count, 1) if count else struct.pack("!iiI", 0, 0, oid)


def _sized(values: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        parts.append(struct.pack("!i", len(value)))
        parts.append(value)
    return b"".join(parts)


def escaped(text: str) -> str:
    """Returns text that PostgreSQL can hold."""
    if "\x00" in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPED_ESCAPE).replace("\x00", _ESCAPED_NUL)
    return text


def unescaped(text: str) -> str:
    """Returns text as it was before `escaped`."""
    if _ESCAPE in text:
        return text.replace(_ESCAPED_NUL, "\x00").replace(_ESCAPED_ESCAPE, _ESCAPE)
    return text


class _ReadyDumper(Dumper):
    """Hands over what is in the wire's format already."""

    format = Format.BINARY

    def dump(self, obj: Buffer) -> Buffer:
        return obj


class _BigintsDumper(_ReadyDumper):
    oid = INT8_ARRAY_OID


class _TextsDumper(_ReadyDumper):
    oid = TEXT_ARRAY_OID


class _BlobsDumper(_ReadyDumper):
    oid = BYTEA_ARRAY_OID


class _TextDumper(Dumper):
    format = Format.BINARY
    oid = TEXT_OID

    def dump(self, obj: str) -> Buffer:
        return escaped(obj).encode()


class _TextLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return unescaped(bytes(data).decode())


def register(context: AdaptContext) -> None:
    """Makes a connection use all this."""
    adapters = context.adapters
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, _TextDumper)
    adapters.register_dumper(Bigints, _BigintsDumper)
    adapters.register_dumper(Texts, _TextsDumper)
    adapters.register_dumper(Blobs, _BlobsDumper)
    adapters.register_loader("text", _TextLoader)
