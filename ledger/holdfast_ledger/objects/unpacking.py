"""Objects that are compressed: told by their suffix or their first bytes, unpacked as a stream.

What is whole before damage comes out, then `Damaged` is raised.
"""

import io
import zlib
from collections.abc import Iterator

import pyarrow as pa

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
SUFFIXES = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
READ_BYTES = 2**20
"""Unpacked at once: bounds what a small object of zeros takes."""


class Damaged(Exception):
    """The rest of an object cannot be read, today or later; the message says why."""


def plain_path(path: str) -> str:
    """Returns a path without what says how the object is compressed."""
    return next((path[: -len(suffix)] for suffix in SUFFIXES if path.lower().endswith(suffix)), path)


def unpacked(path: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Returns the text of an object. Raises `Damaged`, and what `chunks` raises."""
    first = b""
    while len(first) < 4 and (chunk := next(chunks, b"")):
        first += chunk
    method = next((method for magic, method in MAGIC.items() if first.startswith(magic)), "")
    named = next((method for suffix, method in SUFFIXES.items() if path.lower().endswith(suffix)), "")
    if named and not method and first:
        raise Damaged(f"is named as {named} and is none")
    match method:
        case "gzip":
            yield from _gunzipped(_from(first, chunks))
        case "zstd":
            yield from _zstd_unpacked(_from(first, chunks))
        case _:
            yield from _from(first, chunks)


def _from(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacks gzip, also of several members, as concatenated files are."""
    inflater = zlib.decompressobj(wbits=31)
    begun = False
    try:
        for chunk in chunks:
            left = chunk
            while left := left if begun else left.lstrip(b"\x00"):  # between members: padding, as tapes have it
                begun = True
                yield inflater.decompress(left, READ_BYTES)
                left = inflater.unconsumed_tail
                if inflater.eof:
                    left = inflater.unused_data
                    inflater, begun = zlib.decompressobj(wbits=31), False
    except zlib.error as fault:
        raise Damaged(f"is damaged gzip: {fault}") from fault
    if begun:
        raise Damaged("is gzip that ends too early")


class _Stream(io.RawIOBase):
    """Chunks as a file, for Arrow; keeps what reading them raised, which Arrow would turn into something else."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""
        self.fault: Exception | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Reads at most so many bytes."""
        try:
            self._left = self._left or next(self._chunks, b"")
        except Exception as fault:
            self.fault = fault
            raise
        end = len(self._left) if size < 0 else size
        part, self._left = self._left[:end], self._left[end:]
        return part


def _zstd_unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    stream = _Stream(chunks)
    unpacking = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    try:
        while part := unpacking.read(READ_BYTES):
            yield part
    except (pa.ArrowException, OSError) as fault:
        if stream.fault is not None:
            raise stream.fault from fault
        raise Damaged(f"is damaged zstd: {fault}") from fault
