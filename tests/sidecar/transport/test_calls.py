"""Unary calls: in as items of a batch, out by call id, now or in a later round."""

import asyncio
import threading
import time

import grpc
import grpc.aio
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status
from holdfast_sidecar.transport.interface import LATENCY_BOUNDS_US, Transport

from tests.sidecar.transport.harness import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    OTHER,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    UNARY,
    WAIT_NS,
    WAIT_S,
    Client,
    Open,
    client_of,
    echo,
    error_of,
    fault,
    frame,
    frames_of,
    gather,
    header_block,
    raw_connection,
    reason_of,
    until,
    until_counted,
)


def test_a_call_is_an_item_and_its_answer_reaches_the_caller(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"question", OTHER)
        [(call_id, method, payload, peer, deadline_ns)] = gather(transport, 1)
        assert (method, payload, deadline_ns) == (1, b"question", 0)
        assert peer.startswith("tcp:127.0.0.1:")
        transport.reply([(call_id, 0, b"answer")])
        assert call.result(timeout=WAIT_S) == b"answer"


def test_the_authorization_of_a_call_goes_with_its_peer_and_with_no_other_call(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        calls = [
            client.call(b"known", metadata=(("authorization", "Bearer secret"),)),
            client.call(b"other", metadata=(("x-authorization", "Bearer other"),)),
        ]
        items = gather(transport, 2)
        by_payload = {payload: peer.partition(" ") for _, _, payload, peer, _ in items}
        assert by_payload[b"known"][1:] == (" ", "Bearer secret")
        assert by_payload[b"other"][1:] == ("", "")
        assert by_payload[b"known"][0] == by_payload[b"other"][0]
        echo(transport, items)
        assert [call.result(timeout=WAIT_S) for call in calls] == [b"known", b"other"]


def test_messages_may_be_empty_both_ways(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"")
        items = gather(transport, 1)
        assert items[0][2] == b""
        echo(transport, items)
        assert call.result(timeout=WAIT_S) == b""


def test_every_byte_arrives_as_it_was_sent(open_one: Open) -> None:
    transport = open_one()
    message = bytes(range(256)) * 200
    with client_of(transport) as client:
        call = client.call(message)
        items = gather(transport, 1)
        assert items[0][2] == message
        echo(transport, items)
        assert call.result(timeout=WAIT_S) == message


def test_a_batch_gathers_what_arrived_while_the_loop_was_busy(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        calls = [client.call(b"%d" % n) for n in range(50)]
        until(lambda: transport.statistics().pending_count == 50, "50 calls pending")
        items = transport.next_batch(WAIT_NS)
        assert sorted(int(item[2]) for item in items) == list(range(50))
        echo(transport, items)
        assert [call.result(timeout=WAIT_S) for call in calls] == [b"%d" % n for n in range(50)]


def test_a_batch_is_limited_and_the_rest_follows_in_order(open_one: Open) -> None:
    transport = open_one(max_batch_items=8)
    with client_of(transport) as client:
        calls = [client.call(b"x") for _ in range(20)]
        until(lambda: transport.statistics().pending_count == 20, "20 calls pending")
        batches = [transport.next_batch(WAIT_NS) for _ in range(3)]
        assert [len(batch) for batch in batches] == [8, 8, 4]
        call_ids = [item[0] for batch in batches for item in batch]
        assert call_ids == sorted(set(call_ids))
        for batch in batches:
            echo(transport, batch)
        assert all(call.result(timeout=WAIT_S) == b"x" for call in calls)


def test_a_call_is_answered_in_a_later_round(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        waiting = client.call(b"waits for a lease")
        [held] = gather(transport, 1)
        for n in range(3):
            call = client.call(b"%d" % n)
            echo(transport, gather(transport, 1))
            assert call.result(timeout=WAIT_S) == b"%d" % n
        assert not waiting.done()
        echo(transport, [held])
        assert waiting.result(timeout=WAIT_S) == b"waits for a lease"


def test_an_empty_wait_ends_with_its_timeout(open_one: Open) -> None:
    transport = open_one()
    started_ns = time.monotonic_ns()
    assert transport.next_batch(30_000_000) == []
    assert time.monotonic_ns() - started_ns >= 29_000_000
    assert transport.next_batch(0) == []


def test_wake_ends_the_running_wait(open_one: Open) -> None:
    transport = open_one()
    batches = []
    loop = threading.Thread(target=lambda: batches.append(transport.next_batch(WAIT_NS)))
    loop.start()
    transport.wake()
    loop.join(timeout=WAIT_S)
    assert batches == [[]]


def test_wake_ends_the_next_wait_and_only_that(open_one: Open) -> None:
    transport = open_one()
    transport.wake()
    transport.wake()
    assert transport.next_batch(WAIT_NS) == []
    started_ns = time.monotonic_ns()
    assert transport.next_batch(20_000_000) == []
    assert time.monotonic_ns() - started_ns >= 19_000_000


def test_other_threads_run_while_the_loop_waits(open_one: Open) -> None:
    transport = open_one()
    counting = threading.Event()
    stop = threading.Event()
    counted = 0

    def count() -> None:
        nonlocal counted
        while not stop.is_set():
            counted += 1
            counting.set()

    counter = threading.Thread(target=count)
    counter.start()
    counting.wait()
    before = counted
    transport.next_batch(500_000_000)
    during = counted - before
    stop.set()
    counter.join()
    assert during > 100


def test_the_deadline_is_given_on_the_boot_clock(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x", timeout=30)
        items = gather(transport, 1)
        left_ns = items[0][4] - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        assert 25_000_000_000 < left_ns <= 30_100_000_000
        echo(transport, items)
        assert call.result(timeout=WAIT_S) == b"x"


def test_a_call_past_its_deadline_ends_and_its_late_answer_is_dropped(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x", timeout=1)
        items = gather(transport, 1)
        assert error_of(call).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert_next_call_works(transport, client, answer_first=items)


def test_a_deadline_is_kept_for_a_caller_that_does_not_watch_it(open_one: Open) -> None:
    transport = open_one()
    with raw_connection(transport) as connection, client_of(transport) as client:
        headers = header_block(UNARY, {"grpc-timeout": "1S"})
        message = frame(DATA, END_STREAM, 1, b"\0\0\0\0\1x")
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, headers) + message)
        items = gather(transport, 1)
        kinds = {kind for kind, stream_id, _ in frames_of(connection, until_stream_ends=1) if stream_id == 1}
        assert kinds & {HEADERS, RST_STREAM}
        until_counted(transport, UNARY, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert_next_call_works(transport, client, answer_first=items)


def test_a_caller_that_leaves_is_counted_and_its_answer_dropped(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x")
        items = gather(transport, 1)
        call.cancel()
        until_counted(transport, UNARY, grpc.StatusCode.CANCELLED)
        assert transport.statistics().pending_count == 1, "the loop owes the answer still"
        assert_next_call_works(transport, client, answer_first=items)


def test_a_connection_that_breaks_takes_only_its_own_calls_with_it(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        with client_of(transport) as broken:
            call = broken.call(b"x")
            items = gather(transport, 1)
        assert error_of(call).code() is grpc.StatusCode.CANCELLED
        until_counted(transport, UNARY, grpc.StatusCode.CANCELLED)
        assert_next_call_works(transport, client, answer_first=items)


def assert_next_call_works(
    transport: Transport, client: Client, answer_first: list[tuple[int, int, bytes, str, int]]
) -> None:
    """After late answers, the transport owes nothing and serves on."""
    echo(transport, answer_first)
    call = client.call(b"next")
    echo(transport, gather(transport, 1))
    assert call.result(timeout=WAIT_S) == b"next"
    assert transport.statistics().pending_count == 0


def test_answers_nobody_is_owed_are_dropped(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x")
        [(call_id, *_)] = gather(transport, 1)
        transport.reply([(call_id, 0, b"first"), (call_id, 0, b"second"), (call_id + 1_000, 0, b"unknown")])
        assert call.result(timeout=WAIT_S) == b"first"
        assert_next_call_works(transport, client, answer_first=[])


def test_a_fault_carries_code_message_and_details(open_one: Open) -> None:
    transport = open_one()
    status, payload = fault(grpc.StatusCode.NOT_FOUND, "HOLD_NOT_FOUND", "no hold ünder that name\n")
    with client_of(transport) as client:
        call = client.call(b"x")
        [(call_id, *_)] = gather(transport, 1)
        transport.reply([(call_id, status, payload)])
        error = error_of(call)
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert error.details() == "no hold ünder that name\n"
        assert isinstance(error, grpc.Call)
        assert rpc_status.from_call(error) == status_pb2.Status.FromString(payload)
        assert reason_of(error) == "HOLD_NOT_FOUND"


def test_a_fault_with_a_huge_message_still_reaches_the_caller(open_one: Open) -> None:
    transport = open_one()
    status, payload = fault(grpc.StatusCode.INVALID_ARGUMENT, "TOO_LONG", "ü" * 50_000)
    with client_of(transport) as client:
        call = client.call(b"x")
        [(call_id, *_)] = gather(transport, 1)
        transport.reply([(call_id, status, payload)])
        error = error_of(call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "ü" * 512


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x12\x02\xff\xff", b""])
def test_a_fault_with_an_unreadable_status_keeps_its_code(open_one: Open, payload: bytes) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x")
        [(call_id, *_)] = gather(transport, 1)
        transport.reply([(call_id, 9, payload)])
        assert error_of(call).code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_status_code_that_does_not_exist_is_unknown(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x")
        [(call_id, *_)] = gather(transport, 1)
        transport.reply([(call_id, 99, b"")])
        assert error_of(call).code() is grpc.StatusCode.UNKNOWN
        until_counted(transport, UNARY, grpc.StatusCode.UNKNOWN)


def test_an_unknown_method_is_unimplemented(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        call = client.call(b"x", "/holdfast.test.Service/Nowhere")
        assert error_of(call).code() is grpc.StatusCode.UNIMPLEMENTED
        assert transport.next_batch(0) == []


def test_fifty_at_once_get_each_its_own_answer(open_one: Open) -> None:
    transport = open_one()
    rounds = 20

    def answer() -> None:
        for _ in range(rounds):
            items = gather(transport, 50)
            transport.reply([(item[0], 0, b"answer to " + item[2]) for item in reversed(items)])

    async def fan_out() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{transport.tcp_port}") as channel:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(UNARY)
            for n in range(rounds):
                questions = [b"%d/%d" % (n, i) for i in range(50)]
                answers = await asyncio.gather(*(unary(question) for question in questions))
                assert answers == [b"answer to " + question for question in questions]

    loop = threading.Thread(target=answer)
    loop.start()
    asyncio.run(fan_out())
    loop.join(timeout=WAIT_S)
    assert not loop.is_alive()


def test_answers_are_counted_by_status_and_latency(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        calls = [client.call(b"x") for _ in range(5)]
        items = gather(transport, 5)
        slowest_ns = 12_000_000
        transport.next_batch(slowest_ns)
        echo(transport, items[:4])
        transport.reply([(items[4][0], *fault(grpc.StatusCode.NOT_FOUND, "GONE"))])
        for call in calls:
            call.exception(timeout=WAIT_S)
        statistics = transport.statistics()
    counted = statistics.methods[UNARY]
    assert counted.status_counts == {0: 4, 5: 1}
    assert len(counted.latency_counts) == len(LATENCY_BOUNDS_US) + 1
    at_least_10_ms = LATENCY_BOUNDS_US.index(10_000) + 1
    assert sum(counted.latency_counts[:at_least_10_ms]) == 0
    assert sum(counted.latency_counts) == 5
    assert counted.latency_sum_us >= 5 * 11_900
    assert statistics.methods[OTHER].status_counts == {}
    assert statistics.pending_count == 0
    assert statistics.refused_count == 0
