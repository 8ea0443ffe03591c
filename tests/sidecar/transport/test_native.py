"""What only the native module has: its copy of the histogram's bounds, and the echo server of the benchmarks."""

import pytest
from holdfast_sidecar.transport.interface import LATENCY_BOUNDS_US

from tests.sidecar.transport.conftest import needs_native
from tests.sidecar.transport.harness import CONFIG, WAIT_S, client_at

pytestmark = needs_native


def test_the_histogram_has_the_bounds_of_the_interface() -> None:
    from holdfast_sidecar import _native

    assert _native.LATENCY_BOUNDS_US == LATENCY_BOUNDS_US


def test_the_echo_server_answers_calls_and_streams_with_their_own_bytes() -> None:
    from holdfast_sidecar._native import EchoServer

    server = EchoServer(CONFIG)
    with client_at(f"127.0.0.1:{server.tcp_port}") as client:
        calls = [client.call(b"%d" % n) for n in range(50)]
        assert [call.result(timeout=WAIT_S) for call in calls] == [b"%d" % n for n in range(50)]
        stream = client.stream()
        stream.send(*(b"%d" % n for n in range(500)))
        stream.half_close()
        assert list(stream) == [b"%d" % n for n in range(500)]
    server.close(1_000)
    server.close(1_000)


def test_replies_of_a_wrong_shape_are_a_type_error() -> None:
    from holdfast_sidecar.transport.native import NativeTransport

    transport = NativeTransport(CONFIG)
    with pytest.raises(TypeError):
        transport.reply([(1, 0, "text")])  # type: ignore[list-item]  # that is the point
    with pytest.raises(ValueError, match="tuple"):
        transport.reply([(1, 0)])  # type: ignore[list-item]  # that is the point
    transport.close(0)
