"""The session's protocol by itself: nothing is lost, doubled or reordered, whatever the stream does."""

from collections.abc import Callable
from dataclasses import dataclass

import holdfast
import pytest
from holdfast import operations
from holdfast.core.stream import Multiplexer
from holdfast.v1 import enforcement_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st


@dataclass(eq=False)
class Waiter:
    """Who waits, and what came."""

    result: object = None
    left: bool = False

    def done(self) -> bool:
        return self.left or self.result is not None


def answered(message: pb.SessionRequest) -> pb.SessionResponse:
    results = [pb.OperationResult(settle=pb.SettleResponse()) for _ in message.execute.operations]
    return pb.SessionResponse(message_id=message.message_id, execute=pb.ExecuteResponse(results=results))


def settle(name: str) -> operations.Operation:
    return operations.settle("acme", name, 1, operation_id=name)


def names(message: pb.SessionRequest | None) -> list[str]:
    return [] if message is None else [sent.settle.operation_id for sent in message.execute.operations]


def take(core: Multiplexer[Waiter], response: pb.SessionResponse) -> None:
    for _, waiter, result in core.receive(response):
        assert waiter.result is None
        waiter.result = result


@given(st.lists(st.sampled_from(["add", "linked", "send", "answer", "break", "leave"]), max_size=60))
@settings(max_examples=300, deadline=None)
def test_every_operation_is_answered_once(steps: list[str]) -> None:
    """Whatever the order of adding, sending, answering, losing the stream and walking away."""
    core: Multiplexer[Waiter] = Multiplexer()
    waiters: list[Waiter] = []
    wire: list[pb.SessionRequest] = []

    def add(count: int, *, linked: bool) -> None:
        new = [Waiter() for _ in range(count)]
        asked = [settle(f"s-{len(waiters) + place}") for place in range(count)]
        waiters.extend(new)
        if linked:
            core.add_linked(asked, new)
        else:
            core.add(asked[0], new[0])

    def send() -> None:
        if (message := core.next_message()) is not None:
            assert not message.execute.linked or len(message.execute.operations) == 3
            wire.append(message)

    def lose() -> None:
        wire.clear()
        core.broken()

    moves: dict[str, Callable[[], object]] = {
        "add": lambda: add(1, linked=False),
        "linked": lambda: add(3, linked=True),
        "send": send,
        "answer": lambda: take(core, answered(wire.pop())) if wire else None,
        "break": lose,
        "leave": lambda: setattr(waiters[len(waiters) // 2], "left", True) if waiters else None,
    }
    for step in steps:
        moves[step]()
    while core.queued:
        send()
    while wire:
        take(core, answered(wire.pop()))
    assert core.idle
    assert core.statistics().pending == 0
    assert all(waiter.done() for waiter in waiters)
    assert not core.waiters()


def test_what_was_in_flight_goes_again_first_and_in_order() -> None:
    core: Multiplexer[Waiter] = Multiplexer()
    for number in range(300):
        core.add(settle(f"a-{number}"), Waiter())
    first, second = core.next_message(), core.next_message()
    core.add(settle("b"), Waiter())
    assert (len(names(first)), len(names(second))) == (256, 44)
    core.broken()
    again = names(core.next_message()) + names(core.next_message())
    assert again == [f"a-{number}" for number in range(300)] + ["b"]


def test_an_answer_to_a_lost_stream_is_ignored() -> None:
    """Its message is under way again under another number."""
    core: Multiplexer[Waiter] = Multiplexer()
    waiter = Waiter()
    core.add(settle("a"), waiter)
    old = core.next_message()
    assert old is not None
    core.broken()
    new = core.next_message()
    assert new is not None
    take(core, answered(old))
    assert waiter.result is None
    take(core, answered(new))
    assert isinstance(waiter.result, holdfast.Settled)


def test_who_left_before_sending_is_not_sent() -> None:
    core: Multiplexer[Waiter] = Multiplexer()
    core.add(settle("a"), Waiter(left=True))
    core.add(settle("b"), Waiter())
    assert names(core.next_message()) == ["b"]
    core.add(settle("c"), Waiter(left=True))
    assert core.next_message() is None


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        (
            pb.SessionResponse(error=pb.OperationError(code=3, reason="INVALID_FIELD")),
            "InvalidArgument",
            "INVALID_FIELD",
        ),
        (pb.SessionResponse(error=pb.OperationError(code=14, reason="DRAINING")), "Unavailable", "DRAINING"),
        (pb.SessionResponse(), "Internal", "UNREADABLE_ANSWER"),
        (pb.SessionResponse(execute=pb.ExecuteResponse()), "Internal", "UNREADABLE_ANSWER"),
        (
            pb.SessionResponse(execute=pb.ExecuteResponse(results=[pb.OperationResult()] * 2)),
            "Internal",
            "UNREADABLE_ANSWER",
        ),
        (
            pb.SessionResponse(execute=pb.ExecuteResponse(results=[pb.OperationResult(reserve=pb.ReserveResponse())])),
            "Internal",
            "UNREADABLE_ANSWER",
        ),
    ],
)
def test_a_message_without_its_answer_fails_each_operation(
    response: pb.SessionResponse, kind: str, reason: str
) -> None:
    """A refused message, and every way to contradict the contract; nobody is left waiting."""
    core: Multiplexer[Waiter] = Multiplexer()
    waiter = Waiter()
    core.add(settle("a"), waiter)
    message = core.next_message()
    assert message is not None
    response.message_id = message.message_id
    take(core, response)
    assert isinstance(waiter.result, holdfast.HoldfastError)
    assert (type(waiter.result).__name__, waiter.result.reason, waiter.result.operation_id) == (kind, reason, "a")
    assert core.idle


def test_too_many_linked_are_refused() -> None:
    core: Multiplexer[Waiter] = Multiplexer()
    with pytest.raises(holdfast.ResourceExhausted):
        core.add_linked([settle("a")] * 257, [Waiter()] * 257)
    assert core.idle
