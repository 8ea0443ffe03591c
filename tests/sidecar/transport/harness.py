"""What the transport's contract tests share: opening one, gathering items, waiting for conditions, raw HTTP/2."""

import importlib.util
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue
from typing import Literal, TypeAlias

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from holdfast_sidecar.transport.factory import open_transport
from holdfast_sidecar.transport.interface import Item, Method, MethodKind, Transport, TransportConfig

Kind: TypeAlias = Literal["native", "portable"]

UNARY = "/holdfast.test.Service/Unary"
OTHER = "/holdfast.test.Service/Other"
STREAM = "/holdfast.test.Service/Stream"

CONFIG = TransportConfig(
    methods=(Method(UNARY), Method(OTHER), Method(STREAM, MethodKind.BIDI)), tcp_address="127.0.0.1:0"
)

WAIT_NS = 60_000_000_000
WAIT_S = 60
"""Far longer than anything here takes: a test that waits so long has failed."""

NATIVE_IS_BUILT = importlib.util.find_spec("holdfast_sidecar._native") is not None


class Open:
    """Opens transports of one kind, with `CONFIG` changed as asked, and closes them after the test."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._opened: list[Transport] = []

    def __call__(self, **changes: object) -> Transport:
        transport = open_transport(replace(CONFIG, **changes), self.kind)  # type: ignore[arg-type]  # by field name
        self._opened.append(transport)
        return transport

    def close_all(self) -> None:
        """Closes what a test has left open, owing answers or not."""
        for transport in self._opened:
            transport.close(0)


class Client:
    """A client of the test service, messages as bytes."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def call(
        self,
        payload: bytes,
        path: str = UNARY,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
        compression: grpc.Compression | None = None,
    ) -> "grpc.Future[bytes]":
        """A unary call, its answer still to come."""
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path)
        return unary.future(payload, timeout=timeout, metadata=metadata, compression=compression)

    def stream(self, timeout: float | None = None) -> "Stream":
        """A bidirectional stream."""
        return Stream(self._channel, timeout)


class Stream:
    """A client's stream, written message by message and read by iterating over it."""

    def __init__(self, channel: grpc.Channel, timeout: float | None) -> None:
        self._messages: SimpleQueue[bytes | None] = SimpleQueue()
        start: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
        self._call = start(iter(self._messages.get, None), timeout=timeout)

    def send(self, *messages: bytes) -> None:
        """Writes messages; never blocks."""
        for message in messages:
            self._messages.put(message)

    def half_close(self) -> None:
        """Says that no message follows."""
        self._messages.put(None)

    def cancel(self) -> None:
        """Leaves."""
        self._call.cancel()

    @property
    def is_done(self) -> bool:
        """Whether the stream has ended."""
        return not self._call.is_active()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._call)

    def error(self) -> grpc.RpcError:
        """The error that the stream ends with, its answers until then thrown away."""
        try:
            answers = list(self)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"the stream ended well after {len(answers)} answers")


@contextmanager
def client_of(transport: Transport) -> Iterator[Client]:
    """A client with a TCP connection of its own."""
    with client_at(f"127.0.0.1:{transport.tcp_port}") as client:
        yield client


@contextmanager
def client_at(target: str) -> Iterator[Client]:
    """A client with a connection of its own to `target`."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Client(channel)


def gather(transport: Transport, item_count: int) -> list[Item]:
    """Takes batches until `item_count` items are there."""
    items: list[Item] = []
    deadline_ns = time.monotonic_ns() + WAIT_NS
    while len(items) < item_count:
        left_ns = deadline_ns - time.monotonic_ns()
        assert left_ns > 0, f"{len(items)} of {item_count} items arrived"
        items += transport.next_batch(left_ns)
    return items


def echo(transport: Transport, items: list[Item]) -> None:
    """Answers each item with its own payload."""
    transport.reply([(call_id, 0, payload) for call_id, _, payload, _, _ in items])


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition that nothing announces."""
    deadline_ns = time.monotonic_ns() + WAIT_NS
    while not condition():
        assert time.monotonic_ns() < deadline_ns, f"never happened: {what}"
        time.sleep(0.001)


def until_counted(transport: Transport, path: str, code: grpc.StatusCode, count: int = 1) -> None:
    """Waits until the transport has counted `count` answers of a status."""
    number: int = code.value[0]
    until(
        lambda: transport.statistics().methods[path].status_counts.get(number, 0) == count,
        f"{count} times {code.name} counted",
    )


def fault(code: grpc.StatusCode, reason: str, message: str = "no") -> tuple[int, bytes]:
    """The (status, payload) of an answer that is a fault with `ErrorInfo`."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="holdfast"))
    return status.code, status.SerializeToString()


def error_of(call: "grpc.Future[bytes]") -> grpc.RpcError:
    """The error that a call ends with."""
    error = call.exception(timeout=WAIT_S)
    assert isinstance(error, grpc.RpcError)
    return error


def reason_of(error: grpc.RpcError) -> str:
    """`ErrorInfo.reason` of an error, as a client reads it."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, "the error carries no google.rpc.Status"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


# Raw HTTP/2: no library for it is installed, and what is sent here is wrong on purpose.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


def header_block(path: str, more: Mapping[str, str] | None = None, authority: str = "test") -> bytes:
    """A gRPC request's headers, each a literal, named in full but for the authority, which is named by index."""
    pseudo_headers = {":method": "POST", ":scheme": "http", ":path": path}
    headers = {"content-type": "application/grpc", "te": "trailers", **(more or {})}
    named_by_index = bytes([0x41, len(authority)]) + authority.encode()
    return _literals(pseudo_headers) + named_by_index + _literals(headers)


def _literals(headers: Mapping[str, str]) -> bytes:
    return b"".join(
        bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in headers.items()
    )


@contextmanager
def raw_connection(transport: Transport) -> Iterator[socket.socket]:
    """A TCP connection with nothing said on it."""
    with socket.create_connection(("127.0.0.1", transport.tcp_port or 0), timeout=WAIT_S) as connection:
        yield connection


def frames_of(connection: socket.socket, until_stream_ends: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """(kind, stream_id, payload) of each frame of the server's, until it closes the connection or a stream."""
    buffer = b""
    while True:
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3]):
            end = 9 + int.from_bytes(buffer[:3])
            kind, flags, stream_id = buffer[3], buffer[4], int.from_bytes(buffer[5:9])
            yield kind, stream_id, buffer[9:end]
            ends = kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM)
            if ends and stream_id == until_stream_ends:
                return
            buffer = buffer[end:]
        received = receive(connection)
        if not received:
            return
        buffer += received


def receive(connection: socket.socket) -> bytes:
    """What has arrived; empty once the server has closed the connection."""
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""
