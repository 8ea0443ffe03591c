"""What goes over the Unix socket between a ledger and its worker: frames of a JSON head and columns of Arrow.

A request is answered by one frame. A connection carries one request at a time; whoever has several opens several.
"""

import json
import socket
import struct
from typing import TypedDict

import pyarrow as pa

from holdfast_ledger.usage.database import MAX_RESULT_BYTES, Parameter, UsageStoreDown

MAX_HEAD_BYTES = 32 * 1024 * 1024
"""A statement with its parameters: some hundred thousand keys."""

MAX_BODY_BYTES = 2 * MAX_RESULT_BYTES
"""Arrow takes more than the engine's own columns, though not twice as much."""

_SIZES = struct.Struct(">II")


class Head(TypedDict, total=False):
    """What a frame says."""

    operation: str
    """Of a request: "query", "command", "insert", "status" or "rebuild"."""
    sql: str
    parameters: dict[str, Parameter]
    timeout_ms: int
    table: str
    token: str
    error: str
    """Of an answer that is none: the name of the `UsageStoreError`."""
    message: str
    status: dict[str, int | str | dict[str, int]]


def send(connection: socket.socket, head: Head, body: pa.Table | None = None) -> None:
    """Sends a frame. Raises OSError."""
    text = json.dumps(head).encode()
    columns = memoryview(b"") if body is None else memoryview(_packed(body))
    connection.sendall(_SIZES.pack(len(text), columns.nbytes) + text)
    if columns.nbytes:
        connection.sendall(columns)


def receive(connection: socket.socket) -> tuple[Head, pa.Table | None] | None:
    """Receives a frame; None: the other end has closed. Raises OSError, `UsageStoreDown` for what is no frame."""
    sizes = _exactly(connection, _SIZES.size, may_end=True)
    if sizes is None:
        return None
    head_size, body_size = _SIZES.unpack(sizes)
    if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise UsageStoreDown(f"a frame of {head_size} + {body_size} bytes is too large")
    text, columns = _exactly(connection, head_size), _exactly(connection, body_size)
    assert text is not None
    head: Head = json.loads(text)
    return head, _unpacked(columns) if columns else None


def _packed(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _unpacked(columns: bytes) -> pa.Table:
    with pa.ipc.open_stream(pa.py_buffer(columns)) as reader:
        return reader.read_all()


def _exactly(connection: socket.socket, size: int, *, may_end: bool = False) -> bytes | None:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = connection.recv_into(view[done:])
        if count == 0:
            if may_end and done == 0:
                return None
            raise UsageStoreDown("the other end closed in the middle of a frame")
        done += count
    return bytes(data)
