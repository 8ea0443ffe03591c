"""Every limit, met by a caller that does not keep to it while another one goes on unharmed."""

import struct
import time
from collections.abc import Iterator

import grpc
import pytest
from holdfast_sidecar.transport.interface import Transport

from tests.sidecar.transport.harness import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    UNARY,
    WAIT_S,
    Client,
    Open,
    client_of,
    echo,
    error_of,
    frame,
    frames_of,
    gather,
    header_block,
    raw_connection,
    reason_of,
    receive,
    until,
    until_counted,
)

HANDSHAKE = PREFACE + frame(SETTINGS, 0, 0)


def assert_served(transport: Transport, client: Client) -> None:
    """A call of a good client goes through."""
    call = client.call(b"good")
    echo(transport, gather(transport, 1))
    assert call.result(timeout=WAIT_S) == b"good"


@pytest.fixture
def transport(open_one: Open) -> Transport:
    """One with small limits and no patience."""
    return open_one(max_message_bytes=1_000, max_pending_items=3, handshake_timeout_ms=1_000)


@pytest.fixture
def good_client(transport: Transport) -> Iterator[Client]:
    """A client that was there before, and is served still when the test ends."""
    with client_of(transport) as client:
        assert_served(transport, client)
        yield client
        assert_served(transport, client)


@pytest.mark.usefixtures("good_client")
@pytest.mark.parametrize("size_bytes", [1_001, 5 * 1024 * 1024])
def test_an_oversize_message_is_refused(transport: Transport, open_one: Open, size_bytes: int) -> None:
    with client_of(transport) as client:
        error = error_of(client.call(bytes(size_bytes)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert transport.next_batch(0) == []
        assert_served(transport, client)
    if open_one.kind == "native":
        assert reason_of(error) == "MESSAGE_TOO_LARGE"
        assert transport.statistics().refused_count == 1
        assert transport.statistics().methods[UNARY].status_counts[8] == 1


@pytest.mark.usefixtures("good_client")
def test_the_largest_message_passes(transport: Transport) -> None:
    with client_of(transport) as client:
        call = client.call(bytes(1_000))
        echo(transport, gather(transport, 1))
        assert call.result(timeout=WAIT_S) == bytes(1_000)


@pytest.mark.usefixtures("good_client")
def test_too_many_pending_calls_are_refused_and_the_others_answered(transport: Transport) -> None:
    with client_of(transport) as client:
        calls = [client.call(b"%d" % n) for n in range(3)]
        items = gather(transport, 3)
        error = error_of(client.call(b"one too many"))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(error) == "TOO_MANY_PENDING"
        assert transport.statistics().refused_count == 1
        echo(transport, items)
        assert [call.result(timeout=WAIT_S) for call in calls] == [b"0", b"1", b"2"]


@pytest.mark.usefixtures("good_client")
def test_a_caller_that_leaves_does_not_make_room(transport: Transport) -> None:
    with client_of(transport) as client:
        calls = [client.call(b"x") for _ in range(3)]
        items = gather(transport, 3)
        for call in calls:
            call.cancel()
        assert error_of(client.call(b"x")).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        echo(transport, items)
        until(lambda: transport.statistics().pending_count == 0, "nothing owed")


@pytest.mark.usefixtures("good_client")
def test_oversize_metadata_is_refused(transport: Transport) -> None:
    with client_of(transport) as client:
        error = error_of(client.call(b"x", metadata=(("padding", "x" * 9_000),)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert transport.next_batch(0) == []
        assert_served(transport, client)


@pytest.mark.usefixtures("good_client")
@pytest.mark.parametrize("size_bytes", [65_536, 1_000_000])
def test_metadata_beyond_reason_is_refused_and_other_connections_kept(transport: Transport, size_bytes: int) -> None:
    refusals = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}
    with client_of(transport) as client:
        error = error_of(client.call(b"x", metadata=(("padding", "x" * size_bytes),)))
        assert error.code() in refusals
        assert transport.next_batch(0) == []


@pytest.mark.usefixtures("good_client")
def test_compressed_messages_are_refused(transport: Transport) -> None:
    with client_of(transport) as client:
        error = error_of(client.call(bytes(900), compression=grpc.Compression.Gzip))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert transport.next_batch(0) == []


def test_the_limits_are_announced(open_one: Open) -> None:
    transport = open_one(max_concurrent_streams=7, initial_window_bytes=1_000_000, max_metadata_bytes=5_000)
    with raw_connection(transport) as connection:
        connection.sendall(HANDSHAKE)
        settings = next(payload for kind, _, payload in frames_of(connection) if kind == SETTINGS)
    announced = dict(struct.iter_unpack(">HI", settings))
    max_concurrent_streams, initial_window_size, max_header_list_size = 3, 4, 6
    assert announced[max_concurrent_streams] == 7
    assert announced[initial_window_size] == 1_000_000
    assert announced[max_header_list_size] == (40_000 if open_one.kind == "native" else 5_000)


@pytest.mark.usefixtures("good_client")
@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        bytes(range(256)) * 40,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        PREFACE[:-1] + b"x",
        PREFACE + bytes(range(255, 0, -1)) * 40,
        HANDSHAKE + frame(HEADERS, END_HEADERS, 1, b"\xff" * 100),
    ],
    ids=["http1", "binary", "tls", "almost", "bad-frames", "bad-hpack"],
)
def test_garbage_ends_its_own_connection(transport: Transport, said: bytes) -> None:
    with raw_connection(transport) as connection:
        connection.sendall(said)
        connection.settimeout(WAIT_S)
        while receive(connection):
            pass


@pytest.mark.usefixtures("good_client")
@pytest.mark.parametrize("message", [b"\x07\0\0\0\1x", b"\0\0\0\1\0only a part", b""], ids=["flag", "short", "none"])
def test_a_message_that_is_none_never_reaches_the_loop(transport: Transport, open_one: Open, message: bytes) -> None:
    if open_one.kind == "portable" and message[:1] == b"\x07":
        pytest.skip("grpc core looks at the lowest bit of the flag alone")
    with raw_connection(transport) as connection, client_of(transport) as client:
        headers = frame(HEADERS, END_HEADERS, 1, header_block(UNARY))
        connection.sendall(HANDSHAKE + headers + frame(DATA, END_STREAM, 1, message))
        if open_one.kind == "native":  # grpc core lets such a call wait for its caller to leave
            frames = list(frames_of(connection, until_stream_ends=1))
            assert HEADERS in [kind for kind, stream_id, _ in frames if stream_id == 1]
        assert_served(transport, client)
        assert transport.next_batch(0) == []


@pytest.mark.usefixtures("good_client")
@pytest.mark.parametrize("said", [b"", PREFACE[:10]], ids=["silent", "half-said"])
def test_a_slow_handshake_is_cut_off(transport: Transport, said: bytes) -> None:
    started = time.monotonic()
    with raw_connection(transport) as connection:
        connection.sendall(said)
        while receive(connection):
            pass
        assert 0.9 < time.monotonic() - started < WAIT_S


@pytest.mark.usefixtures("good_client")
def test_a_dribbled_handshake_is_cut_off(transport: Transport) -> None:
    with raw_connection(transport) as connection:
        connection.settimeout(0.2)
        for byte in PREFACE[:-1]:
            try:
                connection.sendall(bytes([byte]))
                while connection.recv(65_536):
                    pass
                return  # closed
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("a handshake of more than four seconds was waited for")


def test_connections_past_the_limit_are_closed_and_the_others_kept(open_one: Open) -> None:
    transport = open_one(max_connections=2)
    with client_of(transport) as first, client_of(transport) as second:
        assert_served(transport, first)
        assert_served(transport, second)
        with raw_connection(transport) as third:
            third.sendall(HANDSHAKE)
            while receive(third):
                pass
        assert_served(transport, first)
        assert_served(transport, second)
        if open_one.kind == "native":
            assert transport.statistics().connection_count == 2
            assert transport.statistics().refused_count == 1


def test_a_connection_that_ends_makes_room(open_one: Open) -> None:
    transport = open_one(max_connections=1)
    for _ in range(3):
        with client_of(transport) as client:
            until(lambda: is_served(transport, client), "room for the next connection")


def is_served(transport: Transport, client: Client) -> bool:
    """Whether a call goes through now."""
    call = client.call(b"x", timeout=WAIT_S)
    while not call.done():
        echo(transport, transport.next_batch(1_000_000))
    return call.exception() is None


@pytest.mark.usefixtures("good_client")
def test_streams_reset_rapidly_reach_the_loop_within_its_limit(transport: Transport) -> None:
    message = b"\0\0\0\0\1x"
    with raw_connection(transport) as connection:
        connection.sendall(HANDSHAKE)
        try:
            for stream_id in range(1, 20_000, 2):
                connection.sendall(
                    frame(HEADERS, END_HEADERS, stream_id, header_block(UNARY))
                    + frame(DATA, END_STREAM, stream_id, message)
                    + frame(RST_STREAM, 0, stream_id, struct.pack(">I", 8))
                )
        except ConnectionError:
            pass  # cut off: so much the better
        assert transport.statistics().pending_count <= 3
    taken_in = [item for batch in iter(lambda: transport.next_batch(50_000_000), []) for item in batch]
    assert len(taken_in) <= 3
    echo(transport, taken_in)
    until(lambda: is_quiet(transport), "nothing owed, nothing on its way")


def is_quiet(transport: Transport) -> bool:
    """Whether nothing comes and nothing is owed; answers what does come."""
    items = transport.next_batch(50_000_000)
    echo(transport, items)
    return not items and transport.statistics().pending_count == 0


def test_streams_reset_before_they_are_served_end_the_connection(open_one: Open) -> None:
    if open_one.kind == "portable":
        pytest.skip("grpc core holds rapid resets back without ending the connection")
    transport = open_one()
    with raw_connection(transport) as connection:
        resets = b"".join(
            frame(HEADERS, END_HEADERS, stream_id, header_block(UNARY))
            + frame(RST_STREAM, 0, stream_id, struct.pack(">I", 8))
            for stream_id in range(1, 2_000, 2)
        )
        connection.sendall(HANDSHAKE + resets)
        assert any(kind == GOAWAY for kind, _, _ in frames_of(connection))


def test_other_content_than_grpc_is_not_served(open_one: Open) -> None:
    if open_one.kind == "portable":
        pytest.skip("grpc core does not look at the content type")
    transport = open_one()
    with raw_connection(transport) as connection:
        headers = header_block(UNARY, {"content-type": "text/plain"})
        connection.sendall(HANDSHAKE + frame(HEADERS, END_HEADERS | END_STREAM, 1, headers))
        kinds = [kind for kind, stream_id, _ in frames_of(connection, until_stream_ends=1) if stream_id == 1]
        assert kinds
        assert transport.next_batch(0) == []


@pytest.mark.parametrize("value", ["", "5", "m", "123456789m", "-1S", "1x", "1 S"])
def test_a_malformed_timeout_is_refused_and_disturbs_nobody(open_one: Open, value: str) -> None:
    transport = open_one()
    with client_of(transport) as client, raw_connection(transport) as connection:
        headers = header_block(UNARY, {"grpc-timeout": value})
        message = frame(DATA, END_STREAM, 1, b"\0\0\0\0\1x")
        connection.sendall(HANDSHAKE + frame(HEADERS, END_HEADERS, 1, headers) + message)
        if open_one.kind == "native":
            until_counted(transport, UNARY, grpc.StatusCode.INVALID_ARGUMENT)
        assert is_served(transport, client)
