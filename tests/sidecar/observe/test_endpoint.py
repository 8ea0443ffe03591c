"""The metrics endpoint, over real HTTP."""

import socket
import urllib.request

import pytest
from holdfast_sidecar.observe.endpoint import MetricsEndpoint

from tests.sidecar.observe.snapshots import sources


def get(port: int) -> str:
    """The body of a scrape."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def test_a_scrape_has_the_sidecar_and_its_process() -> None:
    """The sidecar's own metrics, and memory, processor time and files of the process."""
    with MetricsEndpoint(sources(), "127.0.0.1", 0) as endpoint:
        text = get(endpoint.port)
    assert 'holdfast_build_info{durability="host",transport="native",version="0.1.0"} 1.0' in text
    assert "holdfast_holds 22.0" in text
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text


def test_a_closed_endpoint_is_gone() -> None:
    """The port is free again; closing twice is harmless."""
    endpoint = MetricsEndpoint(sources(), "127.0.0.1", 0)
    port = endpoint.port
    endpoint.close()
    endpoint.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
        pass


def test_a_port_that_is_taken_is_an_error() -> None:
    """Nothing is served, and the caller learns why."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="Address already in use"),
    ):
        MetricsEndpoint(sources(), "127.0.0.1", taken.getsockname()[1])
