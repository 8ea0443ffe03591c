"""Bidirectional streams: each message an item of its own, ordered, limited, ended by half-close or fault."""

import threading
from collections.abc import Iterator

import grpc
import pytest
from holdfast_sidecar.transport.interface import Transport

from tests.sidecar.transport.harness import (
    STREAM,
    WAIT_NS,
    WAIT_S,
    Open,
    client_of,
    echo,
    fault,
    gather,
    reason_of,
    until,
    until_counted,
)


@pytest.fixture
def echoing(open_one: Open) -> Iterator[Transport]:
    """A transport whose loop answers all that comes."""
    transport = open_one()
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            echo(transport, transport.next_batch(WAIT_NS))

    thread = threading.Thread(target=loop)
    thread.start()
    yield transport
    stop.set()
    transport.wake()
    thread.join()


def test_a_thousand_messages_are_answered_in_order(echoing: Transport) -> None:
    messages = [b"%d" % n for n in range(1_000)]
    with client_of(echoing) as client:
        session = client.stream()
        session.send(*messages)
        session.half_close()
        assert list(session) == messages
    assert echoing.statistics().methods[STREAM].status_counts == {0: 1_000}


def test_streams_and_calls_share_a_connection(echoing: Transport) -> None:
    with client_of(echoing) as client:
        sessions = [client.stream() for _ in range(20)]
        for number, session in enumerate(sessions):
            session.send(*(b"%d/%d" % (number, n) for n in range(30)))
            session.half_close()
        assert client.call(b"between").result(timeout=WAIT_S) == b"between"
        for number, session in enumerate(sessions):
            assert list(session) == [b"%d/%d" % (number, n) for n in range(30)]


def test_messages_of_a_stream_are_taken_in_before_the_first_is_answered(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"a", b"b", b"c")
        items = gather(transport, 3)
        assert [item[2] for item in items] == [b"a", b"b", b"c"]
        echo(transport, items[2:])
        assert next(session) == b"c", "answers go out in the order of the replies"
        echo(transport, items[:2])
        assert [next(session), next(session)] == [b"a", b"b"]
        session.half_close()
        assert list(session) == []


def test_a_half_closed_stream_ends_after_its_last_owed_answer(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"a", b"b")
        session.half_close()
        items = gather(transport, 2)
        transport.next_batch(20_000_000)
        echo(transport, items[:1])
        assert next(session) == b"a"
        assert not session.is_done
        echo(transport, items[1:])
        assert list(session) == [b"b"]


def test_a_stream_without_messages_ends_well(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream(timeout=WAIT_S)
        session.half_close()
        assert list(session) == []


def test_a_fault_ends_the_stream(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"good", b"bad", b"never answered")
        items = gather(transport, 3)
        transport.reply(
            [
                (items[0][0], 0, b"fine"),
                (items[1][0], *fault(grpc.StatusCode.FAILED_PRECONDITION, "HOLD_CLOSED")),
                (items[2][0], 0, b"too late"),
            ]
        )
        assert next(session) == b"fine"
        error = session.error()
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert reason_of(error) == "HOLD_CLOSED"
        assert transport.statistics().methods[STREAM].status_counts == {0: 1, 9: 1}
        until(lambda: transport.statistics().pending_count == 0, "nothing owed")


def test_a_stream_is_read_only_as_far_as_it_is_answered(open_one: Open) -> None:
    transport = open_one(max_stream_items=4)
    messages = [b"%d" % n for n in range(100)]
    with client_of(transport) as client:
        session = client.stream()
        session.send(*messages)
        session.half_close()
        seen: list[bytes] = []
        while len(seen) < len(messages):
            items = gather(transport, 4)
            assert transport.next_batch(1_000_000) == [], "a fifth item before an answer"
            assert transport.statistics().pending_count == 4
            seen += [item[2] for item in items]
            echo(transport, items)
        assert seen == messages
        assert list(session) == messages


def test_a_stream_past_its_deadline_ends(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream(timeout=1)
        session.send(b"a")
        items = gather(transport, 1)
        assert items[0][4] > 0
        assert session.error().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        echo(transport, items)
        until(lambda: transport.statistics().pending_count == 0, "nothing owed")


def test_a_cancelled_stream_is_counted_and_its_answers_dropped(open_one: Open) -> None:
    transport = open_one()
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"a", b"b")
        items = gather(transport, 2)
        session.cancel()
        until_counted(transport, STREAM, grpc.StatusCode.CANCELLED)
        echo(transport, items)
        until(lambda: transport.statistics().pending_count == 0, "nothing owed")


def test_a_stream_that_meets_a_full_house_ends_after_its_owed_answers(open_one: Open) -> None:
    transport = open_one(max_pending_items=2)
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"a", b"b", b"one too many")
        items = gather(transport, 2)
        until(lambda: transport.statistics().refused_count == 1, "a refusal")
        echo(transport, items)
        assert [next(session), next(session)] == [b"a", b"b"]
        error = session.error()
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(error) == "TOO_MANY_PENDING"


def test_a_caller_that_does_not_read_holds_up_only_itself(open_one: Open) -> None:
    transport = open_one(initial_window_bytes=65_535)
    message = b"x" * 60_000
    with client_of(transport) as idle, client_of(transport) as client:
        stuck = idle.stream()
        stuck.send(*[message] * 400)
        answered = 0
        while items := transport.next_batch(200_000_000):
            answered += len(items)
            echo(transport, items)
        call = client.call(b"x")
        while not call.done():
            items = transport.next_batch(1_000_000)
            answered += len(items)
            echo(transport, items)
        assert call.result() == b"x"
        assert answered <= 400, "24 MB of answers were taken from a loop whose caller reads none"


def test_an_oversize_message_ends_its_stream(open_one: Open) -> None:
    transport = open_one(max_message_bytes=1_000)
    with client_of(transport) as client:
        session = client.stream()
        session.send(b"x" * 1_001)
        assert session.error().code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert transport.next_batch(0) == []
