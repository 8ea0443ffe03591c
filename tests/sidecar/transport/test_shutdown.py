"""Drain and close: what is in is answered, nothing new is taken in, and nothing hangs."""

import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest
from holdfast_sidecar.transport.interface import Transport

from tests.sidecar.transport.conftest import needs_native
from tests.sidecar.transport.harness import (
    CONFIG,
    WAIT_NS,
    WAIT_S,
    Client,
    Kind,
    Open,
    client_at,
    client_of,
    echo,
    error_of,
    gather,
    reason_of,
    until,
)


def until_closed(transport: Transport) -> None:
    """Waits until the transport's port takes no connection."""

    def refuses() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", transport.tcp_port or 0)) != 0

    until(refuses, "the port is closed")


def refusals(kind: Kind) -> set[grpc.StatusCode]:
    """What a call may end with that comes in during a drain; core cancels those that it has just read."""
    return {grpc.StatusCode.UNAVAILABLE, *([grpc.StatusCode.CANCELLED] if kind == "portable" else [])}


def test_drain_answers_what_is_in_and_refuses_what_is_new(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        calls = [client.call(b"%d" % n) for n in range(10)]
        items = gather(transport, 10)
        transport.drain()
        until_closed(transport)
        new_calls = [client.call(b"new") for _ in range(100)]
        assert {error_of(call).code() for call in new_calls} <= refusals(open_one.kind)
        echo(transport, items)
        assert [call.result(timeout=WAIT_S) for call in calls] == [b"%d" % n for n in range(10)]
        assert transport.next_batch(0) == []


def test_drain_ends_a_stream_after_its_owed_answers(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        stream = client.stream()
        stream.send(b"a", b"b")
        items = gather(transport, 2)
        transport.drain()
        until_closed(transport)
        stream.send(b"too late")
        echo(transport, items)
        assert [next(stream), next(stream)] == [b"a", b"b"]
        error = stream.error()
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(error) == "DRAINING"
        assert transport.next_batch(0) == []


def test_drain_under_load_loses_no_call_that_was_taken_in(open_one: Open) -> None:
    transport = open_one()
    answered: list[bytes] = []
    errors: list[grpc.StatusCode] = []
    taken_in: list[bytes] = []

    def keep_calling(client: Client, name: int) -> None:
        for n in range(100_000):
            call = client.call(b"%d/%d" % (name, n))
            error = call.exception(timeout=WAIT_S)
            if error is not None:
                assert isinstance(error, grpc.RpcError)
                errors.append(error.code())
                return
            answered.append(call.result())

    with client_of(transport) as client:
        callers = [threading.Thread(target=keep_calling, args=(client, name)) for name in range(8)]
        for caller in callers:
            caller.start()
        while any(caller.is_alive() for caller in callers):
            items = transport.next_batch(10_000_000)
            taken_in += [item[2] for item in items]
            echo(transport, items)
            if len(taken_in) > 500:
                transport.drain()
        for caller in callers:
            caller.join()
    assert sorted(answered) == sorted(taken_in)
    assert len(errors) == 8
    assert set(errors) <= refusals(open_one.kind)


def test_close_lets_answers_out_that_were_just_given(open_one: Open) -> None:
    for _ in range(10):
        transport = open_one()
        with client_of(transport) as client:
            calls = [client.call(bytes(50_000)) for _ in range(20)]
            echo(transport, gather(transport, 20))
            transport.close(WAIT_S * 1_000)
            assert all(call.result(timeout=WAIT_S) == bytes(50_000) for call in calls)


def test_close_cuts_what_is_not_answered_in_time(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"never answered")
        stream = client.stream()
        stream.send(b"never answered")
        gather(transport, 2)
        started = time.monotonic()
        transport.close(200)
        assert 0.15 < time.monotonic() - started < WAIT_S
        unfinished = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert error_of(call).code() in unfinished
        assert stream.error().code() in unfinished


def test_an_idle_client_does_not_hold_up_close(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x")
        echo(transport, gather(transport, 1))
        call.result(timeout=WAIT_S)
        started = time.monotonic()
        transport.close(WAIT_S * 1_000)
        assert time.monotonic() - started < WAIT_S / 2


def test_everything_is_harmless_after_close(open_one: Open) -> None:
    transport = open_one()
    transport.close(0)
    transport.close(1_000)
    transport.drain()
    transport.wake()
    transport.reply([(1, 0, b"late")])
    assert transport.next_batch(WAIT_NS) == []
    assert transport.next_batch(WAIT_NS) == []
    assert transport.statistics().pending_count == 0


def test_close_ends_a_running_wait(open_one: Open) -> None:
    transport = open_one()
    batches = []
    loop = threading.Thread(target=lambda: batches.append(transport.next_batch(WAIT_NS)))
    loop.start()
    transport.close(0)
    loop.join(timeout=WAIT_S)
    assert batches == [[]]


def test_the_port_is_free_for_a_successor_while_the_old_one_drains(open_one: Open) -> None:
    old = open_one()
    with client_of(old) as client:
        call = client.call(b"to the old one")
        items = gather(old, 1)
        old.drain()
        until_closed(old)
        new = open_one(tcp_address=f"127.0.0.1:{old.tcp_port}")
        with client_of(new) as new_client:
            new_call = new_client.call(b"to the new one")
            echo(new, gather(new, 1))
            assert new_call.result(timeout=WAIT_S) == b"to the new one"
        echo(old, items)
        assert call.result(timeout=WAIT_S) == b"to the old one"


def test_a_taken_port_is_an_error(open_one: Open) -> None:
    transport = open_one()
    with pytest.raises(OSError, match=r"(?i)address|listen"):
        open_one(tcp_address=f"127.0.0.1:{transport.tcp_port}")


def test_an_address_that_is_none_is_an_error(open_one: Open) -> None:
    with pytest.raises(OSError, match=r".+"):
        open_one(tcp_address="nonsense")


LEAVES_WITHOUT_CLOSE = """
import sys, threading
from holdfast_sidecar.transport.factory import open_transport
from tests.sidecar.transport.harness import CONFIG, gather
transport = open_transport(CONFIG, sys.argv[1])
print(transport.tcp_port, flush=True)
gather(transport, 1)
threading.Thread(target=transport.next_batch, args=(10**11,), daemon=True).start()
"""


def test_a_process_that_forgets_to_close_still_ends(kind: Kind) -> None:
    command = [sys.executable, "-c", LEAVES_WITHOUT_CLOSE, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with client_at(f"127.0.0.1:{int(process.stdout.readline())}") as client:
            call = client.call(b"never answered")
            _, complaints = process.communicate(timeout=WAIT_S)
            assert (process.returncode, complaints) == (0, "")
            assert error_of(call).code() is grpc.StatusCode.UNAVAILABLE


@needs_native
def test_a_dropped_native_transport_closes_itself() -> None:
    from holdfast_sidecar.transport.native import NativeTransport

    transport = NativeTransport(CONFIG)
    port = transport.tcp_port
    with client_at(f"127.0.0.1:{port}") as client:
        call = client.call(b"never answered")
        gather(transport, 1)
        del transport
        assert error_of(call).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port or 0)) != 0
