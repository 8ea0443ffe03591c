"""The container's health check, against a real server."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from holdfast_sidecar.observe.probe import is_serving, main


@pytest.fixture
def server() -> Iterator[tuple[health.HealthServicer, str]]:
    """A health service and its address."""
    servicer = health.HealthServicer()
    grpc_server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, grpc_server)
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    yield servicer, f"127.0.0.1:{port}"
    grpc_server.stop(None).wait()


def test_what_serves_is_healthy(server: tuple[health.HealthServicer, str]) -> None:
    """Status 0 for SERVING."""
    servicer, target = server
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    assert is_serving(target)
    assert main([target]) == 0


def test_what_says_no_is_not(server: tuple[health.HealthServicer, str]) -> None:
    """Status 1 for NOT_SERVING, as of a sidecar whose store has failed."""
    servicer, target = server
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert main([target]) == 1


def test_a_service_may_be_named(server: tuple[health.HealthServicer, str]) -> None:
    """A sidecar that waits for the ledger is alive and not ready; one that knows no such service is not healthy."""
    servicer, target = server
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    servicer.set("liveness", health_pb2.HealthCheckResponse.SERVING)
    assert main([target, "liveness"]) == 0
    assert main([target]) == 1
    assert main([target, "unheard-of"]) == 1


def test_nobody_there_is_not_healthy() -> None:
    """Status 1 when the connection is refused."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert main([f"127.0.0.1:{unused.getsockname()[1]}"]) == 1


def test_silence_is_not_healthy() -> None:
    """Status 1 when something listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not is_serving(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)


def test_wrong_usage() -> None:
    """Status 2, so that it does not pass for an answer."""
    assert main([]) == 2
