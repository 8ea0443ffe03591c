"""The proxy does to a connection what it is told."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from holdfast_bench.ports import unused_port

from tests.nemesis.proxy import ProxyProcess
from tests.scenarios.world import wait_until

LINK = "a>b"
SHORT_S = 0.3
PATIENCE_S = 60.0


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while chunk := connection.recv(65_536):
                self.received += chunk
                connection.sendall(chunk)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[tuple[ProxyProcess, socket.socket]]:
    """A proxy before the echo, and a connection through it."""
    made = ProxyProcess()
    try:
        port = made.open(LINK, "127.0.0.1:0", echo.address)
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            yield made, connection
    finally:
        made.close()


def test_a_stalled_direction_delivers_when_it_heals(proxy: tuple[ProxyProcess, socket.socket], echo: Echo) -> None:
    process, connection = proxy
    assert ask(connection, b"one") == b"one"
    process.set(LINK, stall_down=True)
    assert ask(connection, b"two", SHORT_S) is None
    wait_until(lambda: echo.received == b"onetwo", PATIENCE_S)  # the other direction goes on
    process.set(LINK, stall_down=False, stall_up=True)
    assert read(connection) == b"two"
    assert ask(connection, b"three", SHORT_S) is None
    assert echo.received == b"onetwo"
    process.set(LINK, stall_up=False)
    assert read(connection) == b"three"


def test_a_connection_made_while_stalled_is_carried_once_healed(
    proxy: tuple[ProxyProcess, socket.socket], echo: Echo
) -> None:
    process, connection = proxy
    process.set(LINK, stall_up=True)
    with socket.create_connection(connection.getpeername(), timeout=PATIENCE_S) as other:
        assert ask(other, b"x", SHORT_S) is None
        process.set(LINK, stall_up=False)
        assert read(other) == b"x"


@pytest.mark.parametrize(("before", "delivered"), [(False, b"BEGIN;COMMIT"), (True, b"BEGIN;")])
def test_a_connection_is_cut_at_the_bytes_watched_for_and_only_so_often(
    proxy: tuple[ProxyProcess, socket.socket], echo: Echo, *, before: bool, delivered: bytes
) -> None:
    process, connection = proxy
    process.set(LINK, cut_at="COMMIT", cut_count=1, cut_before=before)
    assert ask(connection, b"BEGIN;") == b"BEGIN;"
    assert ask(connection, b"COMMIT") in {b"", b"COMMIT"}
    assert read(connection) in {b"", None}
    wait_until(lambda: echo.received == delivered, PATIENCE_S)  # it may still be on its way
    with socket.create_connection(connection.getpeername(), timeout=PATIENCE_S) as other:
        assert ask(other, b"COMMIT") == b"COMMIT"
    assert process.traffic(LINK).cut_count == 1


def test_delay_throttle_drop_and_count(proxy: tuple[ProxyProcess, socket.socket]) -> None:
    process, connection = proxy
    process.set(LINK, delay_ms=100)
    assert timed(connection, b"x") >= 0.2
    process.set(LINK, delay_ms=0, bytes_per_s=100_000)
    assert timed(connection, b"x" * 10_000) >= 0.2
    traffic = process.traffic(LINK)
    assert (traffic.up_bytes, traffic.down_bytes) == (10_001, 10_001)
    process.drop(LINK)
    assert read(connection) in {b"", None}


def test_a_target_that_is_not_there_ends_the_connection() -> None:
    process = ProxyProcess()
    try:
        port = process.open(LINK, "127.0.0.1:0", f"127.0.0.1:{unused_port()}")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            assert read(connection) in {b"", None}
    finally:
        process.close()


def ask(connection: socket.socket, payload: bytes, timeout_s: float = PATIENCE_S) -> bytes | None:
    """Sends, and returns what comes back; empty at the end of the connection, None for nothing in time."""
    connection.sendall(payload)
    return read(connection, timeout_s)


def read(connection: socket.socket, timeout_s: float = PATIENCE_S) -> bytes | None:
    connection.settimeout(timeout_s)
    try:
        return connection.recv(65_536)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""


def timed(connection: socket.socket, payload: bytes) -> float:
    """Seconds until all of it has come back."""
    began_s = time.monotonic()
    connection.sendall(payload)
    missing = len(payload)
    while missing:
        missing -= len(connection.recv(65_536))
    return time.monotonic() - began_s
