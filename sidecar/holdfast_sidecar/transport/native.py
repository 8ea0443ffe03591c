"""The native transport: a typed face on the Rust extension, which does all the work (sidecar/native)."""

from holdfast_sidecar._native import Transport as _Transport
from holdfast_sidecar.transport.interface import (
    Item,
    MethodStatistics,
    Reply,
    TransportConfig,
    TransportStatistics,
)


class NativeTransport:
    """`interface.Transport` on tonic, served by a thread that never takes the interpreter lock.

    Signal handlers do not run while `next_batch` waits on the main thread: wait there with short timeouts.

    Raises:
        OSError: An address of the configuration cannot be bound.
    """

    def __init__(self, config: TransportConfig) -> None:
        self._native = _Transport(config)

    @property
    def tcp_port(self) -> int | None:
        """The TCP port bound, None without a TCP listener."""
        return self._native.tcp_port

    def next_batch(self, timeout_ns: int) -> list[Item]:
        """See `interface.Transport.next_batch`."""
        return self._native.next_batch(timeout_ns)

    def reply(self, replies: list[Reply]) -> None:
        """See `interface.Transport.reply`."""
        self._native.reply(replies)

    def wake(self) -> None:
        """See `interface.Transport.wake`."""
        self._native.wake()

    def drain(self) -> None:
        """See `interface.Transport.drain`."""
        self._native.drain()

    def close(self, grace_ms: int) -> None:
        """See `interface.Transport.close`."""
        self._native.close(grace_ms)

    def statistics(self) -> TransportStatistics:
        """See `interface.Transport.statistics`."""
        methods, connection_count, pending_count, refused_count = self._native.statistics()
        return TransportStatistics(
            methods={
                path: MethodStatistics(
                    status_counts={code: count for code, count in enumerate(statuses) if count},
                    latency_counts=tuple(latencies),
                    latency_sum_us=latency_sum_us,
                )
                for path, statuses, latencies, latency_sum_us in methods
            },
            connection_count=connection_count,
            pending_count=pending_count,
            refused_count=refused_count,
        )
