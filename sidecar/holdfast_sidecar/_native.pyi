"""Types of the native extension (sidecar/native)."""

from collections.abc import Sequence
from typing import Protocol

from holdfast_sidecar.transport.interface import Item, Reply, TransportConfig

LATENCY_BOUNDS_US: tuple[int, ...]

class Transport:
    """See `interface.Transport`; raises OSError when an address cannot be bound."""

    def __init__(self, config: TransportConfig) -> None: ...
    @property
    def tcp_port(self) -> int | None: ...
    def next_batch(self, timeout_ns: int) -> list[Item]: ...
    def reply(self, replies: list[Reply]) -> None: ...
    def wake(self) -> None: ...
    def drain(self) -> None: ...
    def close(self, grace_ms: int) -> None: ...
    def statistics(self) -> tuple[list[tuple[str, list[int], list[int], int]], int, int, int]:
        """(methods, connection_count, pending_count, refused_count).

        A method is (path, answers by status code, answers by latency bucket, latency_sum_us).
        """

class EchoServer:
    """The bare transport: the same server, answering each message with itself without touching Python."""

    def __init__(self, config: TransportConfig) -> None: ...
    @property
    def tcp_port(self) -> int | None: ...
    def close(self, grace_ms: int) -> None: ...

# The load generator. Its only caller is `holdfast_bench.generator`, which documents it.

NUMBER_DIGITS: int
"""Digits of a number that is written into a payload."""

class _Patch(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def slot(self) -> int: ...
    @property
    def modulo(self) -> int: ...

class _Step(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def template(self) -> bytes: ...
    @property
    def patches(self) -> Sequence[_Patch]: ...
    @property
    def number_count(self) -> int: ...
    @property
    def stream(self) -> bool: ...
    @property
    def expect(self) -> bytes: ...
    @property
    def expect_count(self) -> int: ...

class Histogram:
    """Latencies from 1 microsecond to 60 seconds with three significant digits."""

    @property
    def count(self) -> int: ...
    @property
    def max_us(self) -> int: ...
    def percentile_us(self, percent: float) -> int: ...
    def buckets(self) -> list[tuple[int, int]]:
        """(value in microseconds, count), ascending, without empty ones."""

class LoadReport:
    """The figures of one run; calls count by the moment at which they were due, throughput by that of the answer."""

    seconds: float
    """Length of the measured phase."""
    call_count: int
    item_count: int
    throughput_per_s: float
    """Calls answered within the measured phase a second, whatever their status."""
    status_counts: dict[int, int]
    """Calls by gRPC status code."""
    unexpected_count: int
    """Answers with status OK that lack what the step expects."""
    unanswered_count: int
    """Calls without an answer ten seconds after the end; their time so far is in the histogram."""
    next_number: int
    """The first number that was not used."""
    call_latency: Histogram
    item_latency: Histogram
    burst_latency: Histogram
    """Of the slowest item of each burst."""

class LoadGenerator:
    """Sends work items to one server and measures them, each run over connections of its own."""

    def __init__(self, target: str, steps: Sequence[_Step], connection_count: int, first_number: int) -> None:
        """`target` is "host:port" or "unix:PATH". Raises ValueError for a patch outside its template."""
    def closed(self, in_flight: int, warmup_s: float, seconds: float, max_item_count: int | None = None) -> LoadReport:
        """Keeps `in_flight` items under way. Raises OSError when the server cannot be reached or leaves."""
    def open(self, rate_per_s: float, warmup_s: float, seconds: float) -> LoadReport:
        """Starts items evenly, however long they take; latency counts from when each was due."""
    def bursts(self, size: int, period_us: int, warmup_s: float, seconds: float) -> LoadReport:
        """Starts `size` items at one moment, each `period_us` microseconds."""
    def replay(self, calls: Sequence[tuple[int, int, bytes]], warmup_s: float) -> LoadReport:
        """Sends each (due_us, step, payload) at its time from the start; the times ascend."""
