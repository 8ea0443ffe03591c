"""The Unix socket: never reachable half made, only for those who may, gone when the server is."""

import os
import socket
import stat
from pathlib import Path

import grpc
import pytest
from holdfast_sidecar.transport.interface import Transport

from tests.sidecar.transport.conftest import needs_native
from tests.sidecar.transport.harness import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    UNARY,
    WAIT_S,
    Open,
    client_at,
    echo,
    error_of,
    frame,
    gather,
    header_block,
    until,
)


def assert_served(transport: Transport, path: Path) -> str:
    """A call over the socket goes through; returns its peer."""
    with client_at(f"unix:{path}") as client:
        call = client.call(b"x")
        items = gather(transport, 1)
        echo(transport, items)
        assert call.result(timeout=WAIT_S) == b"x"
        return items[0][3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket goes, in a folder that is not there yet."""
    return tmp_path / "run" / "holdfast.sock"


def test_a_call_comes_in_with_its_callers_uid(open_one: Open, path: Path) -> None:
    transport = open_one(tcp_address=None, unix_path=str(path))
    assert transport.tcp_port is None
    peer = assert_served(transport, path)
    assert peer.startswith(f"unix:uid={os.getuid()},gid={os.getgid()},pid=")
    if open_one.kind == "native":
        assert peer.endswith(f"pid={os.getpid()}")


@needs_native
@pytest.mark.parametrize("authority", ["localhost", "%2Frun%2Fholdfast.sock", "/run/holdfast.sock", "a:b:c", "[x"])
@pytest.mark.parametrize("cut", [1, 7, 10_000], ids=lambda size: f"by-{size}")
def test_every_way_to_name_the_server_is_accepted(path: Path, authority: str, cut: int) -> None:
    open_one = Open("native")
    transport = open_one(tcp_address=None, unix_path=str(path))
    padded, has_priority, continuation = 8, 32, 9
    block = header_block(UNARY, {"padding": "x" * 100}, authority)
    first = bytes([3]) + bytes(5) + block[:40] + bytes(3)
    said = (
        PREFACE
        + frame(SETTINGS, 0, 0)
        + frame(HEADERS, padded | has_priority, 1, first)
        + frame(continuation, END_HEADERS, 1, block[40:])
        + frame(DATA, END_STREAM, 1, b"\0\0\0\0\1x")
        + frame(HEADERS, END_HEADERS, 3, block)
        + frame(DATA, END_STREAM, 3, b"\0\0\0\0\1y")
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        for start in range(0, len(said), cut):
            connection.sendall(said[start : start + cut])
        assert [item[2] for item in gather(transport, 2)] == [b"x", b"y"]
    open_one.close_all()


def test_both_addresses_are_served(open_one: Open, path: Path) -> None:
    transport = open_one(unix_path=str(path))
    assert assert_served(transport, path).startswith("unix:")
    with client_at(f"127.0.0.1:{transport.tcp_port}") as client:
        call = client.call(b"x")
        items = gather(transport, 1)
        assert items[0][3].startswith("tcp:")
        echo(transport, items)
        call.result(timeout=WAIT_S)


def test_the_socket_and_a_new_folder_are_the_owners_alone(open_one: Open, path: Path) -> None:
    open_one(tcp_address=None, unix_path=str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "nothing else is left behind"


def test_a_dead_servers_socket_is_replaced(open_one: Open, path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    transport = open_one(tcp_address=None, unix_path=str(path))
    assert_served(transport, path)


def test_a_living_servers_socket_is_not_taken(open_one: Open, path: Path) -> None:
    transport = open_one(tcp_address=None, unix_path=str(path))
    with pytest.raises(OSError, match="another server"):
        open_one(tcp_address=None, unix_path=str(path))
    assert_served(transport, path)


def test_a_file_that_is_no_socket_is_not_replaced(open_one: Open, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(OSError, match="not a socket"):
        open_one(tcp_address=None, unix_path=str(path))
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_an_error_that_leaves_nothing(open_one: Open, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "holdfast.sock"
    with pytest.raises(OSError, match=r".+"):
        open_one(tcp_address=None, unix_path=str(path))
    assert list(path.parent.iterdir()) == []


def test_drain_removes_the_socket(open_one: Open, path: Path) -> None:
    transport = open_one(tcp_address=None, unix_path=str(path))
    transport.drain()
    until(lambda: not path.exists(), "the socket is gone")


def test_close_leaves_a_successors_socket_alone(open_one: Open, path: Path) -> None:
    old = open_one(tcp_address=None, unix_path=str(path))
    path.unlink()
    new = open_one(tcp_address=None, unix_path=str(path))
    old.close(0)
    assert_served(new, path)


@needs_native
def test_a_uid_that_may_not_connect_is_cut_off_and_counted(path: Path) -> None:
    open_one = Open("native")
    transport = open_one(tcp_address=None, unix_path=str(path), allowed_uids=(os.getuid() + 4_711,))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666, "its callers are other users"
    with client_at(f"unix:{path}") as client:
        assert error_of(client.call(b"x")).code() is grpc.StatusCode.UNAVAILABLE
    assert transport.statistics().refused_count >= 1
    assert transport.next_batch(0) == []
    open_one.close_all()


@needs_native
def test_a_uid_that_is_named_may_connect(path: Path) -> None:
    open_one = Open("native")
    transport = open_one(tcp_address=None, unix_path=str(path), allowed_uids=(os.getuid(),))
    assert_served(transport, path)
    open_one.close_all()


def test_the_portable_transport_refuses_to_tell_uids_apart(path: Path) -> None:
    open_one = Open("portable")
    with pytest.raises(ValueError, match="cannot tell peers apart"):
        open_one(tcp_address=None, unix_path=str(path), allowed_uids=(os.getuid() + 4_711,))
