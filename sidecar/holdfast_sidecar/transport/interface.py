"""What a transport is: bytes in, in batches; bytes out, whenever the loop has them.

Two implementations pass the same contract tests: `native` (tonic, the production path) and `portable`
(grpc.aio + uvloop, where the native module is not built). Upstream of it: gRPC callers. Downstream: the
dispatcher, on the thread that calls `next_batch`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Protocol, TypeAlias

Item: TypeAlias = tuple[int, int, bytes, str, int]
"""(call_id, method, payload, peer, deadline_ns): one unary request or one message of a stream.

`call_id` names the answer that is owed and is never reused. `method` is an index into
`TransportConfig.methods`. `peer` is one string a connection ("unix:uid=1000,gid=1000,pid=7" or
"tcp:127.0.0.1:4711"), followed by a space and the `authorization` metadata of a call that has it.
`deadline_ns` is the caller's deadline on CLOCK_BOOTTIME, 0 for none.
"""

Reply: TypeAlias = tuple[int, int, bytes]
"""(call_id, status, payload): status 0 carries the response message; another gRPC status code carries a
serialised `google.rpc.Status`, sent as grpc-status, grpc-message and grpc-status-details-bin."""

LATENCY_BOUNDS_US: tuple[int, ...] = (
    50, 75, 100, 150, 200, 300, 400, 500, 750,
    1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 25_000, 50_000,
)  # fmt: skip
"""Inclusive upper bounds, in microseconds, of the latency histogram's buckets; one more is above all."""


class MethodKind(Enum):
    """How the messages of a method travel."""

    UNARY = "unary"
    BIDI = "bidi"


@dataclass(frozen=True, slots=True)
class Method:
    """A gRPC method by its full path, such as "/holdfast.v1.EnforcementService/Reserve"."""

    path: str
    kind: MethodKind = MethodKind.UNARY


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """Where to listen and every limit, explicit; at least one of `tcp_address`, `unix_path` is set."""

    methods: tuple[Method, ...]
    tcp_address: str | None = None
    """"host:port"; port 0 lets the system choose, see `Transport.tcp_port`."""
    unix_path: str | None = None
    """Bound inside a private folder and moved to its place when it listens; a dead server's socket is replaced."""
    allowed_uids: tuple[int, ...] | None = None
    """Peer uids that may connect on the Unix socket, its file then open to all users (0666) and each peer asked
    for its uid; None: this process's own uid and root (0600)."""
    max_batch_items: int = 1024
    max_pending_items: int = 16_384
    """Items taken in and not answered; past it a call is refused with RESOURCE_EXHAUSTED."""
    max_message_bytes: int = 262_144
    max_metadata_bytes: int = 8_192
    """Headers of a call, counted as HTTP/2 does: 32 bytes each beside name and value."""
    max_concurrent_streams: int = 1024
    """Per connection, HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS."""
    max_stream_items: int = 64
    """Messages of one bidirectional stream taken in and not answered; then the stream is not read."""
    max_connections: int = 4096
    handshake_timeout_ms: int = 5_000
    keepalive_interval_ms: int = 20_000
    keepalive_timeout_ms: int = 10_000
    initial_window_bytes: int = 4 * 1024 * 1024
    """HTTP/2 flow-control window of a connection and of a stream."""

    def __post_init__(self) -> None:
        """Refuses what no transport can serve.

        Raises:
            ValueError: No address, no method, or a limit that is not positive.
        """
        if self.tcp_address is None and self.unix_path is None:
            raise ValueError("neither tcp_address nor unix_path is set")
        if not self.methods:
            raise ValueError("no methods to serve")
        for limit in fields(self):
            value = getattr(self, limit.name)
            if isinstance(value, int) and value <= 0:
                raise ValueError(f"{limit.name} must be positive, not {value}")


@dataclass(frozen=True, slots=True)
class MethodStatistics:
    """Counts of one method since the start."""

    status_counts: Mapping[int, int] = field(default_factory=dict)
    """Answers by gRPC status code."""
    latency_counts: Sequence[int] = field(default_factory=tuple)
    """Answers per bucket of `LATENCY_BOUNDS_US`, from an item's arrival to the hand-over of its answer."""
    latency_sum_us: int = 0


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """A snapshot, cheap to take from any thread."""

    methods: Mapping[str, MethodStatistics]
    """By method path."""
    connection_count: int
    pending_count: int
    refused_count: int
    """Calls and connections refused by a limit of the transport."""


class Transport(Protocol):
    """Takes calls in and hands answers out. `next_batch` and `reply` belong to one thread, the loop's."""

    @property
    def tcp_port(self) -> int | None:
        """The TCP port bound, None without a TCP listener."""

    def next_batch(self, timeout_ns: int) -> list[Item]:
        """Returns what has arrived, in order; waits up to `timeout_ns` for the first item.

        Returns early, possibly with nothing, after `wake`. Gives up the interpreter lock while it waits.
        At most `max_batch_items` items.
        """

    def reply(self, replies: list[Reply]) -> None:
        """Hands answers out. An answer whose caller has gone is dropped; never blocks on a caller.

        Every item is owed exactly one answer, even when its deadline has passed: until then it counts as
        pending. A second answer to the same item is dropped.

        On a stream a status other than 0 ends the stream. A stream that the caller has half-closed ends with
        OK after its last owed answer.
        """

    def wake(self) -> None:
        """Makes the running or next `next_batch` return at once. Any thread."""

    def drain(self) -> None:
        """Stops taking connections and calls in (GOAWAY); calls already in are still answered. Any thread."""

    def close(self, grace_ms: int) -> None:
        """Drains, waits up to `grace_ms` until all answers are flushed, then cuts what is left. Idempotent.

        Whoever calls it from the loop's thread has replied to everything before: nobody else would.
        """

    def statistics(self) -> TransportStatistics:
        """Counters for the metrics endpoint. Any thread."""
