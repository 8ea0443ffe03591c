"""Serves the metrics over HTTP, on a thread of its own."""

from types import TracebackType

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from holdfast_sidecar.observe.collector import SidecarCollector, Sources


class MetricsEndpoint:
    """The Prometheus endpoint of one sidecar, from construction until `close`.

    Args:
        host: Address to listen on.
        port: Port, 0 for one that the system chooses, see `port`.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(self, sources: Sources, host: str, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(SidecarCollector(sources))
        ProcessCollector(registry=registry)
        self._server, self._thread = start_http_server(port, host, registry)

    @property
    def port(self) -> int:
        """The port bound."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops serving. Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def __enter__(self) -> "MetricsEndpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
